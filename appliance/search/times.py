"""Times as people write them, and as the box shows them.

Inside, a time is whole microseconds since 1970-01-01T00:00:00Z. People write ISO 8601, Buddhist
years, Thai digits, `-2h` or `yesterday`; what has no offset is Bangkok time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from appliance.errors import WrongUse

BANGKOK = timezone(timedelta(hours=7), "+07:00")
"""Thailand has had no other offset since 1920, and no summer time."""
BUDDHIST_FROM = 2400
"""A year from here on is Buddhist era, 543 years ahead."""
MICROSECOND, SECOND, MINUTE, HOUR, DAY = 1, 10**6, 60 * 10**6, 3600 * 10**6, 86400 * 10**6

WANTED = (
    "wanted a time such as 2026-11-22T14:30, 2569-11-22, 2026-11-22T14:30:00Z, -2h, today or now"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_WORDS = {"วันนี้": "today", "เมื่อวาน": "yesterday", "ตอนนี้": "now"}
_AGO = re.compile(r"-(\d{1,6})([smhdw])")
_ISO = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
    r"(?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?P<offset>Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII | re.IGNORECASE,
)
_MONTHS = [
    *("มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน"),
    *("กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม"),
]


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as read from text."""

    us: int
    """Microseconds since the epoch, UTC."""
    width_us: int
    """How long what was written lasts: a day for `2026-11-22`, a minute for `…T14:30`."""
    offset_given: bool
    """Whether the text itself says which offset it has."""

    @property
    def end_us(self) -> int:
        """The first microsecond after what was written."""
        return self.us + self.width_us


def parse(text: str, now_us: int, *, zone: timezone = BANGKOK) -> Moment:
    """Return the moment that `text` names.

    Args:
        text: What a person wrote.
        now_us: The time now, for words such as `-2h`.
        zone: What a time without offset is in.

    Raises:
        WrongUse: it is no time; the message says what was expected.
    """
    plain = text.strip().translate(_THAI_DIGITS)
    word = _WORDS.get(plain, plain.lower())
    if word == "now":
        return Moment(now_us, MICROSECOND, offset_given=True)
    if word in ("today", "yesterday"):
        midnight = _midnight(now_us) - (DAY if word == "yesterday" else 0)
        return Moment(midnight, DAY, offset_given=True)
    if ago := _AGO.fullmatch(word):
        us = max(0, now_us - int(ago[1]) * _UNITS[ago[2]])
        return Moment(us, MICROSECOND, offset_given=True)
    if iso := _ISO.fullmatch(plain):
        return _iso(iso, text, zone)
    raise WrongUse(f"{text!r} is no time; {WANTED}")


def duration_us(text: str) -> int:
    """Return the length of `5m`, `90s`, `2h` or `1d` in microseconds.

    Raises:
        WrongUse: it is none.
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip().translate(_THAI_DIGITS).lower())
    if not found:
        raise WrongUse(f"{text!r} is no length of time; wanted for instance 30s, 5m, 2h or 1d")
    return int(found[1]) * _UNITS[found[2]]


def aware(us: int) -> datetime:
    """Return a time in microseconds as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=us)


def microseconds(moment: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def rfc3339(us: int, zone: timezone = BANGKOK) -> str:
    """Return a time as `2026-11-22T14:30:05.25+07:00`; a fraction only where there is one."""
    local = aware(us).astimezone(zone)
    fraction = f".{local.microsecond:06}".rstrip("0") if local.microsecond else ""
    offset = "Z" if zone is UTC else f"{local:%z}"[:3] + ":" + f"{local:%z}"[3:5]
    return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{offset}"


def to_second(moment: datetime | None) -> str:
    """Return a time as lists show it, `2026-11-22T14:30:05+07:00`; empty where there is none."""
    return "" if moment is None else rfc3339(microseconds(moment.replace(microsecond=0)))


def thai(us: int) -> str:
    """Return a time in words of the Buddhist calendar: `22 พฤศจิกายน พ.ศ. 2569 14:30:05 น.`."""
    local = aware(us).astimezone(BANGKOK)
    day = f"{local.day} {_MONTHS[local.month - 1]} พ.ศ. {local.year + 543}"
    return f"{day} {local:%H:%M:%S} น."


def _midnight(now_us: int) -> int:
    local = aware(now_us).astimezone(BANGKOK)
    return microseconds(local.replace(hour=0, minute=0, second=0, microsecond=0))


def _iso(found: re.Match[str], text: str, zone: timezone) -> Moment:
    part = found.groupdict()
    year = int(part["year"])
    year -= 543 if year >= BUDDHIST_FROM else 0
    fraction = (part["fraction"] or "").ljust(6, "0")[:6]
    try:
        local = datetime(
            year,
            int(part["month"]),
            int(part["day"]),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            int(part["second"] or 0),
            int(fraction),
            tzinfo=_offset(part["offset"]) or zone,
        )
    except ValueError as error:
        raise WrongUse(f"{text!r} is no time: {error}; {WANTED}") from error
    us = microseconds(local)
    if not 0 <= us < microseconds(datetime(BUDDHIST_FROM, 1, 1, tzinfo=UTC)):
        raise WrongUse(f"{text!r} is outside the years 1970 to 2399; {WANTED}")
    return Moment(us, _width(part), offset_given=part["offset"] is not None)


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text in ("Z", "z"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    if int(digits[:2]) > 23 or int(digits[2:]) > 59:
        raise ValueError(f"no offset is {text}")
    length = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-length if text[0] == "-" else length)


def _width(part: dict[str, str | None]) -> int:
    if part["fraction"]:
        return int(10 ** max(0, 6 - len(part["fraction"])))
    if part["second"]:
        return SECOND
    return MINUTE if part["hour"] else DAY
