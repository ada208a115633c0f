"""People from outside have one account here, tied by the directory's own id."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import Engine

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Kind, NewAccount, People, Role
from captive_portal.people.groups import Groups, new
from captive_portal.people.outside import Outside, Outsider
from tests.captive_portal.conftest import NOW, SITE

MALEE = Outsider(
    site=SITE,
    source="ldap",
    outside_id="ad:0001",
    account="malee",
    full_name="มาลี สวนดี",
    kind=Kind.TEACHER,
    proofing="LDAP ad",
)


def test_somebody_gets_an_account_at_first_sight_and_keeps_it(engine: Engine) -> None:
    outside = Outside(engine)
    first = outside.adopt(MALEE, NOW)
    again = outside.adopt(replace(MALEE, full_name="มาลี ใจงาม"), NOW)
    assert first.id == again.id
    assert (first.kind, first.source, first.has_password) == (Kind.TEACHER, "ldap", False)
    assert again.full_name == "มาลี ใจงาม"


def test_a_login_name_that_changes_keeps_the_account(engine: Engine) -> None:
    outside = Outside(engine)
    first = outside.adopt(MALEE, NOW)
    renamed = outside.adopt(replace(MALEE, account="malee.j"), NOW)
    assert (renamed.id, renamed.account) == (first.id, "malee.j")


def test_a_login_name_given_to_somebody_else_is_another_account(engine: Engine) -> None:
    outside = Outside(engine)
    first = outside.adopt(MALEE, NOW)
    other = outside.adopt(replace(MALEE, outside_id="ad:0002", full_name="มาลี อีกคน"), NOW)
    assert other.id != first.id
    assert other.account == "malee"
    with pytest.raises(Refused):  # her account was closed when the name went to another
        outside.adopt(MALEE, NOW)


def test_who_is_disabled_here_stays_out_whatever_the_directory_says(engine: Engine) -> None:
    outside, people = Outside(engine), People(engine)
    people.disable(outside.adopt(MALEE, NOW).id, now=NOW)
    with pytest.raises(Refused):
        outside.adopt(MALEE, NOW)
    with pytest.raises(Refused):  # also where the directory made the entry anew
        outside.adopt(replace(MALEE, outside_id="ad:0002"), NOW)
    somchai = people.add(NewAccount(site=SITE, account="somchai", password="long enough"), now=NOW)
    people.disable(somchai.id, now=NOW)
    with pytest.raises(Refused):
        outside.adopt(replace(MALEE, account="Somchai", outside_id="ad:3"), NOW)


def test_nobody_from_outside_becomes_the_admin(engine: Engine, people: People) -> None:
    admin = people.add(
        NewAccount(site=SITE, account="admin", kind=Kind.STAFF, role=Role.ADMIN), now=NOW
    )
    taken = Outside(engine).adopt(replace(MALEE, account="ADMIN"), NOW)
    assert taken.id != admin.id
    assert (taken.account, taken.role) == ("ADMIN@ldap", Role.NONE)
    pupil = Outside(engine).adopt(replace(MALEE, account="somchai", outside_id="ad:4"), NOW)
    assert pupil.account == "somchai@ldap"
    assert people.check(SITE, "somchai", "correct horse").source == ""


def test_the_row_that_waits_for_somebody_becomes_theirs(engine: Engine, people: People) -> None:
    of_roll = people.add(
        NewAccount(site=SITE, account="malee", kind=Kind.STAFF, proofing="roll 2569"), now=NOW
    )
    heard = people.shadow(SITE, "heard", now=NOW)
    outside = Outside(engine)
    assert outside.adopt(replace(MALEE, kind=None), NOW).id == of_roll.id
    assert outside.adopt(replace(MALEE, account="heard", outside_id="ad:5"), NOW).id == heard.id
    found = people.get(of_roll.id)
    assert found is not None
    assert found.kind is Kind.STAFF


def test_groups_are_those_of_the_site(engine: Engine) -> None:
    teachers = Groups(engine).put(new(SITE, "ครู"))
    Groups(engine).put(new("school-b", "ครู"))
    outside = Outside(engine)
    assert outside.adopt(replace(MALEE, group="ครู"), NOW).group == teachers.id
    assert outside.adopt(replace(MALEE, group="no such group"), NOW).group == teachers.id


@pytest.mark.parametrize("wrong", [{"outside_id": ""}, {"account": ""}, {"account": "a\x00b"}])
def test_a_directory_that_names_people_badly_is_told(engine: Engine, wrong: dict[str, str]) -> None:
    with pytest.raises(PortalError):
        Outside(engine).adopt(replace(MALEE, **wrong), NOW)  # type: ignore[arg-type]  # of strings


def test_somebody_who_comes_on_many_devices_at_once_has_one_account(engine: Engine) -> None:
    outside, together = Outside(engine), Barrier(8)

    def come(_: int) -> UUID:
        together.wait(20)
        return outside.adopt(MALEE, NOW).id

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(come, range(8)))
    assert len(ids) == 1
    assert [account.account for account in People(engine).list(SITE)] == ["malee"]
