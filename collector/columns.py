"""Joining columns of texts that were coded apart.

Arrow looks up the codes of nulls too when it gives chunks one dictionary, and what stands there is
whatever memory held: a code of a million reads a million places past a dictionary of ten, and the
process ends. So the codes of nulls are made 0 first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa


def one_dictionary(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Return `column` with one dictionary for all its chunks; one of another kind as it is."""
    if not pa.types.is_dictionary(column.type) or column.num_chunks == 1:
        return column
    chunks: list[Any] = column.chunks
    if column.null_count == len(column):
        none = pa.array([], column.type.value_type)
        codes = [pa.nulls(len(chunk), column.type.index_type) for chunk in chunks]
        return pa.chunked_array([pa.DictionaryArray.from_arrays(code, none) for code in codes])
    spare = next(chunk.dictionary for chunk in chunks if len(chunk.dictionary))
    return pa.chunked_array([_safe(chunk, spare) for chunk in chunks]).unify_dictionaries()


def one_dictionary_each(table: pa.Table) -> pa.Table:
    """Return `table` with one dictionary for each column of texts."""
    columns = [one_dictionary(column) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def one_chunk_each(table: pa.Table) -> pa.Table:
    """Return `table` with one chunk for each column of numbers or of coded texts.

    Many chunks make whatever is done with a column dearer. Columns of nulls share one run of zeros
    and stay as they are, and so do whole lines: they are large.
    """
    columns = [_one_chunk(one_dictionary(column)) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _one_chunk(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any] | pa.Array[Any]:
    lines = pa.types.is_string(column.type) or pa.types.is_binary(column.type)
    if lines or column.num_chunks == 1 or column.null_count == len(column):
        return column
    return column.combine_chunks()


def _safe(chunk: Any, spare: pa.Array[Any]) -> Any:  # noqa: ANN401  # DictionaryArrays
    """Return `chunk` with the code 0 in its nulls, and a dictionary that has a place 0."""
    if not chunk.null_count:
        return chunk
    codes = np.asarray(chunk.indices.fill_null(0))
    nulls = np.asarray(chunk.is_null())
    words = chunk.dictionary if len(chunk.dictionary) else spare
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=nulls), words)
