"""Staff of the pages, on the real accounts of the portal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.web.deps import May, NewPerson
from appliance.web.staff import PortalStaff
from captive_portal.database import open_database
from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Kind, NewAccount, People, Role

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[tuple[People, PortalStaff]]:
    engine = open_database(tmp_path)
    yield People(engine), PortalStaff(engine, sites=["a", "b"], clock=lambda: 10**18)
    engine.dispose()


def account(name: str, role: Role, site: str = "a") -> NewAccount:
    return NewAccount(
        site=site, account=name, kind=Kind.STAFF, role=role, password="a good password"
    )


def test_rights_follow_the_role_and_pupils_have_none(
    people: tuple[People, PortalStaff],
) -> None:
    known, staff = people
    for role in Role:
        known.add(account(f"with-{role}", role), now=NOW)
    admin = staff.check("WITH-admin", "a good password")
    assert admin.may == {May.SEARCH, May.MANAGE}
    assert staff.check("with-viewer", "a good password").may == {May.SEARCH}
    with pytest.raises(Refused, match="no right"):
        staff.check("with-none", "a good password")
    with pytest.raises(Refused, match="not right"):
        staff.check("with-none", "wrong")
    with pytest.raises(Refused, match="not right"):
        staff.check("nobody", "a good password")


def test_staff_of_any_site_sign_in(people: tuple[People, PortalStaff]) -> None:
    known, staff = people
    known.add(account("twin", Role.NONE, "a"), now=NOW)
    known.add(account("twin", Role.VIEWER, "b"), now=NOW)
    assert staff.check("twin", "a good password").may == {May.SEARCH}


def test_a_new_password_changes_the_stamp_and_disabling_ends_it(
    people: tuple[People, PortalStaff],
) -> None:
    known, staff = people
    person = known.add(account("somsri", Role.ADMIN), now=NOW).id
    before = staff.get(person)
    assert before is not None
    with pytest.raises(Refused):
        staff.change_password(person, "wrong", "another password")
    with pytest.raises(PortalError, match="shorter"):
        staff.change_password(person, "a good password", "short")
    staff.change_password(person, "a good password", "another password")
    after = staff.get(person)
    assert after is not None
    assert after.stamp != before.stamp
    assert staff.disable(person) == "somsri"
    assert staff.get(person) is None


def test_a_made_account_must_change_its_one_time_password(
    people: tuple[People, PortalStaff],
) -> None:
    _, staff = people
    new = NewPerson(site="a", account="kru", name="ครู สมมติ", kind="teacher", role="viewer")
    password = staff.add(new)
    assert staff.check("kru", password).must_change
    (line,) = staff.people("สมมติ")
    assert (line.account, line.kind, line.disabled) == ("kru", "teacher", False)
    account_name, fresh = staff.reset(line.id)
    assert (account_name, staff.check("kru", fresh).must_change) == ("kru", True)
    with pytest.raises(PortalError, match="exists"):
        staff.add(new)
    with pytest.raises(PortalError):
        staff.add(NewPerson(site="zzz", account="x", name="", kind="pupil", role="none"))
    with pytest.raises(PortalError):
        staff.add(NewPerson(site="a", account="x", name="", kind="king", role="none"))
