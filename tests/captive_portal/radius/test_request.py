"""What a packet says: addresses, counters, times, names, and what is odd about it."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.radius import guard
from captive_portal.radius import request as reader
from captive_portal.radius.guard import Discard
from captive_portal.radius.request import Heard
from captive_portal.sessions.session import Ids
from tests.captive_portal.radius.test_guard import (
    PACKETS,
    attribute,
    client,
    request,
    through,
)

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
IDS = Ids(b"k" * 32)


def number(kind: int, value: int) -> bytes:
    return attribute(kind, value.to_bytes(4, "big"))


def read(attributes: bytes, *, received: datetime = NOW) -> Heard:
    packet = through(request(attributes))
    return reader.read(packet, source="192.0.2.1", client=client(), received=received, ids=IDS)


START, STOP, UPDATE = (number(40, value) for value in (1, 2, 3))


def test_a_full_update_is_read() -> None:
    heard = read(
        UPDATE
        + attribute(1, "สมชาย".encode())
        + attribute(32, b"ap-1")
        + attribute(44, b"5F")
        + attribute(8, bytes((10, 20, 30, 40)))
        + attribute(168, bytes.fromhex("20010db8000100000000000000000005"))
        + attribute(31, b"02-00-00-00-00-05")
        + attribute(30, "02-AA-00-00-00-01:โรงเรียน".encode())
        + number(42, 1511075509)
        + number(52, 2)
        + number(43, 7)
        + number(46, 3600)
        + number(41, 900)
    )
    told = heard.accounting
    assert heard.faults == ()
    assert (told.status, told.account, told.acct_session_id) == ("update", "สมชาย", "5F")
    assert told.addresses == ("10.20.30.40", "2001:db8:1::5")
    assert (told.counters.bytes_in, told.counters.bytes_out) == (10101010101, 7)
    assert (told.mac, told.ssid, told.nas.name) == ("02:00:00:00:00:05", "โรงเรียน", "ap-1")
    assert told.nas.client == "192.0.2.0/24"
    assert told.time == NOW - timedelta(seconds=900)
    assert told.began == NOW - timedelta(seconds=4500)


def test_a_prefix_of_the_user_is_held_and_one_of_full_length_is_an_address() -> None:
    full = bytes((0, 128)) + bytes.fromhex("20010db8000100000000000000000005")
    wide = bytes((0, 64)) + bytes.fromhex("20010db800010000")
    assert read(START + attribute(97, full)).accounting.addresses == ("2001:db8:1::5",)
    for name in (97, 123):
        assert read(START + attribute(name, wide)).accounting.addresses == ("2001:db8:1::/64",)


def test_the_prefix_of_a_link_that_many_share_is_nobodys() -> None:
    wide = bytes((0, 64)) + bytes.fromhex("20010db800010000")
    for port in (15, 19):
        heard = read(START + attribute(97, wide) + number(61, port))
        assert heard.accounting.addresses == ()
        assert "prefix-without-address" in heard.faults
        assert read(START + attribute(123, wide) + number(61, port)).accounting.addresses


def test_a_prefix_too_wide_to_be_one_users_is_a_fault() -> None:
    heard = read(START + attribute(123, bytes((0, 24)) + bytes.fromhex("20010d")))
    assert heard.accounting.addresses == ()
    assert "too-wide-Delegated-IPv6-Prefix" in heard.faults


@pytest.mark.parametrize(
    ("attributes", "method"),
    [
        (b"", "accounting"),
        (number(188, 0x000FAC01), "802.1X"),
        (number(188, 0x000FAC02), "accounting"),
        (number(188, 0x000FAC08), "accounting"),
        (attribute(102, b"\0key"), "802.1X"),
    ],
)
def test_802_1x_is_told_where_the_packet_proves_it(attributes: bytes, method: str) -> None:
    assert read(START + attributes).accounting.method == method


def test_the_longest_time_of_a_session_is_read() -> None:
    assert read(START + number(27, 3600)).accounting.longest == timedelta(hours=1)
    assert read(START + number(27, 0)).accounting.longest is None
    assert read(START + number(27, (1 << 32) - 1)).accounting.longest is None


@pytest.mark.parametrize("octets", [b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe", bytes(4)])
def test_an_address_yet_to_be_chosen_is_none(octets: bytes) -> None:
    assert read(START + attribute(8, octets)).accounting.addresses == ()


def test_the_nas_clock_is_believed_when_it_can_be() -> None:
    stamp = int(NOW.timestamp())
    hour = timedelta(hours=1)
    assert read(START + number(55, stamp - 20)).accounting.time == NOW - timedelta(seconds=20)
    assert read(START + number(55, stamp - 3600)).accounting.time == NOW - hour
    ahead = read(START + number(55, stamp + 7 * 3600))
    assert (ahead.accounting.time, ahead.faults) == (NOW, ("clock-off", "no-session-id"))
    late = read(START + number(55, stamp - 7 * 3600) + number(41, 3600))
    assert (late.accounting.time, late.faults) == (NOW - hour, ("clock-off", "no-session-id"))


def test_old_thai_octets_and_control_characters_are_text() -> None:
    assert read(START + attribute(1, "สมชาย".encode("cp874"))).accounting.account == "สมชาย"
    assert read(START + attribute(1, b"som\0chai")).accounting.account == "som\ufffdchai"


def test_unreadable_values_are_faults_and_the_rest_is_read() -> None:
    heard = read(STOP + attribute(42, b"") + attribute(1, b"somchai") + attribute(44, b"1"))
    assert heard.accounting.account == "somchai"
    assert heard.faults == ("unreadable-Acct-Input-Octets",)


def test_absurd_counters_are_left_out() -> None:
    heard = read(STOP + number(42, 1) + number(52, 0xFFFFFFFF))
    assert heard.accounting.counters.bytes_in is None
    assert "absurd-Acct-Input-Gigawords" in heard.faults


def test_a_retransmission_is_the_same_event_and_the_next_update_is_not() -> None:
    def event(attributes: bytes, *, identifier: int = 7) -> Any:
        packet = through(request(attributes))
        raw = bytearray(packet.whole)
        raw[1] = identifier
        raw[4:20] = hashlib.md5(
            bytes(raw[:4]) + bytes(16) + bytes(raw[20:]) + b"prathu-test-secret"
        ).digest()
        again = through(bytes(raw))
        return reader.read(
            again, source="192.0.2.1", client=client(), received=NOW, ids=IDS
        ).accounting.event_id

    stop = STOP + attribute(44, b"1") + number(46, 60)
    assert event(stop) == event(stop + number(41, 5), identifier=8)
    assert event(UPDATE + number(46, 60)) != event(UPDATE + number(46, 120))
    assert event(UPDATE) == event(UPDATE)
    assert event(UPDATE) != event(UPDATE, identifier=8)


def test_without_a_status_there_is_nothing_to_answer() -> None:
    for attributes in (b"", attribute(1, b"somchai"), number(40, 99), attribute(40, b"")):
        with pytest.raises(Discard, match="no-status-type"):
            read(attributes)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=253)), max_size=12))
def test_any_attributes_are_read_and_the_text_can_be_stored(
    attributes: list[tuple[int, bytes]],
) -> None:
    body = b"".join(attribute(k, v) for k, v in attributes if k not in (40, 80))
    told = read(START + body).accounting
    for text in (told.account, told.nas.name, told.ssid, told.called_station, told.nas_port):
        text.encode()
        assert "\0" not in text


@pytest.mark.skipif(not PACKETS.exists(), reason="../shared/data/radius is not here")
def test_the_shared_packets_are_read_as_they_say() -> None:
    document: dict[str, Any] = json.loads(PACKETS.read_text())
    by = client(secret=document["secret"].encode())
    heard: dict[str, Heard | str] = {}
    for case in document["cases"]:
        if case["group"] != "accounting-request" or case["case"] == "wrong_authenticator":
            continue
        packet = guard.open_packet(guard.shape(bytes.fromhex(case["hex"])), by)
        try:
            heard[case["case"]] = reader.read(
                packet, source="192.0.2.1", client=client(), received=NOW, ids=IDS
            )
        except Discard as reason:
            heard[case["case"]] = str(reason)
    assert heard.pop("no_status_type") == "no-status-type"
    told = {name: one.accounting for name, one in heard.items() if isinstance(one, Heard)}
    assert len(told) == len(heard)
    assert told["interim_gigawords"].counters.bytes_in == 10101010101
    assert told["interim_delayed"].time == NOW - timedelta(seconds=900)
    assert told["stop_without_start"].began == NOW - timedelta(seconds=60)
    assert told["ipv6"].addresses == ("10.20.30.40", "2001:db8:1::5", "2001:db8:1::/64")
    assert (told["accounting_on"].status, told["accounting_off"].status) == ("on", "off")
    no_id = heard["no_session_id"]
    assert isinstance(no_id, Heard)
    assert no_id.faults == ("no-session-id",)


def test_a_session_longer_than_any_is_not_believed() -> None:
    heard = read(STOP + number(46, 0xFFFFFFFF))
    assert heard.accounting.counters.duration_s is None
    assert "absurd-Acct-Session-Time" in heard.faults
