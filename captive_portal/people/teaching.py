"""Which classes a teacher may help, and what helping is: more for today, and a new password.

Whoever has the role `teacher` sees the names of the pupils of these classes and nothing of what
they do on the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base
from captive_portal.errors import PortalError, Unfit
from captive_portal.people import dates, grades, names
from captive_portal.people.accounts import Account, AccountRow, Kind, People, Role
from captive_portal.people.grades import Class
from captive_portal.people.usage import Usage

MOST_CLASSES = 60
MOST_MB = 5000
"""A teacher gives so much at once; staff give more."""


class TeachingRow(Base):
    """One class of one teacher; an empty room is all rooms of the grade."""

    __tablename__ = "teaching"

    person: Mapped[UUID] = mapped_column(
        ForeignKey(AccountRow.id, name="fk_teaching_person", ondelete="CASCADE"), primary_key=True
    )
    grade: Mapped[str] = mapped_column(String(32), primary_key=True)
    room: Mapped[str] = mapped_column(String(32), primary_key=True)


class Teaching:
    """Who may help whom. Every method is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._people = People(engine)

    def classes(self, teacher: UUID) -> list[Class]:
        """Return a teacher's classes, the lowest first."""
        return self.everybody().get(teacher, [])

    def everybody(self) -> Mapping[UUID, list[Class]]:
        """Return the classes of each teacher who has some."""
        found: dict[UUID, list[Class]] = {}
        with Session(self._engine) as db:
            for row in db.scalars(select(TeachingRow)):
                found.setdefault(row.person, []).append(Class(row.grade, row.room))
        for classes in found.values():
            classes.sort(key=_order)
        return found

    def put(self, teacher: UUID, text: str) -> list[Class]:
        """Let somebody help these classes and no others, as `ม.1/2, ม.3`.

        The role comes with the first class and goes with the last.

        Raises:
            Unfit: a class is none, they are too many, or who it is may not have the role.
        """
        wanted = read(text)
        with Session(self._engine) as db, db.begin():
            row = db.get(AccountRow, teacher)
            if row is None or not _may_help(row):
                raise Unfit("only a teacher or member of staff with a password here may help")
            row.role = Role.TEACHER if wanted else Role.NONE
            db.execute(delete(TeachingRow).where(TeachingRow.person == teacher))
            db.add_all(TeachingRow(person=teacher, grade=c.grade, room=c.room) for c in wanted)
        return wanted

    def pupils(self, teacher: Account, now: datetime) -> Sequence[Account]:
        """Return whom a teacher may help now, by class and name."""
        theirs = self.classes(teacher.id)
        found = [one for one in self._people.list(teacher.site) if _is_pupil(one, theirs, now)]
        return sorted(found, key=lambda one: (_order(Class(one.grade, one.room)), one.full_name))

    def pupil(self, teacher: Account, person: UUID, now: datetime) -> Account:
        """Return a pupil whom a teacher may help. Raises PortalError."""
        one = self._people.get(person)
        if one is None or one.site != teacher.site:
            raise PortalError("no such pupil in your classes")
        if not _is_pupil(one, self.classes(teacher.id), now):
            raise PortalError("no such pupil in your classes")
        return one

    def give(self, pupils: Sequence[Account], megabytes: int, now: datetime) -> None:
        """Give pupils more on top of today's quota."""
        book, today = Usage(self._engine), dates.today(now)
        for one in pupils:
            book.give(one.id, today, megabytes)


def read(text: str) -> list[Class]:
    """Return the classes that text names, each once, the lowest first. Raises PortalError."""
    words = [word for part in text.split(",") if (word := names.clean(part))]
    if len(words) > MOST_CLASSES:
        raise Unfit(f"these are more than {MOST_CLASSES} classes")
    found = {grades.read(word): word for word in words}
    for one, word in found.items():
        if grades.following(one.grade, one.grade) is None or not grades.exists(one.grade):
            raise Unfit(f"{word[:40]!r} is no class", hint="wanted such as ม.1/2")
    return sorted(found, key=_order)


def _may_help(row: AccountRow) -> bool:
    """Say whether an account may have the role: one of the school's own, with no greater right."""
    adult = row.kind in (Kind.TEACHER, Kind.STAFF)
    return adult and not row.source and row.role in (Role.NONE, Role.TEACHER)


def _is_pupil(one: Account, classes: Sequence[Class], now: datetime) -> bool:
    """Say whether somebody is a pupil of these classes whose account is open."""
    if one.kind is not Kind.PUPIL or one.role is not Role.NONE or one.closed(now):
        return False
    if not one.grade:
        return False
    return any(one.grade == c.grade and c.room in ("", one.room) for c in classes)


def _order(one: Class) -> tuple[tuple[int, int, str], str]:
    return grades.order(one.grade), one.room.zfill(4)
