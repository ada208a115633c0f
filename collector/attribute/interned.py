"""Addresses by number: those that come batch after batch are recognised in a few operations.

A text is read as words of 64 bits, two for all of IPv4 and five for the rest. Its number stands in
a table of cells, in the first free one from where a hash of the words points. Everything is done
for all texts of a batch at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Codes = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
"""The words of some texts, a row each."""
NONE = 0
"""The number of what is too long for an address."""
MOST = 1 << 17
"""So many texts are remembered, or four times those in use if that is more; then it starts afresh:
anybody may send flows whose addresses nobody has."""
_WORD = 8
_WIDTHS = (2, 5)
"""Words of a short text, and of a long one."""
_FEW = 1 << 12
_SPARE = 4
"""Cells for each key: with fewer, more keys stand behind others."""
_FREE = np.int32(-1)
_SECRET = hash("an address") & 0xFFFFFFFFFFFFFFFE
"""Who sends addresses must not know where they will stand: a process hashes in its own way."""
_FACTORS = np.array(
    [
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
    ],
    np.uint64,
) ^ np.uint64(_SECRET)
_FOLD = np.uint64(32)
_LONGEST = max(_WIDTHS) * _WORD
_MASKS = [
    np.array(
        [
            [(1 << 8 * min(max(size - at, 0), _WORD)) - 1 for at in range(0, width * _WORD, _WORD)]
            for size in range(width * _WORD + 1)
        ],
        "<u8",
    )
    for width in _WIDTHS
]
"""What of the words belongs to a text of so many bytes."""


class Interned:
    """Numbers of texts, nearly dense. They are good until `generation` changes."""

    def __init__(self) -> None:
        self.generation = 0
        self._most = MOST
        self._tables = [_Table(width) for width in _WIDTHS]

    def __len__(self) -> int:
        """Return one more than the greatest number."""
        return len(_WIDTHS) * (1 + max(table.count for table in self._tables))

    def tidy(self) -> None:
        """Forget everything if it is too much; nothing else makes numbers void."""
        if self._most == 0:
            self._most = max(MOST, 4 * len(self))
        if len(self) > self._most:
            self.generation += 1
            self._most = 0
            self._tables = [_Table(width) for width in _WIDTHS]

    def numbers(self, texts: pa.Array[Any]) -> Codes:
        """Return the number of each text; a new one gets the next. Null is the empty text."""
        octets, start, size = _octets(texts)
        found = np.full(len(texts), NONE, np.int32)
        least = 0
        for kind, width in enumerate(_WIDTHS):
            fits = (size >= least) & (size <= width * _WORD)
            rows = np.flatnonzero(fits)
            if len(rows):
                words = _words(octets, start[rows], size[rows], kind)
                place = self._tables[kind].numbers(words)
                found[rows] = (place + np.int32(1)) * np.int32(len(_WIDTHS)) + np.int32(kind)
            least = width * _WORD + 1
        return found


class _Table:
    """Keys of some words each, and their numbers."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self._cells = np.full(_FEW, _FREE)
        self._words = np.zeros((_FEW // _SPARE, width), np.uint64)

    def numbers(self, words: Words) -> Codes:
        """Return the number of each key; new ones get one."""
        hashes = _hashes(words)
        found = self._search(words, hashes, claim=False)
        missing = np.flatnonzero(found == _FREE)
        if len(missing):
            new, hashes = words[missing], hashes[missing]
            self._append(new)
            found[missing] = self._search(new, hashes, claim=True)
            # A key that is twice among the new ones leaves a number that nobody has.
            self.count += len(missing)
        return found

    def _search(self, words: Words, hashes: npt.NDArray[np.uint64], *, claim: bool) -> Codes:
        """Return the numbers of keys, -1 where there is none.

        Args:
            words: The keys.
            hashes: Of the keys.
            claim: Number those that are not there from `count` on.
        """
        found = np.full(len(hashes), _FREE)
        cell = self._first_cells(hashes)
        rows: Places | None = None
        while True:
            number = self._cells[cell]
            if claim:
                free = np.flatnonzero(number == _FREE)
                self._cells[cell[free]] = self.count + (free if rows is None else rows[free])
                # Of several that want one cell the last got it; the others go on from there.
                number = self._cells[cell]
            hit = number != _FREE
            mine = self._words.take(number, axis=0)
            for at in range(words.shape[1]):
                hit &= mine[:, at] == words[:, at]
            if rows is None:
                found = np.where(hit, number, _FREE)
            else:
                found[rows[hit]] = number[hit]
            wrong = np.flatnonzero(~hit & (number != _FREE))
            if not len(wrong):
                return found
            rows = wrong if rows is None else rows[wrong]
            words = words.take(wrong, axis=0)
            cell = cell[wrong] + 1 & len(self._cells) - 1

    def _first_cells(self, hashes: npt.NDArray[np.uint64]) -> Places:
        bits = len(self._cells).bit_length() - 1
        return (hashes >> np.uint64(64 - bits)).astype(np.int64)

    def _append(self, words: Words) -> None:
        """Put new keys behind the others."""
        count = self.count + len(words)
        if count > len(self._words):
            room = 1 << (count - 1).bit_length()
            kept, self._words = self._words, np.zeros((room, words.shape[1]), np.uint64)
            self._words[: len(kept)] = kept
            numbers = self._cells[self._cells != _FREE]
            self._cells = np.full(_SPARE * room, _FREE)
            self._spread(numbers)
        self._words[self.count : count] = words

    def _spread(self, numbers: Codes) -> None:
        """Put the numbers of known keys into new cells."""
        cell = self._first_cells(_hashes(self._words[numbers]))
        while len(numbers):
            free = np.flatnonzero(self._cells[cell] == _FREE)
            self._cells[cell[free]] = numbers[free]
            left = np.flatnonzero(self._cells[cell] != numbers)
            numbers, cell = numbers[left], cell[left] + 1 & len(self._cells) - 1


def _octets(texts: pa.Array[Any]) -> tuple[npt.NDArray[np.uint8], Places, Places]:
    """Return all bytes and some more, and where each text begins in them and how long it is."""
    buffers: Any = texts.cast(pa.string()).buffers()
    _, offsets, octets = buffers
    room = np.zeros(_LONGEST, np.uint8)
    if offsets is None or not len(texts):
        return room, np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    ends = ends.astype(np.int64)
    if octets is not None:
        used = np.frombuffer(octets, np.uint8)[ends[0] : ends[-1]]
        room = np.concatenate([used, room])
    return room, ends[:-1] - ends[0], np.diff(ends)


def _words(octets: npt.NDArray[np.uint8], start: Places, size: Places, kind: int) -> Words:
    """Return the words of each text, zeros behind its end."""
    # Items that overlap: one at every byte, each as long as all words together.
    width = _WIDTHS[kind]
    item = np.dtype((np.void, width * _WORD))
    items: Any = np.ndarray((len(octets) - item.itemsize + 1,), item, octets, strides=(1,))
    words: Words = items[start].view("<u8").reshape(-1, width)
    words &= _MASKS[kind].take(size, axis=0)
    return words


def _hashes(words: Words) -> npt.NDArray[np.uint64]:
    mixed: npt.NDArray[np.uint64] = words[:, 0] * _FACTORS[0]
    for at in range(1, words.shape[1]):
        mixed += words[:, at] * _FACTORS[at]
    mixed ^= mixed >> _FOLD
    mixed *= _FACTORS[-1]
    return mixed
