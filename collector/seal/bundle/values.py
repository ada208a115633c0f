"""Rows of a table as JSON and as CSV, and back: each value has one spelling.

Integers from 2^53 on, either way from zero, are decimal strings (RFC 8785 numbers are doubles);
times are microseconds; addresses and ids are texts, bytes base64. What repeats is written once and
gathered by code.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.seal.canonical import Schema
from collector.seal.encoding import CODED, Column, coded
from collector.seal.fault import Refused
from collector.seal.note import b64

SAFE = 1 << 53
_BIG = re.compile(r"-?[1-9][0-9]{15,19}")
_TEXT = pa.dictionary(pa.int32(), pa.string())
ARROW: Mapping[str, pa.DataType] = {
    "u8": pa.int32(),
    "u16": pa.int32(),
    "u32": pa.int64(),
    "u64": pa.int64(),
    "i64": pa.int64(),
    "bool": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "ip": _TEXT,
    "mac": _TEXT,
    "uuid": _TEXT,
    "str": _TEXT,
    "bytes": pa.binary(),
}
"""How the values of each type lie in memory."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet."""


def json_text(text: str) -> str:
    """Return a text as RFC 8785 writes it."""
    return json.dumps(text, ensure_ascii=False)


def csv_cell(text: str) -> str:
    """Return a cell in quotes."""
    return '"' + text.replace('"', '""') + '"'


def columns_text(table: pa.Table, columns: Sequence[Column]) -> tuple[list[str], dict[str, Any]]:
    """Return an object of these columns for each row, as JSON, and the CSV cells by column."""
    if not columns:
        return [], {}
    cells, written = {}, {}
    for name, kind in columns:
        written[name], cells[name] = _spelt(name, kind, table[name])
    # RFC 8785 sorts members; names of columns are ASCII.
    fragments = [[f'"{name}":{value}' for value in written[name]] for name in sorted(written)]
    return ["{" + ",".join(row) + "}" for row in zip(*fragments, strict=True)], cells


def _spelt(name: str, kind: str, column: pa.ChunkedArray[Any]) -> tuple[list[str], list[str]]:
    if kind not in CODED:
        return _numbers(kind, column)
    source = coded(name, kind, column)
    texts = [_plain(kind, value) for value in source.distinct]
    spelt = [json_text(text) for text in texts] + ["null"]
    cells = [csv_cell(_guarded(kind, text)) for text in texts] + [""]
    codes = source.codes(0, len(column)).tolist()
    return [spelt[code] for code in codes], [cells[code] for code in codes]


def _plain(kind: str, value: bytes) -> str:
    return base64.b64encode(value).decode() if kind == "bytes" else value.decode()


def _guarded(kind: str, text: str) -> str:
    return "'" + text if kind in ("str", "bytes") and text.startswith(_FORMULA) else text


def _numbers(kind: str, column: pa.ChunkedArray[Any]) -> tuple[list[str], list[str]]:
    if kind == "time":
        column = column.cast(pa.int64())
    values = column.to_pylist()
    if kind == "bool":
        spell = {None: "null", True: "true", False: "false"}
        return [spell[value] for value in values], [
            "" if value is None else csv_cell(spell[value]) for value in values
        ]
    spelt = ["null" if value is None else _number(value) for value in values]
    return spelt, ["" if value is None else f'"{value}"' for value in values]


def _number(value: int) -> str:
    return str(value) if -SAFE < value < SAFE else f'"{value}"'


def read_columns(rows: Sequence[object], columns: Sequence[Column], place: str) -> pa.Table:
    """Return the table that parsed JSON objects of these columns stand for.

    Raises:
        Refused: E-12, naming the column; E-11, a text that is not Unicode.
    """
    names = {name for name, _ in columns}
    for row in rows:
        if not isinstance(row, dict) or row.keys() != names:
            raise Refused("E-12", f"{place}: the columns are not those of the schema")
    arrays = {}
    for name, kind in columns:
        # Checked above: every row is a dict of these names.
        values = [row[name] for row in rows]  # type: ignore[index]
        try:
            arrays[name] = _array(kind, values)
        except UnicodeEncodeError as error:
            raise Refused("E-11", f"{place}: half a surrogate in {name}") from error
        except (ValueError, TypeError, OverflowError, pa.ArrowException, Refused) as error:
            raise Refused("E-12", f"{place}: {name} is not {kind}: {error}") from error
    return pa.table(arrays)


def _array(kind: str, values: list[Any]) -> pa.Array[Any]:
    read: Callable[[list[Any]], Iterator[Any]] = _PARSE.get(kind, _integers)
    parsed = list(read(values))
    if kind == "time":
        return pa.array(parsed, pa.int64()).view(ARROW["time"])
    if ARROW[kind] == _TEXT:
        return pc.dictionary_encode(pa.array(parsed, pa.string()))
    return pa.array(parsed, ARROW[kind])


def _integers(values: list[Any]) -> Iterator[int | None]:
    for value in values:
        if type(value) is int:
            if not -SAFE < value < SAFE:
                raise ValueError(f"{value} must be a text")
            yield value
        elif value is None:
            yield None
        elif isinstance(value, str) and _BIG.fullmatch(value) and abs(int(value)) >= SAFE:
            yield int(value)
        else:
            raise ValueError(f"{str(value)[:40]!r}")


def _booleans(values: list[Any]) -> Iterator[bool | None]:
    for value in values:
        if value is not None and type(value) is not bool:
            raise ValueError(f"{str(value)[:40]!r}")
        yield value


def _texts(values: list[Any]) -> Iterator[str | None]:
    for value in values:
        if value is not None and type(value) is not str:
            raise ValueError(f"{str(value)[:40]!r}")
        yield value


def _bytes(values: list[Any]) -> Iterator[bytes | None]:
    for value in _texts(values):
        yield None if value is None else b64(value)


_PARSE: Mapping[str, Callable[[list[Any]], Iterator[Any]]] = {
    "bool": _booleans,
    "ip": _texts,
    "mac": _texts,
    "uuid": _texts,
    "str": _texts,
    "bytes": _bytes,
}


def subjects(table: pa.Table, schema: Schema) -> list[bytes | None]:
    """Return whom each row is about; None where the log or the row has nobody."""
    if schema.subject is None:
        return [None] * table.num_rows
    source = coded(schema.subject, "str", table[schema.subject])
    known = [*source.distinct, None]
    return [known[code] for code in source.codes(0, table.num_rows).tolist()]


def times(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a column of times, µs.

    Raises:
        Refused: E-12, one is null.
    """
    column = table[name]
    if column.null_count:
        raise Refused("E-12", f"column {name} has a null")
    return np.asarray(column.cast(pa.int64()).to_numpy())
