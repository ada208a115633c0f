"""Brings the accounts of a school in line with its roll, all or none of it.

What it would do and what it does are worked out by the same code. Passwords of accounts that have
one are never touched. Who is not in the roll stays unless one says that it is the whole school's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Engine, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from captive_portal.database import Base, Moment
from captive_portal.errors import PortalError, Unfit
from captive_portal.people import dates, grades, names, passwords
from captive_portal.people.accounts import AccountRow, ClosedBy, Kind
from captive_portal.people.groups import GroupRow
from captive_portal.people.identifiers import IdKind
from captive_portal.people.layout import Layout
from captive_portal.people.passwords import NotFit
from captive_portal.people.roll import Bad, Line, Roll

SHOWN = 20
"""People of each group that a preview names."""


class LayoutRow(Base):
    """Columns that somebody has confirmed for a school; the next such file needs no question."""

    __tablename__ = "roll_layout"

    site: Mapped[str] = mapped_column(String(63), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(32), primary_key=True)
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)
    confirmed_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(slots=True)
class Outcome:
    """What taking a roll in did, or would do."""

    new: int = 0
    moved: int = 0
    """Now in another class."""
    changed: int = 0
    """In name, kind, identifier, group or last day."""
    same: int = 0
    reopened: int = 0
    left: int = 0
    """Pupils of earlier rolls who have left by this one, or are not in it."""
    closed: int = 0
    """Of those, how many accounts were, or would be, closed."""
    bad: list[Bad] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    named: dict[str, list[str]] = field(default_factory=dict)
    """Some of the new, moved and left ones, as a preview shows them."""
    passwordless: list[tuple[UUID, str, str | None]] = field(default_factory=list)
    """Id and account of those in the file without a password, and the one the file has for them."""

    def name(self, what: str, text: str) -> None:
        """Remember somebody for the preview."""
        if len(self.named.setdefault(what, [])) < SHOWN:
            self.named[what].append(text)


def known_layout(engine: Engine, site: str, layout: Layout) -> datetime | None:
    """Return when somebody confirmed these columns for a school."""
    with Session(engine) as db:
        row = db.get(LayoutRow, (site, layout.fingerprint))
        return None if row is None else row.confirmed_at


def preview(engine: Engine, roll: Roll, *, now: datetime, close_left: bool = False) -> Outcome:
    """Return what `take` would do; nothing is changed. Raises as `take`."""
    with Session(engine) as db:
        outcome = _Taker(db, roll, now, close_left=close_left).run()
        db.rollback()
        return outcome


def take(engine: Engine, roll: Roll, *, now: datetime, close_left: bool = False) -> Outcome:
    """Bring the accounts in line with a roll, in one transaction, and remember its columns.

    Raises:
        Unfit: who left is to be closed, and the roll has no pupil to tell them by.
    """
    with Session(engine) as db, db.begin():
        # Written first, so that nobody changes accounts between the look and the change.
        db.merge(
            LayoutRow(
                site=roll.site,
                fingerprint=roll.layout.fingerprint,
                headers=dict(roll.layout.headers),
                confirmed_at=now,
            )
        )
        db.flush()
        return _Taker(db, roll, now, close_left=close_left).run()


class _Taker:
    """One roll against the accounts of its school."""

    def __init__(self, db: Session, roll: Roll, now: datetime, *, close_left: bool) -> None:
        self._db = db
        self._roll = roll
        self._now = now
        self._close_left = close_left
        self._rows = list(db.scalars(select(AccountRow).where(AccountRow.site == roll.site)))
        self._by_name = {row.folded: row for row in self._rows}
        self._by_code = {row.student_code: row for row in self._rows if row.student_code}
        self._by_number = _unique_numbers(self._rows)
        self._by_id = {row.id_hash: row for row in self._rows if row.id_hash}
        groups = db.scalars(select(GroupRow).where(GroupRow.site == roll.site))
        self._groups = {names.folded(group.name): group.id for group in groups}
        self._seen: set[UUID] = set()
        self._of_pupils = False
        """Whether a pupil is in it: a list of teachers says of no pupil that they have left."""
        self._out = Outcome(bad=list(roll.bad))

    def run(self) -> Outcome:
        """Take every line, then those who are in none."""
        for line in self._roll.lines:
            try:
                self._take(line)
            except PortalError as error:
                self._out.bad.append(Bad(number=line.number, reason=str(error), cells=line.cells))
        self._missing()
        self._out.bad.sort(key=lambda bad: bad.number)
        return self._out

    def _take(self, line: Line) -> None:
        group = self._group(line)
        row = self._match(line)
        _check(row, line)
        self._of_pupils |= _kind(row, line) == Kind.PUPIL
        if line.warning:
            self._out.warnings.append(f"line {line.number}: {line.warning}")
        if row is None or row.kind == Kind.SHADOW:
            if not line.left:
                self._add(line, row, group)
            return
        self._seen.add(row.id)
        if line.left:
            self._leave(row, close=True)
            return
        self._change(row, line, group)
        self._without_password(row, line)

    def _match(self, line: Line) -> AccountRow | None:
        """Return whose row it is: by account, identifier and student code, which must agree."""
        new = line.new
        found = {
            row.id: row
            for row in (
                self._by_name.get(names.folded(new.account)) if "account" in line.told else None,
                self._by_id.get(new.id_hash),
                self._of_code(new.student_code),
            )
            if row is not None
        }
        if len(found) > 1:
            two = " and ".join(sorted(row.account for row in found.values()))
            raise PortalError(
                f"account, student code and identifier are those of different people: {two}",
                hint="see which is right",
            )
        row = next(iter(found.values()), None) or self._by_name.get(names.folded(new.account))
        if row is not None and _another(row, line):
            raise PortalError(
                f"{row.account} is somebody else, by the identifier and the name",
                hint="give a new pupil a student code that nobody had",
            )
        return row

    def _of_code(self, code: str) -> AccountRow | None:
        """Return whose student code it is; a spreadsheet may have dropped leading zeros."""
        if not code:
            return None
        return self._by_code.get(code) or self._by_number.get(code.lstrip("0"))

    def _group(self, line: Line) -> UUID | None:
        if line.group:
            found = self._groups.get(names.folded(line.group))
            if found is None:
                raise PortalError(f"no group {line.group[:60]}", hint="prathu groups list")
            return found
        return class_group(self._groups, line.new.grade, line.new.room)

    def _add(self, line: Line, row: AccountRow | None, group: UUID | None) -> None:
        new = line.new
        if row is None:
            row = AccountRow(id=uuid4(), site=new.site, created_at=self._now, role="none")
            row.folded, row.password, row.must_change = names.folded(new.account), None, False
            self._db.add(row)
        row.account, row.full_name, row.kind = new.account, new.full_name, new.kind
        row.proofing = names.clean(new.proofing)
        row.disabled_at, row.closed_by = _until(line)
        row.person_group = group
        row.student_code, row.grade, row.room = new.student_code, new.grade, new.room
        row.id_kind, row.id_hash = new.id_kind, new.id_hash
        self._seen.add(row.id)
        self._out.new += 1
        self._out.name("new", _shown(row))
        self._without_password(row, line)

    def _change(self, row: AccountRow, line: Line, group: UUID | None) -> None:
        before, was = _state(row), grades.Class(row.grade, row.room)
        _bring_up(row, line)
        if group is not None:
            row.person_group = group
        reopened = self._reopen(row, line)
        now = grades.Class(row.grade, row.room)
        if was != now:
            self._out.moved += 1
            self._out.name("moved", f"{_shown(row)} ({was} → {now})")
        elif _state(row) == before:
            self._out.same += 1
        elif not reopened:
            self._out.changed += 1

    def _reopen(self, row: AccountRow, line: Line) -> bool:
        """Open what a roll closed; what staff closed stays. Say whether it was."""
        closed_at, why = _until(line)
        if row.closed_by == ClosedBy.STAFF and row.disabled_at is not None:
            return False
        came_back = row.closed_by in (ClosedBy.ROLL, ClosedBy.PROMOTION)
        if came_back or "until" in line.told:
            row.disabled_at, row.closed_by = closed_at, why
        if came_back:
            self._out.reopened += 1
        return came_back

    def _without_password(self, row: AccountRow, line: Line) -> None:
        if row.password is None and not row.source:
            self._out.passwordless.append((row.id, row.account, line.new.password))

    def _missing(self) -> None:
        """Find pupils of earlier rolls who are in no line."""
        if not self._of_pupils:
            if self._close_left and not self._out.bad:
                raise Unfit(
                    "the file has no pupil, so all pupils would be closed",
                    hint="leave out --close-left: it is for a whole school's list of pupils",
                )
            return
        for row in self._rows:
            enrolled = row.kind == Kind.PUPIL and (row.student_code or row.id_hash)
            if enrolled and row.id not in self._seen:
                # A bad row may be theirs: nobody is closed while there are any.
                self._leave(row, close=self._close_left and not self._out.bad)

    def _leave(self, row: AccountRow, *, close: bool) -> None:
        if row.closed(self._now):
            return
        self._out.left += 1
        self._out.name("left", _shown(row))
        if close:
            row.disabled_at, row.closed_by = self._now, ClosedBy.ROLL
            self._out.closed += 1


def _check(row: AccountRow | None, line: Line) -> None:
    """Refuse what is wrong for the account that a line turned out to be of."""
    if row is None and not line.new.full_name:
        raise PortalError("the row has no name", hint="fill in first name and surname")
    if row is not None and line.new.password:
        wrong = passwords.fault(line.new.password, account=row.account)
        if wrong:
            raise NotFit(wrong)


def _kind(row: AccountRow | None, line: Line) -> str:
    """Return what somebody is, by the line where it says so."""
    said = row is None or row.kind == Kind.SHADOW or "kind" in line.told
    return line.new.kind if said or row is None else row.kind


def _bring_up(row: AccountRow, line: Line) -> None:
    """Change what the roll says otherwise; what it says nothing of stays."""
    new = line.new
    row.full_name = new.full_name or row.full_name
    if "kind" in line.told:
        row.kind = new.kind
    if "proofing" in line.told:
        row.proofing = names.clean(new.proofing)
    if new.student_code:
        row.student_code = _longer(row.student_code, new.student_code)
    if new.id_hash:
        row.id_kind, row.id_hash = new.id_kind, new.id_hash
    if "grade" in line.told:
        row.grade, row.room = new.grade, new.room


def class_group(groups: dict[str, UUID], grade: str, room: str) -> UUID | None:
    """Return the group of a class: one named as it is, such as ม.1/2, or as its grade."""
    for name in (str(grades.Class(grade, room)), grade):
        if name and (found := groups.get(names.folded(name))):
            return found
    return None


def _unique_numbers(rows: Sequence[AccountRow]) -> dict[str, AccountRow]:
    """Return accounts by student code without leading zeros, where that leads to one alone."""
    found: dict[str, AccountRow | None] = {}
    for row in rows:
        if number := row.student_code.lstrip("0"):
            found[number] = None if number in found else row
    return {number: row for number, row in found.items() if row is not None}


def _another(row: AccountRow, line: Line) -> bool:
    """Say whether a name or a code has passed on: other names, and two ids or two codes."""
    new = line.new
    if not new.full_name or row.full_name == new.full_name:
        return False
    if row.id_hash and new.id_hash:
        same = row.id_hash == new.id_hash
        return not same and row.id_kind == new.id_kind == IdKind.NATIONAL
    codes = row.student_code.lstrip("0"), new.student_code.lstrip("0")
    return all(codes) and codes[0] != codes[1]


def _longer(old: str, new: str) -> str:
    return old if old.lstrip("0") == new.lstrip("0") and len(old) > len(new) else new


def _until(line: Line) -> tuple[datetime | None, ClosedBy]:
    if line.until is None:
        return None, ClosedBy.NOBODY
    return dates.begins(line.until + timedelta(days=1)), ClosedBy.DATE


def _state(row: AccountRow) -> tuple[object, ...]:
    return (
        *(row.full_name, row.kind, row.proofing, row.student_code, row.id_kind, row.id_hash),
        *(row.grade, row.room, row.person_group, row.disabled_at, row.closed_by),
    )


def _shown(row: AccountRow) -> str:
    where = str(grades.Class(row.grade, row.room))
    return " ".join(part for part in (row.account, row.full_name, where) if part)
