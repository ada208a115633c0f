"""Where the fields of records with variable fields lie (RFC 7011 section 7).

A value's length stands before it, so one record must be walked to find the next. The walk takes
the first record of every set at once, then the second of every set, and so on: as many steps as
the longest set has records, not as there are records. The few sets that go on for long are walked
one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from collector.decode.layout import VARIABLE, Layout

Offsets = npt.NDArray[np.int64]
_Found = tuple[Offsets, Offsets, Offsets, Offsets]
"""Of some records: their body, where they begin, where their values begin, and sizes of these."""

_FEW = 12
"""So few sets are walked faster one by one."""
_LONG = 255
"""A first length byte of 255 says that two more bytes tell the length."""


class Index:
    """Offsets into the joined bodies, for each record and field."""

    def __init__(self, layout: Layout, data: npt.NDArray[np.uint8], counts: Offsets) -> None:
        self.data = data
        self.counts = counts
        self.starts: Offsets = np.empty((0, 0), np.int64)
        """(records, variable fields): where each value begins."""
        self.sizes: Offsets = np.empty((0, 0), np.int64)
        self.firsts: Offsets = np.empty(0, np.int64)
        """Where each record begins."""
        self.rests: Offsets = np.zeros(len(counts), np.int64)
        """By body: bytes behind its last whole record."""
        self._columns = {field: column for column, field in enumerate(_variable(layout))}
        self._layout = layout

    def start(self, field: int) -> Offsets:
        """Return where each record's value of `field` begins."""
        column = self._columns.get(field)
        if column is not None:
            return self.starts[:, column]
        gap, before = 0, field - 1
        while before >= 0 and before not in self._columns:
            gap += self._layout.fields[before].size
            before -= 1
        if before < 0:
            return self.firsts + gap
        column = self._columns[before]
        return self.starts[:, column] + self.sizes[:, column] + gap

    def size(self, field: int) -> Offsets:
        """Return the size of each record's value of the variable `field`."""
        return self.sizes[:, self._columns[field]]


def build(layout: Layout, bodies: Sequence[bytes]) -> Index:
    """Return the index of every whole record in `bodies`."""
    joined = b"".join(bodies)
    data = np.frombuffer(joined, np.uint8)
    ends = np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)))
    at = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    body = np.arange(len(bodies))
    steps = _gaps(layout)
    found: list[_Found] = []
    rests = np.zeros(len(bodies), np.int64)
    while len(body) > _FEW:
        starts, sizes, after = _walk_front(data, at, ends[body], steps)
        whole = (after <= ends[body]) & (after > at)
        rests[body] = ends[body] - at
        found.append((body[whole], at[whole], starts[whole], sizes[whole]))
        body, at = body[whole], after[whole]
    for one, start in zip(body.tolist(), at.tolist(), strict=True):
        part, rests[one] = _walk_body(joined, one, start, int(ends[one]), steps)
        found.append(part)
    index = _gather(layout, data, len(bodies), found)
    index.rests = rests
    return index


def _variable(layout: Layout) -> list[int]:
    return [i for i, field in enumerate(layout.fields) if field.size == VARIABLE]


def _gaps(layout: Layout) -> list[int]:
    """Return the fixed bytes before each variable field, and those after the last."""
    gaps = [0]
    for field in layout.fields:
        if field.size == VARIABLE:
            gaps.append(0)
        else:
            gaps[-1] += field.size
    return gaps


def _walk_front(
    data: npt.NDArray[np.uint8], at: Offsets, ends: Offsets, gaps: list[int]
) -> tuple[Offsets, Offsets, Offsets]:
    """Walk one record of every body at once; return value starts, sizes and the next positions.

    A record that does not fit ends behind its body, which is how the caller knows it.
    """
    columns = len(gaps) - 1
    starts = np.empty((len(at), columns), np.int64)
    sizes = np.empty((len(at), columns), np.int64)
    last = len(data) - 1
    for column in range(columns):
        at = at + gaps[column]
        size = data[np.minimum(at, last)].astype(np.int64)
        long = size == _LONG
        high = data[np.minimum(at + 1, last)].astype(np.int64)
        low = data[np.minimum(at + 2, last)].astype(np.int64)
        size = np.where(long, high << 8 | low, size)
        at = at + np.where(long, 3, 1)
        starts[:, column], sizes[:, column] = at, size
        # Never so far that it could come round: bodies are shorter than 64 KiB.
        at = np.minimum(at + size, ends + 1)
    return starts, sizes, at + gaps[-1]


def _walk_body(joined: bytes, body: int, at: int, end: int, gaps: list[int]) -> tuple[_Found, int]:
    """Walk all records of one body from `at`; return them, and how many bytes are left."""
    firsts: list[int] = []
    places: list[int] = []
    while at < end:
        first = at
        values: list[int] = []
        for gap in gaps[:-1]:
            at += gap
            if at >= end:
                break
            size = joined[at]
            at += 1
            if size == _LONG:
                size = int.from_bytes(joined[at : at + 2], "big")
                at += 2
            values += (at, size)
            at += size
        at += gaps[-1]
        if at > end or len(values) != 2 * (len(gaps) - 1):
            at = first
            break
        firsts.append(first)
        places += values
    pairs = np.array(places, np.int64).reshape(len(firsts), len(gaps) - 1, 2)
    owner = np.full(len(firsts), body, np.int64)
    return (owner, np.array(firsts, np.int64), pairs[:, :, 0], pairs[:, :, 1]), end - at


def _gather(
    layout: Layout,
    data: npt.NDArray[np.uint8],
    bodies: int,
    found: list[_Found],
) -> Index:
    """Put the records found into the order of the bodies."""
    owners, firsts, starts, sizes = (
        np.concatenate([part[n] for part in found]) if found else np.empty(0, np.int64)
        for n in range(4)
    )
    order = np.argsort(owners, kind="stable")
    index = Index(layout, data, np.bincount(owners, minlength=bodies).astype(np.int64))
    columns = len(_variable(layout))
    index.firsts = firsts[order]
    index.starts = starts.reshape(len(owners), columns)[order]
    index.sizes = sizes.reshape(len(owners), columns)[order]
    return index
