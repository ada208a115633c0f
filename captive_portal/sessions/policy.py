"""What somebody may do at a time: on or not, until when, how fast. Pure.

A group's hours, quotas and lengths, the school's calendar and what was used so far give a `Grant`.
Days and minutes of the day are those of the school's own time zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Protocol

from captive_portal.people.usage import Used
from captive_portal.sessions.causes import Cause

MB = 1_000_000
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
AHEAD, WHOLE_DAY = timedelta(days=15), timedelta(days=1)
FURTHEST = timedelta(days=32)
"""No session is longer, so that nobody's hours are reckoned further ahead."""
Calendar = Mapping[date, str]
"""What a day is like where it is not like its weekday: `holiday`, `exam`, or another weekday."""


class Reason(StrEnum):
    """Why somebody may not be on."""

    CLOSED = "closed"
    """The account is disabled."""
    HOURS = "hours"
    QUOTA_DAY = "quota-day"
    QUOTA_MONTH = "quota-month"
    QUOTA_MINUTES = "quota-minutes"
    DEVICES = "devices"
    """On as many devices as the group allows, and none of them gives way."""


class Span(Protocol):
    """A span of the day on some days."""

    @property
    def days(self) -> Sequence[str]:
        """Of the week, or kinds of the calendar."""
        ...

    @property
    def first_minute(self) -> int:
        """Of the day."""
        ...

    @property
    def last_minute(self) -> int:
        """Up to and without this minute; 1440 is midnight."""
        ...


class Rules(Protocol):
    """What a group says; None means no limit (`captive_portal.people.groups.Group`)."""

    @property
    def session_minutes(self) -> int | None:
        """From sign-in."""
        ...

    @property
    def idle_minutes(self) -> int | None:
        """Without a packet from the device."""
        ...

    @property
    def up_kbit(self) -> int | None:
        """From the device."""
        ...

    @property
    def down_kbit(self) -> int | None:
        """To the device."""
        ...

    @property
    def quota_day_mb(self) -> int | None:
        """Both directions."""
        ...

    @property
    def quota_month_mb(self) -> int | None:
        """Both directions."""
        ...

    @property
    def quota_day_minutes(self) -> int | None:
        """On any number of devices at once."""
        ...

    @property
    def at_quota(self) -> str:
        """`end` or `slow`."""
        ...

    @property
    def slow_kbit(self) -> int:
        """Both ways, once a quota is used up."""
        ...

    @property
    def hours(self) -> Sequence[Span]:
        """Empty: always."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What somebody may do now."""

    refused: Reason | None = None
    """Why they may not be on; then nothing else here counts but `opens`."""
    opens: tuple[datetime, datetime] | None = None
    """When the hours begin and end next, where they are why."""
    until: datetime
    """The nearest of session length, end of hours and quota of minutes, UTC."""
    ends: Cause = Cause.SESSION_TIMEOUT
    """What it will have been, then."""
    up_kbit: int | None = None
    down_kbit: int | None = None
    slow: bool = False
    """Slower than the group's speed, because a quota is used up."""
    idle: timedelta | None = None
    left_bytes: int | None = None
    """Of the quota that is used up first; None: no quota."""
    slows: bool = False
    """A quota that is used up makes it slow, and does not end it."""


def grant(  # noqa: PLR0913  # a grant hangs on these
    rules: Rules,
    calendar: Calendar,
    used: Used,
    *,
    now: datetime,
    since: datetime,
    longest: timedelta,
    zone: tzinfo,
) -> Grant:
    """Return what somebody of a group may do now.

    Args:
        rules: Of the group.
        calendar: Of the site.
        used: By the person so far.
        now: The time.
        since: When they signed in; `now` for who is about to.
        longest: A session's length where the group says none.
        zone: The school's own time.
    """
    minutes = rules.session_minutes
    length = longest if minutes is None else timedelta(minutes=minutes)
    until, ends = since + min(length, FURTHEST), Cause.SESSION_TIMEOUT
    over = _over(rules, used)
    closes = open_until(rules.hours, calendar, now, until, zone) if rules.hours else until
    if closes is None:
        opens = next_open(rules.hours, calendar, now, zone)
        return Grant(refused=Reason.HOURS, until=now, ends=Cause.HOURS, opens=opens)
    if over is not None and rules.at_quota != "slow":
        return Grant(refused=over, until=now, ends=Cause.QUOTA)
    if closes < until:
        until, ends = closes, Cause.HOURS
    runs_out = _minutes_until(rules, used, now, until, zone)
    if runs_out < until:
        until, ends = runs_out, Cause.QUOTA
    return Grant(
        until=until,
        ends=ends,
        up_kbit=_speed(rules.up_kbit, rules, over),
        down_kbit=_speed(rules.down_kbit, rules, over),
        slow=over is not None,
        idle=None if rules.idle_minutes is None else timedelta(minutes=rules.idle_minutes),
        left_bytes=_left_bytes(rules, used),
        slows=rules.at_quota == "slow",
    )


def open_until(
    hours: Sequence[Span], calendar: Calendar, now: datetime, latest: datetime, zone: tzinfo
) -> datetime | None:
    """Return when the hours that hold now end, not looking beyond `latest`; None: closed now."""
    at = now
    while at < latest:
        end = _covered(hours, calendar, at, zone)
        if end is None:
            break
        at = end
    if at == now and now < latest:
        return None
    return min(at, latest)


def next_open(
    hours: Sequence[Span], calendar: Calendar, now: datetime, zone: tzinfo
) -> tuple[datetime, datetime] | None:
    """Return when hours begin next, and when those end; None: not within `AHEAD`."""
    today = now.astimezone(zone).date()
    for day in (today + timedelta(days=ahead) for ahead in range(AHEAD.days)):
        like = calendar.get(day, WEEKDAYS[day.weekday()])
        spans = (one for one in hours if like in one.days and one.first_minute < one.last_minute)
        begins = (_moment(day, one.first_minute, zone) for one in spans)
        first = min((begin for begin in begins if begin > now), default=None)
        if first is not None:
            return first, open_until(hours, calendar, first, first + WHOLE_DAY, zone) or first
    return None


def _covered(
    hours: Sequence[Span], calendar: Calendar, at: datetime, zone: tzinfo
) -> datetime | None:
    """Return the latest end of a span that holds this moment."""
    day = at.astimezone(zone).date()
    like = calendar.get(day, WEEKDAYS[day.weekday()])
    spans = [span for span in hours if like in span.days]
    ends = [
        _moment(day, span.last_minute, zone)
        for span in spans
        if _moment(day, span.first_minute, zone) <= at < _moment(day, span.last_minute, zone)
    ]
    return max(ends, default=None)


def _moment(day: date, minute: int, zone: tzinfo) -> datetime:
    """Return when a minute of a day begins there."""
    day += timedelta(days=minute // 1440)
    wall = time(minute % 1440 // 60, minute % 60)
    return datetime.combine(day, wall, tzinfo=zone).astimezone(UTC)


def _over(rules: Rules, used: Used) -> Reason | None:
    """Return which quota is used up."""
    day, month, minutes = rules.quota_day_mb, rules.quota_month_mb, rules.quota_day_minutes
    if day is not None and used.day_bytes >= (day + used.day_bonus_mb) * MB:
        return Reason.QUOTA_DAY
    if month is not None and used.month_bytes >= (month + used.month_bonus_mb) * MB:
        return Reason.QUOTA_MONTH
    if minutes is not None and used.day_seconds >= minutes * 60:
        return Reason.QUOTA_MINUTES
    return None


def _left_bytes(rules: Rules, used: Used) -> int | None:
    day, month = rules.quota_day_mb, rules.quota_month_mb
    left = []
    if day is not None:
        left.append((day + used.day_bonus_mb) * MB - used.day_bytes)
    if month is not None:
        left.append((month + used.month_bonus_mb) * MB - used.month_bytes)
    return max(0, min(left)) if left else None


def _minutes_until(
    rules: Rules, used: Used, now: datetime, latest: datetime, zone: tzinfo
) -> datetime:
    """Return when the day's minutes are used up by somebody who stays on; each day has its own."""
    minutes = rules.quota_day_minutes
    if minutes is None or rules.at_quota == "slow":
        return latest
    at, left = now, timedelta(minutes=minutes) - timedelta(seconds=used.day_seconds)
    while at < latest:
        midnight = _moment(at.astimezone(zone).date() + timedelta(days=1), 0, zone)
        if at + left < midnight:
            return min(at + left, latest)
        at, left = midnight, timedelta(minutes=minutes)
    return latest


def _speed(limit: int | None, rules: Rules, over: Reason | None) -> int | None:
    if over is None:
        return limit
    return rules.slow_kbit if limit is None else min(limit, rules.slow_kbit)
