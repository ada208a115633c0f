"""What the box keeps of one person, for that person (PDPA s.30): nothing of anybody else in it.

The logs are not here: flows and lines are given out by an approved case, as they name others too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from captive_portal.errors import PortalError
from captive_portal.people import grades
from captive_portal.people.accounts import AccountRow
from captive_portal.people.device_certificates import DeviceCertificates, Issued
from captive_portal.people.devices import Device, Devices
from captive_portal.people.groups import Group, Groups
from captive_portal.people.notices import Notices
from captive_portal.people.teaching import Teaching
from captive_portal.people.usage import UsageRow
from captive_portal.people.vouchers import VoucherRow
from captive_portal.sessions.rows import OPENING, SessionRow

MOST_SESSIONS = 1000
"""The latest; how many there are is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """One time on the network."""

    start: datetime
    end: datetime | None
    method: str
    mac: str
    addresses: Sequence[str]
    nas: str
    bytes_in: int | None
    bytes_out: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedDay:
    """How much was used on a day."""

    day: date
    bytes_in: int
    bytes_out: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonData:
    """All that the people's database has of one person, but passwords, of which it has hashes."""

    id: UUID
    site: str
    account: str
    full_name: str
    kind: str
    role: str
    class_name: str
    student_code: str
    id_kind: str
    """Which kind of identifier is kept as a hash; empty: none is."""
    proofing: str
    source: str
    has_password: bool
    created_at: datetime
    disabled_at: datetime | None
    group: Group
    devices: Sequence[Device]
    certificates: Sequence[Issued]
    """Of the school's devices that they answer for."""
    sessions: Sequence[OwnSession]
    sessions_count: int
    used: Sequence[UsedDay]
    acknowledged: Sequence[tuple[str, datetime]]
    """Versions of the notice, and when."""
    teaches: Sequence[str]
    """Classes whose pupils the person may help."""
    vouchers_answered_for: int
    """How many guests the person answers for; who they are is theirs."""


def of_person(engine: Engine, person: UUID) -> PersonData:
    """Return what is kept of a person.

    Raises:
        PortalError: no such person.
    """
    with Session(engine) as db:
        row = db.get(AccountRow, person)
        if row is None:
            raise PortalError("no such account", hint="prathu people list")
        # Of a guest, who gave the voucher is another person's name.
        proofing = "voucher" if row.source == "voucher" else row.proofing
        return PersonData(
            id=row.id,
            site=row.site,
            account=row.account,
            full_name=row.full_name,
            kind=row.kind,
            role=row.role,
            class_name=str(grades.Class(row.grade, row.room)),
            student_code=row.student_code,
            id_kind=row.id_kind,
            proofing=proofing,
            source=row.source,
            has_password=row.password is not None,
            created_at=row.created_at,
            disabled_at=row.disabled_at,
            group=Groups(engine).of(row.site, row.person_group, row.kind),
            devices=Devices(engine).list(person=person),
            certificates=DeviceCertificates(engine).list(person=person),
            sessions=_sessions(db, person),
            sessions_count=_count(db, person),
            used=_used(db, person),
            acknowledged=Notices(engine).acknowledged(person),
            teaches=[str(one) for one in Teaching(engine).classes(person)],
            vouchers_answered_for=db.scalars(
                select(func.count()).select_from(VoucherRow).where(VoucherRow.sponsor == person)
            ).one(),
        )


def _sessions(db: Session, person: UUID) -> list[OwnSession]:
    query = (
        select(SessionRow)
        .where(SessionRow.person == person, SessionRow.state != OPENING)
        .order_by(SessionRow.start.desc())
        .limit(MOST_SESSIONS)
    )
    return [
        OwnSession(
            start=row.start,
            end=row.end,
            method=row.method,
            mac=row.mac,
            addresses=tuple(row.rest.get("addresses", ())),
            nas=row.nas,
            bytes_in=row.bytes_in,
            bytes_out=row.bytes_out,
        )
        for row in db.scalars(query)
    ]


def _count(db: Session, person: UUID) -> int:
    query = select(func.count()).select_from(SessionRow).where(SessionRow.person == person)
    return db.scalars(query).one()


def _used(db: Session, person: UUID) -> list[UsedDay]:
    query = select(UsageRow).where(UsageRow.person == person).order_by(UsageRow.day.desc())
    return [
        UsedDay(day=row.day, bytes_in=row.bytes_in, bytes_out=row.bytes_out, seconds=row.seconds)
        for row in db.scalars(query)
    ]
