"""What somebody is told of themselves is all there is, and nothing of anybody else."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.own_data import of_person
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.device_certificates import DeviceCertificates
from captive_portal.people.devices import Devices
from captive_portal.people.keys import PersonKey
from captive_portal.people.notices import Notices
from captive_portal.people.usage import Usage
from captive_portal.people.vouchers import Order, Vouchers
from captive_portal.sessions import portal
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Person
from tests.captive_portal.conftest import NOW, SITE

WEEK = timedelta(days=7)


def session(engine: Engine, who: Account, address: str) -> None:
    person = Person(id=who.id, account=who.account, full_name=who.full_name, proofing=who.proofing)
    fresh = portal.new(uuid4(), SITE, person, address, mac="", now=NOW, lasts=WEEK)
    Rows(engine).write([fresh])


def test_the_report_of_one_holds_no_data_of_another(engine: Engine, people: People) -> None:
    mine = people.find(SITE, "somchai")
    assert mine is not None
    new = NewAccount(site=SITE, account="krulek", full_name="ครูเล็ก สมมติ", kind=Kind.TEACHER)
    other = people.add(new, now=NOW)
    vouchers = Vouchers(engine, PersonKey(b"k" * 32))
    for who, address, mac in ((mine, "10.0.0.1", 1), (other, "10.0.0.2", 2)):
        session(engine, who, address)
        Devices(engine).remember(SITE, f"02:aa:00:00:00:0{mac}", who.id, now=NOW, until=NOW + WEEK)
        mac_address = f"02:aa:00:00:00:0{mac}"
        DeviceCertificates(engine).keep(mac, mac_address, who, name="", now=NOW, until=NOW + WEEK)
        Notices(engine).acknowledge(who.id, "v", now=NOW)
        Usage(engine).give(who.id, NOW.date(), mac)
    order = Order(site=SITE, sponsor=other.id, for_whom=["แขก สมมติ"], valid_until=NOW + WEEK)
    guest = vouchers.use(SITE, vouchers.make(order, now=NOW)[0].code, "", NOW)

    told = of_person(engine, mine.id)
    assert (told.account, told.full_name, told.has_password) == ("somchai", "สมชาย ใจดี", True)
    assert [list(s.addresses) for s in told.sessions] == [["10.0.0.1"]]
    assert [d.mac for d in told.devices] == ["02:aa:00:00:00:01"]
    assert [one.serial for one in told.certificates] == ["1"]
    assert (told.acknowledged, told.sessions_count, len(told.used)) == ([("v", NOW)], 1, 1)
    for text in ("krulek", "เล็ก", "10.0.0.2", "00:02", str(other.id), "แขก", "argon2"):
        assert text not in repr(told)
    assert of_person(engine, other.id).vouchers_answered_for == 1
    assert "แขก" not in repr(of_person(engine, other.id))
    assert "krulek" not in repr(of_person(engine, guest.id))


def test_nobody_is_told_of_nobody(engine: Engine) -> None:
    with pytest.raises(PortalError, match="no such account"):
        of_person(engine, uuid4())
