"""Questions to one device whether it is still at its address: ARP and ND, to its own MAC.

The kernel asks whoever spoke last, and that may be the one who claims what is another's. A device
that is there answers this, and the kernel then knows it again (`captive_portal/desk/claims.py`).
"""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from captive_portal.gate.plan import Plan, ZonePlan

CLASS_NET = Path("/sys/class/net")
_ARP, _IPV6 = 0x0806, 0x86DD
_ICMPV6, _SOLICIT, _SOURCE = 58, 135, 1
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")
Pair = tuple[str, str]
"""An address, and the MAC that is asked."""


def ask(plan: Plan, pairs: Sequence[Pair]) -> int:
    """Ask devices in zones of the plan; return how many questions went out."""
    of_zone: dict[ZonePlan, list[tuple[IPv4Address | IPv6Address, bytes]]] = defaultdict(list)
    for text, mac in pairs:
        address = ip_address(text)
        zone = next((one for one in plan.zones if _own(one, address) is not None), None)
        if zone is not None:
            of_zone[zone].append((address, bytes.fromhex(mac.replace(":", ""))))
    return sum(_send(zone, asked) for zone, asked in of_zone.items())


def _send(zone: ZonePlan, asked: Iterable[tuple[IPv4Address | IPv6Address, bytes]]) -> int:
    sent = 0
    try:
        box = _mac(zone.interface)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.setblocking(False)
            wire.bind((zone.interface, 0))
            for address, mac in asked:
                wire.send(question(_own(zone, address), box, address, mac))
                sent += 1
    except (OSError, ValueError):
        return sent  # it is asked again in a second
    return sent


def question(
    own: IPv4Address | IPv6Address | None,
    box: bytes,
    address: IPv4Address | IPv6Address,
    mac: bytes,
) -> bytes:
    """Return a frame that asks a device for its address.

    Args:
        own: The box's address in that zone.
        box: The box's MAC.
        address: Asked for.
        mac: Who is asked.

    Raises:
        ValueError: the box has no address of that family there.
    """
    if isinstance(own, IPv4Address) and isinstance(address, IPv4Address):
        told = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + box + own.packed
        return _frame(mac, box, _ARP, told + bytes(6) + address.packed)
    if isinstance(own, IPv6Address) and isinstance(address, IPv6Address):
        # To the group of the address, for an answer to it names the MAC (RFC 4861 7.2.4).
        group = _SOLICITED_NODE + address.packed[13:]
        told = address.packed + bytes((_SOURCE, 1)) + box
        ends = own.packed + group
        summed = checksum(ends + struct.pack("!IIBBHI", 32, _ICMPV6, _SOLICIT, 0, 0, 0) + told)
        head = struct.pack("!IHBB", 6 << 28, 32, _ICMPV6, 255) + ends
        return _frame(mac, box, _IPV6, head + struct.pack("!BBHI", _SOLICIT, 0, summed, 0) + told)
    raise ValueError("no address of the box in that family")


def checksum(octets: bytes) -> int:
    """Return the Internet checksum of an even number of octets (RFC 1071)."""
    total = int(sum(struct.unpack(f"!{len(octets) // 2}H", octets)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _frame(to: bytes, box: bytes, kind: int, told: bytes) -> bytes:
    return to + box + kind.to_bytes(2, "big") + told


def _own(zone: ZonePlan, address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address | None:
    """Return the box's address in a zone where an address is of its network."""
    for own in (zone.address, zone.address6):
        if own is not None and address in own.network:
            return own.ip
    return None


def _mac(interface: str) -> bytes:
    return bytes.fromhex((CLASS_NET / interface / "address").read_text().strip().replace(":", ""))
