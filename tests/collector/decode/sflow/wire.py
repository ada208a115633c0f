"""sFlow datagrams as agents send them, built field by field for the tests (sFlow version 5)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

AGENT = "192.0.2.1"
INTERNAL = 0x3FFFFFFF


def datagram(
    *samples: bytes,
    sequence: int = 1,
    agent: str = AGENT,
    sub_agent: int = 0,
    uptime: int = 1_000_000,
    count: int | None = None,
) -> bytes:
    """Return a datagram; `count` lies about how many samples it has."""
    said = len(samples) if count is None else count
    head = struct.pack(">I", 5) + address(agent)
    return head + struct.pack(">IIII", sub_agent, sequence, uptime, said) + b"".join(samples)


def flow(
    *records: bytes,
    sequence: int = 1,
    source: int = 3,
    rate: int = 512,
    drops: int = 0,
    ends: tuple[int, int] = (3, 4),
) -> bytes:
    """Return a flow sample; interfaces have two bits of format."""
    fixed = (sequence, source, rate, rate * sequence & 0xFFFFFFFF, drops, *ends, len(records))
    return tagged(1, struct.pack(">8I", *fixed) + b"".join(records))


def flow_expanded(
    *records: bytes,
    sequence: int = 1,
    source: tuple[int, int] = (0, 3),
    rate: int = 512,
    drops: int = 0,
    came: tuple[int, int] = (0, 3),
    went: tuple[int, int] = (0, 4),
) -> bytes:
    """Return an expanded flow sample; formats and classes stand apart."""
    fixed = (sequence, *source, rate, rate * sequence & 0xFFFFFFFF, drops, *came, *went)
    return tagged(3, struct.pack(">11I", *fixed, len(records)) + b"".join(records))


def discard(
    *records: bytes, sequence: int = 1, source: int = 3, drops: int = 0, reason: int = 259
) -> bytes:
    """Return a sample of a discarded packet."""
    fixed = (sequence, 0, source, drops, 3, 0, reason, len(records))
    return tagged(5, struct.pack(">8I", *fixed) + b"".join(records))


def counters(sequence: int = 1, source: int = 3) -> bytes:
    """Return a sample of the generic counters of an interface."""
    generic = tagged(1, struct.pack(">IIQII", 3, 6, 10**9, 1, 3) + bytes(64))
    return tagged(2, struct.pack(">III", sequence, source, 1) + generic)


def frame(octets: bytes, *, length: int | None = None, protocol: int = 1) -> bytes:
    """Return the record of a frame's first bytes."""
    said = len(octets) + 4 if length is None else length
    return tagged(1, struct.pack(">IIII", protocol, said, 4, len(octets)) + padded(octets))


def ipv4(src: str, dst: str, *, protocol: int = 6, ports: tuple[int, int] = (40000, 443)) -> bytes:
    """Return sampled_ipv4."""
    ends = ipaddress.IPv4Address(src).packed + ipaddress.IPv4Address(dst).packed
    return tagged(
        3, struct.pack(">II", 1400, protocol) + ends + struct.pack(">IIII", *ports, 0x18, 8)
    )


def ipv6(src: str, dst: str, *, protocol: int = 17, ports: tuple[int, int] = (5353, 53)) -> bytes:
    """Return sampled_ipv6."""
    ends = ipaddress.IPv6Address(src).packed + ipaddress.IPv6Address(dst).packed
    return tagged(4, struct.pack(">II", 900, protocol) + ends + struct.pack(">IIII", *ports, 0, 0))


def ethernet(src: str, dst: str, kind: int) -> bytes:
    """Return sampled_ethernet; MAC addresses take eight bytes."""
    macs = b"".join(bytes.fromhex(mac.replace(":", "")) + b"\0\0" for mac in (src, dst))
    return tagged(2, struct.pack(">I", 64) + macs + struct.pack(">I", kind))


def switch(before: int, after: int) -> bytes:
    """Return extended_switch."""
    return tagged(1001, struct.pack(">IIII", before, 0, after, 0))


def router(next_hop: str, src_bits: int, dst_bits: int) -> bytes:
    """Return extended_router."""
    return tagged(1002, address(next_hop) + struct.pack(">II", src_bits, dst_bits))


def gateway(
    next_hop: str, numbers: tuple[int, int, int], path: Sequence[tuple[int, Sequence[int]]]
) -> bytes:
    """Return extended_gateway: own, source's and peer's number, and segments of the path."""
    segments = b"".join(
        struct.pack(f">II{len(each)}I", kind, len(each), *each) for kind, each in path
    )
    body = address(next_hop) + struct.pack(">IIII", *numbers, len(path)) + segments
    return tagged(1003, body + struct.pack(">III", 1, 65536, 100))


def user(src: str, dst: str) -> bytes:
    """Return extended_user, in UTF-8 (MIB enumeration 106)."""
    return tagged(1004, b"".join(struct.pack(">I", 106) + text(name) for name in (src, dst)))


def nat(src: str, dst: str) -> bytes:
    """Return extended_nat."""
    return tagged(1007, address(src) + address(dst))


def nat_port(src: int, dst: int) -> bytes:
    """Return extended_nat_port."""
    return tagged(1020, struct.pack(">II", src, dst))


def tagged(tag: int, body: bytes) -> bytes:
    """Return a sample or a record: its format, its length, and what it holds."""
    return struct.pack(">II", tag, len(body)) + body


def address(words: str) -> bytes:
    """Return an address with its type before it."""
    if not words:
        return struct.pack(">I", 0)
    packed = ipaddress.ip_address(words).packed
    return struct.pack(">I", 1 if len(packed) == 4 else 2) + packed


def text(words: str) -> bytes:
    """Return a string with its length before it."""
    octets = words.encode()
    return struct.pack(">I", len(octets)) + padded(octets)


def padded(octets: bytes) -> bytes:
    """Return bytes filled up to a multiple of four."""
    return octets + bytes(-len(octets) % 4)
