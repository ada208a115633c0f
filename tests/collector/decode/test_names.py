"""dnsmasq's query log, and any other line."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode import names
from collector.records import Frame, FrameKind, NameEvent


def frame(payload: bytes) -> Frame:
    return Frame(
        kind=FrameKind.SYSLOG,
        site="school-a",
        received_ns=9,
        wire_ns=7000,
        address="192.0.2.1",
        payload=payload,
    )


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("12 10.0.0.5/51234 reply WWW.example.org is 203.0.113.9", ("A", "203.0.113.9")),
        ("12 10.0.0.5/51234 cached www.example.org. is 2001:DB8::9", ("AAAA", "2001:db8::9")),
        ("12 10.0.0.5/51234 reply www.example.org is <CNAME>", ("CNAME", "")),
        ("query[HTTPS] www.example.org from 10.0.0.5", ("HTTPS", "")),
    ],
)
def test_a_line_tells_who_asked_for_what(line: str, wanted: tuple[str, str]) -> None:
    found = names.of_frame(frame(f"<30>Nov 22 15:00:00 gw dnsmasq[7]: {line}".encode()))
    assert found is not None
    assert (found.client, found.name, found.time_us) == ("10.0.0.5", "www.example.org", 7)
    assert (found.kind, found.answer, found.source) == (*wanted, "192.0.2.1")


@pytest.mark.parametrize(
    "line",
    [
        "reply www.example.org is 203.0.113.9",  # whose answer it is, is not told
        "12 10.0.0.5/51234 query[A] www.example.org from 10.0.0.5",  # its answer follows
        "12 10.0.0.5/51234 forwarded www.example.org to 198.51.100.53",
        "12 10.0.0.5/51234 reply www.example.org is NXDOMAIN",
        "12 10.0.0.5/51234 reply www.example.org is 203.0.113.900",
    ],
)
def test_other_lines_tell_nothing_or_no_address(line: str) -> None:
    found = names.of_frame(frame(f"dnsmasq[7]: {line}".encode()))
    assert found is None or found.answer == ""


@pytest.mark.parametrize(
    "line",
    [
        "sshd[9]: Invalid user dnsmasq[7]: {} from 10.0.0.9",
        '<30>Nov 22 15:00:00 web nginx[9]: "GET /?dnsmasq[7]: {} HTTP/1.1" 404',
        "dnsmasq-dhcp[7]: DHCPACK(br0) 10.0.0.9 02:00:5e:00:53:01 dnsmasq: {}",
        "dnsmasq[7]: query[A] x.example from 10.0.0.9 dnsmasq[7]: {}",
    ],
)
def test_what_a_stranger_typed_puts_no_name_to_another_device(line: str) -> None:
    typed = "12 10.0.0.5/51234 reply www.example.org is 203.0.113.9"
    found = names.of_frame(frame(line.format(typed).encode()))
    assert found is None or found.client != "10.0.0.5"


@given(st.binary(max_size=100), st.text(max_size=60))
def test_any_line_is_a_name_or_nothing(raw: bytes, text: str) -> None:
    for payload in (
        raw,
        b"dnsmasq: " + raw,
        f"dnsmasq[1]: 1 10.0.0.5/7 reply {text} is 203.0.113.9".encode(errors="ignore"),
    ):
        found = names.of_frame(frame(payload))
        assert found is None or 0 < len(found.name) <= 253


EVENT = NameEvent(
    time=datetime(2026, 11, 22, 8, tzinfo=UTC),
    site="school-a",
    origin="dns-capture",
    client="10.0.0.5",
    name="www.example.org",
    kind="A",
    answers=("203.0.113.9", "203.0.113.10"),
    ttl=60,
    source="sniff eth1",
)


def test_what_was_captured_is_an_entry_for_each_address() -> None:
    one, other = names.captured(frame(EVENT.to_json()))
    assert (one.answer, other.answer) == EVENT.answers
    assert one._replace(answer="") == other._replace(answer="")
    assert (one.time_us, one.ttl, one.origin) == (1_795_334_400_000_000, 60, "dns-capture")


@given(
    st.binary(max_size=60),
    st.sampled_from(list(json.loads(EVENT.to_json()))),
    st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=5), max_size=3),
)
def test_anything_else_is_refused(raw: bytes, member: str, value: object) -> None:
    changed = json.dumps({**json.loads(EVENT.to_json()), member: value}).encode()
    for payload in (raw, b"{" + raw + b"}", changed):
        with contextlib.suppress(ValueError):
            assert all(told.name for told in names.captured(frame(payload)) if member != "name")
