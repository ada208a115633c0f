"""Texts coded apart become one column, whatever memory holds under their nulls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from collector.columns import one_dictionary

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
