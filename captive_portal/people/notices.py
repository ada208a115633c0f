"""The privacy notice in all its versions, and who acknowledged which (PDPA s.23)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.people.accounts import AccountRow


class NoticeRow(Base):
    """One version, as it was shown."""

    __tablename__ = "notice"

    version: Mapped[str] = mapped_column(String(16), primary_key=True)
    """The first 16 hex digits of SHA-256 over both texts."""
    text_th: Mapped[str] = mapped_column(Text)
    text_en: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(Moment)


class AcknowledgementRow(Base):
    """That somebody has seen a version."""

    __tablename__ = "acknowledgement"

    person: Mapped[UUID] = mapped_column(
        ForeignKey(AccountRow.id, name="fk_acknowledgement_person", ondelete="CASCADE"),
        primary_key=True,
    )
    version: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment)
