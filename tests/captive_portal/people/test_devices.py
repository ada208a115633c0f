"""A device has one owner at a time, and a name that its owner gave it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.devices import MOST_OF_PERSON, DeviceKind, Devices
from tests.captive_portal.conftest import NOW, SITE

MAC, PRINTER = "02:aa:00:00:00:01", "00:aa:00:00:00:02"
WEEK = timedelta(days=7)


@pytest.fixture
def two(engine: Engine) -> tuple[Account, Account]:
    people = People(engine)
    return (
        people.add(NewAccount(site=SITE, account="malee"), now=NOW),
        people.add(NewAccount(site=SITE, account="krit", kind=Kind.TEACHER), now=NOW),
    )


def test_a_printer_has_a_name_and_an_owner(engine: Engine, two: tuple[Account, Account]) -> None:
    book = Devices(engine)
    made = book.own(SITE, "00-AA-00-00-00-02", two[1].id, "เครื่องพิมพ์ ห้องธุรการ", now=NOW)
    assert (made.mac, made.kind, made.owner, made.random) == (
        PRINTER,
        DeviceKind.OWNED,
        "krit",
        False,
    )
    assert book.known(SITE, PRINTER, NOW) == made
    with pytest.raises(PortalError, match="entered already"):
        book.own(SITE, PRINTER, two[0].id, "อีกเครื่อง", now=NOW)
    book.remember(SITE, PRINTER, two[0].id, now=NOW, until=NOW + WEEK)
    assert [device.account for device in book.list(SITE)] == ["krit"]
    with pytest.raises(PortalError, match="the school's"):
        book.remove(SITE, PRINTER, person=two[1].id)
    book.remove(SITE, PRINTER)
    assert book.known(SITE, PRINTER, NOW) is None


def test_a_remembered_device_is_known_for_its_time_and_passes_on(
    engine: Engine, two: tuple[Account, Account]
) -> None:
    book = Devices(engine)
    book.remember(SITE, MAC, two[0].id, now=NOW, until=NOW + WEEK)
    book.rename(SITE, MAC, " มือถือ ", person=two[0].id)
    mine = book.list(person=two[0].id)[0]
    assert (mine.name, mine.random, mine.kind) == ("มือถือ", True, DeviceKind.REMEMBERED)
    assert book.known(SITE, MAC, NOW + WEEK) is None
    with pytest.raises(PortalError, match="no such device"):
        book.rename(SITE, MAC, "x", person=two[1].id)
    book.remember(SITE, MAC, two[1].id, now=NOW, until=NOW + WEEK)
    assert book.list(person=two[0].id) == []
    assert book.list(person=two[1].id)[0].name == ""
    book.remember(SITE, "02:aa:00:00:00:09", two[1].id, now=NOW + 2 * WEEK, until=NOW + 3 * WEEK)
    assert len(book.list(person=two[1].id)) == 1


def test_a_closed_owner_lets_no_device_on(engine: Engine, two: tuple[Account, Account]) -> None:
    book = Devices(engine)
    book.own(SITE, PRINTER, two[1].id, "เครื่องพิมพ์", now=NOW)
    People(engine).disable(two[1].id, now=NOW + WEEK)
    assert book.known(SITE, PRINTER, NOW) is not None
    assert book.known(SITE, PRINTER, NOW + WEEK) is None


def test_a_device_that_is_off_lets_nobody_in_whoever_has_it(
    engine: Engine, two: tuple[Account, Account]
) -> None:
    book = Devices(engine)
    book.own(SITE, PRINTER, two[1].id, "เครื่องพิมพ์", now=NOW, purpose="ใบเสร็จ")
    off = book.switch(SITE, PRINTER, on=False)
    assert (off.enabled, off.purpose, book.known(SITE, PRINTER, NOW)) == (False, "ใบเสร็จ", None)
    changed = book.own(SITE, PRINTER, two[0].id, "จอภาพ", now=NOW, again=True)
    assert (changed.account, changed.enabled, changed.purpose) == ("malee", False, "")
    assert book.switch(SITE, PRINTER, on=True) == book.known(SITE, PRINTER, NOW)
    book.remember(SITE, MAC, two[0].id, now=NOW, until=NOW + WEEK)
    book.switch(SITE, MAC, on=False)
    book.remember(SITE, MAC, two[1].id, now=NOW, until=NOW + WEEK)
    assert book.known(SITE, MAC, NOW) is None
    book.sign_again(SITE, MAC, two[1].id, now=NOW)
    with pytest.raises(PortalError, match="school's"):
        book.remove(SITE, MAC, person=two[1].id)
    book.remember(SITE, MAC, two[1].id, now=NOW, until=NOW + WEEK)
    assert book.known(SITE, MAC, NOW) is None
    with pytest.raises(PortalError, match="no such device"):
        book.switch(SITE, "02:aa:00:00:00:77", on=True)


def test_a_name_for_a_device_lets_it_in_nowhere(
    engine: Engine, two: tuple[Account, Account]
) -> None:
    book = Devices(engine)
    book.call(SITE, MAC, two[0].id, "มือถือ", now=NOW)
    assert book.known(SITE, MAC, NOW) is None
    later = NOW + WEEK
    book.remember(SITE, "02:aa:00:00:00:05", two[0].id, now=later, until=later + WEEK)
    assert [one.kind for one in book.list(person=two[0].id)] == ["remembered", "named"]
    book.remember(SITE, MAC, two[0].id, now=later, until=later + WEEK)
    known = book.known(SITE, MAC, later)
    assert known is not None
    assert (known.name, known.kind) == ("มือถือ", DeviceKind.REMEMBERED)
    book.own(SITE, PRINTER, two[0].id, "จอภาพ", now=NOW)
    for mac, person in ((PRINTER, two[0]), (MAC, two[1])):
        with pytest.raises(PortalError):
            book.call(SITE, mac, person.id, "ของฉัน", now=NOW)
    for number in range(MOST_OF_PERSON - 3):
        book.call(SITE, f"02:bb:00:00:00:{number:02x}", two[0].id, "", now=NOW)
    with pytest.raises(PortalError, match="too many"):
        book.call(SITE, "02:bb:00:00:01:00", two[0].id, "", now=NOW)


@pytest.mark.parametrize(("mac", "name"), [("x", "ok"), (MAC, ""), (MAC, "x" * 201), (MAC, "a\0")])
def test_what_is_no_device_is_refused(
    engine: Engine, two: tuple[Account, Account], mac: str, name: str
) -> None:
    with pytest.raises(PortalError):
        Devices(engine).own(SITE, mac, two[1].id, name, now=NOW)
    with pytest.raises(PortalError):
        Devices(engine).own("school-b", PRINTER, two[1].id, "ok", now=NOW)
