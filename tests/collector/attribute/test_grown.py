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


@given(st.lists(st.text("aค", min_size=1, max_size=2), min_size=1), st.data())
def test_some_texts_are_those_of_their_numbers(words: list[str], data: st.DataObject) -> None:
    texts = Texts()
    numbers = {texts.number(word): word for word in words}
    asked = data.draw(st.lists(st.sampled_from(sorted(numbers))))
    found = texts.some(np.array(asked, np.int64))
    found.validate(full=True)
    assert found.to_pylist() == [numbers[number] for number in asked]


def test_an_array_grows_past_its_room() -> None:
    grown = Grown(np.int64)
    for first in range(0, 100_000, 1000):
        grown.put(range(first, first + 1000))
        assert len(grown.values) == len(grown) == first + 1000
    assert grown.values.tolist() == list(range(100_000))
