"""Messages about connections as the kernel writes them, attribute by attribute."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from typing import Any

from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.records import Frame, FrameKind
from tests.collector.decode import rows

NOW_NS = 1_800_000_000_000_000_000
S = 1_000_000_000
NEW, DESTROY, OPEN = (0x100, 0x600), (0x102, 0), (0x100, 0x2)
"""Type and flags."""
UDP = (17, 40000, 53)


def attribute(kind: int, *values: bytes) -> bytes:
    """Return one attribute, padded."""
    value = b"".join(values)
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def way(kind: int, src: str, dst: str, protocol: tuple[int, ...] = UDP, zone: int = 0) -> bytes:
    """Return one direction: addresses, protocol and ports (or ICMP id, type and code)."""
    one, other = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    first = 1 if one.version == 4 else 3
    ip = attribute(first, one.packed) + attribute(first + 1, other.packed)
    number, *rest = protocol
    told = attribute(1, bytes([number]))
    if number in (1, 58):
        base = 4 if number == 1 else 7
        told += attribute(base, struct.pack(">H", rest[0]))
        told += attribute(base + 1, bytes([rest[1]])) + attribute(base + 2, bytes([rest[2]]))
    elif rest:
        told += attribute(2, struct.pack(">H", rest[0])) + attribute(3, struct.pack(">H", rest[1]))
    zones = attribute(3, struct.pack(">H", zone)) if zone else b""
    return attribute(0x8000 | kind, attribute(0x8001, ip), attribute(0x8002, told), zones)


def counters(kind: int, packets: int, octets: int) -> bytes:
    """Return the counters of one direction."""
    values = attribute(1, struct.pack(">Q", packets)) + attribute(2, struct.pack(">Q", octets))
    return attribute(0x8000 | kind, values)


def stamps(start_ns: int, stop_ns: int | None = None) -> bytes:
    """Return the times at which a connection began and ended."""
    values = attribute(1, struct.pack(">Q", start_ns))
    values += b"" if stop_ns is None else attribute(2, struct.pack(">Q", stop_ns))
    return attribute(0x8014, values)


def number(kind: int, value: int, size: int = 4) -> bytes:
    """Return an attribute that is one number."""
    return attribute(kind, value.to_bytes(size, "big"))


def message(kind: tuple[int, int], *attributes: bytes) -> bytes:
    """Return a whole message."""
    body = bytes([2, 0, 0, 0]) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), *kind, 0, 0) + body


def translated(kind: tuple[int, int], *more: bytes, port: int = 40000, key: int = 7) -> bytes:
    """Return a message about a DNS question behind NAT."""
    there = way(1, "10.0.0.5", "203.0.113.53", (17, port, 53))
    back = way(2, "203.0.113.53", "198.51.100.7", (17, 53, 61000))
    return message(kind, there, back, number(12, key), *more)


def frames(*payloads: bytes, first: int = 0, after_ns: int = 0) -> list[Frame]:
    """Return a frame for each payload, a second apart."""
    return [
        Frame(
            kind=FrameKind.CONNTRACK,
            site="school-a",
            received_ns=NOW_NS + after_ns + at * S,
            wire_ns=NOW_NS + after_ns + at * S,
            transport="local",
            payload=payload,
            number=first + at,
        )
        for at, payload in enumerate(payloads)
    ]


def decode(*payloads: bytes) -> list[dict[str, Any]]:
    """Return the rows of the payloads."""
    return rows.of(ConntrackDecoder("school-a").decode(frames(*payloads)))


def decode_by(sizes: Sequence[int], found: list[Frame]) -> list[dict[str, Any]]:
    """Return the rows of frames that are handed over in pieces of these sizes."""
    decoder, made = ConntrackDecoder("school-a"), []
    for size in sizes:
        made += rows.of(decoder.decode(found[:size]))
        found = found[size:]
    return made + rows.of(decoder.decode(found))
