"""Who held the addresses of a batch of flows while each flow ran."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute.pieces import NOBODY, SEVERAL
from collector.attribute.timeline import Timeline
from collector.records import Binding

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


class Holders:
    """The pieces of all addresses of a site that anybody held and that flows name.

    All pieces of all addresses lie in one row of arrays, and one sorted array of keys finds the
    piece of any (address, time).
    """

    def __init__(self, timeline: Timeline, site: str, columns: list[pa.Array[Any]]) -> None:
        """Gather the pieces of the addresses in `columns`, which are arrays of distinct texts."""
        known = timeline.addresses(site)
        places = [_places(column, known) for column in columns]
        used = np.unique(np.concatenate([*places, np.array([-1], np.int32)]))[1:]
        slot_of = np.full(len(known) + 1, -1, np.int32)
        slot_of[used] = np.arange(len(used), dtype=np.int32)
        self.slots: list[Codes] = [slot_of[place] for place in places]
        """For each text of each column, the number of its address here, -1 for none."""
        pieces = [timeline.pieces(site, known[int(place)].as_py()) for place in used]
        self._pieces = pieces
        self.bindings: list[Binding] = [b for p in pieces for b in p.bindings]
        first = [0, *accumulate(len(p.bindings) for p in pieces)]
        self._holder = np.fromiter(
            (
                held if held < 0 else held + base
                for p, base in zip(pieces, first, strict=False)
                for held in p.holder
            ),
            np.int32,
        )
        starts = list(accumulate((len(p.holder) for p in pieces), initial=0))
        self._first_piece = starts
        self._until = np.fromiter(
            (u + base for p, base in zip(pieces, starts, strict=False) for u in p.until), np.int64
        )
        breaks = np.fromiter(chain.from_iterable(p.breaks for p in pieces), np.int64)
        self._moments = np.unique(breaks)
        owner = np.repeat(np.arange(len(pieces)), [len(p.breaks) for p in pieces])
        self._keys = self._key(owner, self.rank(breaks))

    def rank(self, times: Ints) -> Ints:
        """Return for each time how many moments at which anything changes it has reached."""
        return np.searchsorted(self._moments, times, side="right")

    def find(self, slots: Codes, first: Ints, last: Ints) -> Codes:
        """Return who held each address: a place in `bindings`, or NOBODY, or SEVERAL.

        Args:
            slots: Number of the address of each flow, none negative.
            first: Rank of the time the flow began.
            last: Rank of the time it ended.
        """
        begin = self._piece(slots, first)
        holder = self._holder[begin]
        ran_on = last != first
        end = self._piece(slots[ran_on], last[ran_on])
        mixed = ran_on.copy()
        mixed[ran_on] = end >= self._until[begin[ran_on]]
        return np.where(mixed, np.int32(SEVERAL), holder)

    def span(self, slots: Codes, first: Ints, last: Ints) -> tuple[Ints, Ints]:
        """Return the piece in which each flow began and that in which it ended."""
        return self._piece(slots, first), self._piece(slots, last)

    def running(self, slot: int, first: int, last: int) -> list[Binding]:
        """Return the bindings of one address that ran in any of the pieces from first to last."""
        pieces, base = self._pieces[slot], self._first_piece[slot]
        return [
            binding
            for binding in pieces.bindings
            if base + bisect_right(pieces.breaks, binding.start_us) <= last
            and base + bisect_right(pieces.breaks, binding.end_us) > first
        ]

    def _piece(self, slots: Codes, rank: Ints) -> Ints:
        """Each address has one piece more than breaks, so its own number is added."""
        return np.searchsorted(self._keys, self._key(slots, rank), side="right") + slots

    def _key(self, slots: npt.NDArray[Any], rank: Ints) -> Ints:
        return slots.astype(np.int64) * (len(self._moments) + 1) + rank


def coded(codes: Codes, values: Sequence[str]) -> pa.Array[Any]:
    """Return the values at `codes` as a dictionary column, null where a code is negative."""
    indices: Any = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def _places(texts: pa.Array[Any], known: pa.Array[Any]) -> Codes:
    found: Any = pc.index_in(texts, known)
    return np.asarray(found.fill_null(-1), np.int32)


def look_up(holders: Holders, slots: Codes, first: Ints, last: Ints) -> Codes:
    """Return who held the address of every flow; NOBODY where the slot is negative."""
    found = np.full(len(slots), NOBODY, np.int32)
    known = np.flatnonzero(slots >= 0)
    if len(known):
        found[known] = holders.find(slots[known], first[known], last[known])
    return found
