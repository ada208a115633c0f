"""Groups as people write them: at the command line and in the form, by the same words.

An empty value takes a limit away. Hours are such as `จ-ศ 07:30-16:30, เสาร์ 8:00-12:00` or
`mon-fri 07:30-16:30`; holidays and exam days of the calendar have hours of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from enum import StrEnum
from typing import Any

from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.people.accounts import Kind
from captive_portal.people.groups import AtLimit, AtQuota, Group, Hours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday", "exam")
THAI_DAYS = ("จ", "อ", "พ", "พฤ", "ศ", "ส", "อา", "หยุด", "สอบ")
_LONG_DAYS = ("จันทร์", "อังคาร", "พุธ", "พฤหัสบดี", "ศุกร์", "เสาร์", "อาทิตย์", "วันหยุด", "วันสอบ")
_SPELT = {
    word.replace(".", ""): day
    for many in (DAYS, THAI_DAYS, _LONG_DAYS)
    for word, day in zip(many, DAYS, strict=True)
} | {"พฤหัส": "thu", "holidays": "holiday", "exams": "exam"}
_SPAN = re.compile(
    r"(?P<days>[^0-9]{0,200}?)(?P<from>[0-9]{1,2}[:.][0-9]{2})\s*[-–]\s*(?P<to>[0-9]{1,2}[:.][0-9]{2})"
    r"(?:\s*น\.)?[\s,;]*"
)
_MOST_SPANS = 30
_RANGES: Mapping[str, tuple[int, int]] = {
    "devices": (1, 100),
    "session_minutes": (1, 60 * 24 * 31),
    "idle_minutes": (1, 60 * 24 * 31),
    "up_kbit": (32, 100_000_000),
    "down_kbit": (32, 100_000_000),
    "quota_day_mb": (1, 100_000_000),
    "quota_month_mb": (1, 100_000_000),
    "quota_day_minutes": (1, 60 * 24),
    "slow_kbit": (32, 100_000_000),
    "remember_days": (0, 366),
    "vlan": (1, 4094),
}
NUMBERS = tuple(_RANGES)
FIELDS = tuple(f.name for f in fields(Group) if f.name not in ("id", "site"))
_YES = {"yes": True, "true": True, "on": True, "1": True, "ใช่": True}
_NO = {"no": False, "false": False, "off": False, "0": False, "": False, "ไม่": False}


def changed(group: Group, words: Mapping[str, str]) -> Group:
    """Return a group with what `words` say; what they do not name stays.

    Raises:
        PortalError: naming the field, what is wrong with it and what is wanted.
    """
    values: dict[str, Any] = {}
    for field, text in words.items():
        if field not in FIELDS:
            raise PortalError(f"a group has no {field[:40]!r}", hint=f"it has: {', '.join(FIELDS)}")
        values[field] = _READ.get(field, _number)(field, names.clean(text))
    return replace(group, **values)


def shown(group: Group, *, thai: bool = False) -> dict[str, str]:
    """Return a group as `changed` would read it."""
    words = dict[str, str]()
    for field in FIELDS:
        value = getattr(group, field)
        if field == "hours":
            words[field] = hours_shown(value, thai=thai)
        elif field == "ssids":
            words[field] = ", ".join(value)
        elif field == "roams":
            words[field] = "yes" if value else "no"
        else:
            words[field] = "" if value is None else str(value)
    return words


def hours_shown(hours: tuple[Hours, ...], *, thai: bool = False) -> str:
    """Return spans as text: days in a row as one."""
    spelt = dict(zip(DAYS, THAI_DAYS if thai else DAYS, strict=True))
    return ", ".join(
        f"{_days_shown(one.days, spelt)} {_clock(one.first_minute)}-{_clock(one.last_minute)}"
        for one in hours
    )


def hours(text: str) -> tuple[Hours, ...]:
    """Return the spans that text names; none for empty text.

    Raises:
        PortalError: it names none, or a wrong day or time.
    """
    plain, at, found = names.digits(text).lower().strip(), 0, list[Hours]()
    while at < len(plain):
        span = _SPAN.match(plain, at)
        if span is None or len(found) == _MOST_SPANS:
            raise PortalError(
                f"{plain[at:][:60]!r} is no span of hours", hint="wanted such as: จ-ศ 07:30-16:30"
            )
        found.append(_span(span))
        at = span.end()
    return tuple(found)


def _span(span: re.Match[str]) -> Hours:
    first, last = _minute(span["from"]), _minute(span["to"])
    if first >= last or last > 24 * 60:
        raise PortalError(f"{span[0][:60]!r} ends before it begins", hint="a night is two spans")
    days = span["days"].strip(" ,;\n")
    return Hours(days=_days(days or "mon-sun"), first_minute=first, last_minute=last)


def _days(text: str) -> tuple[str, ...]:
    wanted: set[str] = set()
    for part in re.split(r"[,\s]+", re.sub(r"\s*[-–]\s*", "-", text.strip())):
        if not part:
            continue
        first, _, last = part.partition("-")
        begin, end = _day(first), _day(last or first)
        week = DAYS[:7]
        if begin in week and end in week and last:
            span = week.index(end) - week.index(begin)
            wanted |= {week[(week.index(begin) + n) % 7] for n in range(span % 7 + 1)}
        elif last:
            raise PortalError(f"{part[:40]!r} are no days of the week")
        else:
            wanted.add(begin)
    return tuple(day for day in DAYS if day in wanted)


def _day(text: str) -> str:
    day = _SPELT.get(text.strip(" .").replace(".", "").removeprefix("วัน")) or _SPELT.get(text)
    if day is None:
        raise PortalError(f"{text[:40]!r} is no day", hint=f"days are: {' '.join(THAI_DAYS)}")
    return day


def _minute(text: str) -> int:
    hour, minute = re.split(r"[:.]", text)
    if int(minute) > 59 or int(hour) > 24:
        raise PortalError(f"{text!r} is no time of day", hint="wanted such as 07:30")
    return int(hour) * 60 + int(minute)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _days_shown(days: tuple[str, ...], spelt: Mapping[str, str]) -> str:
    week = [day for day in DAYS[:7] if day in days]
    at = [DAYS.index(day) for day in week]
    row = len(at) > 2 and at == list(range(at[0], at[-1] + 1))
    said = [f"{spelt[week[0]]}-{spelt[week[-1]]}"] if row else [spelt[day] for day in week]
    return " ".join([*said, *(spelt[day] for day in DAYS[7:] if day in days)])


def _number(field: str, text: str) -> int | None:
    least, most = _RANGES[field]
    plain = names.digits(text).replace(",", "")
    if not plain and field not in ("slow_kbit", "remember_days"):
        return None
    if not plain.isdecimal() or not least <= int(plain[:12]) <= most:
        raise PortalError(f"{field}: {text[:40]!r} is no number from {least} to {most}")
    return int(plain)


def _name(_: str, text: str) -> str:
    if not text or len(text) > 100 or names.fault(text):
        raise PortalError("name: a group's name has 1 to 100 signs")
    return text


def _kind(_: str, text: str) -> str:
    known = [kind.value for kind in Kind if kind is not Kind.SHADOW]
    if text and text not in known:
        raise PortalError(f"kind: no kind {text[:40]!r}", hint=f"known: {', '.join(known)}")
    return text


def _word(words: type[StrEnum]) -> Callable[[str, str], StrEnum]:
    def read(field: str, text: str) -> StrEnum:
        try:
            return words(text)
        except ValueError as error:
            known = ", ".join(word.value for word in words)
            raise PortalError(f"{field}: no {text[:40]!r}", hint=f"known: {known}") from error

    return read


def _flag(field: str, text: str) -> bool:
    found = (_YES | _NO).get(text.lower())
    if found is None:
        raise PortalError(f"{field}: {text[:40]!r} is neither yes nor no")
    return found


def _ssids(_: str, text: str) -> tuple[str, ...]:
    found = tuple(name for part in text.split(",") if (name := part.strip()))
    if len(found) > 30 or any(len(name.encode()) > 32 for name in found):
        raise PortalError("ssids: a network's name has 32 octets at most")
    return found


_READ: Mapping[str, Callable[[str, str], Any]] = {
    "name": _name,
    "kind": _kind,
    "at_limit": _word(AtLimit),
    "at_quota": _word(AtQuota),
    "hours": lambda _, text: hours(text),
    "roams": _flag,
    "ssids": _ssids,
}
