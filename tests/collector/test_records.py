"""Event records survive JSON, and nothing else is taken for one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.records import AuditEvent, CoverageEvent, SessionEvent, microseconds, moment

_WHEN = datetime(2026, 11, 22, 1, 2, 3, 4, tzinfo=UTC)
_ID = UUID("6f1c8a52-5a3e-4a25-9a53-0d6b1f7d8e01")


def test_a_session_event_comes_back_as_it_went() -> None:
    event = SessionEvent(
        event_id=_ID,
        session=_ID,
        event="start",
        time=_WHEN,
        site="school-a",
        method="portal",
        person=_ID,
        addresses=("10.0.0.1", "fd00::1"),
        full_name="สมชาย ใจดี",
        bytes_in=1 << 40,
    )
    assert SessionEvent.from_json(event.to_json()) == event


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"time":"2026-11-22T00:00:00","site":"a","kind":"x"}',
        b'{"time":"2569-11-22T00:00:00Z","site":"a","kind":"x"}',
        b'{"time":"0001-01-01T00:00:00+14:00","site":"a","kind":"x"}',
        b'{"time":"2026-11-22T00:00:00Z","site":"a","kind":5}',
        b'{"time":"2026-11-22T00:00:00Z","site":"a","kind":"x","lost":true}',
        b'{"time":"2026-11-22T00:00:00Z","site":"a","kind":"x","more":"y"}',
        b'{"time":"2026-11-22T00:00:00Z","site":"a","kind":"\\ud800"}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_not_the_record_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        CoverageEvent.from_json(text)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_end_in_a_record_or_value_error(text: bytes) -> None:
    try:
        AuditEvent.from_json(text)
    except ValueError:
        return
    raise AssertionError("random bytes were taken for a record")


def test_an_address_that_is_no_text_is_refused() -> None:
    text = (
        b'{"event_id":"6f1c8a52-5a3e-4a25-9a53-0d6b1f7d8e01","event":"start","site":"a",'
        b'"session":"6f1c8a52-5a3e-4a25-9a53-0d6b1f7d8e01","time":"2026-11-22T00:00:00Z",'
        b'"method":"portal","addresses":[5]}'
    )
    with pytest.raises(ValueError, match="addresses"):
        SessionEvent.from_json(text)


@given(st.integers(-2_208_988_800_000_000, 13_569_465_599_999_999))
def test_a_time_survives_both_ways(time_us: int) -> None:
    assert microseconds(moment(time_us)) == time_us
    assert moment(time_us).utcoffset() == timedelta(0)
