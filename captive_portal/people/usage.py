"""How much each person used on each day, for quotas; days are the site's own."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Date, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from captive_portal.database import Base


class UsageRow(Base):
    """A person's day."""

    __tablename__ = "usage"

    person: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    """From the person's devices, as RADIUS counts Input."""
    bytes_out: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[int] = mapped_column(BigInteger)
    bonus_mb: Mapped[int] = mapped_column(BigInteger)
    """What staff gave on top of the quota, for this day."""
