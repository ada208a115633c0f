"""The step into the next school year: every class one grade up, the last grade leaves.

Looked at first, done in one transaction, and undone within a day as long as nobody changed the
pupil's class again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Engine, String, Uuid, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.errors import PortalError, Unfit
from captive_portal.people import grades, names
from captive_portal.people.accounts import AccountRow, ClosedBy, Kind
from captive_portal.people.groups import GroupRow
from captive_portal.people.taking import class_group

UNDO_WITHIN = timedelta(days=1)
AGAIN_AFTER = timedelta(days=180)
"""A second step sooner is a mistake."""


class PromotionRow(Base):
    """A step that was done, and how each pupil stood before and after it."""

    __tablename__ = "promotion"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    site: Mapped[str] = mapped_column(String(63))
    at: Mapped[datetime] = mapped_column(Moment)
    undone_at: Mapped[datetime | None] = mapped_column(Moment)
    before: Mapped[list[Any]] = mapped_column(JSON)
    """Person, grade and group before, and the grade after; empty: the pupil left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of one class."""

    before: str
    after: str
    """Empty: its pupils leave."""
    pupils: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of a school's classes."""

    last: str
    """The grade whose pupils leave."""
    steps: Sequence[Step]
    unknown: Sequence[str]
    """Grades of no known form; their pupils stay where they are."""

    @property
    def moved(self) -> int:
        """How many pupils go on."""
        return sum(step.pupils for step in self.steps if step.after)

    @property
    def left(self) -> int:
        """How many leave."""
        return sum(step.pupils for step in self.steps if not step.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step that was done."""

    id: UUID
    at: datetime
    pupils: int
    undone: bool


class Promotions:
    """The yearly steps of a box's schools. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def plan(self, site: str, *, now: datetime, last: str = "") -> Plan:
        """Return what would become of the classes.

        Args:
            site: The school.
            now: The time.
            last: The grade that leaves; empty: the highest that has pupils.

        Raises:
            PortalError: no pupil has a grade, or `last` is none.
        """
        with Session(self._engine) as db:
            rows = _pupils(db, site, now)
        return _plan(rows, _last(rows, last))

    def do(self, site: str, *, now: datetime, last: str = "") -> Plan:
        """Move every class up.

        Raises:
            PortalError: as `plan`; or it was done less than half a year ago.
        """
        with Session(self._engine) as db, db.begin():
            step = PromotionRow(id=uuid4(), site=site, at=now, undone_at=None, before=[])
            latest = _latest(db, site)
            if latest and latest.undone_at is None and now - latest.at < AGAIN_AFTER:
                raise PortalError(
                    "the classes were moved up less than half a year ago",
                    hint="undo that one first, within a day",
                )
            db.add(step)
            db.flush()  # nobody changes accounts between the look and the change
            rows = _pupils(db, site, now)
            last = _last(rows, last)
            groups = {
                names.folded(group.name): group.id
                for group in db.scalars(select(GroupRow).where(GroupRow.site == site))
            }
            plan = _plan(rows, last)
            step.before = [
                told for row in rows if (told := _move(row, last, groups, now)) is not None
            ]
            return plan

    def latest(self, site: str) -> Done | None:
        """Return the last step of a school."""
        with Session(self._engine) as db:
            row = _latest(db, site)
            if row is None:
                return None
            undone = row.undone_at is not None
            return Done(id=row.id, at=row.at, pupils=len(row.before), undone=undone)

    def undo(self, site: str, *, now: datetime) -> int:
        """Put back whom the last step moved and who stands as it left them; return how many.

        Raises:
            PortalError: there is none, it is too long ago, or it was undone.
        """
        with Session(self._engine) as db, db.begin():
            step = _latest(db, site)
            if step is None or step.undone_at is not None:
                raise PortalError("there is no step to undo")
            if now - step.at > UNDO_WITHIN:
                raise PortalError(
                    "the step is more than a day old", hint="import the roll with the right classes"
                )
            step.undone_at = now
            db.flush()
            known = {row.id: row for row in db.scalars(_of_site(site))}
            return sum(_put_back(known.get(UUID(told[0])), told, step.at) for told in step.before)


def _of_site(site: str) -> Any:  # noqa: ANN401  # a query of rows
    return select(AccountRow).where(AccountRow.site == site, AccountRow.kind == Kind.PUPIL)


def _pupils(db: Session, site: str, now: datetime) -> list[AccountRow]:
    rows = db.scalars(_of_site(site).where(AccountRow.grade != "").order_by(AccountRow.folded))
    return [row for row in rows if not row.closed(now)]


def _latest(db: Session, site: str) -> PromotionRow | None:
    query = select(PromotionRow).where(PromotionRow.site == site)
    return db.scalars(query.order_by(PromotionRow.at.desc()).limit(1)).one_or_none()


def _last(rows: Sequence[AccountRow], last: str) -> str:
    known = [row.grade for row in rows if grades.following(row.grade, row.grade) is not None]
    if last:
        wanted = grades.read(last).grade
        if grades.following(wanted, wanted) is None:
            raise Unfit(f"{last[:40]!r} is no grade", hint="wanted one such as ป.6 or ม.3")
        return wanted
    if not known:
        raise PortalError("no pupil has a grade", hint="import the roll with its classes first")
    return max(known, key=grades.order)


def _plan(rows: Sequence[AccountRow], last: str) -> Plan:
    counted: Counter[tuple[str, str]] = Counter()
    unknown: set[str] = set()
    for row in rows:
        after = grades.following(row.grade, last)
        if after is None:
            unknown.add(row.grade)
            continue
        now = str(grades.Class(row.grade, row.room))
        counted[now, str(grades.Class(after, row.room)) if after else ""] += 1
    steps = [Step(before=b, after=a, pupils=n) for (b, a), n in counted.items()]
    steps.sort(key=lambda step: (grades.order(step.before.partition("/")[0]), step.before))
    return Plan(last=last, steps=steps, unknown=sorted(unknown))


def _move(
    row: AccountRow, last: str, groups: dict[str, UUID], now: datetime
) -> list[str | None] | None:
    """Move one pupil up; return how they stood, None where nothing was done."""
    after = grades.following(row.grade, last)
    if after is None:
        return None
    group = str(row.person_group) if row.person_group else None
    told = [str(row.id), row.grade, group, after]
    if not after:
        row.disabled_at, row.closed_by = now, ClosedBy.PROMOTION
        return told
    was = class_group(groups, row.grade, row.room)
    row.grade = after
    if row.person_group is None or row.person_group == was:
        # A group that the class does not explain was given by somebody, and stays.
        row.person_group = class_group(groups, after, row.room)
    return told


def _put_back(row: AccountRow | None, told: Sequence[Any], at: datetime) -> bool:
    _, grade, group, after = told
    if row is None:
        return False
    if not after:
        if row.closed_by != ClosedBy.PROMOTION or row.disabled_at != at:
            return False
        row.disabled_at, row.closed_by = None, ClosedBy.NOBODY
    elif row.grade != after:
        return False
    row.grade, row.person_group = grade, UUID(group) if group else None
    return True
