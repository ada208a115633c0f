"""A lease as a server's file has it, whatever the format; and the values that all formats share."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MOST_LEASES = 500_000
"""Of one file; what more there are is counted as faults."""
_LONGEST_NAME = 255
_LAST = datetime(2399, 12, 31, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An address that is lent to a machine."""

    ip: str
    """Canonical; of a prefix its first address."""
    mac: str = ""
    hostname: str = ""
    client_id: str = ""
    """Hex with colons."""
    start: datetime | None = None
    expires: datetime | None = None
    """None: for ever, or not told."""

    @property
    def holder(self) -> tuple[str, str]:
        """What tells its machine from others."""
        return (self.mac, "" if self.mac else self.client_id)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a lease file holds."""

    held: dict[str, Held]
    """By address."""
    faults: int
    """Entries that could not be read, without one that is being written at the end."""
    complete: bool
    """False where the end is cut: the server was writing."""


def address(text: str) -> str | None:
    """Return an address in canonical text, IPv4 not inside IPv6; None when it is none."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def mac(text: str) -> str:
    """Return a MAC address in lower case with colons, empty when it is none."""
    found = re.fullmatch(r"(?:[0-9A-Fa-f]{1,2}[:-]){5}[0-9A-Fa-f]{1,2}", text)
    if found:
        return ":".join(part.rjust(2, "0") for part in re.split("[:-]", text.lower()))
    bare = re.fullmatch(r"[0-9A-Fa-f]{12}", text)
    return ":".join(text.lower()[at : at + 2] for at in range(0, 12, 2)) if bare else ""


def identity(text: str) -> str:
    """Return a client id or DUID as hex with colons; empty when it is not hex."""
    return text.lower() if re.fullmatch(r"(?:[0-9A-Fa-f]{2}:){0,127}[0-9A-Fa-f]{2}", text) else ""


def mac_in(duid: str) -> str:
    """Return the MAC in a DUID-LLT or DUID-LL of Ethernet (RFC 8415 section 11.2, 11.4)."""
    if duid.startswith("00:01:00:01:") and len(duid) == 14 * 3 - 1:
        return duid[-17:]
    return duid[-17:] if duid.startswith("00:03:00:01:") and len(duid) == 10 * 3 - 1 else ""


def name(text: str) -> str:
    """Return a host name with what cannot be shown left out."""
    return "".join(c for c in text[:_LONGEST_NAME] if c.isprintable())


def seconds(value: int) -> datetime:
    """Return seconds since the epoch as a time, at most the end of 2399."""
    return _LAST if value > 13_569_379_200 else max(_EPOCH, _EPOCH + timedelta(seconds=value))
