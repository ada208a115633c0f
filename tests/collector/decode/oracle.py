"""A slow decoder, one record and one field at a time, to compare the batched one with.

It shares no line with the product: it walks bytes with `struct` and knows no NumPy.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from typing import Any

from tests.collector.decode.wire import Spec

VARIABLE = 65535


def ipv6(octets: bytes) -> str:
    """Return an IPv6 address."""
    address = ipaddress.IPv6Address(octets)
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


ADDRESSES: dict[tuple[str, int], Callable[[bytes], str]] = {
    ("ipv4Address", 4): lambda octets: ".".join(str(octet) for octet in octets),
    ("ipv6Address", 16): ipv6,
    ("macAddress", 6): lambda octets: ":".join(f"{octet:02x}" for octet in octets),
}


def records(body: bytes, fields: list[Spec]) -> list[list[bytes]]:
    """Return the values of every whole record in a set's body."""
    found = []
    at = 0
    while at < len(body):
        values, end = _record(body, at, fields)
        if values is None or end == at:
            break
        found.append(values)
        at = end
    return found


def _record(body: bytes, at: int, fields: list[Spec]) -> tuple[list[bytes] | None, int]:
    values = []
    for spec in fields:
        size = spec[1]
        if size == VARIABLE:
            if at >= len(body):
                return None, at
            size, at = body[at], at + 1
            if size == 255:
                if at + 2 > len(body):
                    return None, at
                (size,) = struct.unpack_from(">H", body, at)
                at += 2
        if at + size > len(body):
            return None, at
        values.append(body[at : at + size])
        at += size
    return values, at


def value(octets: bytes, kind: str, *, is_variable: bool) -> Any:
    """Return a value as `prathu inspect` shows it."""
    if not octets and not is_variable:
        return None
    if not is_variable and (kind, len(octets)) in ADDRESSES:
        return ADDRESSES[kind, len(octets)](octets)
    if kind == "string":
        return octets.rstrip(b"\0").decode("utf-8", "replace")
    never = kind.endswith(("Address", "List")) or (
        is_variable and kind in ("octetArray", "unknown")
    )
    if never or len(octets) > 8:
        return octets.hex()
    if not octets:
        return None
    number = int.from_bytes(octets, "big")
    return {1: True, 2: False}.get(number, number) if kind == "boolean" else number
