"""Who approves at the command line: people of the staff, whom the box knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from appliance.cli import report
from appliance.cli.people_home import site_of
from appliance.cli.secret import typed
from appliance.errors import WrongUse
from appliance.settings import BoxSettings
from captive_portal.database import open_database
from captive_portal.errors import PortalError
from captive_portal.people.accounts import Account, Kind, People, Role

NOT_STAFF = (Role.NONE, Role.TEACHER)
"""Who helps pupils has no part in evidence."""


def two_people(
    home: Path, settings: BoxSettings, site: str, accounts: list[str]
) -> tuple[str, ...]:
    """Return the ids of two people of the staff who approve, each by the password.

    Raises:
        WrongUse: they are not two, a password is wrong, or somebody is not of the staff.
    """
    if len(accounts) != 2:
        raise WrongUse("two people must approve", hint="--approve ONE --approve OTHER")
    people = _approving(home, settings, site_of(settings, site), accounts)
    ids = tuple(str(person.id) for person in people)
    if len(set(ids)) != 2:
        raise WrongUse("one person cannot approve twice")
    return ids


def _approving(home: Path, settings: BoxSettings, site: str, accounts: list[str]) -> list[Account]:
    """Return who approves, each by the password.

    Raises:
        WrongUse: a password is wrong, or somebody is not of the staff.
    """
    with _people(home, settings) as people:
        found = []
        for account in accounts:
            try:
                found.append(people.check(site, account, typed(f"Password of {account}")))
            except PortalError as error:
                raise WrongUse(f"{account}: {error}") from error
    for person in found:
        if person.role in NOT_STAFF:
            raise WrongUse(f"{person.account} has no role on the admin pages")
    return found


@contextmanager
def _people(home: Path, settings: BoxSettings) -> Iterator[People]:
    engine = open_database(home, settings.database)
    try:
        yield People(engine)
    finally:
        engine.dispose()


def check_approver(
    home: Path, settings: BoxSettings, site: str, *, approver: str, exporter: str
) -> None:
    """Check that who approves an export is of the staff, and another than who exports.

    Both are account names, or the ids of accounts. Who exports need not have an account: who sits
    at the command line is `uid.` and a number. What was obtained otherwise than by the law is no
    evidence (Computer Crime Act, section 25), so nobody approves what they do themselves.

    Raises:
        WrongUse: there is no such account, it is not of the staff, is closed, or both are one.
    """
    with _people(home, settings) as people:
        who, other = (_named(people, site, name) for name in (approver, exporter))
    if who is None:
        hint = "somebody of the staff: prathu people list"
        raise WrongUse(f"--approver {approver}: there is no such account at {site}", hint=hint)
    if who.role in NOT_STAFF and who.kind is not Kind.STAFF:
        raise WrongUse(f"--approver {approver} is not of the staff", hint="prathu people list")
    if who.closed(report.now()):
        raise WrongUse(f"--approver {approver}: this account is closed")
    if other is not None and other.id == who.id:
        raise WrongUse("who approves cannot be who exports: two people are needed")


def _named(people: People, site: str, name: str) -> Account | None:
    """Return the account of a name at a site, or of an id."""
    found = people.find(site, name)
    if found is None:
        try:
            found = people.get(UUID(name))
        except ValueError:
            return None
    return found
