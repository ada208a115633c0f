"""What is put behind comes out, in order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collector.attribute.grown import Grown, Texts


@given(st.lists(st.lists(st.text(max_size=9))))
def test_texts_are_read_by_their_numbers_however_often_one_looks(batches: list[list[str]]) -> None:
    texts, known = Texts(), dict[str, int]()
    for batch in batches:
        known |= {text: texts.number(text) for text in batch}
        assert [texts.array()[number].as_py() for number in known.values()] == list(known)
    assert len(texts) == len(known) == len(texts.array())


def test_an_array_grows_past_its_room() -> None:
    grown = Grown(np.int64)
    for first in range(0, 100_000, 1000):
        grown.put(range(first, first + 1000))
        assert len(grown.values) == len(grown) == first + 1000
    assert grown.values.tolist() == list(range(100_000))
