"""Who held the addresses of a site at any time: the pieces of all addresses in a few long arrays.

The arrays are kept between batches. An address whose bindings changed is cut anew and put behind
the others, with a number of its own; when much lies dead, or flows begin before the time from which
on pieces are kept, everything is gathered afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.attribute.pieces import NOBODY, SEVERAL, Pieces
from collector.attribute.prefixes import Prefixes
from collector.records import Binding

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
ALWAYS = -(1 << 62)
NEVER = 1 << 62
EARLIER_US = 3_600_000_000
"""Pieces are kept from so long before the earliest flow on."""
FIELDS = ("person", "session", "method")
"""What is told of a holder."""
_FEW = 1 << 12
_MOST_DEAD = 4
"""When so many times the pieces that are alive lie there, all are gathered afresh."""
_Number = TypeVar("_Number", np.int64, np.int32)


class _Grown(Generic[_Number]):
    """An array that things are put behind."""

    def __init__(self, kind: type[_Number]) -> None:
        self._room: npt.NDArray[_Number] = np.zeros(_FEW, kind)
        self._full = 0
        self._waiting: list[int] = []

    def __len__(self) -> int:
        return self._full + len(self._waiting)

    @property
    def values(self) -> npt.NDArray[_Number]:
        """What was put in."""
        end = len(self)
        if self._waiting:
            if end > len(self._room):
                more = np.zeros(end, self._room.dtype)
                self._room = np.concatenate([self._room[: self._full], more])
            self._room[self._full : end] = self._waiting
            self._full = end
            self._waiting.clear()
        values: npt.NDArray[_Number] = self._room[:end]
        return values

    def put(self, values: Iterable[int]) -> None:
        """Put values behind the others: in few calls of NumPy, which cost more than the values."""
        self._waiting.extend(values)


class _Words:
    """Distinct texts by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []
        self._array: pa.Array[Any] = pa.array([], pa.string())

    def number(self, text: str) -> int:
        """Return the number of a text, a new one if it was not seen before."""
        number = self._numbers.setdefault(text, len(self._texts))
        if number == len(self._texts):
            self._texts.append(text)
        return number

    def array(self) -> pa.Array[Any]:
        """Return all texts."""
        fresh = self._texts[len(self._array) :]
        if fresh:
            self._array = pa.concat_arrays([self._array, pa.array(fresh, pa.string())])
        return self._array


class Holders:
    """Of one site. Reading gathers what changed since the last reading."""

    def __init__(
        self,
        held: Collection[str],
        cut: Callable[[str, int], Pieces],
        prefixes: Prefixes,
    ) -> None:
        """Begin without pieces.

        Args:
            held: What anybody holds, live: read when all is gathered.
            cut: Gives the pieces of an address or prefix, from a time on.
            prefixes: The prefixes among them, live.
        """
        self._held = held
        self._cut = cut
        self._prefixes = prefixes
        self._changed: set[str] = set()
        self._from_us = self._least_us = NEVER
        self._start_afresh()

    def touch(self, address: str) -> None:
        """Note that the bindings of an address or prefix are others than before."""
        self._changed.add(address)

    def slots(self, texts: pa.Array[Any], since_us: int) -> Codes:
        """Return the slot of each address, -1 for one that nobody held.

        Slots are good until the next call.

        Args:
            texts: Addresses in canonical text.
            since_us: No flow that is asked for began before.
        """
        self._gather(since_us)
        known: Any = pc.index_in(texts, self._words.array())
        slot_of = self._slot_of.values
        places = np.asarray(known.fill_null(-1), np.int32)
        slots = np.where(places >= 0, slot_of[places], np.int32(-1)) if len(slot_of) else places
        around, names = self._prefixes.find(texts)
        if names:
            of_name = [int(slot_of[self._words.number(name)]) for name in names]
            behind = np.array([*of_name, -1], np.int32)[around]
            slots = np.where(slots < 0, behind, slots)
        return slots

    def find(self, slots: Codes, begin_us: Ints, end_us: Ints) -> Codes:
        """Return who held each address: the place of a binding, or NOBODY, or SEVERAL."""
        found = np.full(len(slots), NOBODY, np.int32)
        known = np.flatnonzero(slots >= 0)
        if len(known):
            piece = self._piece(slots[known], begin_us[known])
            clear = end_us[known] < self._clear_until.values[piece]
            found[known] = np.where(clear, self._holder.values[piece], np.int32(SEVERAL))
        return found

    def told(self, places: Codes) -> list[pa.Array[Any]]:
        """Return FIELDS of the bindings at `places` as dictionary columns, null where negative."""
        if not (places >= 0).any():
            return [coded(places, [])] * len(FIELDS)
        return [
            _column(words.array(), _taken(of_binding.values, places))
            for words, of_binding in self._told
        ]

    def span(self, slots: Codes, begin_us: Ints, end_us: Ints) -> tuple[Ints, Ints]:
        """Return the piece in which each flow began and that in which it ended."""
        return self._piece(slots, begin_us), self._piece(slots, end_us)

    def running(self, slot: int, first: int, last: int) -> list[Binding]:
        """Return the bindings of one slot that ran in any of the pieces from first to last."""
        low, high, _ = self._of_slot[slot]
        begin, end = self._begins.values[first], self._begins.values[last]
        return [b for b in self._bindings[low:high] if b.start_us <= end and b.end_us > begin]

    def _piece(self, slots: Codes, times: Ints) -> Ints:
        """Find the last piece of each slot that begins no later: halving, all slots at once."""
        begins = self._begins.values
        piece = self._first.values[slots]
        last = piece + self._count.values[slots] - 1
        step = 1 << int(self._count.values[slots].max(initial=1)).bit_length()
        while step := step >> 1:
            next_piece = np.minimum(piece + step, last)
            piece = np.where(begins[next_piece] <= times, next_piece, piece)
        return piece

    def _gather(self, since_us: int) -> None:
        self._least_us = min(self._least_us, since_us)
        stale = len(self._begins) > _FEW and len(self._begins) > _MOST_DEAD * self._alive
        if since_us < self._from_us or stale:
            self._start_afresh()
            self._from_us, self._least_us = self._least_us - EARLIER_US, since_us
            self._changed = set(self._held)
        for address in self._changed:
            self._put(address)
        self._changed = set()

    def _start_afresh(self) -> None:
        self._words = _Words()
        self._slot_of: _Grown[np.int32] = _Grown(np.int32)
        """Of each word: its slot now, -1 where nobody held it."""
        self._first: _Grown[np.int64] = _Grown(np.int64)
        """Of each slot: its first piece, …"""
        self._count: _Grown[np.int64] = _Grown(np.int64)
        """… and how many it has."""
        self._of_slot: list[tuple[int, int, int]] = []
        """… where its bindings begin and end, and how many pieces it has, once more."""
        self._begins: _Grown[np.int64] = _Grown(np.int64)
        """Of each piece: when it begins, …"""
        self._holder: _Grown[np.int32] = _Grown(np.int32)
        """… who holds it, …"""
        self._clear_until: _Grown[np.int64] = _Grown(np.int64)
        """… and when a flow that began in it is no longer clear."""
        self._bindings: list[Binding] = []
        self._told: list[tuple[_Words, _Grown[np.int32]]] = [
            (_Words(), _Grown(np.int32)) for _ in FIELDS
        ]
        """Of each binding: the numbers of its FIELDS."""
        self._alive = 0

    def _put(self, address: str) -> None:
        """Cut one address anew and put its pieces behind the others."""
        word = self._words.number(address)
        if word == len(self._slot_of):
            self._slot_of.put([-1])
        old = int(self._slot_of.values[word])
        if old >= 0:
            self._alive -= self._of_slot[old][2]
        # What nobody holds by name any more is looked up by the prefixes around it.
        pieces = self._cut(address, self._from_us) if address in self._held else None
        if pieces is None or not pieces.bindings:
            self._slot_of.values[word] = -1
            return
        self._slot_of.values[word] = len(self._of_slot)
        base, count = len(self._bindings), len(pieces.holder)
        self._first.put([len(self._begins)])
        self._count.put([count])
        self._of_slot.append((base, base + len(pieces.bindings), count))
        self._begins.put([ALWAYS, *pieces.breaks])
        self._holder.put(held if held < 0 else held + base for held in pieces.holder)
        ends = [*pieces.breaks, NEVER]
        self._clear_until.put(ends[until - 1] if until else ALWAYS for until in pieces.until)
        self._bindings += pieces.bindings
        for field, (words, of_binding) in zip(FIELDS, self._told, strict=True):
            of_binding.put(words.number(getattr(b, field)) for b in pieces.bindings)
        self._alive += count


def coded(codes: Codes, values: Sequence[str]) -> pa.Array[Any]:
    """Return the values at `codes` as a dictionary column, null where a code is negative."""
    indices: Any = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def _column(texts: pa.Array[Any], numbers: Codes) -> pa.Array[Any]:
    """Return the texts with these numbers as a column whose dictionary has no more than they."""
    used = np.zeros(len(texts) + 1, bool)
    used[numbers] = True
    distinct = np.flatnonzero(used[:-1])
    code = np.full(len(used), -1, np.int32)
    code[distinct] = np.arange(len(distinct), dtype=np.int32)
    codes = code[numbers]
    indices: Any = pa.array(codes, mask=codes < 0)
    places: Any = pa.array(distinct)
    return pa.DictionaryArray.from_arrays(indices, texts.take(places))


def _taken(values: Codes, places: Codes) -> Codes:
    """Return the values at places, -1 where a place is negative."""
    return np.where(places >= 0, values[places], np.int32(-1))
