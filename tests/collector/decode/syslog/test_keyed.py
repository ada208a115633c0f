"""Lines of pairs are split as the long way splits them, or left."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog import keyed
from collector.decode.syslog.keyed import Keyed
from collector.decode.syslog.reading import pairs

_KEYS = st.sampled_from(["a", "b.c", "d-e", "srcip", "msg", "x" * 64])
_VALUES = st.one_of(
    st.text("ab1.:=/", max_size=6), st.text('ab ,=ก"', max_size=8).map('"{}"'.format)
)
_LINES = st.one_of(
    st.lists(st.tuples(_KEYS, _VALUES), min_size=1, max_size=5, unique_by=lambda pair: pair[0]).map(
        lambda told: " ".join(f"{key}={value}" for key, value in told)
    ),
    st.text('ab= ",\tก', max_size=20),
)


def _split(lines: list[str]) -> Keyed:
    data, ends = keyed.joined([b"<1>" + line.encode() for line in lines])
    return keyed.split(data, ends, np.full(len(lines), 3))


def _told(found: Keyed) -> dict[int, dict[str, str]]:
    told: dict[int, dict[str, str]] = {row: {} for row in found.rows.tolist()}
    for key in {key for shape in found.shapes for key in shape}:
        texts = found.texts(key)
        assert texts is not None
        for row, value in zip(told, texts.to_pylist(), strict=True):
            if value is not None:
                told[row][key] = value
    return told


@given(st.lists(_LINES, min_size=1, max_size=6))
def test_lines_that_fit_give_all_their_pairs(lines: list[str]) -> None:
    for row, told in _told(_split(lines)).items():
        assert list(told.items()) or not lines[row]
        assert told == dict(pairs(lines[row]))


def test_values_of_all_lines_stand_in_one_column() -> None:
    found = _split(
        ['a=1 b="x y"', "b=2", 'a="" c=3', "a=1 a=2", "a=1  b=2", 'a="1', "a=1,2 b=3", ""]
    )
    assert found.rows.tolist() == [0, 1, 2]
    a, b, none = found.texts("a"), found.texts("b"), found.texts("z")
    assert a is not None
    assert b is not None
    assert (a.to_pylist(), b.to_pylist(), none) == (["1", None, ""], ["x y", "2", None], None)
    either = found.only(found.rows > 0).texts("b", "c")
    assert either is not None
    assert either.to_pylist() == ["2", "3"]


def test_no_lines_are_no_lines() -> None:
    assert len(_split([]).rows) == 0
    assert len(_split(["", '"']).rows) == 0


def test_a_line_of_very_many_keys_is_left_and_its_keys_are_not_remembered() -> None:
    before = keyed._shape.cache_info().misses
    found = _split([" ".join(f"made-up-{number}=1" for number in range(500)), "a=1"])
    assert found.rows.tolist() == [1]
    assert keyed._shape.cache_info().misses <= before + 1
