"""Flows in, the same flows with their people out: whole columns at a time.

An end of a flow is its address, or failing that its address on the other side of the NAT. A session
that held it when the flow began, with nobody else after it while the flow ran, is `sure`; one
that came later, or more than one person, is `ambiguous`, and then nobody is named; an inside
address that nobody held is `unknown`. The subject of a flow is its inside end, the initiator when
both are inside; what is known of the other end goes into the `peer_` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute import candidates
from collector.attribute.holders import Codes, Holders, Ints, coded, look_up
from collector.attribute.networks import Networks
from collector.attribute.pieces import NOBODY, SEVERAL
from collector.attribute.timeline import Timeline
from collector.columns import one_dictionary

VIA = ("src_ip", "nat_src_ip", "dst_ip", "nat_dst_ip")
"""The address columns of the source, then of the destination."""
FILLED = ("person", "session", "method", "via", "certainty")
"""What is told of the subject, and with `peer_` in front of the other end."""
_CERTAINTY = ("sure", "ambiguous", "unknown")
_NONE = np.int32(-1)
Bools = npt.NDArray[np.bool_]
_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True, slots=True)
class _Addresses:
    """One address column: which distinct text each row has (the last stands for null)."""

    codes: Codes
    texts: pa.Array[Any]


@dataclass(frozen=True, slots=True)
class _End:
    """One end of every flow."""

    holder: Codes
    """Place of the binding, or NOBODY, or SEVERAL."""
    via: Codes
    """Place in VIA of the column that said so."""
    slot: Codes
    """Number of the address in that column."""
    inside: Bools


@dataclass(frozen=True, slots=True)
class _Told:
    """What the bindings of a batch say in one field: each distinct value once."""

    codes: Codes
    """Of each binding; one more at the end, -1, which place -1 takes."""
    values: Sequence[str]

    @classmethod
    def of(cls, holders: Holders, field: str) -> _Told:
        """Read `field` of all bindings."""
        values = [getattr(binding, field) for binding in holders.bindings]
        codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
        return cls(np.array([*(codes[value] for value in values), -1], np.int32), list(codes))


def attribute(table: pa.Table, timeline: Timeline, networks: Networks) -> pa.Table:
    """Return the flows `table`, all of one site, with the columns on people filled anew.

    Raises:
        ValueError: rows of more than one site.
    """
    columns = [_addresses(table[name]) for name in VIA]
    site = _site(table["site"])
    holders = Holders(timeline, site, [column.texts for column in columns])
    begin, end_rank = _ranks(table, holders)
    ends = []
    for plain, nat in ((0, 1), (2, 3)):
        slots = [_per_row(holders.slots[i], columns[i], -1) for i in (plain, nat)]
        inside = [_inside(columns[i], networks) for i in (plain, nat)]
        ends.append(_end((plain, nat), slots, inside[0] | inside[1], (holders, begin, end_rank)))
    source, target = ends
    swap = _is_subject(target, source)
    told = [_Told.of(holders, name) for name in ("person", "session", "method")]
    filled = _columns(_choose(swap, target, source), told)
    filled += _columns(_choose(swap, source, target), told)
    names = [*FILLED, *(f"peer_{name}" for name in FILLED)]
    for name, values in zip(names, filled, strict=True):
        table = table.set_column(table.column_names.index(name), name, values)
    unsure = [np.where(end.holder == SEVERAL, end.slot, _NONE) for end in ends]
    listed = candidates.tell(holders, unsure, begin, end_rank)
    return table.set_column(table.column_names.index("candidates"), "candidates", listed)


def _site(column: pa.ChunkedArray[Any]) -> str:
    sites = pc.unique(column).to_pylist() if len(column) else [""]
    if len(sites) != 1:
        raise ValueError(f"flows of {len(sites)} sites in one table")
    return str(sites[0])


def _addresses(column: pa.ChunkedArray[Any]) -> _Addresses:
    array: Any = one_dictionary(column).combine_chunks()
    if array.null_count == len(array):
        return _Addresses(np.full(len(array), -1, np.int32), array.dictionary[:0])
    return _Addresses(np.asarray(array.indices.fill_null(-1)), array.dictionary)


def _per_row(values: npt.NDArray[_Value], column: _Addresses, null: int) -> npt.NDArray[_Value]:
    """Return for each row the value of its text; code -1 takes the value put behind the others."""
    behind = np.full(len(values) + 1, null, values.dtype)
    behind[:-1] = values
    return behind[column.codes]


def _inside(column: _Addresses, networks: Networks) -> Bools:
    inside: Bools = _per_row(networks.inside(column.texts), column, 0)
    return inside


def _ranks(table: pa.Table, holders: Holders) -> tuple[Ints, Ints]:
    begin = table["time"].cast(pa.int64())
    end = pc.max_element_wise(begin, table["time_end"].cast(pa.int64()), skip_nulls=True)
    return holders.rank(np.asarray(begin)), holders.rank(np.asarray(end))


def _end(
    via: tuple[int, int],
    slots: Sequence[Codes],
    inside: Bools,
    search: tuple[Holders, Ints, Ints],
) -> _End:
    """Look up the address, then its NAT form where nobody is known by the address."""
    holder = look_up(search[0], slots[0], search[1], search[2])
    named, slot = np.full(len(holder), via[0], np.int32), slots[0]
    missing = (holder == NOBODY) & (slots[1] >= 0)
    if missing.any():
        other = look_up(search[0], np.where(missing, slots[1], _NONE), search[1], search[2])
        holder = np.where(missing, other, holder)
        named = np.where(missing, np.int32(via[1]), named)
        slot = np.where(missing, slots[1], slot)
    return _End(holder, named, slot, inside)


def _is_subject(target: _End, source: _End) -> Bools:
    """Return where the target is the subject: it alone is inside, or it alone is known."""
    outside = ~source.inside & ~target.inside
    alone_known = (source.holder == NOBODY) & (target.holder != NOBODY)
    swap: Bools = (target.inside & ~source.inside) | (outside & alone_known)
    return swap


def _choose(where: Bools, one: _End, other: _End) -> _End:
    return _End(
        np.where(where, one.holder, other.holder),
        np.where(where, one.via, other.via),
        np.where(where, one.slot, other.slot),
        np.where(where, one.inside, other.inside),
    )


def _columns(end: _End, told: Sequence[_Told]) -> list[pa.Array[Any]]:
    """Return the values of FILLED for one end."""
    sure = end.holder >= 0
    place = np.where(sure, end.holder, _NONE)
    via = np.where(end.holder == NOBODY, _NONE, end.via)
    nobody = np.where(end.inside, np.int32(2), _NONE)
    certainty = np.where(sure, np.int32(0), np.where(end.holder == SEVERAL, np.int32(1), nobody))
    columns = [coded(one.codes[place], one.values) for one in told]
    return [*columns, coded(via, VIA), coded(certainty, _CERTAINTY)]
