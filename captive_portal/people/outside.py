"""People whose passwords are checked elsewhere: each gets one account here, and keeps it.

The directory's own id ties the two: a login name that changes keeps the account, and one that is
given to somebody else gets another account. Nobody from outside becomes an account that has a
password here, or rights on the admin pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from captive_portal.errors import PortalError, Refused
from captive_portal.people import names
from captive_portal.people.account_row import AccountRow, ClosedBy, Kind, Role, find
from captive_portal.people.accounts import Account, People
from captive_portal.people.groups import GroupRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Outsider:
    """Somebody as a directory tells of them."""

    site: str
    source: str
    """`ldap`, `radius`, `oidc`: what checked the password."""
    outside_id: str
    """What the directory calls them for ever; unlike the login name it is given out once."""
    account: str
    full_name: str = ""
    kind: Kind | None = None
    """None: as it is here; at first sight a pupil."""
    group: str = ""
    """Name of a group of the site; empty: as it is here."""
    proofing: str = ""


class Outside:
    """The accounts of people from outside. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._people = People(engine)

    def adopt(self, who: Outsider, now: datetime) -> Account:
        """Return the account of somebody whose password is right, made at first sight.

        Raises:
            Refused: they are disabled here.
            PortalError: the directory's name for them is not fit.
        """
        account = names.clean(who.account)
        if not who.outside_id or len(who.outside_id) > 255:
            raise PortalError(f"{who.proofing} has no usable id for {account}")
        if wrong := names.fault(account):
            raise PortalError(f"{who.proofing} names somebody badly: {wrong}")
        try:
            person = self._adopt(who, account, now)
        except IntegrityError:
            # Another sign-in of theirs made it in between.
            person = self._adopt(who, account, now)
        found = self._people.get(person)
        if found is None or found.closed(now):
            raise Refused("account or password is not right")
        return found

    def _adopt(self, who: Outsider, account: str, now: datetime) -> UUID:
        with Session(self._engine) as db, db.begin():
            row = _known(db, who)
            if row is None:
                row = _place(db, who, account, now)
            elif not row.closed(now):
                _rename(db, row, account)
            if not row.closed(now):
                _fill(db, row, who)
            db.add(row)
            db.flush()
            return row.id


def _known(db: Session, who: Outsider) -> AccountRow | None:
    query = select(AccountRow).where(
        AccountRow.site == who.site,
        AccountRow.source == who.source,
        AccountRow.outside_id == who.outside_id,
    )
    return db.scalars(query.limit(1)).one_or_none()


def _place(db: Session, who: Outsider, account: str, now: datetime) -> AccountRow:
    """Return a row for somebody new: one that waits for them, else a new one."""
    for name in (account, f"{account}@{who.source}"[: names.MAX_ACCOUNT]):
        row = find(db, who.site, name)
        if row is not None and (row.source, row.outside_id) == (who.source, who.outside_id):
            return row  # another sign-in of theirs made it just now
        if row is not None and row.source == who.source and not row.closed(now):
            _set_aside(row, now)
            db.flush()
            row = None
        if row is None:
            return AccountRow(
                id=uuid4(), site=who.site, account=name, folded=names.folded(name), created_at=now
            )
        if row.closed(now) or _waits(row):
            return row
    raise PortalError(f"the name {account} is another person's here")


def _waits(row: AccountRow) -> bool:
    """Say whether a row is of the roll or only heard of: nobody has signed in as it here."""
    return not row.source and row.password is None and row.role == Role.NONE


def _set_aside(row: AccountRow, now: datetime) -> None:
    """Close the account of whoever had the login name before, under a name of its own."""
    row.account = f"{row.account[: names.MAX_ACCOUNT - 9]}~{row.id.hex[:8]}"
    row.folded = names.folded(row.account)
    row.disabled_at, row.closed_by = now, ClosedBy.NAME_GIVEN_AWAY


def _rename(db: Session, row: AccountRow, account: str) -> None:
    """Follow a login name that the directory changed, where nobody else has the new one."""
    if names.folded(account) in (row.folded, row.folded.removesuffix(f"@{row.source}")):
        return
    if find(db, row.site, account) is None:
        row.account, row.folded = account, names.folded(account)


def _fill(db: Session, row: AccountRow, who: Outsider) -> None:
    row.source, row.outside_id = who.source, who.outside_id
    row.full_name = names.clean(who.full_name)[: names.MAX_FULL_NAME] or row.full_name or ""
    if who.kind is not None:
        row.kind = who.kind
    elif not row.kind or row.kind == Kind.SHADOW:
        row.kind = Kind.PUPIL
    row.role, row.password, row.must_change = Role.NONE, None, False
    row.proofing = row.proofing if row.proofing and _of_the_roll(row) else who.proofing
    if who.group:
        query = select(GroupRow.id).where(GroupRow.site == who.site, GroupRow.name == who.group)
        row.person_group = db.scalars(query).one_or_none() or row.person_group


def _of_the_roll(row: AccountRow) -> bool:
    return bool(row.student_code or row.id_hash)
