"""Dates as people in Thai offices write them, of either era."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone

from captive_portal.errors import Unfit
from captive_portal.people import names

BANGKOK = timezone(timedelta(hours=7), "+07:00")
BUDDHIST_FROM, BUDDHIST_ERA = 2400, 543
"""A year from the first on is Buddhist, ahead by the second."""
SHORT = (
    *("ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย."),
    *("ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค."),
)
_LONG = (
    *("มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน"),
    *("กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม"),
)
_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {
    name.replace(".", ""): at
    for many in (SHORT, _LONG, _ENGLISH)
    for at, name in enumerate(many, 1)
}
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_NUMBERS = re.compile(r"([0-9]{1,2})[/.\-]([0-9]{1,2})[/.\-]([0-9]{4})")
_WORDS = re.compile(r"([0-9]{1,2})\s*([^\s0-9]+)\s*(?:พ\.?ศ\.?)?\s*([0-9]{4})")


def read(text: str) -> date:
    """Return the date that `text` names: 31/03/2570, 31 มี.ค. 2570, 2570-03-31 or 2027-03-31.

    Raises:
        Unfit: it is no date, or one without its century.
    """
    plain = names.digits(names.clean(text)).lower()
    if found := _ISO.fullmatch(plain):
        return _date(text, int(found[1]), int(found[2]), int(found[3]))
    if found := _NUMBERS.fullmatch(plain):
        return _date(text, int(found[3]), int(found[2]), int(found[1]))
    if found := _WORDS.fullmatch(plain):
        return _date(text, int(found[3]), _MONTHS.get(found[2].replace(".", ""), 0), int(found[1]))
    raise _wrong(text)


def _date(text: str, year: int, month: int, day: int) -> date:
    try:
        return date(year - (BUDDHIST_ERA if year >= BUDDHIST_FROM else 0), month, day)
    except ValueError as error:
        raise _wrong(text) from error


def _wrong(text: str) -> Unfit:
    return Unfit(f"{text[:40]!r} is no date", hint="wanted one such as 31/03/2570")


def begins(day: date) -> datetime:
    """Return the first moment of a day in Thailand."""
    return datetime.combine(day, time.min, BANGKOK)


def today(now: datetime) -> date:
    """Return which day a moment is in, in Thailand."""
    return now.astimezone(BANGKOK).date()


def shown(day: date) -> str:
    """Return a day as people write it, with the Buddhist year."""
    return f"{day.day} {SHORT[day.month - 1]} {day.year + BUDDHIST_ERA}"
