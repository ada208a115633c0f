"""Any bytes at all give rows or counted faults; columns read what a plain reader reads."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.conntrack import message, values
from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.errors import Malformed
from tests.captures import make_conntrack as capture
from tests.collector.decode.netlink import (
    DESTROY,
    NEW,
    NOW_NS,
    attribute,
    counters,
    frames,
    number,
    stamps,
    translated,
)

CAPTURED = [frame.payload for frame in capture.read()]
PARTS = [
    counters(9, 3, 400),
    counters(10, 1, 2**40),
    stamps(NOW_NS, NOW_NS + 1),
    stamps(NOW_NS),
    number(8, 77),
    number(18, 5, 2),
    number(27, NOW_NS, 8),
    attribute(22, b"label"),
    attribute(0x8004, attribute(1, b"x" * 9)),
]
MESSAGES = st.builds(
    lambda kind, port, parts: translated(kind, *parts, port=port),
    st.sampled_from([NEW, DESTROY]),
    st.integers(0, 65535),
    st.lists(st.sampled_from(PARTS), max_size=4),
)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_malformed(octets: bytes) -> None:
    with contextlib.suppress(Malformed):
        layout = message.read(octets)
        assert all(at + size <= len(octets) for at, size in layout.places.values())
        assert len(layout.heads) <= len(octets) // 4


@given(st.data())
def test_a_captured_message_with_wrong_bytes_never_raises(data: st.DataObject) -> None:
    payload = bytearray(data.draw(st.sampled_from(CAPTURED)))
    for _ in range(data.draw(st.integers(1, 6))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    decoder = ConntrackDecoder("school-a")
    decoded = decoder.decode(frames(bytes(payload[:cut]), CAPTURED[0]))
    made = 0 if decoded.flows is None else len(decoded.flows)
    told = decoder.counters
    assert made == told.created + told.seen + told.destroyed
    assert told.messages <= cut // message.HEADER.size + 9
    assert made >= 1


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_any_payloads_never_raise(payloads: list[bytes]) -> None:
    ConntrackDecoder("school-a").decode(frames(*payloads))


@given(st.lists(MESSAGES, min_size=1, max_size=40))
def test_columns_hold_what_a_plain_reader_reads(messages: list[bytes]) -> None:
    _agree(messages)


@pytest.mark.parametrize("most", [0, 1])
def test_messages_of_their_own_make_are_read_one_by_one(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "MOST_LAYOUTS", most)
    one, two = number(8, 1), attribute(22, b"abcd")
    _agree([translated(NEW, two), translated(NEW, one), translated(NEW, one), translated(DESTROY)])


def test_heads_that_differ_are_not_read_alike() -> None:
    mark, label = number(8, 7), attribute(22, bytes(4))
    found = _values([translated(NEW, mark, label), translated(NEW, label, mark)])
    assert found.get("mark").tolist() == [7, 7]


def _values(messages: list[bytes]) -> values.Values:
    starts, sizes, whole = message.split(b"".join(messages))
    assert whole
    return values.read(b"".join(messages), starts, sizes)


def _agree(messages: list[bytes]) -> None:
    found = _values(messages)
    for row, one in enumerate(messages):
        places = message.read(one).places
        assert {name for name in found.columns if found.has(name)[row]} == set(places)
        for name, (at, size) in places.items():
            given = found.columns[name][row]
            octets = np.asarray(given).astype(f">u{size}" if size < 16 else np.uint8).tobytes()
            assert octets == one[at : at + size]
