"""Devices that are remembered, or the school's, come in by themselves; others do not."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.devices import Devices
from captive_portal.people.groups import Groups, new
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.device import KnownDevices
from captive_portal.sign_in.local import LocalWay
from captive_portal.sign_in.way import Attempt
from tests.captive_portal.conftest import NOW, SITE

PHONE = "02:00:00:00:00:01"
PRINTER = "00:00:5e:00:53:01"
WAYS = ("local", "device")


class School:
    """A chain with devices, and a clock that can be put on."""

    def __init__(self, engine: Engine, people: People, *, random_macs: bool = False) -> None:
        self.now = NOW
        self.people = people
        self.devices = Devices(engine)
        self.groups = Groups(engine)
        self.pupils = replace(new(SITE, "นักเรียน"), kind="pupil", remember_days=30)
        known = KnownDevices(
            self.devices, people, self.groups, clock=self.clock, random_macs=random_macs
        )
        self.chain = Chain(LocalWay(people), {}, known, tries_per_minute=9, clock=self.clock)

    def clock(self) -> int:
        return int(self.now.timestamp()) * 10**9

    def sign_in(self, mac: str = PHONE, ways: Sequence[str] = WAYS) -> Account:
        attempt = Attempt(
            site=SITE, address="10.0.0.5", mac=mac, account="somchai", password="correct horse"
        )

        async def once() -> Account:
            with self.chain as chain:
                return await chain.check(attempt, ways)

        return asyncio.run(once())

    def by_device(self, mac: str, ways: Sequence[str] = WAYS, site: str = SITE) -> str:
        async def once() -> str:
            with self.chain as chain:
                found = await chain.by_device(site, mac, ways)
                return found.account if found else ""

        return asyncio.run(once())


@pytest.fixture
def school(engine: Engine, people: People) -> School:
    school = School(engine, people)
    school.groups.put(school.pupils)
    return school


def test_a_device_is_remembered_where_the_group_says_so(school: School) -> None:
    assert school.by_device(PHONE) == ""
    school.sign_in()
    assert school.by_device(PHONE) == "somchai"
    assert school.by_device(PHONE, ("local",)) == ""
    assert school.by_device(PHONE, site="school-b") == ""
    assert school.by_device("") == ""
    school.now += timedelta(days=31)
    assert school.by_device(PHONE) == ""


def test_not_where_the_zone_or_the_group_does_not(school: School) -> None:
    school.sign_in(ways=("local",))
    assert school.by_device(PHONE) == ""
    school.sign_in()
    school.groups.put(replace(school.pupils, remember_days=0))
    assert school.by_device(PHONE) == ""


def test_what_a_nas_says_instead_of_a_mac_is_not_remembered(school: School) -> None:
    school.sign_in(mac="10.0.0.1 somchai")
    assert list(school.devices.list()) == []


def test_who_is_disabled_stays_out_on_their_device(school: School) -> None:
    person = school.sign_in()
    school.people.disable(person.id, now=NOW)
    assert school.by_device(PHONE) == ""


def test_who_signs_out_is_not_let_in_again_by_the_device(school: School) -> None:
    person = school.sign_in()

    async def forget(whose: Account) -> None:
        with school.chain as chain:
            await chain.forget_device(SITE, PHONE, whose.id)

    other = school.people.add(NewAccount(site=SITE, account="other"), now=NOW)
    asyncio.run(forget(other))
    assert school.by_device(PHONE) == "somchai"
    asyncio.run(forget(person))
    assert school.by_device(PHONE) == ""


def test_devices_of_the_school_come_in_by_the_mac_of_their_maker(
    engine: Engine, school: School
) -> None:
    owner = school.people.add(NewAccount(site=SITE, account="malee", kind=Kind.STAFF), now=NOW)
    for mac in (PRINTER, "02:00:00:00:00:77"):
        school.devices.own(SITE, mac, owner.id, "เครื่องพิมพ์", now=NOW)
    assert {one.seen for one in school.devices.list(SITE)} == {None}
    school.now = NOW + timedelta(minutes=5)
    assert school.by_device(PRINTER) == "malee"
    assert school.by_device("02:00:00:00:00:77") == ""
    seen = {one.mac: one.seen for one in school.devices.list(SITE)}
    assert seen == {PRINTER: school.now, "02:00:00:00:00:77": None}
    lax = School(engine, school.people, random_macs=True)
    assert lax.by_device("02:00:00:00:00:77") == "malee"
