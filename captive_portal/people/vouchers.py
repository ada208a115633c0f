"""Vouchers: a code on paper that lets a named guest in, answered for by a named sponsor."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.people.accounts import AccountRow
from captive_portal.people.groups import GroupRow


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
