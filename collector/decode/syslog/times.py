"""Times as senders of syslog write them, as µs since the epoch.

A time without zone is Asia/Bangkok, which has had one offset since 1920. Years from 2400 on are of
the Buddhist era.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

BANGKOK_S = 7 * 3600
_BUDDHIST = 2400
DAY_US = 86_400_000_000
_HALF_YEAR_US = 182 * DAY_US
_EPOCH = date(1970, 1, 1).toordinal()
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

ZONES = {
    "Z": 0,
    "UTC": 0,
    "GMT": 0,
    "ICT": 7 * 3600,
    "WIB": 7 * 3600,
    "SGT": 8 * 3600,
    "MYT": 8 * 3600,
    "HKT": 8 * 3600,
    "JST": 9 * 3600,
    "KST": 9 * 3600,
    "IST": 19800,
    "WET": 0,
    "BST": 3600,
    "CET": 3600,
    "WEST": 3600,
    "CEST": 2 * 3600,
    "EET": 2 * 3600,
    "EEST": 3 * 3600,
    "EST": -5 * 3600,
    "EDT": -4 * 3600,
    "CST": -6 * 3600,
    "CDT": -5 * 3600,
    "MST": -7 * 3600,
    "MDT": -6 * 3600,
    "PST": -8 * 3600,
    "PDT": -7 * 3600,
}
"""Seconds east of UTC of the names that devices write after a time."""

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)\Z")


def month_of(name: str) -> int:
    """Return the number of an English month, by its first three letters."""
    return _MONTHS.index(name[:3].lower()) + 1


def at(
    year: int, month: int, day: int, clock: str, *, fraction: str | None, zone: str | None
) -> int | None:
    """Return a time, or None where there is no such day, time or zone.

    Args:
        year: Of either era.
        month: From 1.
        day: From 1.
        clock: `HH:MM:SS`; second 60 is the first of the next minute.
        fraction: Decimal digits of a second; past the sixth they are cut.
        zone: A name or offset; None is Asia/Bangkok.
    """
    days = _days(year, month, day)
    seconds = _seconds(clock)
    east = BANGKOK_S if zone is None else _east(zone)
    if days is None or seconds is None or east is None:
        return None
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return days * DAY_US + (seconds - east) * 1_000_000 + micros


def nearest(
    near_us: int, month: int, day: int, clock: str, *, fraction: str | None, zone: str | None
) -> int | None:
    """Return a time without year: of the year that puts it nearest to `near_us`."""
    year = date.fromordinal(_EPOCH + near_us // DAY_US).year
    time = at(year, month, day, clock, fraction=fraction, zone=zone)
    if time is not None and abs(time - near_us) < _HALF_YEAR_US:
        return time
    around = (
        at(each, month, day, clock, fraction=fraction, zone=zone)
        for each in (year - 1, year, year + 1)
    )
    return min(
        (each for each in around if each is not None),
        key=lambda each: abs(each - near_us),
        default=None,
    )


@lru_cache(maxsize=4096)
def _days(year: int, month: int, day: int) -> int | None:
    """Return days since the epoch, for the years that any reader of the log can show."""
    year = year - 543 if year >= _BUDDHIST else year
    if not 1900 <= year < _BUDDHIST:
        return None
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _seconds(clock: str) -> int | None:
    hour, minute, second = clock.split(":")
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        return None
    return int(hour) * 3600 + int(minute) * 60 + int(second)


@lru_cache(maxsize=256)
def _east(zone: str) -> int | None:
    named = ZONES.get(zone.upper())
    if named is not None:
        return named
    offset = _OFFSET.match(zone)
    if offset is None or int(offset[2]) > 23 or int(offset[3]) > 59:
        return None
    seconds = int(offset[2]) * 3600 + int(offset[3]) * 60
    return -seconds if offset[1] == "-" else seconds
