"""A text has one number, however texts come."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.attribute.attribute import attribute
from collector.attribute.interned import NONE, Interned
from collector.attribute.networks import Networks
from tests.collector.attribute import histories
from tests.collector.attribute.oracle import event
from tests.collector.attribute.test_attribute import table, timeline

TEXTS = st.none() | st.text("0123456789abcdef.:", max_size=45) | st.text(max_size=14)


def numbers(interned: Interned, texts: list[str | None]) -> list[int]:
    array: Any = pa.array(["before", *texts], pa.string())
    return [int(number) for number in interned.numbers(array[1:])]


@given(st.lists(st.lists(TEXTS)))
def test_equal_texts_have_equal_numbers_and_others_not(batches: list[list[str | None]]) -> None:
    interned = Interned()
    known: dict[str, int] = {}
    for texts in batches:
        for text, number in zip(texts, numbers(interned, texts), strict=True):
            if len((text or "").encode()) > 40:
                assert number == NONE
            else:
                assert known.setdefault((text or "").rstrip("\0"), number) == number
    assert len(set(known.values())) == len(known)
    assert max(known.values(), default=0) < len(interned)


def test_numbers_stay_when_the_table_grows() -> None:
    interned = Interned()
    texts: list[str | None] = [f"10.{n >> 8}.0.{n & 255}" for n in range(20_000)]
    texts += [f"2001:db8:0:1:2:3:{n >> 8:x}:{n & 255:x}" for n in range(20_000)]
    first = numbers(interned, texts[::7])
    twice = numbers(interned, texts + texts)
    assert twice[: len(texts)] == twice[len(texts) :]
    assert twice[: len(texts) : 7] == first
    assert len(set(twice)) == len(texts)


def test_who_held_an_address_is_known_after_all_numbers_were_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collector.attribute.interned.MOST", 4)
    told = timeline(
        event("start", 10, person=7, addresses=("10.0.0.1",)),
        event("start", 10, session=2, person=8, addresses=("2001:db8:5:1::/64",)),
    )
    networks = Networks(histories.NETWORKS)
    for batch in range(20):
        strangers = [{"src_ip": f"203.0.{batch}.{n}", "time": 20} for n in range(10 + batch)]
        flows = [{"src_ip": "10.0.0.1", "time": 20}, {"src_ip": "2001:db8:5:1::9", "time": 20}]
        found = attribute(table(*strangers, *flows), told, networks)["person"].to_pylist()
        assert [person is not None for person in found[-3:]] == [False, True, True]
    assert told.interned("a").generation > 1
