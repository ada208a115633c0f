"""Times as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import WrongUse
from appliance.search import times
from tests.appliance.search.homes import NOW_US

AFTERNOON = "2026-11-22T14:30:00+07:00"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-22T14:30", AFTERNOON),
        ("2026-11-22 14:30:00", AFTERNOON),
        ("2026-11-22T14:30:00+07:00", AFTERNOON),
        ("2026-11-22T07:30:00Z", AFTERNOON),
        ("2026-11-22T07:30:00-0000", AFTERNOON),
        ("2026-11-22T16:30+09", AFTERNOON),
        ("2569-11-22T14:30", AFTERNOON),
        ("๒๕๖๙-๑๑-๒๒ ๑๔:๓๐", AFTERNOON),
        ("2026-11-22", "2026-11-22T00:00:00+07:00"),
        ("today", "2026-11-22T00:00:00+07:00"),
        ("วันนี้", "2026-11-22T00:00:00+07:00"),
        ("yesterday", "2026-11-21T00:00:00+07:00"),
        ("เมื่อวาน", "2026-11-21T00:00:00+07:00"),
        ("now", "2026-11-22T16:00:00+07:00"),
        ("-2h", AFTERNOON.replace("14:30", "14:00")),
        ("-7d", "2026-11-15T16:00:00+07:00"),
        ("-90s", "2026-11-22T15:58:30+07:00"),
        ("2567-02-29", "2024-02-29T00:00:00+07:00"),
        ("2026-11-22T14:30:00.250", "2026-11-22T14:30:00.25+07:00"),
    ],
)
def test_a_time_is_read(text: str, same: str) -> None:
    assert times.rfc3339(times.parse(text, NOW_US).us) == same


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "2026-13-01", "2026-11-22T25:00", "22/11/2026", "-2x", "2h", "1899-01-01"),
        *("2568-02-29", "2026-11-22T14:30+25:00", "2026-11-22T", "-9999999h", "20261122"),
    ],
)
def test_what_is_no_time_says_what_was_wanted(text: str) -> None:
    with pytest.raises(WrongUse, match="wanted a time such as"):
        times.parse(text, NOW_US)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        *(("2026-11-22", times.DAY), ("2026-11-22T14:30", times.MINUTE), ("today", times.DAY)),
        *(("2026-11-22T14:30:01", times.SECOND), ("2026-11-22T14:30:01.5", 100_000), ("now", 1)),
    ],
)
def test_a_time_lasts_as_long_as_it_is_exact(text: str, width: int) -> None:
    assert times.parse(text, NOW_US).width_us == width


@given(st.integers(0, 13_569_440_399_999_999))
def test_what_is_written_is_read_again(us: int) -> None:
    assert times.parse(times.rfc3339(us), 0).us == us


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_clear_error(text: str) -> None:
    try:
        assert times.parse(text, NOW_US).us >= 0
    except WrongUse as error:
        assert "wanted a time" in str(error)


def test_thai_times_have_the_buddhist_year() -> None:
    assert times.thai(NOW_US) == "22 พฤศจิกายน พ.ศ. 2569 16:00:00 น."


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300), ("90s", 90), ("1d", 86400)])
def test_a_length_is_read(text: str, seconds: int) -> None:
    assert times.duration_us(text) == seconds * times.SECOND


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 years"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(WrongUse, match="no length of time"):
        times.duration_us(text)
