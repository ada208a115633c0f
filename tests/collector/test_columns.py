"""Texts coded apart become one column, whatever memory holds under their nulls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.columns import one_chunk_each, one_dictionary, taken

TEXT = pa.dictionary(pa.int32(), pa.string())
WORDS = st.lists(st.none() | st.sampled_from(["a", "b", "ค", ""]), max_size=6)


def with_garbage(words: list[str | None]) -> Any:
    """Return the words coded, with codes far past the dictionary under the nulls."""
    plain = pa.array(words, pa.string()).dictionary_encode()
    codes = np.array([0x7FFFFFF0 if w is None else i.as_py() for w, i in zip(
        words, plain.indices, strict=True)], np.int32)  # fmt: skip
    nulls = np.array([word is None for word in words], bool)
    bits = pa.py_buffer(np.packbits(~nulls, bitorder="little").tobytes())
    indices = pa.Array.from_buffers(pa.int32(), len(words), [bits, pa.py_buffer(codes.tobytes())])
    return pa.DictionaryArray.from_arrays(indices, plain.dictionary)


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_chunks_come_back_with_one_dictionary(chunks: list[list[str | None]]) -> None:
    chunked: Any = pa.chunked_array  # the stubs know no dictionaries
    column = chunked([with_garbage(words) for words in chunks], TEXT)
    joined: Any = one_dictionary(column)
    assert joined.to_pylist() == [word for words in chunks for word in words]
    assert joined.num_chunks == len(chunks)
    assert all(chunk.dictionary.equals(joined.chunk(0).dictionary) for chunk in joined.chunks)


@given(st.lists(WORDS, min_size=2, max_size=5))
def test_columns_come_back_whole_but_for_nulls_and_lines(chunks: list[list[str | None]]) -> None:
    chunked: Any = pa.chunked_array  # the stubs know no dictionaries
    words = [word for chunk in chunks for word in chunk]
    table = pa.table(
        {
            "coded": chunked([with_garbage(chunk) for chunk in chunks], TEXT),
            "number": chunked([[len(w or "") for w in chunk] for chunk in chunks], pa.int64()),
            "line": chunked(chunks, pa.string()),
        }
    )
    joined = one_chunk_each(table)
    assert joined.to_pydict() == {
        "coded": words,
        "number": [len(word or "") for word in words],
        "line": words,
    }
    assert joined["number"].num_chunks == 1 or not words
    assert joined["line"].num_chunks == len(chunks)


@given(st.lists(WORDS, min_size=1, max_size=5), st.data())
def test_rows_in_another_order_are_the_same_rows(chunks: list[list[str | None]], data: Any) -> None:
    chunked: Any = pa.chunked_array  # the stubs know no dictionaries
    words = [word for chunk in chunks for word in chunk]
    sizes = [[None if w is None else len(w) for w in chunk] for chunk in chunks]
    table = pa.table(
        {
            "coded": chunked([with_garbage(chunk) for chunk in chunks], TEXT),
            "number": chunked(sizes, pa.int32()),
            "time": chunked(sizes, pa.timestamp("us", tz="UTC")),
            "flag": chunked([[bool(size) for size in part] for part in sizes], pa.bool_()),
            "line": chunked(chunks, pa.string()),
        }
    )
    order = data.draw(st.permutations(range(len(words))))
    found = taken(table, np.array(order, np.int64))
    assert found.to_pylist() == [table.slice(row, 1).to_pylist()[0] for row in order]


def test_a_code_past_its_dictionary_is_refused() -> None:
    broken = pa.DictionaryArray.from_arrays(pa.array([0, 2]), pa.array(["a", "b"]), safe=False)
    chunked: Any = pa.chunked_array
    with pytest.raises(IndexError):
        one_dictionary(chunked([broken, broken]))
