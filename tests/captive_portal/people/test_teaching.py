"""A teacher may help the pupils of her classes, and nobody else, on both kinds of database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from captive_portal.errors import PortalError, Unfit
from captive_portal.people import dates, teaching
from captive_portal.people.accounts import Account, Kind, NewAccount, People, Role
from captive_portal.people.teaching import Teaching
from captive_portal.people.usage import Usage
from tests.captive_portal.conftest import NOW, SITE


def person(engine: Engine, account: str, **more: object) -> Account:
    new = NewAccount(site=SITE, account=account, **more)  # type: ignore[arg-type]  # as given
    return People(engine).add(new, now=NOW)


def test_the_role_comes_with_the_first_class_and_goes_with_the_last(engine: Engine) -> None:
    book, kru = Teaching(engine), person(engine, "kru", kind=Kind.TEACHER)
    assert [str(one) for one in book.put(kru.id, "ม.3, ม.1/02, m1/2")] == ["ม.1/2", "ม.3"]
    again = People(engine).get(kru.id)
    assert again is not None
    assert (again.role, book.classes(kru.id)) == (Role.TEACHER, teaching.read("ม.1/2,ม.3"))
    book.put(kru.id, " , ")
    gone = People(engine).get(kru.id)
    assert gone is not None
    assert (gone.role, book.classes(kru.id)) == (Role.NONE, [])
    for other in (
        person(engine, "00101"),
        person(engine, "boss", kind=Kind.STAFF, role=Role.ADMIN),
    ):
        with pytest.raises(Unfit):
            book.put(other.id, "ม.1")


def test_pupils_of_the_classes_are_hers_and_get_more(engine: Engine) -> None:
    book, kru = Teaching(engine), person(engine, "kru", kind=Kind.TEACHER)
    book.put(kru.id, "ม.1/2")
    hers = person(engine, "00101", grade="ม.1", room="2")
    others = [
        person(engine, "00102", grade="ม.1", room="3"),
        person(engine, "00103"),
        person(engine, "kru2", kind=Kind.TEACHER, grade="ม.1", room="2"),
    ]
    assert [one.id for one in book.pupils(kru, NOW)] == [hers.id]
    assert book.pupil(kru, hers.id, NOW).id == hers.id
    for one in others:
        with pytest.raises(PortalError, match="no such pupil"):
            book.pupil(kru, one.id, NOW)
    book.give([hers], 300, NOW)
    assert Usage(engine).months(dates.today(NOW))[hers.id].day_bonus_mb == 300


@given(st.text(max_size=60))
def test_any_text_is_classes_or_refused(text: str) -> None:
    try:
        found = teaching.read(text)
    except Unfit:
        return
    assert teaching.read(", ".join(map(str, found))) == found
