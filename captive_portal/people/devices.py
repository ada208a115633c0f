"""Devices with a named owner: remembered after a sign-in, or owned by the school."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Engine, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.people.accounts import AccountRow, Kind

MAX_NAME = 200


class DeviceKind(StrEnum):
    """Why a device is known."""

    REMEMBERED = "remembered"
    """Its person signed in on it, and the group remembers devices."""
    OWNED = "owned"
    """Staff entered it with a named owner: a printer, a television, a teacher's computer."""


class DeviceRow(Base):
    """One device of a site."""

    __tablename__ = "device"

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    mac: Mapped[str] = mapped_column(String(17), primary_key=True)
    person: Mapped[UUID] = mapped_column(
        ForeignKey(AccountRow.id, name="fk_device_person", ondelete="CASCADE"), index=True
    )
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200))
    since: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    until: Mapped[datetime | None] = mapped_column(Moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device and whose it is."""

    site: str
    mac: str
    person: UUID
    account: str
    owner: str
    """The person's full name, or the account's."""
    kind: DeviceKind
    name: str
    since: datetime
    seen_at: datetime
    until: datetime | None
    """It is known up to then; None: for ever."""

    @property
    def random(self) -> bool:
        """Whether the device made the MAC up, and may come with another (bit 1 of octet 1)."""
        return bool(int(self.mac[:2], 16) & 2)


class Devices:
    """The devices of a box. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, site: str | None = None, *, person: UUID | None = None) -> Sequence[Device]:
        """Return devices of a site, of a person or all, those seen last first."""
        query = select(DeviceRow, AccountRow).join(AccountRow, AccountRow.id == DeviceRow.person)
        if site is not None:
            query = query.where(DeviceRow.site == site)
        if person is not None:
            query = query.where(DeviceRow.person == person)
        query = query.order_by(DeviceRow.seen_at.desc(), DeviceRow.mac)
        with Session(self._engine) as db:
            return [_device(row, owner) for row, owner in db.execute(query)]

    def known(self, site: str, mac: str, now: datetime) -> Device | None:
        """Return a device that may be on without signing in: its owner's account is open."""
        with Session(self._engine) as db:
            row = db.get(DeviceRow, (site, mac))
            if row is None or (row.until is not None and row.until <= now):
                return None
            owner = db.get(AccountRow, row.person)
            return None if owner is None or owner.closed(now) else _device(row, owner)

    def own(  # a device is made of these
        self,
        site: str,
        mac: str,
        person: UUID,
        name: str,
        *,
        now: datetime,
        until: datetime | None = None,
    ) -> Device:
        """Enter a device of the school with somebody who answers for it.

        Raises:
            PortalError: the MAC, the name or the owner is not fit, or it is somebody's already.
        """
        found, called = _fit(mac, name)
        if not called:
            raise PortalError("the device has no name", hint="such as: printer, room 12")
        with Session(self._engine) as db, db.begin():
            owner = db.get(AccountRow, person)
            if owner is None or owner.site != site or owner.kind == Kind.SHADOW:
                raise PortalError("no such owner at the site", hint="prathu people list")
            row = db.get(DeviceRow, (site, found))
            if row is not None and row.kind == DeviceKind.OWNED:
                raise PortalError(f"the device {found} is entered already", hint="remove it first")
            row = row or DeviceRow(site=site, mac=found, since=now, seen_at=now)
            row.person, row.kind, row.name, row.until = person, DeviceKind.OWNED, called, until
            db.add(row)
            db.flush()
            return _device(row, owner)

    def remember(
        self, site: str, mac: str, person: UUID, *, now: datetime, until: datetime
    ) -> None:
        """Know a device again up to a time: its person has just signed in on it.

        A device of the school stays whose it is. What is past its time is forgotten with it.
        """
        with Session(self._engine) as db, db.begin():
            db.execute(delete(DeviceRow).where(DeviceRow.person == person, DeviceRow.until <= now))
            row = db.get(DeviceRow, (site, mac))
            if row is not None and row.kind == DeviceKind.OWNED:
                row.seen_at = now
                return
            if row is None or row.person != person:
                if row is not None:
                    db.delete(row)  # another's name for it is not for this one's eyes
                    db.flush()
                row = DeviceRow(site=site, mac=mac, since=now, name="")
            row.person, row.kind = person, DeviceKind.REMEMBERED
            row.seen_at, row.until = now, until
            db.add(row)

    def rename(self, site: str, mac: str, name: str, *, person: UUID | None = None) -> None:
        """Name a device; with `person`, only one of theirs.

        Raises:
            PortalError: there is none, or the name is not fit.
        """
        found, called = _fit(mac, name)
        with Session(self._engine) as db, db.begin():
            _theirs(db, site, found, person).name = called

    def remove(self, site: str, mac: str, *, person: UUID | None = None) -> None:
        """Forget a device: it has to sign in; with `person`, only one of theirs.

        Raises:
            PortalError: there is none.
        """
        with Session(self._engine) as db, db.begin():
            row = _theirs(db, site, names.mac(mac), person)
            if person is not None and row.kind == DeviceKind.OWNED:
                raise PortalError("the device is the school's", hint="ask the administrator")
            db.delete(row)


def _fit(mac: str, name: str) -> tuple[str, str]:
    found, called = names.mac(mac), names.clean(name)
    if not found:
        raise PortalError(f"{mac[:40]!r} is no MAC address", hint="such as 02:aa:00:00:00:01")
    if len(called) > MAX_NAME or (called and names.fault(called)):
        raise PortalError(f"the name is longer than {MAX_NAME} characters, or holds odd signs")
    return found, called


def _theirs(db: Session, site: str, mac: str, person: UUID | None) -> DeviceRow:
    row = db.get(DeviceRow, (site, mac))
    if row is None or (person is not None and row.person != person):
        raise PortalError("no such device", hint="prathu devices list")
    return row


def _device(row: DeviceRow, owner: AccountRow) -> Device:
    return Device(
        site=row.site,
        mac=row.mac,
        person=row.person,
        account=owner.account,
        owner=owner.full_name or owner.account,
        kind=DeviceKind(row.kind),
        name=row.name,
        since=row.since,
        seen_at=row.seen_at,
        until=row.until,
    )
