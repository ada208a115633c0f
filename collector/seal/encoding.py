"""Columns written as canonical bytes: what `enc(columns, row)` is of many rows at once.

Every column has a fixed width, so the rows of one log are one NumPy `uint8` matrix. Text, addresses
and ids are hashed or parsed once per distinct value and then gathered by code. What is not in its
one spelling is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import override

from collector.columns import numbers_of, one_dictionary, valid
from collector.seal.fault import Refused
from collector.seal.hashing import Matrix, hash_values
from collector.seal.spelling import ip_bytes, mac_bytes, uuid_bytes

Column = tuple[str, str]
"""Name and type."""

RUN = 1 << 13
"""Rows written column by column before the next ones: they stay in the processor's cache."""
_SIGNED = ("i64", "time")
_RANGES = {"u8": (0, 0xFF), "u16": (0, 0xFFFF), "u32": (0, 0xFFFF_FFFF), "bool": (0, 1)}
NUMPY = {
    "u8": ">u1",
    "u16": ">u2",
    "u32": ">u4",
    "u64": ">u8",
    "i64": ">i8",
    "bool": ">u1",
    "time": ">i8",
    "ip": "V17",
    "mac": "V6",
    "uuid": "V16",
    "str": "V32",
    "bytes": "V32",
}
"""How each type lies in a row: numbers big-endian, all else as bytes."""
CODED = frozenset({"ip", "mac", "uuid", "str", "bytes"})
"""Types of texts, which are coded by a dictionary."""
_HASHED = ("str", "bytes")


class Encoder:
    """Writes `enc(columns, row)` of many rows into a matrix.

    The widths are fixed: `width` bytes a row, the null bits first.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._null_bytes = (len(columns) + 7) // 8
        self._offsets = []
        at = self._null_bytes
        for _, kind in columns:
            self._offsets.append(at)
            at += np.dtype(NUMPY[kind]).itemsize
        self.width = at

    def prepare(self, table: pa.Table) -> Prepared:
        """Hash and parse the distinct values of `table`.

        Raises:
            Refused: E-12, a value that is not in its one spelling.
        """
        sources = [source(name, kind, table[name]) for name, kind in self.columns]
        return Prepared(sources, self._offsets, self._null_bytes)


class Prepared:
    """A table ready to be written in chunks of rows.

    What all rows have in common, often half of the columns, is laid out once.
    """

    def __init__(self, sources: list[Source], offsets: list[int], null_bytes: int) -> None:
        self._varying: list[tuple[int, int, Source]] = []
        common = [np.zeros(null_bytes, dtype=np.uint8)]
        for number, (source_, offset) in enumerate(zip(sources, offsets, strict=True)):
            same = source_.same()
            if same is None:
                self._varying.append((number, offset, source_))
            elif same.null:
                common[0][number // 8] |= _bit(number)
            common.append(np.zeros(np.dtype(NUMPY[source_.kind]).itemsize, dtype=np.uint8))
            if same is not None and not same.null:
                common[-1][:] = np.frombuffer(same.value, dtype=np.uint8)
        self._common = np.concatenate(common)

    def write(self, matrix: Matrix, at: int, start: int) -> None:
        """Write rows from `start` on into all rows of `matrix`, beginning at its column `at`.

        Raises:
            Refused: E-12, a number that its type does not hold.
        """
        self.lay_out(matrix, at)
        self.fill(matrix, at, start)

    def lay_out(self, matrix: Matrix, at: int) -> None:
        """Write what all rows have in common."""
        matrix[:, at : at + len(self._common)] = self._common

    def fill(self, matrix: Matrix, at: int, start: int) -> None:
        """Write the rest of rows from `start` on where rows of this table were laid out.

        Raises:
            Refused: as `write`.
        """
        for begun in range(0, len(matrix), RUN):
            self._fill(matrix[begun : begun + RUN], at, start + begun)

    def _fill(self, matrix: Matrix, at: int, start: int) -> None:
        rows, width = matrix.shape
        null_bits: dict[int, npt.NDArray[np.uint8]] = {}
        for number, offset, source_ in self._varying:
            layout = np.dtype(
                {
                    "names": ["x"],
                    "formats": [NUMPY[source_.kind]],
                    "offsets": [at + offset],
                    "itemsize": width,
                }
            )
            field = matrix.view(layout)[:, 0]["x"]
            nulls = source_.write(field, start, rows)
            if nulls is not None:
                bits = nulls.view(np.uint8) * _bit(number)
                place = number // 8
                null_bits[place] = null_bits[place] | bits if place in null_bits else bits
        for place, bits in null_bits.items():
            matrix[:, at + place] = bits | self._common[place]


def _bit(number: int) -> np.uint8:
    return np.uint8(0x80 >> (number % 8))


class Same(NamedTuple):
    """What all rows of a column have."""

    null: bool
    value: bytes = b""
    """Encoded; of a null nothing, which is written as zeros."""


class Source:
    """One column of a table, from which runs of rows are written."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind

    def same(self) -> Same | None:
        """Return what all rows have, or None where they differ or it is not plain.

        Raises:
            Refused: E-12, a value that cannot be.
        """
        raise NotImplementedError

    def write(self, field: npt.NDArray[Any], start: int, rows: int) -> npt.NDArray[np.bool_] | None:
        """Write `rows` values from `start` on.

        Return which of them are null; None where none is in the whole column.
        """
        raise NotImplementedError


class _Nulls(Source):
    """A column without any value, in whatever chunks it lies."""

    @override
    def same(self) -> Same | None:
        return Same(null=True)


class _Numbers(Source):
    def __init__(self, name: str, kind: str, array: pa.Array[Any]) -> None:
        super().__init__(name, kind)
        if kind == "time":
            array = array.view(pa.int64())
        elif kind == "bool":
            array = array.cast(pa.uint8())
        self._array = array

    @override
    def same(self) -> Same | None:
        least, most = pc.min_max(self._array).values()
        if not least.is_valid:
            return Same(null=True) if len(self._array) else None
        if self.kind not in _SIGNED:
            low, high = _RANGES.get(self.kind, (0, (1 << 64) - 1))
            if least.as_py() < low or most.as_py() > high:
                self._refuse(low, high)
        if self._array.null_count or least != most:
            return None
        return Same(null=False, value=np.array(least.as_py(), dtype=NUMPY[self.kind]).tobytes())

    @override
    def write(self, field: npt.NDArray[Any], start: int, rows: int) -> npt.NDArray[np.bool_] | None:
        part = self._array.slice(start, rows)
        if not self._array.null_count:
            field[...] = part.to_numpy(zero_copy_only=False)
            return None
        present = valid(part)
        field[...] = np.where(present, numbers_of(part), 0)
        return ~present

    def _refuse(self, low: int, high: int) -> NoReturn:
        """Name the first value that is out of range."""
        values = self._array.fill_null(low).to_numpy(zero_copy_only=False)
        row = int(np.argmax((values < low) | (values > high)))
        raise Refused("E-12", f"column {self.name}, row {row}: {values[row]} is not {self.kind}")


class Coded(Source):
    """A column of texts: `distinct` in the order of their codes, null as the code behind them."""

    def __init__(self, name: str, kind: str, array: pa.DictionaryArray[Any, Any]) -> None:
        super().__init__(name, kind)
        values = array.dictionary
        if values.null_count:
            raise Refused("E-12", f"column {name}: a null among the values of its dictionary")
        try:
            values.validate(full=True)
        except pa.ArrowInvalid as error:
            raise Refused("E-12", f"column {name}: {error}") from error
        binary = pa.large_binary() if values.type in _LARGE else pa.binary()
        self.distinct = cast(list[bytes], values.cast(binary).to_pylist())
        self._indices = array.indices
        self._coded: npt.NDArray[Any] = np.empty(0, dtype=NUMPY[kind])

    def codes(self, start: int, rows: int) -> npt.NDArray[np.integer[Any]]:
        """Return the codes of a run of rows; null has the code `len(distinct)`."""
        part = self._indices.slice(start, rows)
        if not part.null_count:
            return np.asarray(part.to_numpy(zero_copy_only=False))
        return np.where(valid(part), numbers_of(part), len(self.distinct))

    @override
    def same(self) -> Same | None:
        """Return the only value, hashed or parsed."""
        if not len(self._indices):
            return None
        if self._indices.null_count == len(self._indices):
            return Same(null=True)
        self._coded = self._encode()
        if len(self.distinct) > 1 or self._indices.null_count:
            return None
        return Same(null=False, value=self._coded[0].tobytes())

    @override
    def write(self, field: npt.NDArray[Any], start: int, rows: int) -> npt.NDArray[np.bool_] | None:
        """Gather the encoded values by code."""
        codes = self.codes(start, rows)
        field[...] = self._coded.take(codes)
        return codes == len(self.distinct) if self._indices.null_count else None

    def _encode(self) -> npt.NDArray[Any]:
        encode = _ENCODE[self.kind]
        try:
            encoded = [encode(value) for value in self.distinct]
        except ValueError as error:
            raise Refused("E-12", f"column {self.name}: {error}") from error
        layout = np.dtype(NUMPY[self.kind])
        return np.frombuffer(b"".join(encoded) + bytes(layout.itemsize), dtype=layout)


class _Whole(Source):
    """A column of texts or bytes that hardly ever repeat: each is hashed where it stands."""

    def __init__(self, name: str, kind: str, column: pa.ChunkedArray[Any]) -> None:
        super().__init__(name, kind)
        for chunk in column.chunks:
            _valid(name, chunk)
        self._column = column
        self._nulls = np.zeros(0, np.bool_)
        self._hashes: npt.NDArray[Any] = np.empty(0, dtype=NUMPY[kind])

    @override
    def same(self) -> Same | None:
        """Hash all of them, one after the other."""
        column = self._column
        if column.null_count == len(column):
            return Same(null=True) if len(column) else None
        parts = [hash_values(_binary(chunk.drop_null())) for chunk in column.chunks]
        hashes = np.concatenate(parts).reshape(-1).view(NUMPY[self.kind])
        if column.null_count:
            self._nulls = np.asarray(column.is_null())
            self._hashes = np.zeros(len(column), dtype=NUMPY[self.kind])
            self._hashes[~self._nulls] = hashes
        else:
            self._hashes = hashes
        return None

    @override
    def write(self, field: npt.NDArray[Any], start: int, rows: int) -> npt.NDArray[np.bool_] | None:
        field[...] = self._hashes[start : start + rows]
        return self._nulls[start : start + rows] if len(self._nulls) else None


def _binary(values: Any) -> pa.Array[Any]:  # noqa: ANN401  # a StringArray or one of bytes
    """Return texts as the bytes they are."""
    large = values.type in _LARGE
    found: pa.Array[Any] = values.view(pa.large_binary() if large else pa.binary())
    return found


_LARGE = (pa.large_string(), pa.large_binary())


def source(name: str, kind: str, column: pa.ChunkedArray[Any]) -> Source:
    """Return `column` ready for writing as `kind`.

    Raises:
        Refused: E-12, a text that is not UTF-8.
    """
    if column.null_count == len(column) > 0:
        return _Nulls(name, kind)
    if kind in _HASHED and not pa.types.is_dictionary(column.type):
        return _Whole(name, kind, column)
    if kind in CODED:
        return coded(name, kind, column)
    return _Numbers(name, kind, _one(column))


def coded(name: str, kind: str, column: pa.ChunkedArray[Any]) -> Coded:
    """Return a column of texts with its distinct values.

    Raises:
        Refused: E-12, a text that is not UTF-8.
    """
    if not pa.types.is_dictionary(column.type):
        for chunk in column.chunks:
            _valid(name, chunk)
        column = pc.dictionary_encode(column)
    return Coded(name, kind, _one(one_dictionary(column)))


def _valid(name: str, array: pa.Array[Any]) -> None:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise Refused("E-12", f"column {name}: {error}") from error


def _one(column: pa.ChunkedArray[Any]) -> Any:  # noqa: ANN401  # the array class follows the type
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _hash(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


_ENCODE: Mapping[str, Callable[[bytes], bytes]] = {
    "ip": ip_bytes,
    "mac": mac_bytes,
    "uuid": uuid_bytes,
    "str": _hash,
    "bytes": _hash,
}
