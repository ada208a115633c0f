"""Certificates that devices of the school were given for 802.1X, and whose they are.

A certificate is good as long as its device is listed with the same owner: who takes a device off
the list need not think of its certificate.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.people.account_row import AccountRow
from captive_portal.people.accounts import Account, People
from captive_portal.people.devices import DeviceKind, DeviceRow

_SERIAL = re.compile(r"[0-9a-f]{1,40}")


class CertificateRow(Base):
    """One certificate; neither it nor its key is kept."""

    __tablename__ = "device_certificate"

    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Hexadecimal, lower case, without zeros before it."""
    site: Mapped[str] = mapped_column(String(63))
    mac: Mapped[str] = mapped_column(String(17))
    person: Mapped[UUID] = mapped_column(
        ForeignKey(AccountRow.id, name="fk_device_certificate_person", ondelete="CASCADE"),
        index=True,
    )
    name: Mapped[str] = mapped_column(String(200))
    made_at: Mapped[datetime] = mapped_column(Moment)
    until: Mapped[datetime] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate that a device was given."""

    serial: str
    site: str
    mac: str
    person: UUID
    account: str
    name: str
    """What people called the device then."""
    made_at: datetime
    until: datetime
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """Return where it stands, in a word."""
        if self.revoked_at is not None:
            return "revoked"
        return "over" if self.until <= now else "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a certificate says of who shows it, now."""

    issued: Issued
    account: Account | None
    """Its device's owner; None: the device is not listed any more, or is another's."""


class DeviceCertificates:
    """The certificates of a box. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._people = People(engine)

    def list(self, site: str | None = None, *, person: UUID | None = None) -> Sequence[Issued]:
        """Return the certificates of a site, of a person or all, those made last first."""
        query = select(CertificateRow, AccountRow).join(
            AccountRow, AccountRow.id == CertificateRow.person
        )
        if site is not None:
            query = query.where(CertificateRow.site == site)
        if person is not None:
            query = query.where(CertificateRow.person == person)
        query = query.order_by(CertificateRow.made_at.desc(), CertificateRow.serial)
        with Session(self._engine) as db:
            return [_issued(row, owner) for row, owner in db.execute(query)]

    def owner(self, site: str, mac: str, now: datetime) -> tuple[Account, str]:
        """Return who answers for a listed device of the school, and what people call it.

        Raises:
            PortalError: it is no such device, or its owner's account is closed.
        """
        with Session(self._engine) as db:
            row = _listed(db, site, names.mac(mac), now)
            person, name = (row.person, row.name) if row else (None, "")
        account = self._people.get(person) if person else None
        if account is None:
            raise PortalError(
                f"{mac[:40]} is no listed device of the school at {site}",
                hint="prathu devices add MAC --owner ACCOUNT --name NAME",
            )
        if account.closed(now):
            raise PortalError(f"the account of its owner, {account.account}, is closed")
        return account, name

    def keep(  # a certificate is made of these
        self, serial: int, mac: str, owner: Account, *, name: str, now: datetime, until: datetime
    ) -> Issued:
        """Write down that a device gets a certificate; do it before it is given out.

        Args:
            serial: Its serial number.
            mac: The device's.
            owner: Who answers for the device.
            name: What people call it.
            now: The time.
            until: It is good up to then.
        """
        row = CertificateRow(serial=f"{serial:x}", site=owner.site, mac=names.mac(mac), name=name)
        row.person, row.made_at, row.until = owner.id, now, until
        with Session(self._engine) as db, db.begin():
            db.add(row)
            db.flush()
            account = db.get_one(AccountRow, owner.id)
            return _issued(row, account)

    def revoke(self, serial: str, *, now: datetime) -> Issued:
        """Take a certificate back, for good.

        Raises:
            PortalError: there is none with this serial number.
        """
        with Session(self._engine) as db, db.begin():
            row = db.get(CertificateRow, _serial(serial))
            if row is None:
                raise PortalError(
                    f"no certificate {serial[:60]}", hint="prathu radius certificate list"
                )
            row.revoked_at = row.revoked_at or now
            return _issued(row, db.get_one(AccountRow, row.person))

    def proof(self, site: str, serial: str, now: datetime) -> Proof | None:
        """Return whose a certificate is; None: none of this site has that number."""
        with Session(self._engine) as db:
            row = db.get(CertificateRow, _serial(serial))
            if row is None or row.site != site:
                return None
            issued = _issued(row, db.get_one(AccountRow, row.person))
            device = _listed(db, site, row.mac, now)
            held = device is not None and device.person == row.person
        return Proof(issued=issued, account=self._people.get(issued.person) if held else None)


def _listed(db: Session, site: str, mac: str, now: datetime) -> DeviceRow | None:
    row = db.get(DeviceRow, (site, mac)) if mac else None
    if row is None or row.kind != DeviceKind.OWNED or not row.enabled:
        return None
    return None if row.until is not None and row.until <= now else row


def _serial(text: str) -> str:
    """Return a serial number as it is kept; nothing where it is none."""
    plain = re.sub(r"[\s:]", "", text).lower().lstrip("0")
    return plain if _SERIAL.fullmatch(plain) else ""


def _issued(row: CertificateRow, owner: AccountRow) -> Issued:
    return Issued(
        serial=row.serial,
        site=row.site,
        mac=row.mac,
        person=row.person,
        account=owner.account,
        name=row.name,
        made_at=row.made_at,
        until=row.until,
        revoked_at=row.revoked_at,
    )
