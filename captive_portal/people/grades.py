"""Grades and rooms, in the one spelling that schools use: ป.4, ม.1/2; and what comes after."""

from __future__ import annotations

import re
from typing import NamedTuple

from typing_extensions import override

from captive_portal.people import names

LONGEST = 32
"""Characters of a grade, and of a room."""
_STAGES = {
    "อ": ("อนุบาลศึกษาปีที่", "อนุบาลปีที่", "อนุบาล", "อ", "kindergarten", "k"),
    "ป": ("ประถมศึกษาปีที่", "ประถมปีที่", "ประถม", "ป", "primary", "p"),
    "ม": ("มัธยมศึกษาปีที่", "มัธยมปีที่", "มัธยม", "ม", "secondary", "m"),
    "ปวช": ("ประกาศนียบัตรวิชาชีพปีที่", "ปวช"),
    "ปวส": ("ประกาศนียบัตรวิชาชีพชั้นสูงปีที่", "ปวส"),
}
_YEARS = {"อ": 3, "ป": 6, "ม": 6, "ปวช": 3, "ปวส": 2}
KNOWN = ", ".join(f"{stage}.1-{last}" for stage, last in _YEARS.items())
_AFTER = {"อ": "ป", "ป": "ม"}
_SPELT = {word: stage for stage, words in _STAGES.items() for word in words}
_GRADE = re.compile(
    r"(?:ชั้น)?(?P<stage>"
    + "|".join(sorted(map(re.escape, _SPELT), key=len, reverse=True))
    + r")\.?(?P<year>[0-9])(?:\(.*\))?(?:(?:/|ห้อง)(?P<room>[0-9A-Za-z]{1,6}))?"
)


class Class(NamedTuple):
    """A grade and a room in it."""

    grade: str
    room: str

    @override
    def __str__(self) -> str:
        """Return it as people say it, such as ม.1/2."""
        return f"{self.grade}/{self.room}" if self.room else self.grade


def read(grade: str, room: str = "") -> Class:
    """Return a class from the cells of a roll; a grade of no known form is kept as it is."""
    found = _GRADE.fullmatch(re.sub(r"\s", "", names.digits(grade)).casefold())
    apart = re.sub(r"^(ห้องที่|ห้อง|room)\s*", "", names.digits(names.clean(room)), flags=re.I)
    if found is None:
        return Class(names.clean(grade)[:LONGEST], _room(apart))
    name = f"{_SPELT[found['stage']]}.{found['year']}"
    # A room that repeats the grade (ม.1/2 in both columns) is told without it.
    again = _GRADE.fullmatch(re.sub(r"\s", "", apart).casefold())
    if again and again["room"]:
        apart = again["room"]
    return Class(name, _room(apart or (found["room"] or "").upper()))


def _room(text: str) -> str:
    return (text.lstrip("0") or "0" if text.isdecimal() else text)[:LONGEST]


def exists(grade: str) -> bool:
    """Say whether a stage has that year, ม.6 but not ม.7; of other stages nobody knows."""
    stage, _, year = grade.partition(".")
    return stage not in _YEARS or not year.isdecimal() or 1 <= int(year) <= _YEARS[stage]


def order(grade: str) -> tuple[int, int, str]:
    """Return what grades are sorted by: อ.1 before ป.1 before ม.1, others last."""
    stage, _, year = grade.partition(".")
    if stage in _YEARS and year.isdecimal():
        return list(_YEARS).index(stage), int(year), ""
    return len(_YEARS), 0, grade


def following(grade: str, last: str) -> str | None:
    """Return the grade after `grade`; empty when the pupil leaves, None when it is not known.

    Args:
        grade: As `read` gives it.
        last: The school's highest grade of all; who is in it leaves.
    """
    stage, _, year = grade.partition(".")
    if stage not in _YEARS or not year.isdecimal():
        return None
    if order(grade) >= order(last):
        return ""
    if int(year) < _YEARS[stage]:
        return f"{stage}.{int(year) + 1}"
    after = _AFTER.get(stage, "")
    return f"{after}.1" if after else ""
