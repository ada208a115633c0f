"""Joining columns that came in chunks: texts that were coded apart get one dictionary.

Done by NumPy and not by Arrow, which looks up the codes of nulls too when it gives chunks one
dictionary; what stands there is whatever memory held, and a code of a million reads a million
places past a dictionary of ten. Arrow also makes each chunk anew before it joins them.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


def one_dictionary(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return `column` with one dictionary for all its chunks; one of another kind as it is."""
    if not pa.types.is_dictionary(column.type) or column.num_chunks < 2:
        return column
    chunks: list[Any] = column.chunks
    if not any(len(chunk.dictionary) for chunk in chunks):
        return column
    if column.null_count == len(column):
        none = pa.array([], column.type.value_type)
        codes = [pa.nulls(len(chunk), column.type.index_type) for chunk in chunks]
        parts: Any = [pa.DictionaryArray.from_arrays(each, none) for each in codes]
    else:
        every, words = coded(column)
        ends = np.cumsum([len(chunk) for chunk in chunks])
        parts = [of_codes(each, words) for each in np.split(every, ends[:-1])]
    found: pa.ChunkedArray[Any] = pa.chunked_array(parts)
    return found


def one_dictionary_each(table: pa.Table) -> pa.Table:
    """Return `table` with one dictionary for each column of texts."""
    columns = [one_dictionary(column) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def one_chunk_each(table: pa.Table) -> pa.Table:
    """Return `table` with one chunk for each column of numbers or of coded texts.

    Many chunks make whatever is done with a column dearer. Columns of nulls share one run of zeros
    and stay as they are, and so do whole lines: they are large.
    """
    columns = [_one_chunk(column) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def taken(table: pa.Table, order: npt.NDArray[np.int64]) -> pa.Table:
    """Return the rows of `table` in another order, one chunk for each column but those of nulls.

    Each column goes to its place in one step: joining all and then ordering all would have the
    rows of a segment in memory twice, and new memory costs more than what is done in it.
    """
    columns = [_taken(column, order) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def coded(column: pa.ChunkedArray[Any]) -> tuple[Codes, pa.Array[Any]]:
    """Return the codes of all rows of a column of texts, -1 for null, and the distinct words.

    Raises:
        IndexError: a code that its dictionary does not have.
    """
    chunks: list[Any] = column.chunks
    if len(chunks) == 1:
        return _codes(chunks[0]), chunks[0].dictionary
    if not chunks:
        return np.empty(0, np.int32), pa.array([], column.type.value_type)
    every: Any = pa.concat_arrays([chunk.dictionary for chunk in chunks])
    words: Any = every.dictionary_encode(null_encoding="encode")
    places, at = np.asarray(words.indices), 0
    codes, begun = empty(len(column), np.dtype(np.int32)), 0
    for chunk in chunks:
        old, size = _codes(chunk), len(chunk.dictionary)
        if old.max(initial=-1) >= size:
            raise IndexError(f"a code of {old.max()} for a dictionary of {size}")
        mine = np.append(places[at : at + size], np.int32(-1))
        _gather(mine, old, codes[begun : begun + len(chunk)])
        at, begun = at + size, begun + len(chunk)
    return codes, words.dictionary


def valid(array: pa.Array[Any]) -> Mask:
    """Return which values of an array are not null."""
    bits: Any = array.buffers()[0]
    if bits is None or not array.null_count:
        return np.ones(len(array), np.bool_)
    first = array.offset
    octets = np.frombuffer(bits, np.uint8)[first // 8 : (first + len(array) + 7) // 8]
    all_bits = np.unpackbits(octets, bitorder="little").view(np.bool_)
    return all_bits[first % 8 : first % 8 + len(array)]


def numbers_of(array: pa.Array[Any]) -> npt.NDArray[Any]:
    """Return the numbers of an array as they lie there, anything where it is null."""
    kind, data = array.type, cast(Any, array.buffers()[1])
    sign = "u" if pa.types.is_unsigned_integer(kind) else "i"
    dtype: np.dtype[Any] = np.dtype(f"{sign}{kind.bit_width // 8}")
    found: npt.NDArray[Any] = np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)
    return found


def of_codes(codes: Codes, words: pa.Array[Any]) -> pa.Array[Any]:
    """Return texts by their codes, null where the code is -1; there it becomes 0."""
    present = codes >= 0
    bits = None
    if not present.all():
        bits, codes = _bits(present), np.maximum(codes, 0)
    indices: Any = pa.Array.from_buffers(pa.int32(), len(codes), [bits, _buffer(codes)])
    array: pa.Array[Any] = pa.DictionaryArray.from_arrays(indices, words, safe=False)
    return array


def joined(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """Return `column`, of numbers or whole lines, as one array."""
    chunks: list[Any] = column.chunks or [pa.array([], column.type)]
    whole: pa.Array[Any] = pa.concat_arrays(chunks) if len(chunks) > 1 else chunks[0]
    return whole


def empty(count: int, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return an array in memory of Arrow's, for which it is settled how long freed memory stays.

    What NumPy takes for itself goes back to the system at once, and costs its page faults anew.
    """
    data: Any = pa.allocate_buffer(count * kind.itemsize)
    return np.frombuffer(data, kind)


def _one_chunk(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any] | pa.Array[Any]:
    if pa.types.is_dictionary(column.type) and column.num_chunks > 1:
        nulls = column.null_count == len(column)
        return one_dictionary(column) if nulls else of_codes(*coded(column))
    lines = pa.types.is_string(column.type) or pa.types.is_binary(column.type)
    if lines or column.num_chunks < 2 or column.null_count == len(column):
        return column
    return column.combine_chunks()


def _taken(
    column: pa.ChunkedArray[Any], order: npt.NDArray[np.int64]
) -> pa.ChunkedArray[Any] | pa.Array[Any]:
    kind = column.type
    if column.null_count == len(column):
        return one_dictionary(column)
    if pa.types.is_dictionary(kind):
        codes, words = coded(column)
        alike = len(words) == 1 and not column.null_count
        return of_codes(codes if alike else _ordered(codes, order), words)
    if not pa.types.is_primitive(kind) or pa.types.is_boolean(kind):
        places: Any = pa.array(order)
        return column.take(places)
    chunks = column.chunks
    dtype = numbers_of(chunks[0]).dtype
    values = np.concatenate([numbers_of(c) for c in chunks], out=empty(len(column), dtype))
    data = _ordered(values, order)
    bits = _bits(np.concatenate([valid(c) for c in chunks])[order]) if column.null_count else None
    array: pa.Array[Any] = pa.Array.from_buffers(kind, len(order), [bits, _buffer(data)])
    return array


def _ordered(values: npt.NDArray[Any], order: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    into = empty(len(order), values.dtype)
    _gather(values, order, into)
    return into


def _gather(values: npt.NDArray[Any], at: npt.NDArray[Any], into: npt.NDArray[Any]) -> None:
    """Write `values[at]`, where all places are inside; -1 is the last."""
    # With any other mode NumPy writes into memory of its own first.
    values.take(at, out=into, mode="wrap")


def _codes(chunk: Any) -> Codes:  # noqa: ANN401  # a DictionaryArray
    codes = numbers_of(chunk.indices)
    return np.where(valid(chunk), codes, np.int32(-1)) if chunk.null_count else codes


def _bits(mask: Mask) -> pa.Buffer:
    return _buffer(np.packbits(mask, bitorder="little"))


def _buffer(values: npt.NDArray[Any]) -> pa.Buffer:
    contiguous: Any = np.ascontiguousarray(values)
    return pa.py_buffer(contiguous)
