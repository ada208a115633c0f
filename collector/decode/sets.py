"""The walk over the sets of a NetFlow v9 or IPFIX datagram, by set length alone."""

from __future__ import annotations

import struct

_SET_HEADER = struct.Struct(">HH")
MOST_PADDING = 3
"""Bytes that fill a set up to a multiple of four (RFC 7011 section 3.3.1)."""


def walk(payload: bytes, start: int, end: int) -> tuple[list[tuple[int, bytes]], int]:
    """Return (set id, body) of every whole set in `payload[start:end]`, and how many are broken.

    A set of id 0 and length 0 ends a datagram that is filled up with zeros. Any other length that
    is too small or reaches past the end breaks the walk: what follows cannot be found.
    """
    sets: list[tuple[int, bytes]] = []
    unpack = _SET_HEADER.unpack_from
    while end - start >= _SET_HEADER.size:
        set_id, length = unpack(payload, start)
        if length < _SET_HEADER.size or start + length > end:
            return sets, 0 if set_id == length == 0 else 1
        sets.append((set_id, payload[start + 4 : start + length]))
        start += length
    return sets, 0


def is_unread(body: bytes, rest: int) -> bool:
    """Tell whether the last `rest` bytes of a set, in which no record is whole, are no padding."""
    return rest > MOST_PADDING and bool(body[-rest:].strip(b"\0"))
