"""Kea's memfile: CSV, a row for each change, the last of an address counts.

The first row names the columns (`address`, `hwaddr`, `client_id` or `duid`, `valid_lifetime`,
`expire`, `hostname`, `state`, …), of DHCPv4 and DHCPv6 alike; a comma inside a value is written
`&#x2c`. A row whose lifetime is 0, or whose state is not 0, ends the lease (Kea's memfile backend).
"""

from __future__ import annotations

from collector.decode.leases import held
from collector.decode.leases.held import Held, Reading

_NEEDED = {"address", "valid_lifetime", "expire"}


def read(text: str) -> Reading:
    """Return the leases in a file, or in several in a row; rows that are none are counted."""
    whole, end, _cut = text.rpartition("\n")
    leases: dict[str, Held] = {}
    names: list[str] = []
    faults = 0
    for line in whole.split("\n") if end else ():
        cells = line.rstrip("\r").split(",")
        if cells[0] == "address":
            names = cells if set(cells) >= _NEEDED else []
            continue
        row = dict(zip(names, cells, strict=False))
        ip = held.address(row.get("address", ""))
        if ip is None or len(leases) >= held.MOST_LEASES:
            faults += bool(line)
        elif row.get("valid_lifetime") == "0" or row.get("state", "0") not in ("0", ""):
            leases.pop(ip, None)
        elif (lease := _lease(ip, row)) is None:
            faults += 1
        else:
            leases[ip] = lease
    return Reading(leases, faults, complete=text.endswith("\n") or not text)


def _lease(ip: str, row: dict[str, str]) -> Held | None:
    expire, lifetime = row.get("expire", ""), row.get("valid_lifetime", "")
    if not _number(expire) or not _number(lifetime):
        return None
    # 2^32 - 1 seconds mean for ever (RFC 2131 section 3.3).
    forever = int(lifetime) >= 0xFFFFFFFF
    ends = None if forever else held.seconds(int(expire))
    duid = held.identity(row.get("duid", ""))
    return Held(
        ip=ip,
        mac=held.mac(row.get("hwaddr", "")) or held.mac_in(duid),
        hostname=held.name(row.get("hostname", "").replace("&#x2c", ",").rstrip(".")),
        client_id=duid or held.identity(row.get("client_id", "")),
        start=None if ends is None else held.seconds(int(expire) - int(lifetime)),
        expires=ends,
    )


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 12
