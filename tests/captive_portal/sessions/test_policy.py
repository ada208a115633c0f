"""What a group may do, against an oracle that walks through every minute."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.people.groups import AtQuota, Group, Hours
from captive_portal.people.usage import Used
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.policy import MB, WEEKDAYS, Calendar, Reason, grant

BANGKOK = ZoneInfo("Asia/Bangkok")
MONDAY = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # 08:00 at school
MINUTE = timedelta(minutes=1)
LONGEST = timedelta(hours=12)
SCHOOL_DAYS = Hours(days=("mon", "tue", "wed", "thu", "fri"), first_minute=480, last_minute=960)


def group(**what: object) -> Group:
    return Group(id=UUID(int=1), site="a", name="pupils", **what)  # type: ignore[arg-type]  # any field


days = st.lists(
    st.sampled_from((*WEEKDAYS, "holiday", "exam")), min_size=1, max_size=4, unique=True
).map(tuple)


@st.composite
def spans(draw: st.DrawFn) -> Hours:
    first = draw(st.integers(0, 1439))
    return Hours(
        days=draw(days),
        first_minute=first,
        last_minute=draw(st.sampled_from([1440, 720]) | st.integers(first + 1, 1440)),
    )


calendars = st.dictionaries(
    st.integers(0, 4).map(lambda n: date(2026, 11, 23) + timedelta(days=n)),
    st.sampled_from(("holiday", "exam", "sun")),
)


def open_at(hours: Sequence[Hours], calendar: Calendar, moment: datetime) -> bool:
    local = moment.astimezone(BANGKOK)
    like = calendar.get(local.date(), WEEKDAYS[local.weekday()])
    minute = local.hour * 60 + local.minute
    return not hours or any(
        like in span.days and span.first_minute <= minute < span.last_minute for span in hours
    )


@given(
    hours=st.lists(spans(), max_size=4),
    calendar=calendars,
    minutes=st.none() | st.integers(1, 3000),
    quota=st.none() | st.integers(0, 1440),
    used_minutes=st.integers(0, 1440),
    offset=st.integers(0, 4000),
)
def test_until_is_the_first_minute_that_is_not_allowed(
    hours: list[Hours],
    calendar: dict[date, str],
    minutes: int | None,
    quota: int | None,
    used_minutes: int,
    offset: int,
) -> None:
    now = MONDAY + offset * MINUTE
    rules = group(hours=tuple(hours), session_minutes=minutes, quota_day_minutes=quota)
    used = Used(day_seconds=used_minutes * 60)
    at, spent = now, used_minutes
    end = now + (LONGEST if minutes is None else minutes * MINUTE)
    while at < end and open_at(hours, calendar, at) and (quota is None or spent < quota):
        at += MINUTE
        local = at.astimezone(BANGKOK)
        spent = 0 if local.hour == local.minute == 0 else spent + 1

    found = grant(rules, calendar, used, now=now, since=now, longest=LONGEST, zone=BANGKOK)

    if at == now:
        closed = not open_at(hours, calendar, now)
        assert found.refused is (Reason.HOURS if closed else Reason.QUOTA_MINUTES)
        if found.opens is not None:
            begin, end = found.opens
            assert open_at(hours, calendar, begin)
            assert not open_at(hours, calendar, begin - MINUTE)
            assert end - begin == timedelta(days=1) or not open_at(hours, calendar, end)
    else:
        assert (found.refused, found.until) == (None, at)
        if at == end:
            assert found.ends is Cause.SESSION_TIMEOUT


@given(
    day=st.none() | st.integers(0, 50),
    month=st.none() | st.integers(0, 50),
    day_bytes=st.integers(0, 60 * MB),
    month_more=st.integers(0, 60 * MB),
    bonus=st.integers(0, 20),
    slow=st.booleans(),
)
def test_bytes_up_to_the_quota_and_none_beyond(
    day: int | None, month: int | None, day_bytes: int, month_more: int, bonus: int, slow: bool
) -> None:
    used = Used(
        day_bytes=day_bytes,
        month_bytes=day_bytes + month_more,
        day_bonus_mb=bonus,
        month_bonus_mb=bonus,
    )
    rules = group(
        quota_day_mb=day,
        quota_month_mb=month,
        at_quota=AtQuota.SLOW if slow else AtQuota.END,
        up_kbit=100,
    )
    left = [
        (quota + bonus) * MB - spent
        for quota, spent in ((day, used.day_bytes), (month, used.month_bytes))
        if quota is not None
    ]
    found = grant(rules, {}, used, now=MONDAY, since=MONDAY, longest=LONGEST, zone=BANGKOK)
    over = bool(left) and min(left) <= 0
    assert (found.refused is not None) == (over and not slow)
    assert found.slow == (over and slow)
    if found.refused is None:
        assert found.left_bytes == (max(0, min(left)) if left else None)
        assert (found.up_kbit, found.down_kbit) == (100, 256 if over else None)


def test_a_school_day_ends_in_the_afternoon_and_a_holiday_never_begins() -> None:
    rules = group(hours=(SCHOOL_DAYS,))
    found = grant(rules, {}, Used(), now=MONDAY, since=MONDAY, longest=LONGEST, zone=BANGKOK)
    assert (found.until, found.ends) == (MONDAY + timedelta(hours=8), Cause.HOURS)
    holiday = {date(2026, 11, 23): "holiday"}
    found = grant(rules, holiday, Used(), now=MONDAY, since=MONDAY, longest=LONGEST, zone=BANGKOK)
    assert found.refused is Reason.HOURS


def test_a_saturday_may_be_taught_like_a_monday() -> None:
    saturday = MONDAY + timedelta(days=5)
    rules = group(hours=(SCHOOL_DAYS,))
    likewise = {date(2026, 11, 28): "mon"}
    for calendar, reason in (({}, Reason.HOURS), (likewise, None)):
        found = grant(
            rules, calendar, Used(), now=saturday, since=saturday, longest=LONGEST, zone=BANGKOK
        )
        assert found.refused is reason


def test_who_signed_in_long_ago_has_less_left() -> None:
    since = MONDAY - timedelta(minutes=50)
    rules = group(session_minutes=60)
    found = grant(rules, {}, Used(), now=MONDAY, since=since, longest=LONGEST, zone=BANGKOK)
    assert found.until == MONDAY + timedelta(minutes=10)


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "UTC", "Asia/Kathmandu"])
@given(offset=st.integers(0, 525_600), hours=st.lists(spans(), min_size=1, max_size=3))
def test_other_zones_end_in_the_future_and_at_a_minute(
    name: str, offset: int, hours: list[Hours]
) -> None:
    now = MONDAY + offset * MINUTE
    rules = group(hours=tuple(hours))
    found = grant(rules, {}, Used(), now=now, since=now, longest=LONGEST, zone=ZoneInfo(name))
    if found.refused is None:
        assert now < found.until <= now + LONGEST
        assert found.until.second == 0


def test_who_is_outside_the_hours_is_told_when_they_begin() -> None:
    rules, saturday = group(hours=(SCHOOL_DAYS,)), MONDAY + timedelta(days=5)
    told = grant(
        rules, {}, Used(), now=saturday, since=saturday, longest=LONGEST, zone=BANGKOK
    ).opens
    monday = MONDAY + timedelta(days=7)
    assert told == (monday, monday + timedelta(hours=8))
    never = group(hours=(Hours(days=("exam",), first_minute=0, last_minute=60),))
    closed = grant(never, {}, Used(), now=MONDAY, since=MONDAY, longest=LONGEST, zone=BANGKOK)
    assert (closed.refused, closed.opens) == (Reason.HOURS, None)
