"""The few Arrow calls the decoder makes, with the types that the published stubs get wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.columns import one_dictionary

TIME = pa.timestamp("us", tz="UTC")
TEXT = pa.dictionary(pa.int32(), pa.string())


def ints(
    values: npt.NDArray[np.integer[Any]], valid: npt.NDArray[np.bool_] | None = None
) -> pa.Array[Any]:
    """Return integers as they are, null where not `valid`."""
    if valid is None or valid.all():
        array: pa.Array[Any] = pa.array(values)
    else:
        array = pa.array(values, mask=~valid)
    return array


def moments(
    values: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_] | None = None
) -> pa.Array[Any]:
    """Return µs since the epoch as times, null where not `valid`."""
    return ints(values, valid).view(TIME)


def strings(values: list[str]) -> pa.Array[Any]:
    """Return an array of strings."""
    return pa.array(values, pa.string())


def coded(indices: pa.Array[Any], texts: pa.Array[Any]) -> pa.Array[Any]:
    """Return a dictionary array."""
    return pa.DictionaryArray.from_arrays(indices, texts)


def encode(values: pa.Array[Any]) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """Return the codes (int32) and distinct values of an array."""
    encoded: Any = values.dictionary_encode()
    return encoded.indices, encoded.dictionary


def take(values: pa.Array[Any], at: npt.NDArray[np.integer[Any]]) -> pa.Array[Any]:
    """Return `values[at]`."""
    where: Any = pa.array(at)
    return values.take(where)


def join(parts: list[pa.Array[Any]], separator: str, *, skip: bool = False) -> pa.Array[Any]:
    """Join strings row by row; a null makes the row null, or is left out with `skip`.

    Rows of nulls alone become empty with `skip`: pyarrow 26 would leave such rows out altogether.
    """
    function: Any = pc.binary_join_element_wise
    if skip:
        fill: Any = pc.if_else
        told = np.logical_or.reduce([numpy(part.is_valid()) for part in parts])
        parts = [fill(pa.array(told), parts[0], word("")), *parts[1:]]
    joined: pa.Array[Any] = function(
        *parts, word(separator), null_handling="skip" if skip else "emit_null"
    )
    return joined


def around(before: str, values: pa.Array[Any], after: str) -> pa.Array[Any]:
    """Return each string with something before and after it."""
    function: Any = pc.binary_join_element_wise
    joined: pa.Array[Any] = function(word(before), values, word(after), word(""))
    return joined


def word(text: str) -> Any:  # noqa: ANN401  # a scalar, which the stubs do not take for an operand
    """Return one string as an operand.

    Its type is told: pyarrow would look for a library that is not there each time it has to guess,
    which takes ten times as long as joining.
    """
    return pa.scalar(text, pa.string())


def fixed(octets: npt.NDArray[np.uint8]) -> pa.Array[Any]:
    """Return (rows, size) bytes as binary of fixed size."""
    rows, size = octets.shape
    parts = [None, buffer(octets)]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), rows, parts)


def binary(octets: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pa.Array[Any]:
    """Return binary values of any size, one between each two offsets."""
    parts = [None, buffer(offsets), buffer(octets)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, parts)


def numpy(values: pa.Array[Any]) -> npt.NDArray[Any]:
    """Return an array of integers or booleans without nulls."""
    found: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return found


def lengths(values: pa.Array[Any]) -> npt.NDArray[np.int64]:
    """Return the size of each string, 0 for null."""
    function: Any = pc.binary_length
    return numpy(function(values).fill_null(0)).astype(np.int64)


def any_has(values: pa.Array[Any], part: str) -> bool:
    """Tell whether any string has this in it."""
    function: Any = pc.match_substring
    return bool(pc.any(function(values, part)).as_py())


def where(condition: npt.NDArray[np.bool_], indices: pa.Array[Any]) -> pa.Array[Any]:
    """Return codes, null where the condition does not hold."""
    function: Any = pc.if_else
    chosen: pa.Array[Any] = function(pa.array(condition), indices, pa.scalar(None, pa.int32()))
    return chosen


def first_of(one: pa.Array[Any], other: pa.Array[Any]) -> pa.Array[Any]:
    """Return per row the value of `one`, or of `other` where it is null; both of text."""
    chunks: Any = one_dictionary(pa.chunked_array([one, other])).chunks
    function: Any = pc.coalesce
    return coded(function(chunks[0].indices, chunks[1].indices), chunks[0].dictionary)


def concat(parts: list[pa.Array[Any]]) -> pa.Array[Any]:
    """Return the parts as one array; dictionaries become one."""
    if not pa.types.is_dictionary(parts[0].type):
        return pa.concat_arrays(parts)
    chunks: Any = one_dictionary(pa.chunked_array(parts)).chunks
    return coded(pa.concat_arrays([chunk.indices for chunk in chunks]), chunks[0].dictionary)


def buffer(values: npt.NDArray[Any]) -> pa.Buffer:
    """Return the bytes of an array."""
    contiguous: Any = np.ascontiguousarray(values)
    return pa.py_buffer(contiguous)
