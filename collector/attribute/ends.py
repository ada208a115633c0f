"""The two ends of flows, looked up: sessions first, hints and machines where no session is known.

An end is its address, or, where that is outside, its address on the other side of the NAT. What
stands here of an end is an array with a value for each flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.attribute.holders import NEVER, NO_SLOT, Holders, Ints
from collector.attribute.lent_ends import Behind, Lending
from collector.attribute.networks import INSIDE, SHARED, Networks
from collector.attribute.pieces import NOBODY, SEVERAL
from collector.attribute.timeline import Timeline

ADDRESSES = ("src_ip", "nat_src_ip", "dst_ip", "nat_dst_ip")
"""The address columns of the source, then of the destination."""
VIA = (*ADDRESSES, "src_block", "dst_block")
"""What may tell of an end: a column, or the block that the port of its address is of."""
_FLAGS = (INSIDE | SHARED).bit_length()
Bools = npt.NDArray[np.bool_]
Times = tuple[Ints, Ints]
"""When flows began and ended, µs."""


class Doubt(NamedTuple):
    """Flows of which one end may be of several."""

    holders: Holders
    """Who they are."""
    rows: Ints
    slots: Ints
    """Of the address of each of `rows`."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of every flow."""

    holder: Ints
    """Place of the binding, or NOBODY, or SEVERAL."""
    translated: Bools
    """Where it is the address after NAT that said so."""
    inside: Bools
    doubts: Sequence[Doubt]
    shared: Bools | None = None
    """Where many use the address, and somebody holds it; None: nowhere."""
    hinted: Bools | None = None
    """Where hints alone tell of an inside address; None: nowhere."""
    machine: Ints | None = None
    """Place of the lease, where it alone tells of an inside address; else NOBODY. None: nowhere."""
    lent: Bools | None = None
    """Where a block of ports told of the end; None: nowhere."""

    def unknown(self) -> Ints:
        """Return the flows whose end is inside, and nothing is known of it."""
        rows = self.inside & (self.holder == NOBODY)
        if self.hinted is not None:
            rows &= ~self.hinted
        return np.flatnonzero(rows)


class Ends(NamedTuple):
    """Both ends of a batch, and where they were looked up."""

    source: End
    target: End
    times: Times
    holders: Holders
    machines: Holders | None = None


class _Column(NamedTuple):
    """One column of addresses."""

    codes: npt.NDArray[np.int32]
    """The place in `known`, -1 for null."""
    known: Ints
    """Of each distinct address: its slot, shifted by _FLAGS, and what Networks says of it.

    The last is for null.
    """

    def at(self, rows: Ints | None) -> Ints:
        """Return what is known of the addresses of some flows; None: of all."""
        values: Ints = self.known[self.codes if rows is None else self.codes[rows]]
        return values


_Pair = tuple[_Column, _Column | None]
"""The columns of an end before and after NAT; None where none was translated."""


class _Found(NamedTuple):
    """What was found of one end of some flows."""

    holder: Ints
    slot: Ints
    translated: Bools
    inside: Bools
    shared: Ints
    """Not 0 where many use the address by which it was looked up."""


class _Search:
    """The addresses of one batch, numbered, for looking them up in several places."""

    def __init__(self, table: pa.Table, timeline: Timeline, networks: Networks, site: str) -> None:
        self._table = table
        self.times = _times(table)
        self._since = int(self.times[0].min(initial=0))
        interned = timeline.interned(site)
        interned.tidy()
        self._codes, self._texts = _addresses(table)
        self._numbers = interned.numbers(self._texts)
        self._of_networks = networks.of_numbers(interned, self._numbers, self._texts)

    def pairs(self, holders: Holders) -> tuple[_Pair, _Pair]:
        """Return the columns of both ends with what is known there."""
        slots = holders.slots(self._numbers, self._texts, self._since)
        known = np.append(slots << _FLAGS | self._of_networks, NO_SLOT)
        src, nat_src, dst, nat_dst = (_Column(codes, known) for codes in self._codes)
        return (src, _if_any(nat_src)), (dst, _if_any(nat_dst))

    def behind(self, lending: Lending, side: str, end: End) -> Behind | None:
        """Return what blocks of ports tell of the ends of a side that nobody held."""
        codes = self._codes[ADDRESSES.index(f"{side}_ip")]
        ports = self._table[f"{side}_port"]
        return lending.behind(self._texts, codes, ports, end.holder == NOBODY)


def look_up(table: pa.Table, timeline: Timeline, networks: Networks, site: str) -> Ends:
    """Return both ends of the flows `table`, all of one site."""
    search = _Search(table, timeline, networks, site)
    holders, times = timeline.holders(site), search.times
    source, target = (_end(holders, pair, times) for pair in search.pairs(holders))
    if timeline.lent.known(site) is not None:
        lending = Lending(timeline, networks, site, times)
        source = _behind(source, search.behind(lending, "src", source), holders)
        target = _behind(target, search.behind(lending, "dst", target), holders)
    if not len(source.unknown()) and not len(target.unknown()):
        return Ends(source, target, times, holders)
    hints, machines = timeline.hints.holders(site, timeline.interned(site)), timeline.machines(site)
    if hints is not None:
        of_source, of_target = search.pairs(hints)
        source = _with_hints(source, hints, of_source, times)
        target = _with_hints(target, hints, of_target, times)
    if machines is not None:
        of_source, of_target = search.pairs(machines)
        source = _with_machines(source, machines, of_source, times)
        target = _with_machines(target, machines, of_target, times)
    return Ends(source, target, times, holders, machines)


def _times(table: pa.Table) -> Times:
    """Return when each flow began and ended, µs; an end before the begin is the begin."""
    begin, end = (table[name].cast(pa.int64()) for name in ("time", "time_end"))
    if end.null_count:
        end = end.fill_null(pa.scalar(-NEVER))
    begins = np.asarray(begin)
    return begins, np.maximum(begins, np.asarray(end))


def _addresses(table: pa.Table) -> tuple[list[npt.NDArray[np.int32]], pa.Array[Any]]:
    """Return the texts of all columns of ADDRESSES, and of each column the codes, -1 for null."""
    codes = []
    texts: list[Any] = [pa.array([], pa.string())]
    base = 0
    for name in ADDRESSES:
        parts = []
        for chunk in table[name].chunks:
            parts.append(_codes(chunk, base))
            if chunk.null_count < len(chunk):
                array: Any = chunk
                texts.append(array.dictionary)
                base += len(array.dictionary)
        codes.append(parts[0] if len(parts) == 1 else _joined(parts))
    return codes, pa.concat_arrays(texts)


def _codes(chunk: Any, base: int) -> npt.NDArray[np.int32]:  # noqa: ANN401  # a DictionaryArray
    """Return the codes of a chunk, `base` more each, -1 for null."""
    if chunk.null_count == len(chunk):
        return np.full(len(chunk), -1, np.int32)
    if not chunk.null_count:
        return np.asarray(chunk.indices) + np.int32(base)
    indices = chunk.indices
    valid, numbers = indices.buffers()
    part = slice(indices.offset, indices.offset + len(chunk))
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), count=part.stop, bitorder="little")
    codes = np.frombuffer(numbers, np.int32)[part] + np.int32(base)
    return np.where(bits[part].view(np.bool_), codes, np.int32(-1))


def _joined(parts: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    return np.concatenate([np.zeros(0, np.int32), *parts])


def _if_any(column: _Column) -> _Column | None:
    return column if (column.codes >= 0).any() else None


def _end(holders: Holders, pair: _Pair, times: Times) -> End:
    found = _find(holders, pair, times)
    shared = None
    if found.shared.any():
        shared = (found.shared != 0) & (found.holder != NOBODY)
        found.holder[shared] = SEVERAL
    rows = np.flatnonzero(found.holder == SEVERAL)
    doubts = [Doubt(holders, rows, found.slot[rows])] if len(rows) else []
    return End(found.holder, found.translated, found.inside, doubts, shared)


def _find(holders: Holders, pair: _Pair, times: Times, rows: Ints | None = None) -> _Found:
    """Look up the address; where it is outside and nobody is known by it, its NAT form.

    An inside address that nobody held became one that many share: who held that says nothing of it.
    """
    begin, end = times if rows is None else (times[0][rows], times[1][rows])
    before, after = pair
    known = before.at(rows)
    slot, inside, shared = known >> _FLAGS, (known & INSIDE).astype(np.bool_), known & SHARED
    holder = holders.find(slot, begin, end)
    translated = np.zeros(len(holder), np.bool_)
    if after is None:
        return _Found(holder, slot, translated, inside, shared)
    lent = after.codes if rows is None else after.codes[rows]
    again = np.flatnonzero((lent >= 0) & ~inside)
    known = after.known[lent[again]]
    inside[again] = known & INSIDE
    there = (holder[again] == NOBODY) & (known >> _FLAGS != NO_SLOT)
    again, known = again[there], known[there]
    if len(again):
        slot[again], shared[again] = known >> _FLAGS, known & SHARED
        holder[again] = holders.find(slot[again], begin[again], end[again])
        translated[again] = True
    return _Found(holder, slot, translated, inside, shared)


def _behind(end: End, found: Behind | None, holders: Holders) -> End:
    """Add what blocks of ports tell of an end."""
    if found is None:
        return end
    rows, holder = found.rows, np.where(found.shared, SEVERAL, found.holder)
    end.holder[rows] = holder
    end.inside[rows] |= found.inside
    lent, shared = (np.zeros(len(end.holder), np.bool_) for _ in range(2))
    lent[rows] = holder != NOBODY
    shared[rows] = found.shared
    if end.shared is not None:
        shared |= end.shared
    several = holder == SEVERAL
    doubt = Doubt(holders, rows[several], found.slot[several])
    doubts = [*end.doubts, doubt] if several.any() else end.doubts
    shared_by = shared if shared.any() else None
    return replace(end, doubts=doubts, shared=shared_by, lent=lent)


def _with_hints(end: End, hints: Holders, pair: _Pair, times: Times) -> End:
    """Add the hints on the address, where it is inside and no session held it."""
    rows = end.unknown()
    found = _find(hints, pair, times, rows)
    there = np.flatnonzero(found.holder != NOBODY)
    if not len(there):
        return end
    rows = rows[there]
    hinted = np.zeros(len(end.holder), np.bool_)
    hinted[rows] = True
    end.translated[rows] = found.translated[there]
    return replace(end, hinted=hinted, doubts=[*end.doubts, Doubt(hints, rows, found.slot[there])])


def _with_machines(end: End, machines: Holders, pair: _Pair, times: Times) -> End:
    """Add the machine that had the address, where it is inside and nothing else is known of it."""
    rows = end.unknown()
    found = _find(machines, pair, times, rows)
    there = np.flatnonzero(found.holder >= 0)
    if not len(there):
        return end
    machine = np.full(len(end.holder), NOBODY, np.int64)
    machine[rows[there]] = found.holder[there]
    end.translated[rows[there]] = found.translated[there]
    return replace(end, machine=machine)
