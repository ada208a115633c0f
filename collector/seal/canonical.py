"""Canonical rows: what of a table is hashed, whatever wrote its Parquet file.

A schema document names the columns; every column has a fixed width, so the rows of one log are one
NumPy `uint8` matrix. Text, addresses and ids are hashed or parsed once per distinct value and then
gathered by code. Anything that is not exactly of its type and in its one spelling is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import rfc8785
from typing_extensions import override

from collector.seal.fault import Refused
from collector.seal.spelling import ip_bytes, mac_bytes, uuid_bytes

Matrix = npt.NDArray[np.uint8]
Column = tuple[str, str]
"""Name and type."""

FORMAT = "prathu-row/1"
YEAR_2400_US = 13_569_465_600_000_000
"""A time from here on is a Buddhist-era year that nobody corrected."""

_SIGNED = ("i64", "time")
_RANGES = {"u8": (0, 0xFF), "u16": (0, 0xFFFF), "u32": (0, 0xFFFF_FFFF), "bool": (0, 1)}
_NUMPY = {
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
_CODED = frozenset({"ip", "mac", "uuid", "str", "bytes"})
_US = pa.timestamp("us", tz="UTC")
_STORED: Mapping[str, tuple[pa.DataType, ...]] = {
    "u8": (pa.int32(),),
    "u16": (pa.int32(),),
    "u32": (pa.int64(),),
    "u64": (pa.int64(),),
    "i64": (pa.int64(),),
    "bool": (pa.bool_(),),
    "time": (_US,),
    "ip": (pa.string(),),
    "mac": (pa.string(),),
    "uuid": (pa.string(),),
    "str": (pa.string(), pa.large_string()),
    "bytes": (pa.binary(), pa.large_binary()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema document that follows the format."""

    log: str
    version: int
    subject: str | None
    core: tuple[Column, ...]
    detail: tuple[Column, ...]
    text: bytes
    """The document as RFC 8785 JSON, as it is stored."""

    @property
    def sha256(self) -> str:
        """The document's name in manifests and files."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns in the order of the file."""
        return self.core + self.detail


def read_schema(document: Mapping[str, Any]) -> Schema:
    """Return `document` checked.

    Raises:
        Refused: E-12, naming the member that is wrong.
    """
    members = {"format", "log", "version", "subject", "core", "detail"}
    if document.keys() != members or document["format"] != FORMAT:
        raise Refused("E-12", f"not a {FORMAT} schema document")
    log, version, subject = document["log"], document["version"], document["subject"]
    if not isinstance(log, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", log):
        raise Refused("E-12", f"schema: the log name {log!r}")
    if type(version) is not int or not 0 < version < 1 << 53:
        raise Refused("E-12", f"schema {log}: the version {version!r}")
    core, detail = (_columns(log, document[part]) for part in ("core", "detail"))
    names = [name for name, _ in core + detail]
    if len(set(names)) != len(names):
        raise Refused("E-12", f"schema {log}: a column twice")
    if dict(core).get("time") != "time" or dict(core).get("received") != "time":
        raise Refused("E-12", f"schema {log}: core needs time and received")
    if subject is not None and dict(core).get(subject) != "str":
        raise Refused("E-12", f"schema {log}: the subject must be a str column of core")
    return Schema(
        log=log,
        version=version,
        subject=subject,
        core=core,
        detail=detail,
        text=rfc8785.dumps(dict(document)),
    )


def parse_schema(text: bytes) -> Schema:
    """Return the schema document in a file of `ledger/schema/`.

    Raises:
        Refused: E-12, not such a document or not in its one spelling.
    """
    try:
        schema = read_schema(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Refused("E-12", f"not a schema document: {error}") from error
    if schema.text != text:
        raise Refused("E-12", "the schema document is not in its canonical form")
    return schema


def _columns(log: str, listed: object) -> tuple[Column, ...]:
    if not isinstance(listed, list):
        raise Refused("E-12", f"schema {log}: the columns are not a list")
    columns = []
    for entry in listed:
        if not isinstance(entry, list) or len(entry) != 2:
            raise Refused("E-12", f"schema {log}: not a [name, type]: {entry!r}")
        name, kind = entry
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
            raise Refused("E-12", f"schema {log}: the column name {name!r}")
        if not isinstance(kind, str) or kind not in _NUMPY:
            raise Refused("E-12", f"schema {log}: the type {kind!r} of column {name}")
        columns.append((name, kind))
    return tuple(columns)


def check_types(table: pa.Table, schema: Schema) -> None:
    """Refuse a table whose columns are not exactly those of `schema`, in order and in type.

    Raises:
        Refused: E-12.
    """
    names = [name for name, _ in schema.columns]
    if table.column_names != names:
        odd = set(names).symmetric_difference(table.column_names)
        told = ", ".join(sorted(odd)) or "their order"
        raise Refused("E-12", f"columns are not those of the schema of {schema.log}: {told}")
    for name, kind in schema.columns:
        stored = table.schema.field(name).type
        if pa.types.is_dictionary(stored) and kind in _CODED:
            stored = stored.value_type
        if stored not in _STORED[kind]:
            raise Refused("E-12", f"column {name} is {stored}, not {_STORED[kind][0]} for {kind}")


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
            at += np.dtype(_NUMPY[kind]).itemsize
        self.width = at

    def prepare(self, table: pa.Table) -> Prepared:
        """Hash and parse the distinct values of `table`.

        Raises:
            Refused: E-12, a value that is not in its one spelling.
        """
        sources = [source(name, kind, table[name]) for name, kind in self.columns]
        return Prepared(sources, self._offsets, self._null_bytes)


class Prepared:
    """A table ready to be written in chunks of rows."""

    def __init__(self, sources: list[Source], offsets: list[int], null_bytes: int) -> None:
        self._sources = sources
        self._offsets = offsets
        self._null_bytes = null_bytes

    def write(self, matrix: Matrix, at: int, start: int) -> None:
        """Write rows from `start` on into all rows of `matrix`, beginning at its column `at`.

        Raises:
            Refused: E-12, a number that its type does not hold.
        """
        rows, width = matrix.shape
        matrix[:, at : at + self._null_bytes] = 0
        for number, (source_, offset) in enumerate(zip(self._sources, self._offsets, strict=True)):
            layout = np.dtype(
                {
                    "names": ["x"],
                    "formats": [_NUMPY[source_.kind]],
                    "offsets": [at + offset],
                    "itemsize": width,
                }
            )
            field = matrix.view(layout)[:, 0]["x"]
            nulls = source_.write(field, start, rows)
            if nulls is not None:
                bit = np.uint8(0x80 >> (number % 8))
                matrix[:, at + number // 8] |= nulls.view(np.uint8) * bit


class Source:
    """One column of a table, from which runs of rows are written."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind

    def write(self, field: npt.NDArray[Any], start: int, rows: int) -> npt.NDArray[np.bool_] | None:
        """Write `rows` values from `start` on; return which are null, or None for none."""
        raise NotImplementedError


class _Numbers(Source):
    def __init__(self, name: str, kind: str, array: pa.Array[Any]) -> None:
        super().__init__(name, kind)
        if kind == "time":
            array = array.view(pa.int64())
        elif kind == "bool":
            array = array.cast(pa.uint8())
        self._array = array

    @override
    def write(self, field: npt.NDArray[Any], start: int, rows: int) -> npt.NDArray[np.bool_] | None:
        part = self._array.slice(start, rows)
        nulls = None
        if part.null_count:
            nulls = np.asarray(part.is_null().to_numpy(zero_copy_only=False))
            part = part.fill_null(0)
        values = part.to_numpy(zero_copy_only=False)
        self._check(values, start)
        field[...] = values
        return nulls

    def _check(self, values: npt.NDArray[Any], start: int) -> None:
        if self.kind in _SIGNED or values.dtype.kind == "u" or not len(values):
            return
        low, high = _RANGES.get(self.kind, (0, None))
        if values.min() < low or (high is not None and values.max() > high):
            bad = (values < low) | (values > (high if high is not None else values.max()))
            row = int(np.argmax(bad))
            raise Refused(
                "E-12", f"column {self.name}, row {start + row}: {values[row]} is not {self.kind}"
            )


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
        self._coded: npt.NDArray[Any] | None = None

    def codes(self, start: int, rows: int) -> npt.NDArray[np.integer[Any]]:
        """Return the codes of a run of rows; null has the code `len(distinct)`."""
        part = self._indices.slice(start, rows)
        if part.null_count:
            part = part.cast(pa.int64()).fill_null(len(self.distinct))
        return np.asarray(part.to_numpy(zero_copy_only=False))

    @override
    def write(self, field: npt.NDArray[Any], start: int, rows: int) -> npt.NDArray[np.bool_] | None:
        """Gather the encoded values by code."""
        if self._coded is None:
            self._coded = self._encode()
        codes = self.codes(start, rows)
        if len(self._coded) == 2 and not self._indices.null_count:
            field[...] = self._coded[0]
            return None
        field[...] = self._coded.take(codes)
        return codes == len(self.distinct) if self._indices.null_count else None

    def _encode(self) -> npt.NDArray[Any]:
        encode = _ENCODE[self.kind]
        try:
            encoded = [encode(value) for value in self.distinct]
        except ValueError as error:
            raise Refused("E-12", f"column {self.name}: {error}") from error
        layout = np.dtype(_NUMPY[self.kind])
        return np.frombuffer(b"".join(encoded) + bytes(layout.itemsize), dtype=layout)


_LARGE = (pa.large_string(), pa.large_binary())


def source(name: str, kind: str, column: pa.ChunkedArray[Any]) -> Source:
    """Return `column` ready for writing as `kind`.

    Raises:
        Refused: E-12, a text that is not UTF-8.
    """
    if kind in _CODED:
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
    return Coded(name, kind, _one(column.unify_dictionaries()))


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
