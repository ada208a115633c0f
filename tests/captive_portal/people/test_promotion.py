"""The step into the next school year: looked at, done, undone within a day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.people import grades, groups
from captive_portal.people.accounts import NewAccount, People
from captive_portal.people.groups import Groups
from captive_portal.people.promotion import Promotions
from tests.captive_portal.conftest import NOW, SITE

PUPILS = {"a": ("ม.1", "2"), "b": ("ม.3", "1"), "c": ("ป.6", ""), "d": ("พิเศษ", "1"), "e": ("", "")}
DAY = timedelta(days=1)


@pytest.fixture
def school(engine: Engine) -> People:
    people = People(engine)
    for name, (grade, room) in PUPILS.items():
        people.add(NewAccount(site=SITE, account=name, grade=grade, room=room), now=NOW)
    return people


def classes(people: People) -> dict[str, str]:
    return {
        one.account: "left" if one.disabled_at else str(grades.Class(one.grade, one.room))
        for one in people.list(SITE)
    }


def test_every_class_goes_one_up_and_the_last_leaves(engine: Engine, school: People) -> None:
    steps = Promotions(engine)
    before = classes(school)
    plan = steps.plan(SITE, now=NOW)
    assert [(s.before, s.after, s.pupils) for s in plan.steps] == [
        ("ป.6", "ม.1", 1),
        ("ม.1/2", "ม.2/2", 1),
        ("ม.3/1", "", 1),
    ]
    assert (plan.last, plan.moved, plan.left, list(plan.unknown)) == ("ม.3", 2, 1, ["พิเศษ"])
    assert classes(school) == before
    assert steps.do(SITE, now=NOW) == plan
    assert classes(school) == {"a": "ม.2/2", "b": "left", "c": "ม.1", "d": "พิเศษ/1", "e": ""}


def test_a_step_is_undone_within_a_day_and_not_done_twice(engine: Engine, school: People) -> None:
    steps, before = Promotions(engine), classes(school)
    with pytest.raises(PortalError, match="no step"):
        steps.undo(SITE, now=NOW)
    steps.do(SITE, now=NOW, last="ป.6")
    assert classes(school)["c"] == "left"
    with pytest.raises(PortalError, match="less than half a year"):
        steps.do(SITE, now=NOW + DAY)
    with pytest.raises(PortalError, match="more than a day old"):
        steps.undo(SITE, now=NOW + 2 * DAY)
    assert steps.undo(SITE, now=NOW + DAY) == 3
    assert classes(school) == before
    with pytest.raises(PortalError, match="no step"):
        steps.undo(SITE, now=NOW + DAY)
    steps.do(SITE, now=NOW + DAY)
    latest = steps.latest(SITE)
    assert latest is not None
    assert (latest.pupils, latest.undone) == (3, False)


def test_undoing_leaves_whom_somebody_moved_since(engine: Engine, school: People) -> None:
    steps = Promotions(engine)
    steps.do(SITE, now=NOW)
    left = school.find(SITE, "b")
    assert left is not None
    school.enable(left.id)
    assert steps.undo(SITE, now=NOW + DAY) == 2


def test_class_groups_follow_and_others_stay(engine: Engine, school: People) -> None:
    book = Groups(engine)
    old, new = book.put(groups.new(SITE, "ม.1/2")), book.put(groups.new(SITE, "ม.2/2"))
    club = book.put(groups.new(SITE, "ชมรม"))
    a, c = school.find(SITE, "a"), school.find(SITE, "c")
    assert a is not None
    assert c is not None
    school.put_in_group(a.id, old.id)
    school.put_in_group(c.id, club.id)
    Promotions(engine).do(SITE, now=NOW)
    assert [x.group for x in school.list(SITE)][:3] == [new.id, None, club.id]
    Promotions(engine).undo(SITE, now=NOW)
    assert [x.group for x in school.list(SITE)][:3] == [old.id, None, club.id]


def test_a_school_without_grades_and_a_grade_that_is_none(engine: Engine) -> None:
    for last in ("", "ชั้นสูงสุด"):
        with pytest.raises(PortalError, match="grade"):
            Promotions(engine).plan(SITE, now=NOW, last=last)


@pytest.mark.parametrize(
    ("grade", "room", "read"),
    [
        ("ป.4", "1", "ป.4/1"), ("ป4", "", "ป.4"), ("ม.1/2", "", "ม.1/2"), ("ม.1/2", "2", "ม.1/2"),
        ("ประถมศึกษาปีที่ 4", "", "ป.4"), ("ชั้นมัธยมศึกษาปีที่ ๓/๑๐", "", "ม.3/10"),
        ("อนุบาล 2", "ห้อง 1", "อ.2/1"), ("อ.3 (หลักสูตร 3 ปี)", "", "อ.3"),
        ("ปวช.2", "01", "ปวช.2/1"), ("ม.1", "ม.1/4", "ม.1/4"),
        ("ศูนย์เด็กเล็ก", "ก", "ศูนย์เด็กเล็ก/ก"), ("", "", ""), ("M1", "EP", "ม.1/EP"),
    ],
)  # fmt: skip
def test_classes_are_spelt_in_one_way(grade: str, room: str, read: str) -> None:
    found = grades.read(grade, room)
    assert str(found) == read
    assert str(grades.read(found.grade, found.room)) == read
