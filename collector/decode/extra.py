"""Fields that have no column, as one JSON object per row, and field values as JSON in general.

Every field gives codes and distinct JSON texts; rows with the same codes share their object, so
text is made per distinct value and not per record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.decode import arrow, words
from collector.decode.batch import Batch, Mask
from collector.decode.layout import VARIABLE

_WORD = 8
_MOST_CODES = 1 << 62
_SIGNED = {"signed8", "signed16", "signed32", "signed64"}
_FLOATS = {"float32": ">f4", "float64": ">f8"}
_FLOAT_OF_BYTES = {4: ">f4", 8: ">f8"}
_ADDRESS_BYTES = {"ipv4Address": 4, "ipv6Address": 16, "macAddress": 6}
_NEVER_INTEGERS = {
    *_ADDRESS_BYTES,
    *_FLOATS,
    "string",
    "basicList",
    "subTemplateList",
    "subTemplateMultiList",
}


class Member(NamedTuple):
    """A field of the objects: its codes, what they mean, and where it is left out."""

    name: str
    codes: npt.NDArray[np.int64]
    """Index into `texts`; -1 where the field is not there."""
    texts: pa.Array[Any]
    """JSON texts of the distinct values."""


def member(batch: Batch, field: int, only: Mask | None = None) -> Member:
    """Return a field's values as JSON texts, only where `only` says so if given."""
    codes, texts = _values(batch, field)
    for rows in (only, batch.told(field)):
        if rows is not None:
            codes = np.where(rows, codes, -1)
    return Member(batch.layout.names[field], codes, texts)


def raw(batch: Batch, field: int, texts: pa.Array[Any]) -> Member | None:
    """Return as `name#raw` the bytes of values that are no whole UTF-8; None without any.

    Args:
        batch: The records.
        field: One of text.
        texts: The distinct texts that were made of it.
    """
    if not arrow.any_has(texts, words.LOST):
        return None
    found, distinct = arrow.encode(batch.binary(field))
    octets = [value or b"" for value in distinct.to_pylist()]
    lossy = np.array([words.LOST in words.string(value) for value in octets], np.bool_)
    codes = arrow.numpy(found).astype(np.int64)
    codes = np.where(lossy[codes], codes, -1)
    told = batch.told(field)
    codes = codes if told is None else np.where(told, codes, -1)
    name = f"{batch.layout.names[field]}#raw"
    return Member(name, codes, arrow.strings([_octets(value) for value in octets]))


def objects(members: Sequence[Member], rows: int) -> pa.Array[Any] | None:
    """Return one JSON object per row, null where all are left out; None without members."""
    if not members:
        return None
    codes, firsts = _combine([m.codes for m in members], rows)
    parts = []
    for each in members:
        picked = each.codes[firsts]
        values = _picked(each.texts, picked)
        parts.append(arrow.around(f"{json.dumps(each.name)}:", values, ""))
    inner = arrow.join(parts, ",", skip=True)
    texts = arrow.around("{", inner, "}")
    there = arrow.lengths(inner) > 0
    return arrow.coded(arrow.ints(codes.astype(np.int32), there[codes]), texts)


def _picked(texts: pa.Array[Any], codes: npt.NDArray[np.int64]) -> pa.Array[Any]:
    at: Any = arrow.ints(codes, codes >= 0)
    return texts.take(at)


def _combine(
    columns: Sequence[npt.NDArray[np.int64]], rows: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return one code per row for the combination of all columns, and a row that has each."""
    code, size = np.zeros(rows, np.int64), 1
    for column in columns:
        width = int(column.max(initial=-1)) + 2
        if size * width >= _MOST_CODES:
            code, size = _dense(code)
        code = code * width + (column + 1)
        size *= width
    code, size = _dense(code)
    firsts = np.zeros(size, np.int64)
    firsts[code[::-1]] = np.arange(rows - 1, -1, -1)
    return code, firsts


def _dense(code: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
    if not code.any():
        return code, 1
    codes, distinct = arrow.encode(arrow.ints(code))
    return arrow.numpy(codes).astype(np.int64), len(distinct)


def _values(batch: Batch, field: int) -> tuple[npt.NDArray[np.int64], pa.Array[Any]]:
    """Return codes (-1: no value) and their JSON texts, by the element's type and size."""
    kind, size = batch.layout.elements[field].type, batch.layout.fields[field].size
    if size == 0:
        return np.full(batch.rows, -1, np.int64), arrow.strings([])
    fixed_kind = _ADDRESS_BYTES.get(kind) == size or (kind in _FLOATS and size in _FLOAT_OF_BYTES)
    if fixed_kind:
        text = _float if kind in _FLOATS else _address
        return _distinct(arrow.fixed(batch.octets(field)), text)
    if size <= _WORD and kind not in _NEVER_INTEGERS:
        return _integers(batch, field, kind)
    return _distinct(batch.binary(field), _text_of(kind, size))


def _text_of(kind: str, size: int) -> Callable[[bytes], str]:
    """Return how to write values that are no integers of a fixed size."""
    if kind == "string":
        return _string
    if kind in _NEVER_INTEGERS or kind in ("octetArray", "unknown") or size != VARIABLE:
        return _octets
    return _integer


def _integers(batch: Batch, field: int, kind: str) -> tuple[npt.NDArray[np.int64], pa.Array[Any]]:
    values, _ = batch.uint(field)
    if len(values) and (values == values[0]).all():
        codes, distinct = np.zeros(len(values), np.int64), arrow.ints(values[:1])
    else:
        found, distinct = arrow.encode(arrow.ints(values))
        codes = arrow.numpy(found).astype(np.int64)
    if kind == "boolean":
        return codes, arrow.strings([_boolean(value) for value in arrow.numpy(distinct).tolist()])
    if kind in _SIGNED:
        bits = 8 * batch.layout.fields[field].size
        signed = [v - (1 << bits) if v >> (bits - 1) else v for v in arrow.numpy(distinct).tolist()]
        return codes, arrow.strings([str(value) for value in signed])
    return codes, distinct.cast(pa.string())


def _distinct(
    values: pa.Array[Any], text: Callable[[bytes], str]
) -> tuple[npt.NDArray[np.int64], pa.Array[Any]]:
    codes, distinct = arrow.encode(values)
    texts = [text(value) for value in distinct.to_pylist() if value is not None]
    return arrow.numpy(codes).astype(np.int64), arrow.strings(texts)


def _boolean(value: int) -> str:
    """Return a truth value (RFC 7011 section 6.1.5); what is neither stays a number."""
    return {1: "true", 2: "false"}.get(value, str(value))


def _address(octets: bytes) -> str:
    if len(octets) == _ADDRESS_BYTES["macAddress"]:
        return f'"{octets.hex(":")}"'
    if len(octets) == _ADDRESS_BYTES["ipv4Address"]:
        return '"{}.{}.{}.{}"'.format(*octets)
    return f'"{words.ipv6_text(octets)}"'


def _float(octets: bytes) -> str:
    value = float(np.frombuffer(octets, _FLOAT_OF_BYTES[len(octets)])[0])
    return json.dumps(value) if np.isfinite(value) else "null"


def _string(octets: bytes) -> str:
    return json.dumps(words.string(octets), ensure_ascii=False)


def _octets(octets: bytes) -> str:
    return f'"{octets.hex()}"'


def _integer(octets: bytes) -> str:
    if not 0 < len(octets) <= _WORD:
        return _octets(octets) if octets else "null"
    return str(int.from_bytes(octets, "big"))
