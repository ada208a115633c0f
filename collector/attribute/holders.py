"""Who held the addresses of a site at any time: the pieces of all addresses in a few long arrays.

The arrays are kept between batches. An address whose bindings changed is cut anew and put behind
the others, with a slot of its own; when much lies dead, or flows begin before the time from which
on pieces are kept, everything is gathered afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.attribute.grown import Grown, Texts, widened
from collector.attribute.interned import NONE, Interned
from collector.attribute.pieces import NOBODY, SEVERAL, Pieces
from collector.attribute.prefixes import Prefixes
from collector.records import Binding

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
NO_SLOT = 0
"""The slot of an address that nobody held."""
ALWAYS = -(1 << 62)
NEVER = 1 << 62
EARLIER_US = 3_600_000_000
"""Pieces are kept from so long before the earliest flow on."""
FIELDS = ("person", "session", "method")
"""What is told of a holder."""
_TOLD_WIDTH = 4
"""Room for the numbers of FIELDS, a power of two as all that is widened."""
_BEGIN, _NEXT, _HOLDER, _CLEAR_UNTIL, _SLOT = range(5)
"""When a piece begins, when the next of its slot does, who holds it, from when on a flow that began
in it is no longer clear, and its slot."""
_WIDTH = 5
_FEW = 1 << 12
_MOST_DEAD = 4
"""When so many times the pieces that are alive lie there, all are gathered afresh."""


class Holders:
    """Of one site. Reading gathers what changed since the last reading."""

    def __init__(
        self,
        held: Collection[str],
        cut: Callable[[str, int], Pieces],
        prefixes: Prefixes,
        interned: Interned,
    ) -> None:
        """Begin without pieces.

        Args:
            held: What anybody holds, live: read when all is gathered.
            cut: Gives the pieces of an address or prefix, from a time on.
            prefixes: The prefixes among them, live.
            interned: Numbers the addresses of the site.
        """
        self._held = held
        self._cut = cut
        self._prefixes = prefixes
        self._interned = interned
        self._changed: set[str] = set()
        self._room = np.zeros(0, np.int32)
        self._told: Codes = np.zeros(0, np.int32)
        self._generation = -1
        self._slot_of: Ints = np.zeros(0, np.int64)
        """Of each address by its number, when the generation of numbers was this."""
        self._from_us = self._least_us = NEVER
        self._start_afresh()

    def touch(self, address: str) -> None:
        """Note that the bindings of an address or prefix are others than before."""
        self._changed.add(address)

    def slots(self, numbers: Codes, texts: pa.Array[Any], since_us: int) -> Ints:
        """Return the slot of each address. Slots are good until the next call.

        Args:
            numbers: Of the addresses.
            texts: They themselves, in canonical form.
            since_us: No flow that is asked for began before.
        """
        self._gather(since_us)
        slots = self._slot_of[numbers]
        if self._prefixes.any:
            rows = np.flatnonzero(slots == NO_SLOT)
            around, names = self._prefixes.find(self._interned, numbers[rows], texts, rows)
            local, used = numbered(around, self._scratch(len(names)))
            of_name = [self._slots.get(names[place], NO_SLOT) for place in used.tolist()]
            slots[rows] = np.array([*of_name, NO_SLOT], np.int64)[local]
        return slots

    def slots_named(self, names: Sequence[str]) -> Ints:
        """Return the slots of what is held, by name, as of the last call of `slots`."""
        return np.array([self._slots.get(name, NO_SLOT) for name in names], np.int64)

    def find(self, slots: Ints, begin_us: Ints, end_us: Ints) -> Ints:
        """Return who held each address: the place of a binding, or NOBODY, or SEVERAL."""
        holder = np.full(len(slots), NOBODY, np.int64)
        known = np.flatnonzero(slots != NO_SLOT)
        if len(known):
            holder[known] = self._holder(slots[known], begin_us[known], end_us[known])
        return holder

    def _holder(self, slots: Ints, begin_us: Ints, end_us: Ints) -> Ints:
        late = self._late.values.reshape(-1, _WIDTH)
        # Whole rows: what stands beside one another comes from memory together.
        pieces = late.take(slots, axis=0)
        wrong = (begin_us < pieces[:, _BEGIN]) | (begin_us >= pieces[:, _NEXT])
        rows = np.flatnonzero(wrong)
        if len(rows):
            found = self._table()[self._piece(slots[rows], begin_us[rows])]
            late[slots[rows]] = pieces[rows] = found
        holder: Ints = pieces[:, _HOLDER]
        holder[np.flatnonzero(end_us >= pieces[:, _CLEAR_UNTIL])] = SEVERAL
        return holder

    def told(self, places: Ints) -> list[pa.Array[Any]]:
        """Return FIELDS of the bindings at `places` as dictionary columns, null where negative."""
        local, used = numbered(places, self._scratch(len(self._bindings)))
        if not len(used):
            return [coded(local, [])] * len(FIELDS)
        columns = []
        numbers = self._numbers(used)
        for field, words in enumerate(self._words):
            code, distinct = numbered(numbers[:, field], self._scratch(len(words)))
            columns.append(coded(np.append(code, np.int32(-1))[local], words.some(distinct)))
        return columns

    def _numbers(self, places: Ints) -> Codes:
        """Return the numbers of the FIELDS of bindings, in a row each.

        Texts get theirs when they are first told: those that are told again and again lie close
        together then, among many that never are.
        """
        self._told = widened(self._told, len(self._bindings) * _TOLD_WIDTH, fill=-1)
        told = self._told.reshape(-1, _TOLD_WIDTH)
        numbers: Codes = told.take(places, axis=0)
        fresh = np.flatnonzero(numbers[:, 0] < 0)
        if len(fresh):
            bindings = [self._bindings[place] for place in places[fresh].tolist()]
            for field, (name, words) in enumerate(zip(FIELDS, self._words, strict=True)):
                numbers[fresh, field] = [words.number(getattr(b, name)) for b in bindings]
            told[places[fresh]] = numbers[fresh]
        return numbers

    def _scratch(self, longest: int) -> Codes:
        """Return room for `numbered`: making it anew each time would cost more than its use."""
        self._room = widened(self._room, longest + 1)
        return self._room

    def span(self, slots: Ints, begin_us: Ints, end_us: Ints) -> tuple[Ints, Ints]:
        """Return the piece in which each flow began and that in which it ended."""
        times = np.concatenate([begin_us, end_us])
        both = self._piece(np.concatenate([slots, slots]), times)
        return both[: len(slots)], both[len(slots) :]

    def running(self, first: int, last: int) -> list[Binding]:
        """Return the bindings of an address that ran in any of its pieces from first to last."""
        table = self._table()
        bindings = self._of_slot[int(table[first, _SLOT])]
        begin, end = int(table[first, _BEGIN]), int(table[last, _BEGIN])
        return [b for b in bindings if b.start_us <= end and b.end_us > begin]

    def _piece(self, slots: Ints, times: Ints) -> Ints:
        """Find the last piece of each slot that begins no later: halving, all slots at once."""
        begins = self._table()[:, _BEGIN]
        piece, count = self._first.values[slots], self._count.values[slots]
        last = piece + count - 1
        step = 1 << int(count.max(initial=1)).bit_length()
        while step := step >> 1:
            next_piece = np.minimum(piece + step, last)
            piece = np.where(begins[next_piece] <= times, next_piece, piece)
        return piece

    def _table(self) -> Ints:
        """Return a row of _WIDTH values for each piece."""
        return self._pieces.values.reshape(-1, _WIDTH)

    def _gather(self, since_us: int) -> None:
        self._least_us = min(self._least_us, since_us)
        count = len(self._pieces) // _WIDTH
        stale = count > _FEW and count > _MOST_DEAD * self._alive
        if since_us < self._from_us or stale:
            self._start_afresh()
            self._from_us, self._least_us = self._least_us - EARLIER_US, since_us
            self._changed = set(self._held)
        for address in self._changed:
            self._put(address)
        self._number(self._changed)
        self._changed = set()

    def _number(self, changed: Collection[str]) -> None:
        """Note the slots of changed addresses by their numbers; of all, if numbers are new."""
        if self._generation != self._interned.generation:
            self._generation = self._interned.generation
            self._number_of.clear()
            self._slot_of = self._slot_of[:0]
            changed = self._slots
        fresh = [address for address in changed if address not in self._number_of]
        if fresh:
            numbers = self._interned.numbers(pa.array(fresh, pa.string()))
            self._number_of.update(zip(fresh, numbers.tolist(), strict=True))
        self._slot_of = widened(self._slot_of, len(self._interned))
        for address in changed:
            self._slot_of[self._number_of[address]] = self._slots.get(address, NO_SLOT)
        self._slot_of[NONE] = NO_SLOT

    def _start_afresh(self) -> None:
        self._slots: dict[str, int] = {}
        """Of each address that anybody held …"""
        self._generation = -1
        self._number_of: dict[str, int] = {}
        """… and the number of each address that ever changed."""
        self._first, self._count = Grown(np.int64), Grown(np.int64)
        """Of each slot: its first piece, how many it has, …"""
        self._late = Grown(np.int64)
        """… the row of the one that was found last, …"""
        self._of_slot: list[Sequence[Binding]] = []
        """… and its bindings."""
        self._pieces = Grown(np.int64)
        """Of each piece: _WIDTH values, beside one another because they are read together."""
        self._bindings: list[Binding] = []
        self._place_of: dict[int, int] = {}
        """Where a binding stands, by its identity, which it keeps as it stands there; …"""
        self._told = np.zeros(0, np.int32)
        """… and of each: the numbers of its FIELDS, -1 where it was never told, …"""
        self._words: list[Texts] = [Texts() for _ in FIELDS]
        """… among the texts of each of them."""
        self._alive = 0
        self.remembered: dict[tuple[str, int], str] = {}
        """What was written about some pieces; good as long as they are."""
        self._append(Pieces([], [], [NOBODY], [1]))

    def _put(self, address: str) -> None:
        """Cut an address anew and put its pieces behind the others."""
        old = self._slots.pop(address, NO_SLOT)
        if old:
            self._alive -= int(self._count.values[old])
        # What nobody holds by name any more is looked up by the prefixes around it.
        pieces = self._cut(address, self._from_us) if address in self._held else None
        if pieces is not None and pieces.bindings:
            self._slots[address] = len(self._of_slot)
            self._alive += len(pieces.holder)
            self._append(pieces)

    def _append(self, pieces: Pieces) -> None:
        places = [self._place(binding) for binding in pieces.bindings]
        self._first.put([len(self._pieces) // _WIDTH])
        self._count.put([len(pieces.holder)])
        begins, ends = [ALWAYS, *pieces.breaks], [*pieces.breaks, NEVER]
        holders = [held if held < 0 else places[held] for held in pieces.holder]
        clear_until = [ends[until - 1] if until else ALWAYS for until in pieces.until]
        rows = [*zip(begins, ends, holders, clear_until, repeat(len(self._of_slot)), strict=False)]
        self._late.put(rows[0])
        self._pieces.put(chain.from_iterable(rows))
        self._of_slot.append(pieces.bindings)

    def _place(self, binding: Binding) -> int:
        """Return the place of a binding: a new one, if it is new since the last cut."""
        place = self._place_of.setdefault(id(binding), len(self._bindings))
        if place == len(self._bindings):
            self._bindings.append(binding)
        return place


def numbered(values: npt.NDArray[Any], scratch: Codes) -> tuple[Codes, Ints]:
    """Return the place of each value among the distinct ones, and these.

    Args:
        values: -1 is none of them and stays -1.
        scratch: Longer than the greatest value; what is in it makes no difference.
    """
    rows = np.arange(len(values), dtype=np.int32)
    scratch[values] = rows
    # Of equal values one row finds itself there: the last.
    distinct = values[np.flatnonzero((scratch[values] == rows) & (values >= 0))]
    scratch[distinct] = np.arange(len(distinct), dtype=np.int32)
    scratch[-1] = -1
    return scratch[values], distinct


def coded(codes: Codes, values: Sequence[str] | pa.Array[Any]) -> pa.Array[Any]:
    """Return the values at `codes` as a dictionary column, null where a code is negative."""
    words: Any = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    there = np.packbits(codes >= 0, bitorder="little")
    arrays: Any = [there, np.ascontiguousarray(codes, np.int32)]
    buffers: Any = [pa.py_buffer(array) for array in arrays]
    indices: Any = pa.Array.from_buffers(pa.int32(), len(codes), buffers)
    return pa.DictionaryArray.from_arrays(indices, words, safe=False)
