"""Lines of `key=value key="some value"` by the batch: split with NumPy, values given as columns.

All lines lie behind one another in one buffer. A line fits when it is nothing but such pairs with
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

from collector.decode import arrow
from collector.decode.batch import Mask

Ints = npt.NDArray[np.int64]
_SPACE, _QUOTE, _COMMA, _EQUALS = b' ",='
_ASCII = 0x7F
_KEYS_OF_SHAPE = re.compile(rb'([\w.-]{1,64})="?', re.ASCII)
_SHAPES = 4096
"""Shapes that are remembered."""


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
    starts: Ints
    """Where each value begins in the buffer."""

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

    def only(self, fit: Mask) -> Keyed:
        """Return some of the lines."""
        if fit.all():
            return self
        return self._replace(rows=self.rows[fit], first=self.first[fit], shape=self.shape[fit])


class _Signs(NamedTuple):
    """The spaces, quotes, commas, equals signs and odd bytes of a buffer."""

    at: Ints
    kind: npt.NDArray[np.uint8]
    line: Ints
    outside: Mask
    """Whether an even number of quotes stands before it."""


def split(data: bytes, begins: Ints, ends: Ints) -> Keyed:
    """Split lines of UTF-8.

    Args:
        data: Of fewer than 2^31 bytes.
        begins: Where the pairs of each line begin, ascending.
        ends: Where each line ends, before the next begins.
    """
    octets = np.frombuffer(data, np.uint8)
    signs, fit = _even(_signs(octets, begins, ends), len(begins))
    splits = signs.outside & ((signs.kind == _SPACE) | (signs.kind == _EQUALS))
    fit &= ~_any(signs.line[_odd(signs)], len(begins))
    pairs, fit = _pairs(_some(signs, splits), begins, ends, fit)
    quotes = np.bincount(signs.line[signs.kind == _QUOTE], minlength=len(begins))
    return _shaped(data, pairs, *_quoted(octets, pairs, quotes, fit))


def _signs(octets: npt.NDArray[np.uint8], begins: Ints, ends: Ints) -> _Signs:
    """Find what matters; bytes between lines are of none."""
    # Below the comma stand control bytes, space and quote, and five signs that mean nothing here.
    wanted = (octets <= _QUOTE) & (octets != 0x21)
    wanted |= (octets == _EQUALS) | (octets == _COMMA) | (octets > _ASCII)
    at = np.flatnonzero(wanted)
    line = np.searchsorted(at, begins)
    counts = np.searchsorted(at, ends) - line
    if counts.sum() < len(at):
        within = np.repeat(line - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        at = at[within]
    numbers = np.repeat(np.arange(len(begins)), counts)
    return _Signs(at, octets[at], numbers, np.ones(len(at), np.bool_))


def _even(signs: _Signs, lines: int) -> tuple[_Signs, Mask]:
    """Find out what is inside of quotes; lines with an odd number of these fall out."""
    quote = signs.kind == _QUOTE
    fit = np.bincount(signs.line[quote], minlength=lines) % 2 == 0
    if not fit.all():
        signs = _some(signs, fit[signs.line])
        quote = signs.kind == _QUOTE
    before = np.cumsum(quote) - quote
    return signs._replace(outside=before & 1 == 0), fit


def _odd(signs: _Signs) -> Mask:
    """Tell what makes a line unfit: control bytes anywhere, commas and other bytes outside."""
    kind = signs.kind
    odd: Mask = (kind < _SPACE) | (signs.outside & ((kind == _COMMA) | (kind > _ASCII)))
    return odd


class _Pairs(NamedTuple):
    """All pairs of the lines that may fit, in order."""

    line: Ints
    starts: Ints
    equals: Ints
    ends: Ints


def _pairs(splits: _Signs, begins: Ints, ends: Ints, fit: Mask) -> tuple[_Pairs, Mask]:
    """Return the pairs of lines whose every word has an equals sign."""
    lines = len(begins)
    space = splits.kind == _SPACE
    begun = np.ones(len(space), np.bool_)
    begun[1:] = space[:-1] | (splits.line[1:] != splits.line[:-1])
    leading = begun & ~space
    words = np.bincount(splits.line[space], minlength=lines) + 1
    fit = fit & (np.bincount(splits.line[leading], minlength=lines) == words)
    kept = fit[splits.line]
    equals = splits.at[leading & kept]
    spaces = splits.at[space & kept]
    words = words[fit]
    last = np.cumsum(words) - 1
    first = last - words + 1
    inner = np.ones(len(equals), np.bool_)
    inner[first] = False
    starts, stops = np.empty(len(equals), np.int64), np.empty(len(equals), np.int64)
    starts[first], starts[inner] = begins[fit], spaces + 1
    inner[first], inner[last] = True, False
    stops[last], stops[inner] = ends[fit], spaces
    return _Pairs(np.repeat(np.flatnonzero(fit), words), starts, equals, stops), fit


def _quoted(
    octets: npt.NDArray[np.uint8], pairs: _Pairs, quotes: Ints, fit: Mask
) -> tuple[Mask, Mask]:
    """Return which values are quoted, and which lines have quotes around values only."""
    after = pairs.equals + 1
    quoted = (after < pairs.ends) & (octets[np.minimum(after, len(octets) - 1)] == _QUOTE)
    wrong = quoted & ((octets[pairs.ends - 1] != _QUOTE) | (pairs.ends - 1 == after))
    told = np.bincount(pairs.line[quoted], minlength=len(fit))
    return quoted, fit & (2 * told == quotes) & ~_any(pairs.line[wrong], len(fit))


def _shaped(data: bytes, pairs: _Pairs, quoted: Mask, fit: Mask) -> Keyed:
    """Find the shape of each line that fits."""
    buffer = pa.py_buffer(data)
    starts = pairs.equals + 1 + quoted
    keys = between(buffer, pairs.starts, starts).take(_evens(len(starts)))
    begun = np.ones(len(starts), np.bool_)
    begun[1:] = pairs.line[1:] != pairs.line[:-1]
    first = np.flatnonzero(begun)
    fits = fit[pairs.line[first]]
    heads = _joined(keys, first)
    codes, distinct = arrow.encode(heads)
    shapes = [_shape(head) for head in distinct.to_pylist()]
    known = np.array([shape is not None for shape in shapes], np.bool_)
    shape = arrow.numpy(codes).astype(np.int64)
    fits &= known[shape] if len(known) else fits
    return Keyed(
        rows=pairs.line[first][fits],
        first=first[fits],
        shape=shape[fits],
        shapes=[shape or {} for shape in shapes],
        values=between(buffer, starts, pairs.ends - quoted).view(pa.string()),
        starts=starts,
    )


def lines(data: bytes, ends: Ints) -> pa.Array[Any]:
    """Return lines that fill a buffer of UTF-8 as strings, without copying."""
    offsets = np.append(0, ends).astype(np.int32)
    parts = [None, arrow.buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(ends), parts)


def between(buffer: pa.Buffer, starts: Ints, ends: Ints) -> Any:  # noqa: ANN401  # a BinaryArray
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


def _some(signs: _Signs, where: Mask) -> _Signs:
    return _Signs(signs.at[where], signs.kind[where], signs.line[where], signs.outside[where])


def _any(lines: Ints, size: int) -> Mask:
    found = np.zeros(size, np.bool_)
    found[lines] = True
    return found


def _evens(count: int) -> Any:  # noqa: ANN401  # an Int64Array
    return pa.array(np.arange(0, 2 * count, 2))
