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
    "src_ip": (((0, 8), (0, 366)), ((0, 27),)),
    "dst_ip": (((0, 12),), ((0, 28),)),
    "next_hop": (((0, 15), (0, 18)), ((0, 62), (0, 63))),
    "nat_src_ip": (((0, 225), (0, 40001)), ((0, 281),)),
    "nat_dst_ip": (((0, 226), (0, 40002)), ((0, 282),)),
}
"""Column to its IPv4 and its IPv6 elements. Controllers of wireless networks name the station alone
(366): how much it sent or received by an application."""

MACS: Mapping[str, tuple[Element, ...]] = {
    "src_mac": ((0, 56), (0, 81)),
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

_STATION: Mapping[str, Element] = {"src_ip": (0, 366), "src_mac": (0, 365)}
"""Whose traffic a WLAN controller counts, where it tells no ends of it."""
_ENDS = ((0, 8), (0, 12), (0, 27), (0, 28))

_PARTNERS: Mapping[Element, Element] = {(0, 232): (0, 231), (0, 299): (0, 298)}
"""The responder's counters stand beside the initiator's: alone, the number is some vendor's own."""

_NOTHING_OF_ITS_OWN = ((0, 60), (0, 210))
"""IP version, which the addresses show, and padding."""


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
    places, used = layout.places, times.used(layout)

    def first(candidates: tuple[Element, ...], sizes: tuple[int, ...] = ()) -> int | None:
        for element in candidates:
            field = places.get(element) if _PARTNERS.get(element, element) in places else None
            if field is not None and _fits(layout, field, sizes):
                used.add(field)
                return field
        return None

    def pick(candidates: Mapping[str, tuple[Element, ...]], sizes: tuple[int, ...]) -> _Places:
        found = ((column, first(each, sizes)) for column, each in candidates.items())
        return tuple((column, field) for column, field in found if field is not None)

    station = {} if any(end in places for end in _ENDS) else _STATION

    def ends(column: str, candidates: tuple[Element, ...]) -> tuple[Element, ...]:
        return (*candidates, station[column]) if column in station else candidates

    numbers = tuple(
        Number(column, kind, field, _may_overflow(layout, field, kind))
        for column, (kind, candidates) in NUMBERS.items()
        if (field := first(candidates, _INTEGERS)) is not None
    )
    addresses = tuple(
        Address(column, v4, v6)
        for column, (fours, sixes) in ADDRESSES.items()
        for v4, v6 in [(first(ends(column, fours), (4,)), first(sixes, (16,)))]
        if v4 is not None or v6 is not None
    )
    of_macs = {column: ends(column, candidates) for column, candidates in MACS.items()}
    macs, texts = pick(of_macs, (6,)), pick(TEXTS, ())
    used.update(places[element] for element in _NOTHING_OF_ITS_OWN if element in places)
    icmp = next(
        (
            (kind, None if code is None else first((code,), (1,)))
            for both, code in ICMP
            if (kind := first((both,), _INTEGERS)) is not None
        ),
        None,
    )
    application = None if any(column == "app" for column, _ in texts) else first(((0, 95),))
    rate = tuple(
        (element, field)
        for element in RATE_ELEMENTS
        if (field := first(((0, element),), _INTEGERS)) is not None
    )
    return Plan(
        numbers=numbers,
        addresses=addresses,
        macs=macs,
        texts=texts,
        icmp=icmp,
        application=application,
        ip_version=places.get((0, 60)),
        sampler=next((places[0, e] for e in SAMPLER_ELEMENTS if (0, e) in places), None),
        rate=rate,
        extra=tuple(
            i
            for i, (field, element) in enumerate(zip(layout.fields, layout.elements, strict=True))
            if i not in used and field.size and element.name != "paddingOctets"
        ),
        counters=_counts_packets(layout, numbers),
    )


def _counts_packets(layout: Layout, numbers: tuple[Number, ...]) -> bool:
    taken = {number.column: layout.fields[number.field].id for number in numbers}
    return taken.get("packets") in _PACKETS and taken.get("bytes") in _BYTES_OF_PACKETS


_PACKETS, _BYTES_OF_PACKETS = (2, 86), (1, 85)
_Places = tuple[tuple[str, int], ...]
_INTEGERS = (1, 2, 3, 4, 5, 6, 7, 8)


def _fits(layout: Layout, field: int, sizes: tuple[int, ...]) -> bool:
    size = layout.fields[field].size
    return size == VARIABLE or (size in sizes if sizes else size > 0)


def _may_overflow(layout: Layout, field: int, kind: str) -> bool:
    return layout.fields[field].size > _BYTES[kind]
