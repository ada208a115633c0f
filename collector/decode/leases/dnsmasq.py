"""dnsmasq's lease file: a line a lease, written anew in place whenever a lease changes.

`EXPIRES MAC ADDRESS NAME CLIENT-ID`, `*` for what is not known, 0 for a lease that never ends; a
line `duid …` tells the server's own id, and lines after it are of DHCPv6:
`EXPIRES IAID ADDRESS NAME DUID` (dnsmasq's lease.c, lease_update_file).
"""

from __future__ import annotations

from collector.decode.leases import held
from collector.decode.leases.held import Held, Reading


def read(text: str) -> Reading:
    """Return the leases in a file; lines that are none are counted."""
    whole, end, _cut = text.rpartition("\n")
    leases: dict[str, Held] = {}
    faults, after_duid = 0, False
    for line in whole.split("\n") if end else ():
        words = line.split(" ")
        if words[0] == "duid" or not line:
            after_duid = after_duid or words[0] == "duid"
            continue
        lease = _lease(words, v6=after_duid)
        if lease is None or len(leases) >= held.MOST_LEASES:
            faults += 1
        else:
            leases[lease.ip] = lease
    return Reading(leases, faults, complete=text.endswith("\n") or not text)


def _lease(words: list[str], *, v6: bool) -> Held | None:
    if len(words) < 4 or not words[0].isascii() or not words[0].isdecimal():
        return None
    ip, ends = held.address(words[2]), int(words[0][:12])
    if ip is None or (":" in ip) is not v6:
        return None
    identity = held.identity(words[4]) if len(words) > 4 else ""
    return Held(
        ip=ip,
        mac=held.mac_in(identity) if v6 else _mac(words[1]),
        hostname="" if words[3] == "*" else held.name(words[3]),
        client_id=identity,
        expires=held.seconds(ends) if ends else None,
    )


def _mac(text: str) -> str:
    """Hardware that is not Ethernet has its type in front: `20-aa:bb:…`."""
    return held.mac(text.rpartition("-")[2])
