"""Netlink messages about connections: where in each of them which value stands.

A message is a netlink header (RFC 3549 section 2.3.2), four bytes of nfnetlink, then attributes:
length, type, value, padded to four bytes; some hold attributes in turn. The numbers are those of
`linux/netfilter/nfnetlink_conntrack.h`. Lengths and types are in the order of the machine, values
in that of the network.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.errors import Malformed

HEADER = struct.Struct("=IHHII")
"""Size with this header, type, flags, sequence, sender."""
ATTRIBUTES_AT = HEADER.size + 4
CREATED, DESTROYED = 0x100, 0x102
"""Types of messages: IPCTNL_MSG_CT_NEW and _DELETE of the subsystem CTNETLINK."""
MULTI, CREATE = 0x2, 0x400
"""Flags: part of an answer, and of an event: this is new."""

_ATTRIBUTE = struct.Struct("=HH")
_TYPE = 0x3FFF
"""The two upper bits say that it is nested, and in which order its bytes are."""


class Field(NamedTuple):
    """A value with a place in a message."""

    name: str
    size: int
    """In bytes."""


Table = Mapping[int, "Field | Table"]
"""What the attributes of one level are; what is not named is skipped."""


def _tuple(way: str) -> Table:
    """Return the attributes of one direction: CTA_TUPLE_IP, _PROTO and _ZONE."""
    ip = {
        1: Field(f"{way}_src4", 4),
        2: Field(f"{way}_dst4", 4),
        3: Field(f"{way}_src6", 16),
        4: Field(f"{way}_dst6", 16),
    }
    protocol = {
        1: Field(f"{way}_protocol", 1),
        2: Field(f"{way}_src_port", 2),
        3: Field(f"{way}_dst_port", 2),
        4: Field(f"{way}_icmp_id", 2),
        5: Field(f"{way}_icmp_type", 1),
        6: Field(f"{way}_icmp_code", 1),
        7: Field(f"{way}_icmp_id", 2),
        8: Field(f"{way}_icmp_type", 1),
        9: Field(f"{way}_icmp_code", 1),
    }
    return {1: ip, 2: protocol, 3: Field(f"{way}_zone", 2)}


def _counters(way: str) -> Table:
    return {1: Field(f"{way}_packets", 8), 2: Field(f"{way}_bytes", 8)}


_CONNECTION: Table = {
    1: _tuple("orig"),
    2: _tuple("reply"),
    8: Field("mark", 4),
    9: _counters("orig"),
    10: _counters("reply"),
    12: Field("id", 4),
    18: Field("zone", 2),
    20: {1: Field("start_ns", 8), 2: Field("stop_ns", 8)},
    27: Field("event_ns", 8),
}
_NEEDED = ("src", "dst")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands in messages of one make."""

    heads: list[int] = field(default_factory=list)
    """Offsets of the attributes that were looked at: with equal heads there, the make is equal."""
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Offset and size of each value, by name."""


def read(message: bytes) -> Layout:
    """Return where the values of a message about a connection stand.

    Raises:
        Malformed: lengths that cannot be, or addresses that are missing.
    """
    layout = Layout()
    if len(message) < ATTRIBUTES_AT:
        raise Malformed(f"a message of {len(message)} bytes, {ATTRIBUTES_AT} is the least")
    _walk(message, ATTRIBUTES_AT, len(message), _CONNECTION, layout)
    told = layout.places
    whole = [
        version
        for version in "46"
        if all(f"{way}_{end}{version}" in told for way in ("orig", "reply") for end in _NEEDED)
    ]
    if len(whole) != 1:
        raise Malformed("not the two addresses of both directions, of one family")
    return layout


def _walk(message: bytes, at: int, end: int, table: Table, layout: Layout) -> None:
    """Note the attributes from `at` to `end`; as deep as the tables, whatever the message says."""
    while at + _ATTRIBUTE.size <= end:
        size, kind = _ATTRIBUTE.unpack_from(message, at)
        if size < _ATTRIBUTE.size or at + size > end:
            raise Malformed(f"an attribute of {size} bytes at offset {at}, {end - at} left")
        layout.heads.append(at)
        meant = table.get(kind & _TYPE)
        value = at + _ATTRIBUTE.size
        if isinstance(meant, Field):
            if size != _ATTRIBUTE.size + meant.size:
                raise Malformed(f"{meant.name} has {size - _ATTRIBUTE.size} bytes")
            layout.places[meant.name] = value, meant.size
        elif meant is not None:
            _walk(message, value, at + size, meant, layout)
        at += size + 3 & ~3


def split(payload: bytes) -> tuple[list[int], list[int], bool]:
    """Return where the messages in `payload` begin, their sizes, and whether that is all of it."""
    starts: list[int] = []
    sizes: list[int] = []
    at, end = 0, len(payload)
    size_at = _SIZE.unpack_from
    while at + HEADER.size <= end:
        (size,) = size_at(payload, at)
        if size < HEADER.size or at + size > end:
            return starts, sizes, False
        starts.append(at)
        sizes.append(size)
        at += size + 3 & ~3
    return starts, sizes, at >= end


_SIZE = struct.Struct("=I")
