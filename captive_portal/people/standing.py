"""What matters of everybody's account while they are on: in one query, each minute."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from captive_portal.people.accounts import AccountRow


class Standing(NamedTuple):
    """One account."""

    site: str
    group: UUID | None
    kind: str
    disabled_at: datetime | None


def standings(engine: Engine, people: Collection[UUID] | None = None) -> dict[UUID, Standing]:
    """Return the standing of accounts by their id; None: of every one."""
    row = AccountRow
    query = select(row.id, row.site, row.person_group, row.kind, row.disabled_at)
    if people is not None:
        query = query.where(row.id.in_(people))
    with Session(engine) as db:
        return {
            person: Standing(site, group, kind, disabled_at)
            for person, site, group, kind, disabled_at in db.execute(query)
        }
