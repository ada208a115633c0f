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
import pyarrow.compute as pc

from collector.decode import words
from collector.decode.batch import Batch, Mask
from collector.decode.layout import VARIABLE

_WORD = 8
_MOST_CODES = 1 << 62
_SIGNED = {"signed8", "signed16", "signed32", "signed64"}
_FLOATS = {"float32": ">f4", "float64": ">f8"}
_FLOAT_OF_BYTES = {4: ">f4", 8: ">f8"}
_ADDRESS_BYTES = {"ipv4Address": 4, "ipv6Address": 16, "macAddress": 6}
_TRUE = 1


class Member(NamedTuple):
    """A field of the objects: its codes, what they mean, and where it is left out."""

    name: str
    codes: npt.NDArray[np.int64]
    """Index into `texts`; -1 where the field is not there."""
    texts: pa.Array
    """JSON texts of the distinct values."""


def member(batch: Batch, field: int, only: Mask | None = None) -> Member:
    """Return a field's values as JSON texts, only where `only` says so if given."""
    codes, texts = _values(batch, field)
    if only is not None:
        codes = np.where(only, codes, -1)
    return Member(batch.layout.names[field], codes, texts)


def objects(members: Sequence[Member], rows: int) -> pa.DictionaryArray[Any, Any] | None:
    """Return one JSON object per row, null where all are left out; None without members."""
    if not members:
        return None
    codes, firsts = _combine([m.codes for m in members], rows)
    parts = []
    for each in members:
        picked = each.codes[firsts]
        mask = picked < 0
        values = each.texts.take(pa.array(np.where(mask, 0, picked), mask=mask))
        key = f"{json.dumps(each.name)}:"
        parts.append(pc.binary_join_element_wise(pa.scalar(key), values, ""))
    inner = pc.binary_join_element_wise(*parts, ",", null_handling="skip")
    texts = pc.binary_join_element_wise(pa.scalar("{"), inner, pa.scalar("}"), "")
    empty = pc.equal(inner, "")
    if not pc.any(empty).as_py():
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), texts)
    gone = empty.to_numpy(zero_copy_only=False)[codes]
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=gone), texts)


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
    encoded = pa.array(code).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def _values(batch: Batch, field: int) -> tuple[npt.NDArray[np.int64], pa.Array[Any]]:
    """Return codes (-1: no value) and their JSON texts, by the element's type and size."""
    kind, size = batch.layout.elements[field].type, batch.layout.fields[field].size
    if size == 0:
        return np.full(batch.rows, -1, np.int64), pa.array([], pa.string())
    if kind in _ADDRESS_BYTES and size == _ADDRESS_BYTES[kind]:
        return _distinct(words.fixed(batch.octets(field)), _address)
    if kind in _FLOATS and size in _FLOAT_OF_BYTES:
        return _distinct(words.fixed(batch.octets(field)), _float)
    if kind == "string":
        return _distinct(batch.binary(field), _string)
    if kind in _ADDRESS_BYTES or kind in _FLOATS or kind.endswith("List"):
        return _distinct(batch.binary(field), _octets)
    if kind == "octetArray" and size > _WORD:
        return _distinct(batch.binary(field), _octets)
    if size == VARIABLE:
        whole = kind not in ("octetArray", "unknown")
        return _distinct(batch.binary(field), _integer if whole else _octets)
    if size > _WORD:
        return _distinct(batch.binary(field), _octets)
    return _integers(batch, field, kind)


def _integers(batch: Batch, field: int, kind: str) -> tuple[npt.NDArray[np.int64], pa.Array[Any]]:
    values, _ = batch.uint(field)
    if len(values) and (values == values[0]).all():
        codes, distinct = np.zeros(len(values), np.int64), pa.array(values[:1])
    else:
        encoded = pa.array(values).dictionary_encode()
        codes = encoded.indices.to_numpy().astype(np.int64)
        distinct = encoded.dictionary
    if kind == "boolean":
        texts = ["true" if value == _TRUE else "false" for value in distinct.to_pylist()]
        return codes, pa.array(texts, pa.string())
    if kind in _SIGNED:
        bits = 8 * batch.layout.fields[field].size
        signed = [v - (1 << bits) if v >> (bits - 1) else v for v in distinct.to_pylist()]
        return codes, pa.array([str(value) for value in signed], pa.string())
    return codes, pc.cast(distinct, pa.string())


def _distinct(
    values: pa.Array[Any], text: Callable[[bytes], str]
) -> tuple[npt.NDArray[np.int64], pa.Array[Any]]:
    encoded = values.dictionary_encode()
    texts = [text(value) for value in encoded.dictionary.to_pylist()]
    return encoded.indices.to_numpy().astype(np.int64), pa.array(texts, pa.string())


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
