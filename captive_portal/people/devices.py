"""Devices with a named owner: remembered after a sign-in, or owned by the school."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.people.accounts import AccountRow


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
