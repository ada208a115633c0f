"""Which field of a template goes into which column of the `flows` log.

A plan is made once per layout. Every field is in one column, is part of the times or of the
sampling rate, says nothing of its own, or goes into `extra` under its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from collector.decode import times
from collector.decode.elements import REVERSE_PEN
from collector.decode.layout import VARIABLE, Layout
from collector.decode.sampling import RATE_ELEMENTS, SAMPLER_ELEMENTS

Element = tuple[int, int]
"""PEN and id."""

_NTOP = 35632

_STATION_MAC, _STATION_IP = (0, 365), (0, 366)
"""Whose traffic a WLAN controller counts: the source, where a record tells no ends. The MAC stands
in `extra` as well: there `attribute/hints.py` finds that a controller said it."""
_ENDS = ((0, 8), (0, 12), (0, 27), (0, 28))

MOST: Mapping[str, int] = {"u8": 0xFF, "u16": 0xFFFF, "u32": 0xFFFFFFFF, "u64": (1 << 63) - 1}
_BYTES: Mapping[str, int] = {"u8": 1, "u16": 2, "u32": 4, "u64": 7}
ARROW: Mapping[str, pa.DataType] = {
    "u8": pa.int32(),
    "u16": pa.int32(),
    "u32": pa.int64(),
    "u64": pa.int64(),
}

NUMBERS: Mapping[str, tuple[str, tuple[Element, ...]]] = {
    "src_port": ("u16", ((0, 7), (0, 182), (0, 180))),
    "dst_port": ("u16", ((0, 11), (0, 183), (0, 181))),
    "protocol": ("u8", ((0, 4),)),
    "packets": ("u64", ((0, 2), (0, 86), (0, 298))),
    "bytes": ("u64", ((0, 1), (0, 85), (0, 231), (0, 352))),
    "packets_reverse": ("u64", ((REVERSE_PEN, 2), (REVERSE_PEN, 86), (0, 299))),
    "bytes_reverse": ("u64", ((REVERSE_PEN, 1), (REVERSE_PEN, 85), (0, 232))),
    "tcp_flags": ("u16", ((0, 6),)),
    "tos": ("u8", ((0, 5),)),
    "in_if": ("u32", ((0, 10),)),
    "out_if": ("u32", ((0, 14),)),
    "direction": ("u8", ((0, 61),)),
    "vlan": ("u16", ((0, 58), (0, 243))),
    "src_as": ("u32", ((0, 16),)),
    "dst_as": ("u32", ((0, 17),)),
    "nat_src_port": ("u16", ((0, 227), (0, 40003))),
    "nat_dst_port": ("u16", ((0, 228), (0, 40004))),
    "nat_event": ("u8", ((0, 230),)),
    "end_reason": ("u8", ((0, 136),)),
    "firewall_event": ("u8", ((0, 233), (0, 40005))),
}
"""Column to its type and the elements it is taken from, best first."""

ADDRESSES: Mapping[str, tuple[tuple[Element, ...], tuple[Element, ...]]] = {
    "src_ip": (((0, 8), _STATION_IP), ((0, 27),)),
    "dst_ip": (((0, 12),), ((0, 28),)),
    "next_hop": (((0, 15), (0, 18)), ((0, 62), (0, 63))),
    "nat_src_ip": (((0, 225), (0, 40001)), ((0, 281),)),
    "nat_dst_ip": (((0, 226), (0, 40002)), ((0, 282),)),
}
"""Column to its IPv4 and its IPv6 elements."""

MACS: Mapping[str, tuple[Element, ...]] = {
    "src_mac": ((0, 56), (0, 81), _STATION_MAC),
    "dst_mac": ((0, 80), (0, 57)),
}

TEXTS: Mapping[str, tuple[Element, ...]] = {
    "app": ((0, 96), (0, 56701), (_NTOP, 119), (0, 57591)),
    "host": ((0, 460),),
}

ICMP: tuple[tuple[Element, Element | None], ...] = (
    ((0, 32), None),
    ((0, 139), None),
    ((0, 176), (0, 177)),
    ((0, 178), (0, 179)),
)
"""Type << 8 | code in one element, or type and code apart."""

_PARTNERS: Mapping[Element, Element] = {(0, 232): (0, 231), (0, 299): (0, 298)}
"""The responder's counters stand beside the initiator's: alone, the number is some vendor's own."""

_NOTHING_OF_ITS_OWN = ((0, 60), (0, 210))
"""IP version, which the addresses show, and padding."""

_PACKETS, _BYTES_OF_PACKETS = (2, 86), (1, 85)
_INTEGERS = (1, 2, 3, 4, 5, 6, 7, 8)
"""Sizes, in bytes."""


class Number(NamedTuple):
    """A column of integers."""

    column: str
    kind: str
    field: int
    checked: bool
    """Whether values may be too large for the column."""


class Address(NamedTuple):
    """A column of addresses, from an IPv4 field, an IPv6 field, or per row one of both."""

    column: str
    v4: int | None
    v6: int | None


class Plan(NamedTuple):
    """Where the fields of one layout go."""

    numbers: tuple[Number, ...]
    addresses: tuple[Address, ...]
    macs: tuple[tuple[str, int], ...]
    texts: tuple[tuple[str, int], ...]
    icmp: tuple[int, int | None] | None
    application: int | None
    """The applicationId, which options give a name."""
    ip_version: int | None
    sampler: int | None
    rate: tuple[tuple[int, int], ...]
    """Element and field that tell a sampling rate in the record."""
    extra: tuple[int, ...]
    counters: bool
    """Whether there are packets and the bytes of these on the wire: not those of a connection."""


def make(layout: Layout) -> Plan:
    """Return the plan for a layout's records."""
    fields = _Fields(layout)
    numbers = _numbers(fields)
    texts = fields.columns(TEXTS, ())
    named = any(column == "app" for column, _ in texts)
    return Plan(
        numbers=numbers,
        addresses=_addresses(fields),
        macs=fields.columns(MACS, (6,)),
        texts=texts,
        icmp=_icmp(fields),
        application=None if named else fields.first(((0, 95),)),
        ip_version=fields.places.get((0, 60)),
        sampler=next(
            (fields.places[0, e] for e in SAMPLER_ELEMENTS if (0, e) in fields.places), None
        ),
        rate=_rate(fields),
        counters=_counts_packets(layout, numbers),
        extra=fields.left(),
    )


class _Fields:
    """The fields of a layout, and which of them have been given a place."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.places = layout.places
        self._used = times.used(layout)
        self._used.update(self.places[e] for e in _NOTHING_OF_ITS_OWN if e in self.places)
        self._ends = any(end in self.places for end in _ENDS)

    def first(self, candidates: tuple[Element, ...], sizes: tuple[int, ...] = ()) -> int | None:
        """Give a place to the first candidate that is there in one of the sizes, and return it."""
        for element in candidates:
            field = self._at(element)
            if field is not None and _fits(self.layout, field, sizes):
                self._used.add(field)
                return field
        return None

    def columns(
        self, candidates: Mapping[str, tuple[Element, ...]], sizes: tuple[int, ...]
    ) -> tuple[tuple[str, int], ...]:
        """Return the columns of which a candidate is there, and its field."""
        found = ((column, self.first(each, sizes)) for column, each in candidates.items())
        return tuple((column, field) for column, field in found if field is not None)

    def left(self) -> tuple[int, ...]:
        """Return the fields for `extra`. Call it last."""
        used = self._used - {self.places.get(_STATION_MAC)}
        return tuple(
            i
            for i, (field, element) in enumerate(
                zip(self.layout.fields, self.layout.elements, strict=True)
            )
            if i not in used and field.size and element.name != "paddingOctets"
        )

    def _at(self, element: Element) -> int | None:
        """Return where an element is, unless it means something else in this company."""
        alone = _PARTNERS.get(element, element) not in self.places
        if alone or (self._ends and element in (_STATION_MAC, _STATION_IP)):
            return None
        return self.places.get(element)


def _numbers(fields: _Fields) -> tuple[Number, ...]:
    return tuple(
        Number(column, kind, field, _may_overflow(fields.layout, field, kind))
        for column, (kind, candidates) in NUMBERS.items()
        if (field := fields.first(candidates, _INTEGERS)) is not None
    )


def _addresses(fields: _Fields) -> tuple[Address, ...]:
    found = (
        Address(column, fields.first(fours, (4,)), fields.first(sixes, (16,)))
        for column, (fours, sixes) in ADDRESSES.items()
    )
    return tuple(each for each in found if each.v4 is not None or each.v6 is not None)


def _icmp(fields: _Fields) -> tuple[int, int | None] | None:
    for both, code in ICMP:
        kind = fields.first((both,), _INTEGERS)
        if kind is not None:
            return kind, None if code is None else fields.first((code,), (1,))
    return None


def _rate(fields: _Fields) -> tuple[tuple[int, int], ...]:
    found = ((element, fields.first(((0, element),), _INTEGERS)) for element in RATE_ELEMENTS)
    return tuple((element, field) for element, field in found if field is not None)


def _counts_packets(layout: Layout, numbers: tuple[Number, ...]) -> bool:
    taken = {number.column: layout.fields[number.field].id for number in numbers}
    return taken.get("packets") in _PACKETS and taken.get("bytes") in _BYTES_OF_PACKETS


def _fits(layout: Layout, field: int, sizes: tuple[int, ...]) -> bool:
    size = layout.fields[field].size
    return size == VARIABLE or (size in sizes if sizes else size > 0)


def _may_overflow(layout: Layout, field: int, kind: str) -> bool:
    return layout.fields[field].size > _BYTES[kind]
