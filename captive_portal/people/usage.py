"""How much each person used on each day, for quotas; days are the site's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Date, Engine, Uuid, case, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment


class UsageRow(Base):
    """A person's day."""

    __tablename__ = "usage"

    person: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    """From the person's devices, as RADIUS counts Input."""
    bytes_out: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[int] = mapped_column(BigInteger)
    """On any number of devices at once."""
    until: Mapped[datetime | None] = mapped_column(Moment)
    """Seconds are counted up to here."""
    bonus_mb: Mapped[int] = mapped_column(BigInteger)
    """What staff gave on top of the quota, for this day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What is added to a person's day."""

    person: UUID
    day: date
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: int = 0
    until: datetime | None = None
    """Time is counted up to here; None: this is not about time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a person used on a day, and in its month up to that day."""

    day_bytes: int = 0
    month_bytes: int = 0
    day_seconds: int = 0
    day_bonus_mb: int = 0
    """On top of the day's quota."""
    month_bonus_mb: int = 0
    """On top of the month's: what was given on its days."""


class Usage:
    """The usage of everybody."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def untils(self, people: Sequence[UUID]) -> dict[UUID, datetime]:
        """Return up to when people's time is counted, of those of whom it is."""
        query = select(UsageRow.person, func.max(UsageRow.until)).where(
            UsageRow.person.in_(people), UsageRow.until.is_not(None)
        )
        with Session(self._engine) as db:
            found = db.execute(query.group_by(UsageRow.person))
            return {person: until for person, until in found if until is not None}

    def add(self, db: Connection, charges: Sequence[Charge]) -> None:
        """Add what was used, in the transaction that is given."""
        rows = list(_summed(charges).values())
        if rows:
            db.execute(_upsert(db), rows)

    def give(self, person: UUID, day: date, bonus_mb: int) -> None:
        """Give somebody more on top of the quota, for a day."""
        nothing = {"bytes_in": 0, "bytes_out": 0, "seconds": 0, "until": None}
        row = {"person": person, "day": day, "bonus_mb": bonus_mb, **nothing}
        with self._engine.begin() as db:
            db.execute(_upsert(db), [row])

    def months(self, day: date, people: Iterable[UUID] | None = None) -> dict[UUID, Used]:
        """Return what each person used in the month up to a day; None: of everybody."""
        on = UsageRow.day == day
        query = (
            select(
                UsageRow.person,
                func.sum(case((on, UsageRow.bytes_in + UsageRow.bytes_out), else_=0)),
                func.sum(UsageRow.bytes_in + UsageRow.bytes_out),
                func.sum(case((on, UsageRow.seconds), else_=0)),
                func.sum(case((on, UsageRow.bonus_mb), else_=0)),
                func.sum(UsageRow.bonus_mb),
            )
            .where(UsageRow.day >= day.replace(day=1), UsageRow.day <= day)
            .group_by(UsageRow.person)
        )
        if people is not None:
            query = query.where(UsageRow.person.in_(list(people)))
        with Session(self._engine) as db:
            return {row[0]: _used(tuple(row)) for row in db.execute(query)}


def _used(row: Sequence[Any]) -> Used:
    # PostgreSQL adds BIGINTs up to a NUMERIC.
    day_bytes, month_bytes, day_seconds, day_bonus_mb, month_bonus_mb = (int(v) for v in row[1:])
    return Used(
        day_bytes=day_bytes,
        month_bytes=month_bytes,
        day_seconds=day_seconds,
        day_bonus_mb=day_bonus_mb,
        month_bonus_mb=month_bonus_mb,
    )


def _summed(charges: Sequence[Charge]) -> Mapping[tuple[UUID, date], dict[str, object]]:
    """Return a row for each person and day: a statement must not meet one row twice."""
    rows: dict[tuple[UUID, date], dict[str, object]] = {}
    for one in charges:
        held = rows.get((one.person, one.day))
        until = [t for t in (held and held["until"], one.until) if isinstance(t, datetime)]
        rows[one.person, one.day] = {
            "person": one.person,
            "day": one.day,
            "bytes_in": one.bytes_in + _had(held, "bytes_in"),
            "bytes_out": one.bytes_out + _had(held, "bytes_out"),
            "seconds": one.seconds + _had(held, "seconds"),
            "until": max(until, default=None),
            "bonus_mb": 0,
        }
    return rows


def _had(row: dict[str, object] | None, name: str) -> int:
    value = 0 if row is None else row[name]
    return value if isinstance(value, int) else 0


def _upsert(db: Connection) -> postgresql.Insert | sqlite.Insert:
    make = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
    statement = make(UsageRow)
    new = statement.excluded
    added = ("bytes_in", "bytes_out", "seconds", "bonus_mb")
    changes = {name: getattr(UsageRow, name) + getattr(new, name) for name in added}
    changes["until"] = func.coalesce(new.until, UsageRow.until)
    return statement.on_conflict_do_update(index_elements=["person", "day"], set_=changes)
