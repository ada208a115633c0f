"""What the admin sees of lines that nobody read: patterns and counts, nothing about persons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.syslog import messages
from collector.decode.syslog.patterns import Tally, Unread, mask
from tests.collector.decode.syslog import golden

NOWHERE = {"newest_us": None, "source": ""}


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("link down on port 0/7", "link down on port *"),
        ("lost 10.5.50.10 and 2001:db8::1, 3 times", "lost * and *, * times"),
        ("station 02:00:00:00:00:01 roamed", "station * roamed"),
        ("Invalid login for somchai from laptop", "Invalid login for * from *"),
        ("user somchai is gone", "user * is gone"),
        ("mail to somchai@school.example bounced", "mail to * bounced"),
        ("said \"good morning\" to 'somchai'", "said * to *"),
        ("name=somchai;room=7 kept", "name=*;room=* kept"),
        ("ผู้ใช้ สมชาย เข้าระบบ", "* * *"),
        ("SCHOOL\\somchai logged", "* logged"),
    ],
)
def test_a_pattern_has_no_numbers_addresses_or_names(line: str, pattern: str) -> None:
    assert mask(line) == pattern


@given(st.text(max_size=2000))
def test_any_line_has_a_pattern_without_digits(line: str) -> None:
    pattern = mask(line)
    assert len(pattern) <= 120
    assert not any(letter.isdigit() or not letter.isascii() for letter in pattern)


def test_the_commonest_patterns_come_first_with_their_counts() -> None:
    unread = Unread()
    unread.add([(None, f"link {n} up") for n in range(5)])
    unread.add([("dnsmasq", "reading /etc/resolv.conf"), (None, "odd")])
    assert unread.commonest(2) == [
        {"pattern": "link * up", "lines": 5, **NOWHERE},
        {"pattern": "dnsmasq: reading *", "lines": 1, **NOWHERE},
    ]
    assert unread.lines == 7


def test_a_flood_of_patterns_is_bounded_and_counted() -> None:
    unread = Unread(most=100)
    words = [f"{a}{b}{c}" for a in "abcdefghij" for b in "abcdefghij" for c in "abcdefghij"]
    unread.add([(None, f"word {word}") for word in words for _ in range(2)])
    unread.add([(None, "the usual")] * 50)
    assert len(unread.commonest(1000)) <= 101
    assert unread.commonest(1)[0]["pattern"] == "the usual"
    assert unread.lines == 2050 == unread.other + sum(p["lines"] for p in unread.commonest(1000))


def test_status_tells_what_was_read_and_what_was_not() -> None:
    tally = Tally()
    tally.vendors.update({"fortigate": 3})
    tally.unread.add([(None, "odd 1")])
    status = tally.status()
    assert status["read"] == {"fortigate": 3}
    assert (status["unread"], status["unread_other"]) == (1, 0)
    assert status["unread_patterns"] == [{"pattern": "odd *", "lines": 1, **NOWHERE}]


def test_the_newest_line_of_a_pattern_can_be_found() -> None:
    known, odd = "<13>Jan 25 09:59:58 ap-1 hostapd: AP-STA-CONNECTED 02:00:00:00:00:01", "odd {}"
    frames = golden.frames([odd.format(1), known, odd.format(2)])
    frames[2] = frames[2]._replace(address="192.0.2.77", wire_ns=frames[2].wire_ns + 5000)
    tally = Tally()
    tally.count(messages.read(frames))
    [told] = tally.status()["unread_patterns"]
    newest_us = frames[2].wire_ns // 1000
    expected = {"pattern": "odd *", "lines": 2, "newest_us": newest_us, "source": "192.0.2.77"}
    assert told == expected
