"""Changes of nft's maps as one batch of netlink messages: all of it is done, or none. Pure.

Layouts: linux/netlink.h, nfnetlink.h (a batch is between two messages of its own), nf_tables.h. A
text for `nft` would be read by a program of its own, which takes longer than the kernel does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from captive_portal.gate.elements import Order

NFTABLES = 10
NEW_ELEMENT, DELETE_ELEMENT = NFTABLES << 8 | 12, NFTABLES << 8 | 14
REQUEST, ACK, CREATE = 0x1, 0x4, 0x400
_BEGIN, _END = 0x10, 0x11
_HEADER = struct.Struct("=IHHIIBB")
"""Of a message, with family and version of the general header; its last field is big-endian."""
_INET = 1
_NESTED = 0x8000
_MOST = 60_000
"""Octets of elements in a message: the length of an attribute has 16 bits."""


def batch(table: str, orders: Sequence[Order], first: int) -> tuple[bytes, int]:
    """Return the messages, and the number of the last one that is answered in any case.

    Args:
        table: Of the family inet.
        orders: What comes and goes, in this order.
        first: The number of the first message; each has one more than the one before.
    """
    bodies = [(order.comes, body) for order in orders for body in _bodies(table, order)]
    made = [_message(_BEGIN, REQUEST, first, b"", family=0, resource=NFTABLES)]
    for number, (comes, body) in enumerate(bodies, first + 1):
        kind, flags = (NEW_ELEMENT, CREATE) if comes else (DELETE_ELEMENT, 0)
        last = ACK if number == first + len(bodies) else 0
        made.append(_message(kind, REQUEST | flags | last, number, body, family=_INET))
    last_number = first + len(bodies)
    made.append(_message(_END, REQUEST, last_number + 1, b"", family=0, resource=NFTABLES))
    return b"".join(made), last_number


def _message(
    kind: int, flags: int, number: int, body: bytes, *, family: int, resource: int = 0
) -> bytes:
    size = _HEADER.size + 2 + len(body)
    head = _HEADER.pack(size, kind, flags, number, 0, family, 0)
    return head + struct.pack(">H", resource) + body + bytes(-size % 4)


def _bodies(table: str, order: Order) -> Iterator[bytes]:
    """Yield the body of each message that an order is."""
    named = _attribute(1, table.encode() + b"\0") + _attribute(2, order.map.encode() + b"\0")
    held: list[bytes] = []
    size = 0
    for packed in _elements(order):
        if size + len(packed) > _MOST:
            yield named + _attribute(3 | _NESTED, b"".join(held))
            held, size = [], 0
        held.append(packed)
        size += len(packed)
    if held:
        yield named + _attribute(3 | _NESTED, b"".join(held))


def _elements(order: Order) -> Iterator[bytes]:
    """Yield each element, made of few pieces: there may be 100,000."""
    heads: dict[tuple[int, bool, bool], tuple[bytes, bytes]] = {}
    for key, mark, ends_ms in order.elements:
        told = order.comes and mark is not None
        shape = (len(key), told, ends_ms is not None)
        if shape not in heads:
            heads[shape] = _pieces(*shape)
        head, middle = heads[shape]
        parts = [head, key, middle]
        if told:
            parts.append(struct.pack("=I", mark))
        if ends_ms is not None:
            parts.append(_ENDS)
            parts.append(ends_ms.to_bytes(8, "big"))
        yield b"".join(parts)


_ENDS = struct.pack("=HH", 12, 4)
"""NFTA_SET_ELEM_TIMEOUT."""


def _pieces(key: int, marked: bool, ends: bool) -> tuple[bytes, bytes]:
    """Return what comes before an element's key, and what between it and its mark."""
    of_key, of_mark, of_end = 8 + key, 12 if marked else 0, 12 if ends else 0
    head = struct.pack("=HH", 4 + of_key + of_mark + of_end, 1 | _NESTED)
    head += struct.pack("=HHHH", of_key, 1 | _NESTED, 4 + key, 1)  # KEY { VALUE }
    return head, struct.pack("=HHHH", 12, 2 | _NESTED, 8, 1) if marked else b""  # DATA { VALUE }


def _attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)
