"""Whose sign-in lines are believed, what is handed on of them, and what a restart keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode import believed
from collector.decode.believed import Believed
from collector.decode.syslog import messages
from collector.errors import SettingsError
from collector.records import Frame, FrameKind
from collector.settings import CollectorSettings, check_sites, parse
from tests.collector.decode.syslog import golden

SITE = "school-a"
NOW = datetime(2026, 1, 25, 3, 0, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 1_000_000_000
LOGIN = "<38>Jan 25 09:59:58 gw-1 logportalauth[9]: Zone: s - {}: {}, 02:00:00:00:00:01, {}"


def settings(*senders: dict[str, Any], **more: Any) -> CollectorSettings:
    document = {"sites": [{"id": SITE}], "believed_senders": list(senders), **more}
    read = parse(document, CollectorSettings)
    check_sites(read)
    return read


def book(*senders: dict[str, Any], **more: Any) -> Believed:
    known = settings(*senders, **more).believed_senders
    return Believed(SITE, known, inside=lambda address: address.startswith("10."))


def frame(text: str, number: int = 1, **more: Any) -> Frame:
    members: dict[str, Any] = {"address": "192.0.2.9", "transport": "tcp", **more}
    return Frame(
        kind=FrameKind.SYSLOG,
        site=SITE,
        received_ns=NOW_NS + number,
        wire_ns=NOW_NS + number,
        payload=text.encode(),
        number=number,
        **members,
    )


def taken(into: Believed, *frames: Frame) -> list[str]:
    told = messages.read(list(frames)).sign_ins
    return [verdict.word for verdict in into.take(told, frames)]


def waiting(of: Believed) -> list[tuple[str, str, str, str]]:
    lines = of.after(-1, 0, 1000)
    return [(one.event, one.account, one.address, one.mac) for one in lines]


SIGN_IN = LOGIN.format("ACCEPT", "somchai", "10.5.50.10")
THERE: dict[str, Any] = {"site": SITE, "address": "192.0.2.0/24"}


@pytest.mark.parametrize(
    ("senders", "came", "word"),
    [
        ((), {}, "not-believed"),
        ((THERE,), {}, "believed"),
        ((THERE,), {"address": "198.51.100.1"}, "not-believed"),
        ((THERE,), {"address": "2001:db8::1"}, "not-believed"),
        ((THERE,), {"address": ""}, "not-believed"),
        ((THERE,), {"transport": "udp"}, "over-udp"),
        (({**THERE, "udp": True},), {"transport": "udp"}, "believed"),
        ((THERE,), {"label": "old.log"}, "not-believed"),
        (({**THERE, "udp": True}, {**THERE, "address": "192.0.2.9"}), {"transport": "udp"},
         "over-udp"),
    ],
)  # fmt: skip
def test_who_is_believed(
    senders: tuple[dict[str, Any], ...], came: dict[str, Any], word: str
) -> None:
    into = book(*senders)
    assert taken(into, frame(SIGN_IN, **came)) == [word]
    expected = [("start", "somchai", "10.5.50.10", "02:00:00:00:00:01")]
    assert waiting(into) == (expected if word == "believed" else [])


def test_a_certificate_is_believed_over_tls_alone() -> None:
    more = {"syslog_tls": {"client_ca": "ca.crt"}}
    into = book({"site": SITE, "certificate": "gw-1.school", "hours": 2}, **more)
    named: dict[str, Any] = {"transport": "tls", "sender_name": "gw-1.school"}
    assert taken(into, frame(SIGN_IN, **named)) == ["believed"]
    assert taken(into, frame(SIGN_IN, 2, sender_name="gw-1.school")) == ["not-believed"]
    assert taken(into, frame(SIGN_IN, 3, transport="tls", sender_name="x")) == ["not-believed"]
    [line] = into.after(-1, 0, 10)
    assert (line.sender, line.lasts_s, line.vendor) == ("gw-1.school", 7200, "pfsense")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"site": "school-b", **{"address": "192.0.2.9"}}, "is of site 'school-b'; did you mean"),
        ({"site": SITE}, "one names nobody"),
        ({**THERE, "certificate": "gw"}, "192.0.2.0/24 has a certificate too"),
        ({"site": SITE, "certificate": "gw"}, "gw shows no certificate"),
        ({**THERE, "address": "gw-1"}, "'gw-1' does not appear to be an IPv4 or IPv6 network"),
        ({**THERE, "hours": 0}, "greater than 0"),
        ({**THERE, "adress": "192.0.2.1"}, "did you mean 'address'"),
    ],
)
def test_a_bad_entry_is_one_clear_line(entry: dict[str, Any], fault: str) -> None:
    with pytest.raises(SettingsError) as told:
        settings(entry)
    assert fault in str(told.value)
    assert "\n" not in str(told.value)


def test_a_sign_in_among_a_firewalls_traffic_is_not_lost() -> None:
    lines = golden.lines_of("fortigate")
    traffic, signed = lines[0], next(line for line in lines if "auth-logon" in line)
    into = book(THERE)
    frames = [frame(signed if n in (0, 77, 199) else traffic, n) for n in range(200)]
    assert taken(into, *frames) == ["believed"] * 3
    assert {line.position for line in into.after(-1, 0, 9)} == {0, 77, 199}
    assert waiting(into)[0] == ("start", "somchai", "10.5.50.10", "")


def test_nobody_signs_in_at_an_address_outside_the_site() -> None:
    into = book(THERE)
    outside = "<38>Jan 25 09:59:58 gw-1 captiveportal 9 - - AUTH malee (203.0.113.9) zone 0"
    assert taken(into, frame(outside.replace("<38>Jan 25 09:59:58", "<38>1 -"))) == ["believed"]
    assert (waiting(into), into.nowhere) == ([], 1)


_HOSTAPD = "<30>Jan 25 09:59:58 ap-1 hostapd: wlan0: STA 02:00:00:00:00:01 IEEE 802.1X: "


def test_a_name_that_was_claimed_counts_once_its_device_is_let_in() -> None:
    into = book(THERE)
    claim, in_ = _HOSTAPD + "STA identity 'somchai'", _HOSTAPD + "authenticated - EAP type: 25"
    assert taken(into, frame(claim, 1)) == []
    assert waiting(into) == []
    again = book(THERE)
    again.restore(into.snapshot())
    assert taken(again, frame(in_, 2), frame(in_, 3)) == ["believed"] * 2
    assert waiting(again) == [("start", "somchai", "", "02:00:00:00:00:01")]
    late = [line.replace("09:59:58", "09:57:58") for line in (claim,)]
    assert taken(into, frame(late[0], 4), frame(in_, 5)) == ["believed"]
    assert waiting(into) == []


def test_what_the_portal_has_is_let_go_and_what_it_has_not_survives_a_restart() -> None:
    into = book(THERE)
    taken(into, *(frame(SIGN_IN, number) for number in range(5)))
    first = into.after(-1, 0, 2)
    assert [line.position for line in first] == [0, 1]
    again = book(THERE)
    again.restore(into.snapshot())
    received_us = NOW_NS // 1000
    assert [line.position for line in again.after(1, received_us, 9)] == [2, 3, 4]
    assert len(again) == 3
    # Positions began anew: lines that came later than what the portal has are not of before.
    assert len(again.after(100, received_us - 1, 9)) == 3


def test_the_oldest_is_let_go_and_counted_when_nobody_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(believed, "MOST", 3)
    into = book(THERE)
    taken(into, *(frame(SIGN_IN, number) for number in range(5)))
    assert (len(into), into.lost) == (3, 2)


@given(
    st.sampled_from(["ACCEPT", "DISCONNECT", "FAILURE"]),
    st.text(max_size=400).filter(lambda text: "\n" not in text),
    st.sampled_from(["10.5.50.10", "203.0.113.1", "x"]),
)
def test_any_account_gives_lines_that_the_portal_can_read(
    act: str, account: str, address: str
) -> None:
    into = book(THERE)
    text = LOGIN.format(act, account, address).encode("utf-8", "replace").decode()
    words = taken(into, frame(text))
    assert set(words) <= {"believed"}
    again = book(THERE)
    again.restore(into.snapshot())
    for line in again.after(-1, 0, 10):
        assert line.account or line.event == "stop"
        assert line.account.isprintable()
        assert len(line.account) <= believed.LONGEST
