"""Accounts and sessions that nothing needs any more, taken out of the database.

The law asks that who a user was is known for 90 days after the last session; after that a name
stays only as long as some row of the logs needs it, which whoever calls knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine, and_, delete, func, not_, select
from sqlalchemy.orm import Session

from captive_portal.people.accounts import AccountRow, Kind, Role
from captive_portal.people.promotion import PromotionRow
from captive_portal.people.usage import UsageRow
from captive_portal.people.vouchers import VoucherRow
from captive_portal.sessions.rows import CLOSED, SessionRow

AFTER = timedelta(days=90)


def forget(
    engine: Engine,
    needed: Collection[UUID],
    *,
    now: datetime,
    tell: Callable[[int, int], None],
) -> tuple[int, int]:
    """Delete old sessions, and accounts that are closed or were only heard of.

    Args:
        engine: The portal's database.
        needed: People whom stored rows still name; their accounts stay.
        now: The time.
        tell: Told how many sessions and accounts go, before they do; what it raises keeps them.

    Returns:
        How many sessions and how many accounts were deleted.
    """
    before = now - AFTER
    with Session(engine) as db, db.begin():
        old = and_(SessionRow.state == CLOSED, SessionRow.end < before)
        sessions = db.scalars(select(func.count()).select_from(SessionRow).where(old)).one()
        named = set(db.scalars(select(SessionRow.person).where(not_(old)).distinct()))
        # Who answers for guests whose vouchers are still known stays with them.
        kept = VoucherRow.valid_until >= before
        named |= set(db.scalars(select(VoucherRow.sponsor).where(kept)))
        gone = [row for row in db.scalars(select(AccountRow)) if _closed(row, before)]
        gone = [row for row in gone if row.id not in needed and row.id not in named]
        if sessions or gone:
            tell(sessions, len(gone))
        db.execute(delete(SessionRow).where(old))
        db.execute(delete(UsageRow).where(UsageRow.day < before.date()))
        db.execute(delete(VoucherRow).where(not_(kept)))
        db.execute(delete(PromotionRow).where(PromotionRow.at < before))
        for row in gone:
            db.execute(delete(UsageRow).where(UsageRow.person == row.id))
            db.delete(row)
    return sessions, len(gone)


def _closed(row: AccountRow, before: datetime) -> bool:
    """Say whether nobody can sign in with an account, and has not for long; staff stay."""
    if row.role != Role.NONE:
        return False  # the audit log names them
    since = row.created_at if row.kind == Kind.SHADOW else row.disabled_at
    return since is not None and since < before
