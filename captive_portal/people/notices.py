"""The privacy notice in all its versions, and who acknowledged which (PDPA s.23)."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, ForeignKey, String, Text, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One version of the notice."""

    version: str
    text_th: str
    text_en: str
    since: datetime


class Notices:
    """All versions that anybody was ever shown. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def current(self, text_th: str, text_en: str, *, now: datetime) -> Notice:
        """Return the version that these texts are, kept from now on if they are new.

        Args:
            text_th: As shown, all settings filled in: days, controller, contact, the zone's own.
            text_en: The same in English.
            now: The time.
        """
        version = version_of(text_th, text_en)
        with Session(self._engine) as db, db.begin():
            row = db.get(NoticeRow, version)
            if row is None:
                row = NoticeRow(version=version, text_th=text_th, text_en=text_en, since=now)
                # Two processes may show a new text at the same moment.
                with contextlib.suppress(IntegrityError), db.begin_nested():
                    db.add(row)
            return _notice(row)

    def get(self, version: str) -> Notice | None:
        """Return a version as it was shown."""
        with Session(self._engine) as db:
            row = db.get(NoticeRow, version)
            return None if row is None else _notice(row)

    def list(self) -> Sequence[Notice]:
        """Return all versions, the latest first."""
        with Session(self._engine) as db:
            query = select(NoticeRow).order_by(NoticeRow.since.desc())
            return [_notice(row) for row in db.scalars(query)]

    def acknowledge(self, person: UUID, version: str, *, now: datetime) -> None:
        """Keep that somebody has seen a version; the first time counts."""
        row = AcknowledgementRow(person=person, version=version, at=now)
        with contextlib.suppress(IntegrityError), Session(self._engine) as db, db.begin():
            if db.get(AcknowledgementRow, (person, version)) is None:
                db.add(row)

    def acknowledged(self, person: UUID) -> Sequence[tuple[str, datetime]]:
        """Return which versions somebody has seen and when, the latest first."""
        row = AcknowledgementRow
        query = select(row.version, row.at).where(row.person == person).order_by(row.at.desc())
        with Session(self._engine) as db:
            return [(version, at) for version, at in db.execute(query)]


def version_of(text_th: str, text_en: str) -> str:
    """Return the version that two texts are."""
    return hashlib.sha256(f"{text_th}\0{text_en}".encode()).hexdigest()[:16]


def _notice(row: NoticeRow) -> Notice:
    return Notice(version=row.version, text_th=row.text_th, text_en=row.text_en, since=row.since)
