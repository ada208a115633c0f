"""The table of accounts, what an account may be, and how one is found by its name."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Uuid, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.people import names
from captive_portal.people.groups import GroupRow


class Kind(StrEnum):
    """What somebody is at the school."""

    PUPIL = "pupil"
    TEACHER = "teacher"
    STAFF = "staff"
    GUEST = "guest"
    SHADOW = "shadow"
    """Only ever heard of, from a NAS or an import; cannot sign in."""


class Role(StrEnum):
    """What somebody may do on the admin pages."""

    NONE = "none"
    TEACHER = "teacher"
    """Help the pupils of their own classes (`teaching`), and nothing else."""
    VIEWER = "viewer"
    ADMIN = "admin"


class ClosedBy(StrEnum):
    """Why an account is closed, or will be: a roll opens again only what a roll has closed."""

    NOBODY = ""
    STAFF = "staff"
    ROLL = "roll"
    PROMOTION = "promotion"
    NAME_GIVEN_AWAY = "name"
    """The directory gave the login name to somebody else."""
    DATE = "date"
    """It was for a time from the beginning."""


class AccountRow(Base):
    """One account."""

    __tablename__ = "account"
    __table_args__ = (
        Index("uq_account_site_folded", "site", "folded", unique=True),
        Index("ix_account_site_source_outside_id", "site", "source", "outside_id"),
        Index("ix_account_site_student_code", "site", "student_code"),
        Index("ix_account_site_id_hash", "site", "id_hash"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    site: Mapped[str] = mapped_column(String(63))
    account: Mapped[str] = mapped_column(String(names.MAX_ACCOUNT))
    folded: Mapped[str] = mapped_column(String(4 * names.MAX_ACCOUNT))
    full_name: Mapped[str] = mapped_column(String(names.MAX_FULL_NAME))
    kind: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str | None] = mapped_column(String(256))
    must_change: Mapped[bool]
    proofing: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(Moment)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)
    closed_by: Mapped[str] = mapped_column(String(16), default="", server_default="")
    person_group: Mapped[UUID | None] = mapped_column(
        ForeignKey(GroupRow.id, name="fk_account_person_group")
    )
    source: Mapped[str] = mapped_column(String(16), default="", server_default="")
    outside_id: Mapped[str] = mapped_column(String(255), default="", server_default="")
    student_code: Mapped[str] = mapped_column(String(32), default="", server_default="")
    id_kind: Mapped[str] = mapped_column(String(16), default="", server_default="")
    id_hash: Mapped[str] = mapped_column(String(64), default="", server_default="")
    grade: Mapped[str] = mapped_column(String(32), default="", server_default="")
    room: Mapped[str] = mapped_column(String(32), default="", server_default="")
    nt_password: Mapped[str | None] = mapped_column(String(200))

    def closed(self, now: datetime) -> bool:
        """Say whether nobody can sign in with it at a time."""
        return over(self.disabled_at, now)


def over(disabled_at: datetime | None, now: datetime) -> bool:
    """Say whether an account that is closed from `disabled_at` on is closed by now."""
    return disabled_at is not None and disabled_at <= now


def find(db: Session, site: str, account: str) -> AccountRow | None:
    """Return the account of this name at a site, however it is spelt."""
    query = select(AccountRow).where(
        AccountRow.site == site, AccountRow.folded == names.folded(account)
    )
    return db.scalars(query).one_or_none()
