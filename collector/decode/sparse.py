"""A batch whose columns were found one by one, each told in some of its rows only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from typing_extensions import override

from collector.decode import arrow
from collector.decode.batch import Batch, Bytes, Mask
from collector.decode.layout import VARIABLE, Field, Layout

Element = tuple[int, int]
"""PEN and id."""
_WORD = 8


class Cell(NamedTuple):
    """One column."""

    size: int
    """In bytes, or VARIABLE for texts."""
    values: Any
    """Integers of up to 8 bytes, (rows, size) bytes, or Arrow binary."""
    told: Mask | None
    """Where there is a value; None: everywhere."""


class Cells:
    """Columns by element. What is put first stays; what comes later fills the other rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.by_element: dict[Element, Cell] = {}

    def put(self, element: Element, size: int, values: npt.NDArray[Any], told: Mask | None) -> None:
        """Add integers of `size` bytes, or (rows, size) bytes."""
        if told is not None:
            some = told.any()
            if not some:
                return
            told = None if told.all() else told
        known = self.by_element.get(element)
        if known is not None:
            if known.told is None:
                return
            there = known.told[:, None] if values.ndim > 1 else known.told
            values = np.where(there, known.values, values)
            told = None if told is None or (known.told | told).all() else known.told | told
        self.by_element[element] = Cell(size, values, told)

    def put_texts(self, element: Element, values: pa.Array[Any], told: Mask) -> None:
        """Add binary values; they are no more than once."""
        if told.any() and element not in self.by_element:
            self.by_element[element] = Cell(VARIABLE, values, None if told.all() else told)

    def told(self, element: Element) -> Mask:
        """Tell where there is a value."""
        cell = self.by_element.get(element)
        if cell is None:
            return np.zeros(self.rows, np.bool_)
        return np.ones(self.rows, np.bool_) if cell.told is None else cell.told


class SparseBatch(Batch):
    """Rows made of cells; the rest of the way is that of every batch."""

    sparse = True

    def __init__(
        self,
        version: int,
        cells: Cells,
        counts: npt.NDArray[np.int64],
        *,
        origin: str = "",
        log: str = "flows",
    ) -> None:
        order = sorted(cells.by_element)
        self._cells = [cells.by_element[element] for element in order]
        sizes = (cell.size for cell in self._cells)
        fields = (Field(*element, size) for element, size in zip(order, sizes, strict=True))
        self.layout = Layout.of(version, 0, tuple(fields))
        self.counts = counts
        self.rows = cells.rows
        self.origin = origin
        self.log = log

    @override
    def uint(self, field: int) -> tuple[npt.NDArray[np.unsignedinteger], Mask | None]:
        """Return a column of integers and where it is told."""
        cell = self._cells[field]
        if cell.size > _WORD:
            return np.zeros(self.rows, np.uint64), np.zeros(self.rows, np.bool_)
        values: npt.NDArray[np.uint64] = cell.values.astype(np.uint64)
        return values, cell.told

    @override
    def octets(self, field: int) -> Bytes:
        """Return a column as (rows, size) bytes."""
        cell = self._cells[field]
        if cell.size > _WORD:
            found: Bytes = np.ascontiguousarray(cell.values)
            return found
        wide = cell.values.astype(">u8").view(np.uint8).reshape(self.rows, _WORD)
        return np.ascontiguousarray(wide[:, _WORD - cell.size :])

    @override
    def sized(self, field: int, size: int) -> tuple[Bytes, Mask | None]:
        """Return a column of this size and where it is told."""
        if self.layout.fields[field].size != size:
            return np.zeros((self.rows, size), np.uint8), np.zeros(self.rows, np.bool_)
        return self.octets(field), self._cells[field].told

    @override
    def binary(self, field: int) -> pa.Array[Any]:
        """Return a column as Arrow binary."""
        cell = self._cells[field]
        if cell.size == VARIABLE:
            texts: pa.Array[Any] = cell.values
            return texts
        offsets = np.arange(self.rows + 1, dtype=np.int64) * cell.size
        return arrow.binary(self.octets(field), offsets)

    @override
    def told(self, field: int) -> Mask | None:
        """Tell where a column has a value; None: everywhere."""
        return self._cells[field].told
