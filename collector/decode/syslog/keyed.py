"""Lines of `key=value key="some value"` by the batch: split with NumPy, values given as columns.

All lines lie in one buffer. A line fits when it is nothing but such pairs with
one space between; its *shape* is its keys in their order, and where in it a key's value stands is
found once per shape. Lines that do not fit, for whatever reason, are read one by one elsewhere, so
nothing here need be lenient.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.decode import arrow
from collector.decode.batch import Mask

Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Integers = npt.NDArray[np.integer[Any]]
_ASCII = 0x7F
_SPACE, _EQUALS, _END, _QUOTE, _INSIDE, _ODD, _NONE = range(7)
"""What a byte is: two make a line unfit, outside of quotes or anywhere; the last one is nothing."""
_KINDS = np.full(256, _ODD, np.uint8)
for _kind, _bytes in (
    (_SPACE, b" "),
    (_EQUALS, b"="),
    (_END, b"\n"),
    (_QUOTE, b'"'),
    (_INSIDE, b","),
    (_NONE, b"!"),
):
    _KINDS[list(_bytes)] = _kind
_KINDS[_ASCII + 1 :] = _INSIDE
_KEYS_OF_SHAPE = re.compile(rb'([\w.-]{1,64})="?', re.ASCII)
_RUN = 256
"""Lines taken apart together: what is found in them stays in the processor's cache."""
_SHAPES = 4096
"""Shapes that are remembered."""
_LONGEST_SHAPE = 4096
"""Bytes of all keys; the longest that firewalls send have a third of it."""


class Buffer(NamedTuple):
    """Lines behind one another, each with a line feed behind it."""

    data: bytes
    begins: Ints
    """Where each line begins, or its pairs."""
    ends: Ints

    def pieces(self, rows: Ints) -> list[bytes]:
        """Return some of the lines."""
        pairs = zip(self.begins[rows].tolist(), self.ends[rows].tolist(), strict=True)
        return [self.data[begin:end] for begin, end in pairs]

    def find(self, text: str, rows: Ints) -> Ints:
        """Return where among the pairs of some lines a text stands first, or -1."""
        pieces = between(pa.py_buffer(self.data), self.begins[rows], self.ends[rows])
        lines = pieces.take(pa.array(np.arange(0, 2 * len(rows), 2)))
        function: Any = pc.find_substring
        found: Ints = arrow.numpy(function(lines, text)).astype(np.int64)
        return found


class Keyed(NamedTuple):
    """Lines taken apart."""

    rows: Ints
    """Which of the lines fit, ascending."""
    first: Ints
    """The number of the first pair of each of those."""
    shape: Ints
    """Place in `shapes` of each."""
    shapes: Sequence[dict[str, int]]
    """Which pair of a line has a key."""
    values: pa.Array[Any]
    """The value of pair n stands at 2 n; between them stands what lies between."""
    starts: Integers
    """Where each value begins in the buffer."""
    buffer: Buffer
    """Of all lines that were split, which `of` names."""
    of: Ints
    """Places in the buffer of the lines that fit."""
    blank: Ints
    """Where in the buffer a blank stands first within quotes, in each of those or behind it."""

    def places(self, *keys: str) -> Ints:
        """Return for each line the number of the pair with the last of these keys; -1 without."""
        found = [max((shape.get(key, -1) for key in keys), default=-1) for shape in self.shapes]
        at = np.array(found, np.int64)[self.shape]
        return np.where(at < 0, at, self.first + at)

    def texts(self, *keys: str) -> pa.Array[Any] | None:
        """Return the values of a key as strings, null in lines without; None when all are.

        Several keys are one where no line has two of them.
        """
        if not any(key in shape for shape in self.shapes for key in keys):
            return None
        places = self.places(*keys)
        missing = places < 0
        at: Any = pa.array(2 * places, mask=missing if missing.any() else None)
        return self.values.take(at)

    def whole(self, heads: Ints) -> pa.Array[Any]:
        """Return the lines as strings, with what stands before the pairs of each."""
        begins, ends = self.buffer.begins[self.of] - heads, self.buffer.ends[self.of]
        pieces = between(pa.py_buffer(self.buffer.data), begins, ends)
        found: pa.Array[Any] = pieces.take(pa.array(np.arange(0, 2 * len(begins), 2)))
        return found.view(pa.string())

    def only(self, fit: Mask) -> Keyed:
        """Return some of the lines."""
        if fit.all():
            return self
        return self._replace(
            rows=self.rows[fit],
            first=self.first[fit],
            shape=self.shape[fit],
            of=self.of[fit],
            blank=self.blank[fit],
        )


class _Signs(NamedTuple):
    """The spaces, quotes, equals signs and ends of lines, and bytes that make a line unfit."""

    at: Places
    kind: npt.NDArray[np.uint8]
    ends: Ints
    """Which of them end a line."""
    quotes: Places
    """How many quotes there are up to each."""


class _Words(NamedTuple):
    """The pairs of the lines of a run that may fit, in order."""

    first: Ints
    """The first one of each line."""
    starts: Places
    equals: Places
    ends: Places


class _Pairs(NamedTuple):
    """All pairs of the lines that may fit, in order."""

    first: Ints
    """The first one of each line."""
    starts: Places
    equals: Places
    ends: Places
    quoted: npt.NDArray[np.uint8]
    """Whether their values are."""
    right: Mask
    """Which of the lines have quotes around values only."""


def split(data: bytes, ends: Ints, heads: Ints) -> Keyed:
    """Split lines of UTF-8, of fewer than 2^30 bytes together.

    Args:
        data: The lines as they were sent, a line feed behind each, and nowhere else.
        ends: Where those are.
        heads: How many bytes of each stand before the pairs; none of them means anything here.
    """
    rows = np.arange(len(ends))
    if not len(ends):
        return _none()
    octets = np.frombuffer(data, np.uint8)
    begins = np.append(0, ends[:-1] + 1)
    runs, fits, blanks, firsts = [], [], [], 0
    for at in range(0, len(ends), _RUN):
        run = slice(at, at + _RUN)
        base, end = int(begins[at]), int(ends[run][-1]) + 1
        signs = _signs(octets[base:end], base)
        quotes = np.diff(signs.quotes[signs.ends], prepend=0)
        if (quotes & 1).any():
            return _again(Buffer(data, begins, ends), heads)
        words, fit = _pairs(signs, begins[run] + heads[run])
        runs.append(_quoted(octets, words, quotes[fit], firsts))
        firsts += len(words.starts)
        fits.append(fit)
        blanks.append(_blanks(signs, begins[run], end)[fit])
    pairs, right = _Pairs(*map(np.concatenate, zip(*runs, strict=True))), np.concatenate(fits)
    buffer = Buffer(data, begins + heads, ends)
    return _shaped(buffer, rows[right], pairs, np.concatenate(blanks))


def _again(lines: Buffer, heads: Ints) -> Keyed:
    """Split the lines whose quotes come in pairs."""
    whole = lines.pieces(np.arange(len(heads)))
    rows = np.flatnonzero(np.array([line.count(b'"') & 1 == 0 for line in whole], np.bool_))
    data, ends = joined([whole[row] for row in rows.tolist()])
    found = split(data, ends, heads[rows])
    return found._replace(rows=rows[found.rows])


def joined(lines: Sequence[bytes]) -> tuple[bytes, Ints]:
    """Return lines in one buffer, and where each of them ends."""
    sizes = np.fromiter(map(len, lines), np.int64, len(lines))
    return b"\n".join((*lines, b"")), np.cumsum(sizes + 1) - 1


def _none() -> Keyed:
    nothing = np.zeros(0, np.int64)
    text: pa.Array[Any] = pa.array([], pa.string())
    buffer = Buffer(b"", nothing, nothing)
    return Keyed(nothing, nothing, nothing, [], text, nothing, buffer, nothing, nothing)


def _signs(octets: npt.NDArray[np.uint8], base: int) -> _Signs:
    """Find what matters in a run of bytes that begins at `base`."""
    # Up to the quote stand control bytes, space, and "!", which means nothing here; as signed
    # numbers the bytes past ASCII stand below them.
    wanted = octets.view(np.int8) <= ord('"')
    wanted |= octets == ord("=")
    wanted |= octets == ord(",")
    at = np.flatnonzero(wanted)
    kind = _KINDS.take(octets.take(at))
    quotes = np.cumsum(kind == _QUOTE, dtype=np.int32)
    return _Signs((at + base).astype(np.int32), kind, np.flatnonzero(kind == _END), quotes)


def _blanks(signs: _Signs, begins: Ints, end: int) -> Ints:
    """Return the first blank within quotes behind each begin of a line; `end` without one."""
    inside = (signs.kind == _SPACE) & (signs.quotes & 1 == 1)
    at = np.append(signs.at[inside], end)
    return at[np.searchsorted(at, begins)].astype(np.int64)


def _pairs(signs: _Signs, begins: Ints) -> tuple[_Words, Mask]:
    """Return the pairs of lines whose every word has an equals sign, and which lines these are."""
    outside = signs.quotes & 1 == 0
    odd = (signs.kind == _ODD) | (outside & (signs.kind == _INSIDE))
    splits = np.flatnonzero(outside & (signs.kind <= _END))
    at, kind = signs.at.take(splits), signs.kind.take(splits)
    ends = np.flatnonzero(kind == _END)
    parts = kind != _EQUALS
    if not odd.any() and parts[1::2].all() and not parts[::2].any():
        return _alternating(at, ends, begins), np.ones(len(ends), np.bool_)
    leads = ~parts
    leads[1:] &= parts[:-1]
    words = np.diff(np.cumsum(parts, dtype=np.int32)[ends], prepend=0)
    fit = np.diff(np.cumsum(leads, dtype=np.int32)[ends], prepend=0) == words
    if odd.any():
        fit[np.searchsorted(signs.ends, np.flatnonzero(odd))] = False
    if not fit.all():
        kept = np.repeat(fit, np.diff(ends, prepend=-1))
        leads, parts, words, begins = leads & kept, parts & kept, words[fit], begins[fit]
    first = np.cumsum(words) - words
    return _words(at[leads], at[parts], first, begins), fit


def _alternating(at: Places, ends: Ints, begins: Ints) -> _Words:
    """Return the pairs where an equals sign and what ends its pair take turns, as they mostly do.

    Args:
        at: Where these stand.
        ends: Which of them end a line.
        begins: Where the lines begin.
    """
    words = np.diff(ends, prepend=-1) // 2
    return _words(at[::2], at[1::2], np.cumsum(words) - words, begins)


def _words(equals: Places, stops: Places, first: Ints, begins: Ints) -> _Words:
    starts = np.empty_like(stops)
    starts[1:] = stops[:-1] + 1
    starts[first] = begins
    return _Words(first, starts, equals, stops)


def _quoted(octets: npt.NDArray[np.uint8], pairs: _Words, quotes: Places, before: int) -> _Pairs:
    """Find out which values are quoted; so many pairs were found `before` these."""
    if not len(pairs.first):
        return _Pairs(*pairs, np.zeros(0, np.uint8), np.zeros(0, np.bool_))
    after = pairs.equals + 1
    quoted = octets[after] == ord('"')
    right = ~quoted | ((octets[pairs.ends - 1] == ord('"')) & (pairs.ends - 1 > after))
    told = np.add.reduceat(quoted, pairs.first, dtype=np.int32)
    fit = (2 * told == quotes) & np.logical_and.reduceat(right, pairs.first)
    words = pairs._replace(first=pairs.first + before)
    return _Pairs(*words, quoted.view(np.uint8), fit)


def _shaped(buffer: Buffer, rows: Ints, pairs: _Pairs, blanks: Ints) -> Keyed:
    """Find the shape of each line that fits."""
    octets, quoted = pa.py_buffer(buffer.data), pairs.quoted
    starts = pairs.equals + 1 + quoted
    keys = between(octets, pairs.starts, starts).take(pa.array(np.arange(0, 2 * len(starts), 2)))
    codes, distinct = arrow.encode(_joined(keys, pairs.first))
    heads = [head or b"" for head in distinct.to_pylist()]
    shapes = [_shape(head) if len(head) <= _LONGEST_SHAPE else None for head in heads]
    shape = arrow.numpy(codes).astype(np.int64)
    fit = pairs.right & np.array([shape is not None for shape in shapes], np.bool_)[shape]
    return Keyed(
        rows=rows[fit],
        of=rows[fit],
        blank=blanks[fit],
        first=pairs.first[fit],
        shape=shape[fit],
        shapes=[shape or {} for shape in shapes],
        values=between(octets, starts, np.maximum(pairs.ends - quoted, starts)).view(pa.string()),
        starts=starts,
        buffer=buffer,
    )


def between(buffer: pa.Buffer, starts: Integers, ends: Integers) -> Any:  # noqa: ANN401  # a BinaryArray
    """Return pieces of a buffer without copying: each one, and what lies behind it."""
    offsets = np.zeros(max(2 * len(starts), 1), np.int32)
    offsets[0:-1:2], offsets[1::2] = starts, ends
    parts = [None, arrow.buffer(offsets), buffer]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, parts)


def _joined(keys: Any, first: Ints) -> Any:  # noqa: ANN401  # BinaryArrays
    """Return the keys of each line behind one another."""
    if not len(first):
        return pa.array([], pa.binary())
    offsets = np.frombuffer(keys.buffers()[1], np.int32)[: len(keys) + 1]
    offsets = offsets[np.append(first, len(keys))]
    parts = [None, arrow.buffer(offsets), keys.buffers()[2]]
    return pa.Array.from_buffers(pa.binary(), len(first), parts)


@lru_cache(maxsize=_SHAPES)
def _shape(head: bytes) -> dict[str, int] | None:
    """Return the places of keys; None where one stands twice, or is none."""
    found = _KEYS_OF_SHAPE.findall(head)
    whole = b"".join(_KEYS_OF_SHAPE.sub(b"", head).split())
    if whole or len(set(found)) < len(found):
        return None
    return {key.decode("ascii"): place for place, key in enumerate(found)}
