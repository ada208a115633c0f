"""A school's roll, read and checked: pupils and staff out of DMC's and other lists.

Good rows are taken and bad ones given back with the reason. What the list holds beside the columns
that are known never leaves the row it stands in; citizen ids leave it as hashes alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from typing_extensions import override

from captive_portal.errors import PortalError
from captive_portal.people import dates, grades, identifiers, layout, names, passwords, sheets
from captive_portal.people.accounts import Kind, NewAccount
from captive_portal.people.keys import PersonKey
from captive_portal.people.layout import Layout
from captive_portal.settings import School

MAX_BYTES = sheets.MAX_BYTES
DEFAULT_PROOFING = "school register"
MAX_CODE = 32
_NAMES = frozenset({"full_name", "first", "last"})
_KINDS = {layout.fold(word): kind for word, kind in layout.KINDS.items()}
_STATUSES = {layout.fold(word): left for word, left in layout.STATUSES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What a roll is read against."""

    site: str
    """The school that it is of."""
    key: PersonKey
    schools: Sequence[School] = ()
    """Whose codes the rows may say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of the file, checked."""

    number: int
    """The row in the file, as a spreadsheet or an editor counts it."""
    new: NewAccount
    told: frozenset[str]
    """Which columns had something in them."""
    group: str = ""
    left: bool = False
    until: date | None = None
    """The last day of somebody who is here for a time."""
    warning: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    """What may be given back of the row, should it turn out bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A row that was left out, and what may be given back of it."""

    number: int
    reason: str
    cells: Mapping[str, str]

    @override
    def __str__(self) -> str:
        """Return it as one line."""
        return f"line {self.number}: {self.reason}"


class Made(NamedTuple):
    """An account and the one-time password made for it."""

    account: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """A file as read."""

    site: str
    layout: Layout
    lines: Sequence[Line]
    bad: Sequence[Bad]
    notes: Sequence[str]
    """What holds for the whole file."""


def read(octets: bytes, where: Where) -> Roll:
    """Return the people in a file.

    Args:
        octets: XLSX or CSV, as `sheets` reads them.
        where: Whose roll it is.

    Raises:
        PortalError: not such a file, or its columns are not understood.
    """
    rows = sheets.rows(octets)
    first = list(itertools.islice(rows, layout.LOOKED_AT + layout.SAMPLE))
    found, taken = layout.find(first)
    reader = _Reader(found, where)
    for row in itertools.chain(first[taken:], rows):
        reader.take(row)
    return Roll(
        site=where.site,
        layout=found,
        lines=reader.lines,
        bad=reader.bad,
        notes=[*found.notes, *reader.notes()],
    )


class _Reader:
    """Checks row after row."""

    def __init__(self, found: Layout, where: Where) -> None:
        self.lines: list[Line] = []
        self.bad: list[Bad] = []
        self._columns = found.columns
        self._where = where
        self._seen: dict[tuple[str, str], int] = {}
        self._schools: set[str] = set()

    def take(self, row: sheets.Row) -> None:
        """Take a row in, or put it with the bad ones."""
        cells = {
            name: row.cells[at]
            for name, at in self._columns.items()
            if at < len(row.cells) and row.cells[at]
        }
        if not cells:
            return
        kept = {name: cell for name, cell in cells.items() if name not in layout.SECRET}
        try:
            line = self._line(row.number, cells, kept)
            self._once(line)
        except PortalError as error:
            # Somebody may have put a citizen id where a code belongs: it is given back nowhere.
            shown = {
                name: "" if identifiers.looks_like_id(cell) else cell for name, cell in kept.items()
            }
            self.bad.append(Bad(number=row.number, reason=str(error), cells=shown))
            return
        self.lines.append(line)

    def notes(self) -> list[str]:
        """Return what holds for the whole file.

        Raises:
            PortalError: it is of several schools, and no settings say which is which.
        """
        if len(self._schools) > 1:
            raise PortalError(
                f"the file is of {len(self._schools)} schools, and the settings know no codes",
                hint="fill in [[schools]] in prathu.toml, or import one school at a time",
            )
        if self._schools:
            return ["the school's code was not checked: [[schools]] in prathu.toml names none"]
        return []

    def _line(self, number: int, cells: Mapping[str, str], kept: Mapping[str, str]) -> Line:
        self._check_school(cells.get("school_code", ""))
        found = identifiers.read(cells.get("national_id", ""))
        code = _code(cells.get("student_code", ""))
        account = names.clean(cells.get("account", "")) or code
        if identifiers.looks_like_id(account):
            raise PortalError(
                "a citizen id would be the account's name and stand in every log",
                hint="use the student code",
            )
        kind = _kind(cells.get("kind", ""))
        where = grades.read(cells.get("grade", ""), cells.get("room", ""))
        if not grades.exists(where.grade):
            raise PortalError(f"there is no grade {where.grade}", hint=f"known: {grades.KNOWN}")
        new = NewAccount(
            site=self._where.site,
            account=account,
            full_name=_full_name(cells),
            kind=kind,
            proofing=cells.get("proofing", "")[:200] or DEFAULT_PROOFING,
            password=cells.get("password") or None,
            student_code=code,
            id_kind=found.kind if found else "",
            id_hash=self._where.key.hash("id", found.text) if found else "",
            grade=where.grade,
            room=where.room,
        )
        self._check_name(new.full_name)
        _check(new)
        return Line(
            number=number,
            new=new,
            told=frozenset(cells),
            group=names.clean(cells.get("group", "")),
            left=_left(cells.get("status", "")),
            until=dates.read(cells["until"]) if cells.get("until") else None,
            warning=found.warning if found else "",
            cells=kept,
        )

    def _check_name(self, full_name: str) -> None:
        """Refuse an empty name in a list of names."""
        if not full_name and _NAMES & self._columns.keys():
            raise PortalError("the row has no name", hint="fill in first name and surname")

    def _check_school(self, code: str) -> None:
        if not code:
            return
        if not self._where.schools:
            self._schools.add(code)
            return
        site = identifiers.site_of_code(self._where.schools, code)
        if site is None:
            raise PortalError(
                f"no school of this box has the code {code[:20]}",
                hint="[[schools]] in prathu.toml has the codes",
            )
        if site != self._where.site:
            raise PortalError(f"the row is of the school {site}", hint="import it there")

    def _once(self, line: Line) -> None:
        """Refuse somebody who stands in the file twice."""
        new = line.new
        for what, text in (
            ("account", names.folded(new.account)),
            ("student code", new.student_code),
            ("identifier", new.id_hash),
        ):
            first = self._seen.setdefault((what, text), line.number) if text else line.number
            if first != line.number:
                shown = f" {new.account}" if what == "account" else ""
                raise PortalError(f"{what}{shown} stands in the file twice, first in line {first}")


def _code(text: str) -> str:
    plain = names.digits(names.clean(text)).replace(" ", "")
    if len(plain) > MAX_CODE:
        raise PortalError(f"the student code is longer than {MAX_CODE} characters")
    if identifiers.looks_like_id(plain):
        raise PortalError(
            "the student code looks like a citizen id or a rounded number",
            hint="fill in the school's own number for the pupil",
        )
    return plain


def _kind(text: str) -> Kind:
    if not text:
        return Kind.PUPIL
    kind = _KINDS.get(layout.fold(text))
    if kind is None:
        raise PortalError(f"no kind {text[:40]!r}", hint=f"known: {', '.join(layout.KINDS)}")
    return kind


def _left(text: str) -> bool:
    left = _STATUSES.get(layout.fold(text), False if not text else None)
    if left is None:
        raise PortalError(f"no status {text[:40]!r}", hint=f"known: {', '.join(layout.STATUSES)}")
    return left


def _full_name(cells: Mapping[str, str]) -> str:
    if cells.get("full_name"):
        return names.clean(cells["full_name"])
    if not cells.get("first") and not cells.get("last"):
        return ""
    given = f"{cells.get('prefix', '')}{cells.get('first', '')}"
    return names.clean(f"{given} {cells.get('last', '')}")


def _check(new: NewAccount) -> None:
    wrong: str | None = names.fault(new.account)
    if not wrong and new.password:
        wrong = passwords.fault(new.password, account=new.account)
    if not wrong and len(new.full_name) > names.MAX_FULL_NAME:
        wrong = f"the name is longer than {names.MAX_FULL_NAME} characters"
    if wrong:
        raise PortalError(wrong)
