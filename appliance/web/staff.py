"""The pages' view of `captive_portal.people`: who is staff, and the accounts they look after."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from appliance.web.deps import May, Member, NewPerson, PersonLine
from captive_portal.errors import PortalError, Refused
from captive_portal.people import names, passwords
from captive_portal.people.accounts import (
    Account,
    AccountRow,
    Kind,
    NewAccount,
    NtSealing,
    People,
    Role,
)
from collector.records import Clock

RIGHTS: dict[Role, frozenset[May]] = {
    Role.NONE: frozenset(),
    Role.TEACHER: frozenset({May.HELP}),
    Role.VIEWER: frozenset({May.SEARCH}),
    Role.ADMIN: frozenset({May.SEARCH, May.MANAGE}),
}
"""Nobody has a right to change a record: there is no such act."""


class PortalStaff:
    """Staff accounts in the portal's database. Every method may block."""

    def __init__(
        self,
        engine: Engine,
        *,
        sites: Sequence[str],
        clock: Clock,
        nt: NtSealing | None = None,
    ) -> None:
        self._engine = engine
        self._people = People(engine, nt=nt)
        self._sites = tuple(sites)
        self._clock = clock

    def check(self, account: str, password: str) -> Member:
        """Return the member with this password.

        Raises:
            Refused: wrong, unknown or disabled; or somebody without a right on these pages.
        """
        found = self._staff_of(account)
        account_row = self._people.check(found.site if found else self._sites[0], account, password)
        member = self.get(account_row.id)
        if member is None:
            raise Refused("This account has no right on these pages.")
        return member

    def get(self, member: UUID) -> Member | None:
        """Return the member unless it is gone, disabled or staff no more."""
        account = self._people.get(member)
        if account is None or account.closed(self._now()) or not RIGHTS[account.role]:
            return None
        return Member(
            id=account.id,
            account=account.account,
            name=account.full_name or account.account,
            may=RIGHTS[account.role],
            must_change=account.must_change,
            stamp=self._stamp(account.id),
        )

    def change_password(self, member: UUID, old: str, new: str) -> None:
        """Set the member's own password.

        Raises:
            PortalError: the old one is wrong, or the new one is not fit.
        """
        account = self._known(member)
        self._people.check(account.site, account.account, old)
        self._people.set_password(member, new)

    def people(self, text: str) -> list[PersonLine]:
        """Return people whose account or name has `text`, by site and name."""
        wanted = names.folded(text)
        return [
            PersonLine(
                id=one.id,
                site=one.site,
                account=one.account,
                name=one.full_name,
                kind=one.kind.value,
                role=one.role.value,
                disabled=one.closed(self._now()),
            )
            for one in self._people.list()
            if wanted in names.folded(one.account) or wanted in names.folded(one.full_name)
        ]

    def add(self, new: NewPerson) -> str:
        """Make an account and return its one-time password.

        Raises:
            PortalError: the name is not fit or taken, or kind or role are unknown.
        """
        try:
            kind, role = Kind(new.kind), Role(new.role)
        except ValueError as error:
            raise PortalError("no such kind or right") from error
        if new.site not in self._sites:
            raise PortalError(f"no site {new.site}")
        password = passwords.one_time()
        self._people.add(
            NewAccount(
                site=new.site,
                account=new.account,
                full_name=new.name,
                kind=kind,
                role=role,
                proofing="by staff on the admin page",
                password=password,
                must_change=True,
            ),
            now=self._now(),
        )
        return password

    def disable(self, person: UUID) -> str:
        """Disable the account, and return its name."""
        account = self._known(person)
        self._people.disable(person, now=self._now())
        return account.account

    def reset(self, person: UUID) -> tuple[str, str]:
        """Return the account's name and a new one-time password."""
        account = self._known(person)
        password = passwords.one_time()
        self._people.set_password(person, password, must_change=True)
        return account.account, password

    def _known(self, person: UUID) -> Account:
        account = self._people.get(person)
        if account is None:
            raise PortalError("no such account")
        return account

    def _staff_of(self, account: str) -> Account | None:
        """Return the first site's account of that name that has a right here."""
        for site in self._sites:
            found = self._people.find(site, account)
            if found is not None and RIGHTS[found.role]:
                return found
        return None

    def _stamp(self, member: UUID) -> str:
        with Session(self._engine) as db:
            stored = db.scalar(select(AccountRow.password).where(AccountRow.id == member))
        return hashlib.sha256((stored or "").encode()).hexdigest()[:16]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1e9, UTC)
