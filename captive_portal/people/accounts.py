"""People's accounts: made, changed, closed, and their passwords checked.

An account is never deleted here, only closed: who it was must be known as long as the log that
names it is kept. It is closed from `disabled_at` on, which may lie ahead.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, cast
from uuid import UUID, uuid4

from sqlalchemy import Engine, Table, bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from captive_portal.errors import PortalError, Refused, Unfit
from captive_portal.people import identifiers, names, passwords
from captive_portal.people.account_row import AccountRow, ClosedBy, Kind, Role, find, over
from captive_portal.people.passwords import Fault, NotFit
from collector.records import Clock, time_of

__all__ = ["Account", "AccountRow", "ClosedBy", "Kind", "NewAccount", "NtSealing", "People", "Role"]

_wall_clock: Clock = time.time_ns  # noqa: TID251  # a password is asked about now


class Who(NamedTuple):
    """Of an account what a session has of it."""

    id: UUID
    account: str
    full_name: str
    proofing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account, without its password."""

    id: UUID
    site: str
    account: str
    full_name: str
    kind: Kind
    role: Role
    must_change: bool
    proofing: str
    created_at: datetime
    disabled_at: datetime | None
    """Closed from then on; ask `closed`, as it may lie ahead."""
    has_password: bool
    group: UUID | None = None
    source: str = ""
    """Where its password is checked: empty: here; else `ldap`, `radius`, `oidc` or `voucher`."""
    grade: str = ""
    room: str = ""
    student_code: str = ""

    @property
    def password_here(self) -> bool:
        """Whether its password is the box's own, and so can be changed here."""
        return self.has_password and not self.source

    def closed(self, now: datetime) -> bool:
        """Say whether nobody can sign in with it at a time."""
        return over(self.disabled_at, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be made."""

    site: str
    account: str
    full_name: str = ""
    kind: Kind = Kind.PUPIL
    role: Role = Role.NONE
    proofing: str = ""
    password: str | None = None
    must_change: bool = False
    student_code: str = ""
    id_kind: str = ""
    id_hash: str = ""
    grade: str = ""
    room: str = ""

    @property
    def staff(self) -> bool:
        """Whether its password is worth the higher cost."""
        return _staff(self.kind, self.role)


def _staff(kind: str, role: str) -> bool:
    return role != Role.NONE or kind in (Kind.TEACHER, Kind.STAFF)


class NtSealing(Protocol):
    """Seals the NT hash of a password (`nt_hashes.NtHashes`), where the settings keep them."""

    def sealed(self, person: UUID, password: str) -> str:
        """Return what the database keeps of a person's password."""
        ...


class People:
    """The accounts of a box. Every method is one transaction."""

    def __init__(
        self, engine: Engine, *, clock: Clock = _wall_clock, nt: NtSealing | None = None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._nt = nt

    def add(self, new: NewAccount, *, now: datetime) -> Account:
        """Make an account; a shadow account of the same name becomes it and keeps its id.

        Raises:
            PortalError: the name or the password is not fit, or the account exists.
        """
        account = names.clean(new.account)
        if wrong := names.fault(account):
            raise Unfit(wrong)
        if new.kind is not Kind.SHADOW and identifiers.looks_like_id(account):
            raise Unfit(
                "a citizen id would be the account's name and stand in every log",
                hint="use the student code",
            )
        stored = None if new.password is None else _hashed(new.password, account, staff=new.staff)
        with self._changing() as db:
            row = find(db, new.site, account)
            if row is not None and row.kind != Kind.SHADOW:
                raise PortalError(
                    f"account {account} of site {new.site} exists already",
                    hint="prathu people list shows it",
                )
            if row is None:
                row = AccountRow(id=uuid4(), site=new.site, created_at=now, disabled_at=None)
                row.folded = names.folded(account)
                db.add(row)
            _fill(row, new, account, stored)
            row.nt_password = self._sealed(row.id, new.password)
            db.flush()
            return _account(row)

    def first_admin(self, site: str, *, now: datetime, account: str = "admin") -> tuple[str, str]:
        """Make the first admin; return the account name and its one-time password.

        Raises:
            PortalError: an account of that name exists.
        """
        password = passwords.one_time()
        self.add(
            NewAccount(
                site=site,
                account=account,
                full_name="ผู้ดูแลระบบ",
                kind=Kind.STAFF,
                role=Role.ADMIN,
                proofing="made with the box",
                password=password,
                must_change=True,
            ),
            now=now,
        )
        return account, password

    def find(self, site: str, account: str) -> Account | None:
        """Return the account of this name at a site, however it is spelt."""
        with Session(self._engine) as db:
            row = find(db, site, account)
            return None if row is None else _account(row)

    def named(self, accounts: Collection[tuple[str, str]]) -> dict[tuple[str, str], Who]:
        """Return whose several names are, by site and name as they were given."""
        wanted = {one: (one[0], names.folded(one[1])) for one in accounts}
        found: dict[tuple[str, str], Who] = {}
        with Session(self._engine) as db:
            for site in {site for site, _ in accounts}:
                folded = {name for at, name in wanted.values() if at == site}
                rows = db.execute(_NAMED, {"site": site, "names": list(folded)})
                found |= {(site, name): Who(*of) for name, *of in rows}
        return {one: found[name] for one, name in wanted.items() if name in found}

    def these(self, ids: Collection[UUID]) -> dict[UUID, Who]:
        """Return who has these ids, as far as there is anybody."""
        if not ids:
            return {}
        with Session(self._engine) as db:
            rows = db.execute(select(*_who).where(_table.c.id.in_(ids)))
            return {row.id: Who(*row) for row in rows}

    def get(self, person: UUID) -> Account | None:
        """Return the account with this id."""
        with Session(self._engine) as db:
            row = db.get(AccountRow, person)
            return None if row is None else _account(row)

    def list(self, site: str | None = None) -> Sequence[Account]:
        """Return all accounts, or a site's, by name."""
        query = select(AccountRow).order_by(AccountRow.site, AccountRow.folded)
        if site is not None:
            query = query.where(AccountRow.site == site)
        with Session(self._engine) as db:
            return [_account(row) for row in db.scalars(query)]

    def counts(self) -> dict[str, int]:
        """Return how many accounts there are of each kind; kinds that nobody is are left out."""
        query = select(AccountRow.kind, func.count()).group_by(AccountRow.kind)
        with Session(self._engine) as db:
            return {kind: count for kind, count in db.execute(query.order_by(AccountRow.kind))}

    def shadow(self, site: str, account: str, *, now: datetime) -> Account:
        """Return the account of this name, made as a shadow when there is none."""
        account = names.clean(account)[: names.MAX_ACCOUNT]
        found = self.find(site, account)
        if found is not None:
            return found
        new = NewAccount(site=site, account=account, kind=Kind.SHADOW, proofing="not proofed")
        try:
            return self.add(new, now=now)
        except PortalError:
            # Another process made it in between, or the name is one nobody may choose.
            found = self.find(site, account)
            if found is None:
                raise
            return found

    def set_password(self, person: UUID, password: str, *, must_change: bool = False) -> None:
        """Give an account another password.

        Raises:
            PortalError: no such account, or the password is not fit.
        """
        with self._changing() as db:
            row = _known(db, person)
            self._put_password(row, password, must_change=must_change)

    def choose_password(self, person: UUID, password: str) -> None:
        """Give an account the password that its person chose, which is not the one it has.

        Raises:
            NotFit: it is the one on the paper or the present one, or otherwise not fit.
            PortalError: no such account.
        """
        with self._changing() as db:
            row = _known(db, person)
            if passwords.same(password, row.password):
                raise NotFit(Fault.SAME)
            self._put_password(row, password, must_change=False)

    def change(self, person: UUID, *, full_name: str, kind: Kind, proofing: str) -> None:
        """Bring an account up to date with the school's roll."""
        with self._changing() as db:
            row = _known(db, person)
            row.full_name, row.kind, row.proofing = names.clean(full_name), kind, proofing

    def disable(self, person: UUID, *, now: datetime, why: ClosedBy = ClosedBy.STAFF) -> None:
        """Close an account from `now` on, which may lie ahead; what it did stays under its name.

        One that is closed already, or will be before, stays so.
        """
        with self._changing() as db:
            row = _known(db, person)
            if row.disabled_at is None or now < row.disabled_at:
                row.disabled_at, row.closed_by = now, why

    def enable(self, person: UUID) -> None:
        """Open an account again, or let it stay open."""
        with self._changing() as db:
            row = _known(db, person)
            row.disabled_at, row.closed_by = None, ClosedBy.NOBODY

    def put_in_group(self, person: UUID, group: UUID | None) -> None:
        """Put an account in a group of its own; None: in that of its kind."""
        with self._changing() as db:
            _known(db, person).person_group = group

    def closed(self, account: Account) -> bool:
        """Say whether nobody can sign in with an account now."""
        return account.closed(time_of(self._clock))

    def check(self, site: str, account: str, password: str) -> Account:
        """Return whose password this is.

        Takes tens of milliseconds and 19 or 64 MiB; a wrong one takes the time of both.

        Raises:
            Refused: wrong, unknown, disabled or without password: the error does not say which.
        """
        with Session(self._engine) as db:
            row = find(db, site, account)
            closed = row is None or row.closed(time_of(self._clock))
            stored = None if row is None or closed else row.password
        if not passwords.matches(password, stored) or row is None or stored is None:
            raise Refused("account or password is not right")
        if passwords.outdated(stored, staff=_staff(row.kind, row.role)):
            self._renew_hash(row.id, password)
        elif self._nt is not None and row.nt_password is None:
            self._keep_nt(row.id, stored, password)
        return _account(row)

    def _put_password(self, row: AccountRow, password: str, *, must_change: bool) -> None:
        row.password = _hashed(password, row.account, staff=_staff(row.kind, row.role))
        row.nt_password = self._sealed(row.id, password)
        row.must_change = must_change

    def _renew_hash(self, person: UUID, password: str) -> None:
        """Keep a password that was right, however poor, at the cost of its person's kind now."""
        with self._changing() as db:
            row = _known(db, person)
            row.password = passwords.hashed(password, staff=_staff(row.kind, row.role))
            row.nt_password = self._sealed(row.id, password)

    def _sealed(self, person: UUID, password: str | None) -> str | None:
        """Return the NT hash of a new password to keep; another one's must not stay."""
        return None if self._nt is None or password is None else self._nt.sealed(person, password)

    def _keep_nt(self, person: UUID, stored: str, password: str) -> None:
        """Keep the NT hash of a password that was right, unless it was changed meanwhile."""
        with self._changing() as db:
            row = _known(db, person)
            if row.password == stored:
                row.nt_password = self._sealed(person, password)

    @contextmanager
    def _changing(self) -> Iterator[Session]:
        try:
            with Session(self._engine, expire_on_commit=False) as db, db.begin():
                yield db
        except IntegrityError as error:
            raise PortalError("somebody else made that account just now") from error


def _known(db: Session, person: UUID) -> AccountRow:
    row = db.get(AccountRow, person)
    if row is None:
        raise PortalError(f"no account with the id {person}", hint="prathu people list")
    return row


def _hashed(password: str, account: str, *, staff: bool) -> str:
    """Return the hash of a new password. Raises NotFit."""
    if wrong := passwords.fault(password, account=account):
        raise NotFit(wrong)
    return passwords.hashed(password, staff=staff)


def _fill(row: AccountRow, new: NewAccount, account: str, stored: str | None) -> None:
    row.account = account
    row.full_name = names.clean(new.full_name)[: names.MAX_FULL_NAME]
    row.kind, row.role = new.kind, new.role
    row.password, row.must_change = stored, new.must_change
    row.proofing = names.clean(new.proofing)
    row.student_code, row.grade, row.room = new.student_code, new.grade, new.room
    row.id_kind, row.id_hash = new.id_kind, new.id_hash


_table = cast(Table, AccountRow.__table__)
_who = tuple(_table.c[name] for name in Who._fields)
# Every batch of accounting asks it: made once, because that costs more than the answer.
_NAMED = select(_table.c.folded, *_who).where(
    _table.c.site == bindparam("site"), _table.c.folded.in_(bindparam("names", expanding=True))
)


def _account(row: AccountRow) -> Account:
    return Account(
        id=row.id,
        site=row.site,
        account=row.account,
        full_name=row.full_name,
        kind=Kind(row.kind),
        role=Role(row.role),
        must_change=row.must_change,
        proofing=row.proofing,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        has_password=row.password is not None,
        group=row.person_group,
        source=row.source,
        grade=row.grade,
        room=row.room,
        student_code=row.student_code,
    )
