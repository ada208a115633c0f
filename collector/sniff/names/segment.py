# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""From an IP packet to what one port said to another (RFC 791, 8200, 768, 9293)."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from collector.sniff.names.errors import Unreadable

TCP, UDP = 6, 17


class Ends(NamedTuple):
    """Who speaks with whom; addresses as in the packet, of 4 or 16 octets."""

    protocol: int
    source: bytes
    source_port: int
    target: bytes
    target_port: int


class Segment(NamedTuple):
    """What one port said to another."""

    ends: Ends
    sequence: int
    """TCP's number of the first octet; of UDP 0."""
    payload: bytes
    whole: bool
    """False where only the beginning of the packet is here."""


def read(packet: bytes) -> Segment:
    """Return what a packet holds; what stands behind its end, as padding does, is left out.

    Raises:
        Unreadable: it is not what it says.
    """
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        begin, end = (packet[0] & 15) * 4, int.from_bytes(packet[2:4])
        protocol, source, target = packet[9], packet[12:16], packet[16:20]
        # Of a first fragment the rest comes by itself.
        whole = end <= len(packet) and not packet[6] & 0x20
    elif version == 6 and len(packet) >= 40:
        begin, end = 40, 40 + int.from_bytes(packet[4:6])
        protocol, source, target = packet[6], packet[8:24], packet[24:40]
        whole = end <= len(packet)
    else:
        raise Unreadable("packet")
    packet = packet[:end]
    if begin < 20 or len(packet) < begin + 8 or protocol not in (TCP, UDP):
        raise Unreadable("packet")
    ports = int.from_bytes(packet[begin : begin + 2]), int.from_bytes(packet[begin + 2 : begin + 4])
    ends = Ends(protocol, source, ports[0], target, ports[1])
    if protocol == UDP:
        size = int.from_bytes(packet[begin + 4 : begin + 6])
        return Segment(ends, 0, packet[begin + 8 : begin + size] if size else b"", whole)
    if len(packet) < begin + 20 or (data := packet[begin + 12] >> 4) < 5:
        raise Unreadable("packet")
    sequence = int.from_bytes(packet[begin + 4 : begin + 8])
    return Segment(ends, sequence, packet[begin + data * 4 :], whole)


@lru_cache(maxsize=8192)
def text(address: bytes) -> str:
    """Return an address in canonical text, an IPv4-mapped one as IPv4."""
    read = ipaddress.ip_address(address)
    mapped = read.ipv4_mapped if isinstance(read, ipaddress.IPv6Address) else None
    return str(mapped or read)


@lru_cache(maxsize=8192)
def is_host(address: bytes) -> bool:
    """Return whether an address is one machine's: neither of a group, nor of none or of all."""
    read = ipaddress.ip_address(address)
    return not (read.is_multicast or read.is_unspecified or address == b"\xff\xff\xff\xff")
