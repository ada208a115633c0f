"""Devices with an owner: the school's, remembered since a sign-in, or named by their person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Engine, ForeignKey, String, delete, func, select, true, tuple_, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.errors import PortalError, Unfit
from captive_portal.people import names
from captive_portal.people.accounts import AccountRow, Kind

MAX_NAME = 200
NOBODY = "00:00:00:00:00:00"
SEEN_EVERY = timedelta(hours=1)
"""So often it is written down that a device came in by itself."""
MOST_OF_PERSON = 50
"""Devices that somebody may name."""


class DeviceKind(StrEnum):
    """Why a device is known."""

    REMEMBERED = "remembered"
    """Its person signed in on it, and the group remembers devices."""
    OWNED = "owned"
    """Staff entered it with a named owner: a printer, a television, a teacher's computer."""
    NAMED = "named"
    """Its person gave it a name, to know it again in the list; it signs in each time."""


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
    purpose: Mapped[str] = mapped_column(String(200), default="", server_default="")
    enabled: Mapped[bool] = mapped_column(default=True, server_default=true())


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
    purpose: str = ""
    """What the school has it for."""
    enabled: bool = True
    """Off: it does not come in by itself. Whoever has it signs in, as on any other."""

    @property
    def seen(self) -> datetime | None:
        """When it was last let in or signed in on; None: it was entered, and never seen since."""
        return (
            None if self.kind is DeviceKind.OWNED and self.seen_at <= self.since else self.seen_at
        )

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
            if row is None or not row.enabled or (row.until is not None and row.until <= now):
                return None
            owner = db.get(AccountRow, row.person)
            return None if owner is None or owner.closed(now) else _device(row, owner)

    def saw(self, device: Device, now: datetime) -> None:
        """Write down that a device came in by itself, unless that was written a short time ago."""
        if device.seen is not None and now - device.seen < SEEN_EVERY:
            return
        with Session(self._engine) as db, db.begin():
            row = db.get(DeviceRow, (device.site, device.mac))
            if row is not None:
                row.seen_at = now

    def saw_all(self, devices: Collection[tuple[str, str]], now: datetime) -> None:
        """Write down that listed devices (site and MAC) asked to be let in."""
        known = tuple_(DeviceRow.site, DeviceRow.mac).in_(list(devices))
        with Session(self._engine) as db, db.begin():
            db.execute(update(DeviceRow).where(known).values(seen_at=now))

    def own(  # noqa: PLR0913  # a device is made of these
        self,
        site: str,
        mac: str,
        person: UUID,
        name: str,
        *,
        now: datetime,
        until: datetime | None = None,
        purpose: str = "",
        again: bool = False,
    ) -> Device:
        """Enter a device of the school with somebody who answers for it.

        Args:
            site: Where it is.
            mac: Its MAC.
            person: Who answers for it.
            name: What people call it.
            now: The time.
            until: It is known up to then; None: for ever.
            purpose: What the school has it for.
            again: Change what is said of one that is entered already.

        Raises:
            PortalError: the MAC, the name or the owner is not fit, or it is somebody's already.
        """
        found, called, wanted = _mac(mac), _text(name, "name"), _text(purpose, "purpose")
        if not called:
            raise PortalError("the device has no name", hint="such as: printer, room 12")
        with Session(self._engine) as db, db.begin():
            owner = db.get(AccountRow, person)
            if owner is None or owner.site != site or owner.kind == Kind.SHADOW:
                raise PortalError("no such owner at the site", hint="prathu people list")
            row = db.get(DeviceRow, (site, found))
            if row is not None and row.kind == DeviceKind.OWNED and not again:
                raise PortalError(f"the device {found} is entered already", hint="remove it first")
            if row is None:
                row = DeviceRow(site=site, mac=found, since=now, seen_at=now, enabled=True)
            row.person, row.kind, row.name, row.until = person, DeviceKind.OWNED, called, until
            row.purpose, row.enabled = wanted, row.enabled if again else True
            db.add(row)
            db.flush()
            return _device(row, owner)

    def switch(self, site: str, mac: str, *, on: bool) -> Device:
        """Let a device come in by itself again, or not any more.

        Raises:
            PortalError: there is none.
        """
        with Session(self._engine) as db, db.begin():
            row = _theirs(db, site, names.mac(mac), None)
            row.enabled = on
            return _device(row, db.get_one(AccountRow, row.person))

    def call(self, site: str, mac: str, person: UUID, name: str, *, now: datetime) -> None:
        """Take the name that somebody gives a device of theirs, known before or not.

        A device that is not remembered does not come in by itself for having a name.

        Raises:
            PortalError: the name is not fit, the device is another's or the school's, or they
                have named too many.
        """
        found, called = _mac(mac), _text(name, "name")
        with Session(self._engine) as db, db.begin():
            row = db.get(DeviceRow, (site, found))
            if row is None:
                theirs = select(func.count()).where(DeviceRow.person == person)
                if db.scalars(theirs).one() >= MOST_OF_PERSON:
                    raise PortalError("these are too many devices", hint="forget one first")
                row = DeviceRow(site=site, mac=found, person=person, since=now, seen_at=now)
                row.kind, row.until = DeviceKind.NAMED, now
                db.add(row)
            elif row.person != person:
                raise PortalError("no such device", hint="prathu devices list")
            elif row.kind == DeviceKind.OWNED:
                raise PortalError("the device is the school's", hint="ask the administrator")
            row.name = called

    def remember(
        self, site: str, mac: str, person: UUID, *, now: datetime, until: datetime
    ) -> None:
        """Know a device again up to a time: its person has just signed in on it.

        A device of the school stays whose it is. What is past its time is forgotten with it.
        """
        with Session(self._engine) as db, db.begin():
            theirs = DeviceRow.person == person, DeviceRow.kind == DeviceKind.REMEMBERED
            db.execute(delete(DeviceRow).where(*theirs, DeviceRow.until <= now, DeviceRow.enabled))
            row = db.get(DeviceRow, (site, mac))
            if row is not None and row.kind == DeviceKind.OWNED:
                row.seen_at = now
                return
            if row is None or row.person != person:
                enabled = row is None or row.enabled
                if row is not None:
                    db.delete(row)  # another's name for it is not for this one's eyes
                    db.flush()
                row = DeviceRow(site=site, mac=mac, since=now, name="", enabled=enabled)
            row.person, row.kind = person, DeviceKind.REMEMBERED
            row.seen_at, row.until = now, until
            db.add(row)

    def sign_again(self, site: str, mac: str, person: UUID, *, now: datetime) -> None:
        """Let a remembered device of somebody sign in again; the name that it has stays."""
        with Session(self._engine) as db, db.begin():
            row = db.get(DeviceRow, (site, mac))
            if row is None or row.person != person or row.kind != DeviceKind.REMEMBERED:
                return
            if row.name or not row.enabled:  # who signs out does not switch it on again
                row.kind, row.until, row.seen_at = DeviceKind.NAMED, now, now
            else:
                db.delete(row)

    def rename(self, site: str, mac: str, name: str, *, person: UUID | None = None) -> None:
        """Name a device; with `person`, only one of theirs.

        Raises:
            PortalError: there is none, or the name is not fit.
        """
        found, called = _mac(mac), _text(name, "name")
        with Session(self._engine) as db, db.begin():
            _theirs(db, site, found, person).name = called

    def remove(self, site: str, mac: str, *, person: UUID | None = None) -> Device:
        """Forget a device and return what was known: it has to sign in; see `rename`.

        Raises:
            PortalError: there is none.
        """
        with Session(self._engine) as db, db.begin():
            row = _theirs(db, site, names.mac(mac), person)
            if person is not None and (row.kind == DeviceKind.OWNED or not row.enabled):
                raise PortalError("the device is the school's", hint="ask the administrator")
            gone = _device(row, db.get_one(AccountRow, row.person))
            db.delete(row)
            return gone


def _mac(mac: str) -> str:
    found = names.mac(mac)
    if not found:
        raise Unfit(f"{mac[:40]!r} is no MAC address", hint="such as 00:00:5e:00:53:01")
    if int(found[:2], 16) & 1 or found == NOBODY:
        raise Unfit(f"{found} is no address of one device", hint="look it up at the device")
    return found


def _text(text: str, what: str) -> str:
    """Return a name or a purpose as it is kept. Raises PortalError."""
    called = names.clean(text)
    if len(called) > MAX_NAME or (called and names.fault(called)):
        raise PortalError(f"the {what} is longer than {MAX_NAME} characters, or holds odd signs")
    return called


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
        purpose=row.purpose,
        enabled=row.enabled,
    )
