"""Records of one layout, joined from many datagrams and read column by column.

Nothing here runs once per record: records of fixed size are one NumPy structured array; those with
variable fields get an index of offsets first (`index.py`) and are then gathered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow
from collector.decode.index import Index, build
from collector.decode.layout import VARIABLE, Layout

Ints = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_PLAIN = (1, 2, 4, 8)
_WORD = 8


class Batch:
    """The joined set bodies of one layout.

    `counts` says how many records each body gave; bytes behind the last whole record are padding.
    """

    def __init__(self, layout: Layout, bodies: Sequence[bytes]) -> None:
        self.layout = layout
        self._index: Index | None = None
        if layout.variable:
            self._index = build(layout, bodies)
            self._bytes = self._index.data
            self.counts = self._index.counts
        else:
            size = layout.least_bytes
            lengths = np.fromiter(map(len, bodies), np.int64, len(bodies))
            self.counts = lengths // size
            if (lengths % size).any():
                bodies = [body[: len(body) // size * size] for body in bodies]
            self._bytes = np.frombuffer(b"".join(bodies), np.uint8)
            self._records = self._bytes.view(layout.dtype)
        self.rows = int(self.counts.sum())

    log = "flows"
    """Of which log its records become rows."""

    origin = ""
    """Where rates of sampling are from, if the batch knows by itself (`sampling.ORIGINS`)."""

    sparse = False
    """Whether fields are told in some rows only, addresses of either family each for itself."""

    @property
    def rests(self) -> npt.NDArray[np.int64] | None:
        """Bytes behind the last whole record of each body; None for records of fixed size."""
        return None if self._index is None else self._index.rests

    def told(self, field: int) -> Mask | None:  # noqa: ARG002  # `sparse.py` knows
        """Tell where a field has a value; None: everywhere."""
        return None

    def uint(self, field: int) -> tuple[npt.NDArray[np.unsignedinteger], Mask | None]:
        """Return a field as native unsigned integers, and where they are valid (None: all).

        Values of no or of more than 8 bytes are not valid integers.
        """
        size = self.layout.fields[field].size
        if size == VARIABLE:
            return self._variable_uint(field)
        if size == 0 or size > _WORD:
            return np.zeros(self.rows, np.uint64), np.zeros(self.rows, np.bool_)
        if self._index is None and size in _PLAIN:
            column = self._records[f"f{field}"]
            native: npt.NDArray[Any] = column.astype(column.dtype.newbyteorder("="))
            return native, None
        return _widen(self.octets(field)), None

    def octets(self, field: int) -> Bytes:
        """Return a field of fixed size as an array of (rows, size) bytes."""
        size = self.layout.fields[field].size
        if size == 0:
            return np.empty((self.rows, 0), np.uint8)
        if self._index is None:
            column = self._records[f"f{field}"]
            if column.ndim == 1:
                column = np.ascontiguousarray(column).view(np.uint8).reshape(self.rows, size)
            return np.ascontiguousarray(column)
        starts = self._index.start(field)
        found: Bytes = self._bytes[starts[:, None] + np.arange(size)]
        return found

    def sized(self, field: int, size: int) -> tuple[Bytes, Mask | None]:
        """Return a field as (rows, size) bytes and where it has just that size (None: all)."""
        given = self.layout.fields[field].size
        if given == size:
            return self.octets(field), None
        if given != VARIABLE or self._index is None:
            return np.zeros((self.rows, size), np.uint8), np.zeros(self.rows, np.bool_)
        valid = self._index.size(field) == size
        starts = np.where(valid, self._index.start(field), 0)
        if not valid.any():
            return np.zeros((self.rows, size), np.uint8), valid
        return self._bytes[starts[:, None] + np.arange(size)], valid

    def binary(self, field: int) -> pa.Array[Any]:
        """Return a field as Arrow binary, each value as it came."""
        if self._index is None or self.layout.fields[field].size != VARIABLE:
            size = self.layout.fields[field].size
            flat = self.octets(field)
            offsets = np.arange(self.rows + 1, dtype=np.int64) * size
            return arrow.binary(flat, offsets)
        starts, sizes = self._index.start(field), self._index.size(field)
        offsets = np.zeros(self.rows + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        where = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        return arrow.binary(self._bytes[where], offsets)

    def _variable_uint(self, field: int) -> tuple[npt.NDArray[np.unsignedinteger], Mask | None]:
        if self._index is None:
            raise AssertionError("a variable field without an index")
        starts, sizes = self._index.start(field), self._index.size(field)
        valid = (sizes > 0) & (sizes <= _WORD)
        where = (starts + sizes)[:, None] + np.arange(-_WORD, 0)
        inside = (where >= starts[:, None]) & valid[:, None]
        octets = np.where(inside, self._bytes[np.where(inside, where, 0)], 0).astype(np.uint8)
        return _widen(octets), valid


def _widen(octets: Bytes) -> Ints:
    """Read big-endian integers of 1 to 8 bytes each."""
    rows, size = octets.shape
    wide = np.zeros((rows, _WORD), np.uint8)
    wide[:, _WORD - size :] = octets
    return wide.view(">u8").reshape(rows).astype(np.uint64)
