"""Accounts are found, checked and closed, and never lost."""

import time
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from captive_portal.errors import PortalError, Refused
from captive_portal.people import passwords
from captive_portal.people.accounts import AccountRow, Kind, NewAccount, People, Role
from tests.captive_portal.conftest import NOW, SITE


def stored(engine: Engine, account: str) -> str:
    with Session(engine) as db:
        found = db.scalars(select(AccountRow.password).where(AccountRow.account == account)).one()
    assert found is not None
    return found


def test_the_right_password_opens_in_any_spelling_of_the_name(people: People) -> None:
    assert people.check(SITE, " SomChai ", "correct horse").full_name == "สมชาย ใจดี"


@pytest.mark.parametrize(
    ("site", "account", "password"),
    [
        (SITE, "somchai", "wrong"),
        (SITE, "somchai", ""),
        (SITE, "somchai", "x" * 10_000),
        (SITE, "nobody", "correct horse"),
        (SITE, "", ""),
        ("school-b", "somchai", "correct horse"),
    ],
)
def test_anything_else_is_refused_in_the_same_words(
    people: People, site: str, account: str, password: str
) -> None:
    with pytest.raises(Refused) as error:
        people.check(site, account, password)
    assert str(error.value) == "account or password is not right"


def test_a_wrong_password_costs_the_same_whoever_is_asked_about(people: People) -> None:
    people.first_admin(SITE, now=NOW)
    people.add(NewAccount(site=SITE, account="heard-of", kind=Kind.SHADOW), now=NOW)

    def cost(account: str) -> float:
        """Return processor time, which the load of the machine does not stretch."""
        took = []
        for _ in range(2):
            begun = time.process_time()
            with pytest.raises(Refused):
                people.check(SITE, account, "wrong password")
            took.append(time.process_time() - begun)
        return min(took)

    costs = {name: cost(name) for name in ("somchai", "admin", "heard-of", "nobody")}
    assert max(costs.values()) < 2 * min(costs.values()), costs


def test_pupils_and_staff_have_the_costs_they_are_worth(people: People, engine: Engine) -> None:
    people.first_admin(SITE, now=NOW)
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in stored(engine, "somchai")
    assert "$argon2id$v=19$m=65536,t=3,p=1$" in stored(engine, "admin")


def test_a_hash_of_old_costs_is_made_anew_at_sign_in(people: People, engine: Engine) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("correct horse")
    with engine.begin() as connection:
        connection.execute(update(AccountRow).values(password=old))
    people.check(SITE, "somchai", "correct horse")
    assert "m=19456,t=2" in stored(engine, "somchai")
    assert people.check(SITE, "somchai", "correct horse").account == "somchai"


def test_a_disabled_account_cannot_sign_in_and_is_still_there(people: People) -> None:
    found = people.find(SITE, "somchai")
    assert found is not None
    people.disable(found.id, now=NOW)
    people.disable(found.id, now=NOW + timedelta(days=1))
    with pytest.raises(Refused):
        people.check(SITE, "somchai", "correct horse")
    again = people.get(found.id)
    assert again is not None
    assert again.disabled_at == NOW


def test_an_account_may_be_closed_from_a_day_on(people: People, engine: Engine) -> None:
    found = people.find(SITE, "somchai")
    assert found is not None
    people.disable(found.id, now=NOW + timedelta(days=7))
    people.disable(found.id, now=NOW + timedelta(days=9))
    assert people.check(SITE, "somchai", "correct horse").id == found.id
    later = People(engine, clock=lambda: int((NOW + timedelta(days=7)).timestamp()) * 10**9)
    with pytest.raises(Refused):
        later.check(SITE, "somchai", "correct horse")
    people.enable(found.id)
    assert later.check(SITE, "somchai", "correct horse").disabled_at is None


def test_a_shadow_is_made_once_and_becomes_the_account(people: People) -> None:
    first = people.shadow(SITE, "สมหญิง", now=NOW)
    assert (first.kind, first.has_password) == (Kind.SHADOW, False)
    assert people.shadow(SITE, "สมหญิง ", now=NOW) == first
    with pytest.raises(Refused):
        people.check(SITE, "สมหญิง", "")
    real = people.add(
        NewAccount(site=SITE, account="สมหญิง", kind=Kind.PUPIL, password="long enough"), now=NOW
    )
    assert real.id == first.id
    assert people.shadow(SITE, "สมหญิง", now=NOW).kind is Kind.PUPIL


def test_accounts_are_counted_by_what_they_are(people: People) -> None:
    for name in ("heard-of", "heard-too"):
        people.shadow(SITE, name, now=NOW)
    assert people.counts() == {"pupil": 1, "shadow": 2}


def test_an_account_exists_once_per_site(people: People) -> None:
    with pytest.raises(PortalError, match="exists already"):
        people.add(NewAccount(site=SITE, account="SOMCHAI"), now=NOW)
    other = people.add(NewAccount(site="school-b", account="somchai"), now=NOW)
    mine = people.find(SITE, "somchai")
    assert mine is not None
    assert other.id != mine.id


def test_the_first_admin_must_change_the_password(people: People) -> None:
    account, password = people.first_admin(SITE, now=NOW)
    found = people.check(SITE, account, password)
    assert (found.role, found.must_change) == (Role.ADMIN, True)
    people.set_password(found.id, "a better one")
    assert people.check(SITE, account, "a better one").must_change is False


def test_passwords_are_one_whatever_the_keyboard_composes(people: People) -> None:
    found = people.find(SITE, "somchai")
    assert found is not None
    people.set_password(found.id, "café-au-lait")
    assert people.check(SITE, "somchai", "cafe\u0301-au-lait").id == found.id


def test_short_and_endless_passwords_are_refused(people: People) -> None:
    found = people.find(SITE, "somchai")
    assert found is not None
    for password in ("short", "x" * 257):
        with pytest.raises(PortalError, match="password is"):
            people.set_password(found.id, password)


def test_one_time_passwords_differ_and_are_fit() -> None:
    made = {passwords.one_time() for _ in range(100)}
    assert len(made) == 100
    assert not any(passwords.fault(password) for password in made)


@pytest.mark.parametrize("name", ["a\x00b", "\ud800x", "\x00"])
def test_a_name_that_no_database_takes_is_nobodys(people: People, name: str) -> None:
    assert people.find(SITE, name) is None
    with pytest.raises(Refused):
        people.check(SITE, name, "correct horse\x00")
    with pytest.raises(PortalError, match="control character"):
        people.shadow(SITE, name, now=NOW)
