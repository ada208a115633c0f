"""Vouchers: a code on paper that lets a named guest in, answered for by a named sponsor.

Nobody comes in without a name: either the sponsor says for whom a voucher is, or the guest gives
a name at first use. The guest's account lives as long as the voucher, and is kept after it as any
other account is.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import Engine, ForeignKey, Index, String, Uuid, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.errors import PortalError, Refused, Unfit
from captive_portal.people import names
from captive_portal.people.accounts import Account, AccountRow, ClosedBy, Kind, People, Role
from captive_portal.people.groups import GroupRow
from captive_portal.people.keys import PersonKey

SIGNS = "0123456789BCDFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32 without vowels: nothing to confuse, and no words."""
LENGTH = 9
"""44 bits; who guesses does so on the page, some tries a minute."""
MOST = 500
"""In one batch."""
HINT = 2
"""Last signs, by which staff know a voucher again."""
LONGEST = timedelta(days=366)
MINUTE = timedelta(minutes=1)
_TYPED = str.maketrans({"O": "0", "I": "1", "L": "1"})


class VoucherRow(Base):
    """One voucher; its code is kept as a hash."""

    __tablename__ = "voucher"
    __table_args__ = (Index("uq_voucher_site_code_hash", "site", "code_hash", unique=True),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    site: Mapped[str] = mapped_column(String(63))
    code_hash: Mapped[str] = mapped_column(String(64))
    hint: Mapped[str] = mapped_column(String(8))
    batch: Mapped[UUID] = mapped_column(Uuid, index=True)
    sponsor: Mapped[UUID] = mapped_column(ForeignKey(AccountRow.id, name="fk_voucher_sponsor"))
    for_whom: Mapped[str] = mapped_column(String(200))
    person_group: Mapped[UUID | None] = mapped_column(
        ForeignKey(GroupRow.id, name="fk_voucher_person_group")
    )
    made_at: Mapped[datetime] = mapped_column(Moment)
    valid_until: Mapped[datetime] = mapped_column(Moment)
    minutes: Mapped[int | None]
    """Of use, from the first sign-in on; None: until `valid_until`."""
    first_used_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
    person: Mapped[UUID | None] = mapped_column(Uuid)
    """The guest's account, made at first use."""


class NoVoucher(Refused):
    """No voucher of the site has that code."""


class VoucherOver(Refused):
    """It was used up, has run out or was taken back; or its sponsor is not here any more."""


class State(StrEnum):
    """Where a voucher stands."""

    NEW = "new"
    USED = "used"
    """And still good."""
    OVER = "over"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """One voucher, without its code."""

    id: UUID
    site: str
    batch: UUID
    hint: str
    sponsor: UUID
    sponsor_name: str
    for_whom: str
    group: UUID | None
    made_at: datetime
    valid_until: datetime
    minutes: int | None
    first_used_at: datetime | None
    state: State

    @property
    def last_minute(self) -> datetime:
        """The last minute in which it lets anybody in, as people read times."""
        return self.valid_until - MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Vouchers to be made."""

    site: str
    sponsor: UUID
    for_whom: Sequence[str]
    """A voucher for each; an empty one asks for the name at first use."""
    valid_until: datetime
    minutes: int | None = None
    group: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A voucher just made: the only time that its code is known."""

    code: str
    """As printed, in groups of three."""
    for_whom: str
    valid_until: datetime
    minutes: int | None

    @property
    def last_minute(self) -> datetime:
        """The last minute in which it lets anybody in, as people read times."""
        return self.valid_until - MINUTE


class Vouchers:
    """The vouchers of a box. Every method is one transaction."""

    def __init__(self, engine: Engine, key: PersonKey) -> None:
        self._engine = engine
        self._key = key
        self._people = People(engine)

    def make(self, order: Order, *, now: datetime) -> list[Printed]:
        """Make vouchers; their codes are shown now and never again.

        Raises:
            PortalError: the order is not fit, or the sponsor is nobody who may answer for guests.
        """
        _check(order, now)
        batch, made = uuid4(), list[Printed]()
        with Session(self._engine) as db, db.begin():
            _check_sponsor(db.get(AccountRow, order.sponsor), order.site, now)
            if order.group is not None:
                group = db.get(GroupRow, order.group)
                if group is None or group.site != order.site:
                    raise PortalError("no such group at the site", hint="prathu groups list")
            for name in order.for_whom:
                code = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
                db.add(self._row(order, batch, code, names.clean(name), now))
                made.append(
                    Printed(
                        code=shown(code),
                        for_whom=names.clean(name),
                        valid_until=order.valid_until,
                        minutes=order.minutes,
                    )
                )
        return made

    def use(self, site: str, code: str, guest_name: str, now: datetime) -> Account:
        """Return the guest's account, made at first use.

        Args:
            site: Where the guest is.
            code: As typed: case, spaces and dashes do not matter, nor O for 0 and I for 1.
            guest_name: As typed; empty where none was asked for.
            now: The time.

        Raises:
            NoVoucher: no such voucher.
            VoucherOver: it does not let anybody in any more.
            PortalError: it is good, and the guest's name is wanted or not fit.
        """
        with Session(self._engine) as db, db.begin():
            row = self._find(db, site, code)
            if row is None:
                raise NoVoucher("there is no such voucher")
            _check_good(db, row, now)
            if row.first_used_at is None:
                self._first(db, row, names.clean(guest_name), now)
            person = row.person
        found = None if person is None else self._people.get(person)
        if found is None or found.closed(now):
            raise VoucherOver("the voucher is over")
        return found

    def list(self, site: str | None = None, *, now: datetime) -> Sequence[Voucher]:
        """Return vouchers, the latest batch first."""
        query = select(VoucherRow, AccountRow.full_name, AccountRow.account).join(
            AccountRow, AccountRow.id == VoucherRow.sponsor
        )
        if site is not None:
            query = query.where(VoucherRow.site == site)
        query = query.order_by(VoucherRow.made_at.desc(), VoucherRow.batch, VoucherRow.for_whom)
        with Session(self._engine) as db:
            return [_voucher(row, name or account, now) for row, name, account in db.execute(query)]

    def revoke(self, which: UUID, *, now: datetime) -> int:
        """Take back a voucher, or a batch of them; its guests are closed. Return how many.

        Raises:
            PortalError: there is none with that id.
        """
        with Session(self._engine) as db, db.begin():
            rows = db.scalars(
                select(VoucherRow).where((VoucherRow.id == which) | (VoucherRow.batch == which))
            ).all()
            if not rows:
                raise PortalError("no such voucher", hint="prathu voucher list")
            taken = [row for row in rows if row.revoked_at is None]
            for row in taken:
                row.revoked_at = now
                guest = None if row.person is None else db.get(AccountRow, row.person)
                if guest is not None and not guest.closed(now):
                    guest.disabled_at, guest.closed_by = now, ClosedBy.STAFF
            return len(taken)

    def _row(self, order: Order, batch: UUID, code: str, name: str, now: datetime) -> VoucherRow:
        return VoucherRow(
            id=uuid4(),
            site=order.site,
            code_hash=self._hash(order.site, code),
            hint=code[-HINT:],
            batch=batch,
            sponsor=order.sponsor,
            for_whom=name,
            person_group=order.group,
            made_at=now,
            valid_until=order.valid_until,
            minutes=order.minutes,
        )

    def _hash(self, site: str, code: str) -> str:
        return self._key.hash("voucher", f"{site}\0{code}")

    def _find(self, db: Session, site: str, typed: str) -> VoucherRow | None:
        code = plain(typed)
        if len(code) != LENGTH:
            return None
        hashed = self._hash(site, code)
        query = select(VoucherRow).where(VoucherRow.site == site, VoucherRow.code_hash == hashed)
        return db.scalars(query).one_or_none()

    def _first(self, db: Session, row: VoucherRow, guest: str, now: datetime) -> None:
        name = row.for_whom or guest
        if not name:
            raise PortalError("whose voucher is it?", hint="give first name and surname")
        if wrong := names.fault(name):
            raise PortalError(wrong.replace("account name", "name"))
        if len(name) > names.MAX_FULL_NAME:
            raise PortalError(f"the name is longer than {names.MAX_FULL_NAME} characters")
        claim = update(VoucherRow).where(
            VoucherRow.id == row.id, VoucherRow.first_used_at.is_(None)
        )
        claimed = db.execute(claim.values(first_used_at=now, for_whom=name))
        if not isinstance(claimed, CursorResult) or claimed.rowcount != 1:
            db.refresh(row)  # the same code at the same moment on two devices: one guest
            return
        sponsor = db.get(AccountRow, row.sponsor)
        guest_row = _guest(row, name, sponsor.account if sponsor else "", now)
        db.add(guest_row)
        db.flush()
        db.execute(update(VoucherRow).where(VoucherRow.id == row.id).values(person=guest_row.id))
        db.refresh(row)


def plain(typed: str) -> str:
    """Return a code as it was made, however it is typed."""
    return re.sub(r"[\s\-–.]", "", names.digits(typed)).upper().translate(_TYPED)


def shown(code: str) -> str:
    """Return a code as it is printed."""
    return "-".join(code[at : at + 3] for at in range(0, len(code), 3))


def _check(order: Order, now: datetime) -> None:
    if not 1 <= len(order.for_whom) <= MOST:
        raise Unfit(f"a batch has 1 to {MOST} vouchers")
    if not now < order.valid_until <= now + LONGEST:
        raise Unfit("vouchers are valid for a year at most, from now on")
    if order.minutes is not None and order.minutes < 1:
        raise Unfit("a voucher gives a minute at least")
    if order.minutes is not None and order.minutes > LONGEST // MINUTE:
        raise Unfit("a voucher gives a year at most")
    for name in order.for_whom:
        if len(names.clean(name)) > names.MAX_FULL_NAME:
            raise Unfit(f"a name is longer than {names.MAX_FULL_NAME} characters")


def _check_sponsor(row: AccountRow | None, site: str, now: datetime) -> None:
    """Refuse a sponsor who cannot answer for guests."""
    if row is None or row.site != site:
        raise Unfit("no such sponsor at the site", hint="prathu people list")
    adult = row.role != Role.NONE or row.kind in (Kind.TEACHER, Kind.STAFF)
    if not adult or row.closed(now):
        raise Unfit(
            f"{row.account} cannot answer for guests", hint="a teacher or member of staff can"
        )


def _check_good(db: Session, row: VoucherRow, now: datetime) -> None:
    sponsor = db.get(AccountRow, row.sponsor)
    if sponsor is None or sponsor.closed(now) or _state(row, now) in (State.REVOKED, State.OVER):
        raise VoucherOver("the voucher is over")


def _ends(row: VoucherRow) -> datetime:
    """Return when a voucher ends by itself."""
    if row.minutes is None or row.first_used_at is None:
        return row.valid_until
    return min(row.valid_until, row.first_used_at + timedelta(minutes=row.minutes))


def _state(row: VoucherRow, now: datetime) -> State:
    if row.revoked_at is not None:
        return State.REVOKED
    if _ends(row) <= now:
        return State.OVER
    return State.NEW if row.first_used_at is None else State.USED


def _guest(row: VoucherRow, name: str, sponsor: str, now: datetime) -> AccountRow:
    """Return the account of a guest; nobody signs in with it but by the voucher."""
    ends = row.valid_until
    if row.minutes is not None:
        ends = min(ends, now + timedelta(minutes=row.minutes))
    account = f"guest-{row.id.hex[:12]}"
    return AccountRow(
        id=uuid4(),
        site=row.site,
        account=account,
        folded=names.folded(account),
        full_name=name,
        kind=Kind.GUEST,
        role=Role.NONE,
        password=None,
        must_change=False,
        proofing=names.clean(f"voucher of {sponsor}")[:200],
        created_at=now,
        disabled_at=ends,
        closed_by=ClosedBy.DATE,
        person_group=row.person_group,
        source="voucher",
        outside_id=str(row.id),
    )


def _voucher(row: VoucherRow, sponsor: str, now: datetime) -> Voucher:
    return Voucher(
        id=row.id,
        site=row.site,
        batch=row.batch,
        hint=row.hint,
        sponsor=row.sponsor,
        sponsor_name=sponsor,
        for_whom=row.for_whom,
        group=row.person_group,
        made_at=row.made_at,
        valid_until=row.valid_until,
        minutes=row.minutes,
        first_used_at=row.first_used_at,
        state=_state(row, now),
    )
