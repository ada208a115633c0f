"""The MAC behind an address, as the kernel knows it of its own links."""

from __future__ import annotations

from pathlib import Path

ARP_TABLE = Path("/proc/net/arp")
_COMPLETE = 0x2


def mac_of(address: str, table: Path = ARP_TABLE) -> str:
    """Return the MAC of an IPv4 neighbour, lower case with colons; empty when it is not known."""
    try:
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return ""
    for line in lines:
        fields = line.split()
        if len(fields) >= 4 and fields[0] == address and int(fields[2], 16) & _COMPLETE:
            return fields[3].lower()
    return ""
