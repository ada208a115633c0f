"""Whatever arrives on the socket ends in right passes or in GateError."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.errors import GateError
from captive_portal.gate import wire
from captive_portal.sessions.passes import Pass, Passed

PASS = Pass(
    serial=7,
    zone="pupils",
    mac="02:00:5e:10:00:11",
    addresses=("10.20.0.11", "2001:db8:20::11"),
    up_kbit=2000,
    down_kbit=None,
    until=datetime(2026, 11, 22, 3, 0, 0, 123456, tzinfo=UTC),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


def test_a_pass_arrives_as_it_was_sent() -> None:
    sent = json.loads(json.dumps([wire.told(PASS)]))
    assert wire.passes(sent) == [PASS]


@pytest.mark.parametrize("said", [[0], ["7"], [True], [1 << 24], 7, {}, [1] * 100_001])
def test_serials_that_are_none_are_refused(said: object) -> None:
    assert wire.serials(None) is None
    assert wire.serials([7, 8, 7]) == [7, 8]
    with pytest.raises(GateError):
        wire.serials(said)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (0, 0), (0, 1 << 24), (0, True), (0, "7"),
        (1, "x; drop"), (1, None),
        (2, "02:00:5e:10:00:1"), (2, "02:00:5e:10:00:11 }"), (2, 7),
        (3, []), (3, ["10.20.0.11/8"]), (3, ["fe80::1%lan0"]), (3, ["224.0.0.1"]), (3, ["::"]),
        (3, ["127.0.0.1"]), (3, ["10.20.0.11"] * 65), (3, "10.20.0.11"), (3, [10]),
        (4, 0), (4, -1), (4, 1.5), (5, 10_000_001),
        (6, -1), (6, 1 << 60), (6, "tomorrow"),
    ],
)  # fmt: skip
def test_a_pass_with_one_wrong_part_is_refused(part: int, value: object) -> None:
    said = wire.told(PASS)
    said[part] = value
    with pytest.raises(GateError) as caught:
        wire.passes([said])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_serial_twice_in_one_list_is_refused() -> None:
    with pytest.raises(GateError, match="twice"):
        wire.passes([wire.told(PASS), wire.told(PASS)])


@given(JSON)
def test_any_value_is_passes_or_refused(said: object) -> None:
    try:
        read = wire.passes(said)
    except GateError:
        return
    assert all(str(ip_address(a)) == a for each in read for a in each.addresses)


@given(st.lists(JSON, min_size=7, max_size=7))
def test_any_seven_parts_are_a_pass_or_refused(parts: list[object]) -> None:
    try:
        read = wire.passes([parts])
    except GateError:
        return
    assert 0 < read[0].serial < 1 << 24


@given(st.binary(max_size=60))
def test_any_line_is_a_message_or_refused(text: bytes) -> None:
    with contextlib.suppress(GateError):
        assert isinstance(wire.parse(text), dict)


@given(JSON)
def test_any_reply_has_counts_or_is_refused(said: object) -> None:
    with contextlib.suppress(GateError):
        wire.counts(said)


def test_counts_arrive_as_they_were_sent() -> None:
    counted = {7: Passed(bytes_in=1, bytes_out=2**40, packets_in=3, packets_out=4)}
    assert wire.counts(json.loads(json.dumps(wire.told_counts(counted)))) == counted


def test_an_end_before_1970_is_refused() -> None:
    early = replace(PASS, until=datetime(1960, 1, 1, tzinfo=UTC))
    with pytest.raises(GateError, match="end"):
        wire.passes([wire.told(early)])


def test_devices_to_ask_are_addresses_and_macs_and_nothing_else() -> None:
    said = [["10.20.0.11", "02:00:5e:10:00:11"], ["2001:DB8::1", "02:00:5e:10:00:11"]]
    assert wire.pairs(said) == [
        ("10.20.0.11", "02:00:5e:10:00:11"),
        ("2001:db8::1", "02:00:5e:10:00:11"),
    ]
    wrongs: tuple[object, ...] = (None, {}, [1], [["10.20.0.11"]], said * 129)
    for wrong in (*wrongs, [["10.20.0.11", None]]):
        with pytest.raises(GateError):
            wire.pairs(wrong)


@given(JSON)
def test_any_value_is_devices_or_refused(said: object) -> None:
    with contextlib.suppress(GateError):
        assert len(wire.pairs(said)) <= wire.MOST_ASKED
