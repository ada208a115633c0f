"""The school's roll as CSV: accounts by the headers of its columns, Thai or English.

Good rows are taken and bad ones reported by their line. The same file twice changes nothing.
Columns that are not known are left out: nothing else of a pupil's file is read.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from captive_portal.errors import PortalError
from captive_portal.people import names, passwords
from captive_portal.people.accounts import Account, Kind, NewAccount, People

MAX_BYTES = 32 << 20
MAX_ROWS = 200_000
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "account": ("account", "username", "user name", "user", "login", "ชื่อผู้ใช้", "บัญชีผู้ใช้", "บัญชี"),
    "full_name": (
        "full name", "fullname", "name", "display name",
        "ชื่อ-นามสกุล", "ชื่อ-สกุล", "ชื่อสกุล", "ชื่อนามสกุล", "ชื่อ นามสกุล", "ชื่อ สกุล", "ชื่อเต็ม",
    ),
    "prefix": ("prefix", "คำนำหน้า", "คำนำหน้าชื่อ"),
    "first": ("first name", "firstname", "given name", "ชื่อ"),
    "last": ("last name", "lastname", "surname", "family name", "นามสกุล", "สกุล"),
    "kind": ("kind", "type", "ประเภท", "ประเภทผู้ใช้", "สถานะ"),
    "password": ("password", "รหัสผ่าน"),
    "proofing": ("proofing", "proof", "การพิสูจน์ตัวตน", "วิธียืนยันตัวตน"),
}  # fmt: skip
_KINDS: Mapping[str, Kind] = {
    "pupil": Kind.PUPIL, "student": Kind.PUPIL, "นักเรียน": Kind.PUPIL, "นักศึกษา": Kind.PUPIL,
    "teacher": Kind.TEACHER, "ครู": Kind.TEACHER, "อาจารย์": Kind.TEACHER,
    "staff": Kind.STAFF, "บุคลากร": Kind.STAFF, "เจ้าหน้าที่": Kind.STAFF,
    "guest": Kind.GUEST, "visitor": Kind.GUEST, "ผู้มาติดต่อ": Kind.GUEST, "บุคคลภายนอก": Kind.GUEST,
}  # fmt: skip
DEFAULT_PROOFING = "school register"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of the file, checked."""

    number: int
    """The line in the file, as an editor counts it."""
    new: NewAccount
    told: frozenset[str]
    """Which columns had something in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """A file as read."""

    lines: Sequence[Line]
    faults: Sequence[str]
    """What is wrong with the rows left out, each with its line."""
    ignored: Sequence[str]
    """Headers of the columns that were not read."""


@dataclass(slots=True)
class Outcome:
    """What taking a roll in did, or would do."""

    new: int = 0
    changed: int = 0
    same: int = 0
    faults: list[str] = field(default_factory=list)


class Made(NamedTuple):
    """An account and the one-time password made for it."""

    account: str
    password: str


def read(octets: bytes, *, site: str) -> Roll:
    """Return the people in a CSV file.

    Args:
        octets: UTF-8 (with or without mark) or, as old spreadsheets write, Windows-874; with
            commas, semicolons or tabs.
        site: Where they are.

    Raises:
        PortalError: not such a file, or without a column for the account name.
    """
    if len(octets) > MAX_BYTES:
        raise PortalError(f"the file is larger than {MAX_BYTES >> 20} MiB", hint="split it")
    text = _decoded(octets)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        columns, ignored = _columns(next(rows, []))
        checked = list(_lines(rows, columns, site))
    except csv.Error as error:
        raise PortalError(f"line {rows.line_num}: {error}", hint="is it a CSV file?") from error
    faults = [fault for fault in checked if isinstance(fault, str)]
    lines = [line for line in checked if isinstance(line, Line)]
    return Roll(lines=lines, faults=faults, ignored=ignored)


def _decoded(octets: bytes) -> str:
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _try(octets, "utf-16")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _try(octets, "cp874")


def _try(octets: bytes, encoding: str) -> str:
    try:
        return octets.decode(encoding)
    except UnicodeDecodeError as error:
        raise PortalError("the file is not text", hint="save it as CSV UTF-8") from error


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _columns(headers: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    spelt = {_plain(name): member for member, known in _HEADERS.items() for name in known}
    columns: dict[str, int] = {}
    ignored: list[str] = []
    for at, header in enumerate(headers):
        member = spelt.get(_plain(header))
        if member is None:
            ignored.append(names.clean(header))
        elif member in columns:
            raise PortalError(f"line 1: two columns for {member}: {header}")
        else:
            columns[member] = at
    if "account" not in columns:
        raise PortalError(
            "line 1: no column for the account name",
            hint="the first line names the columns, for instance: account,full_name,kind,password",
        )
    return columns, [name for name in ignored if name]


def _plain(header: str) -> str:
    text = unicodedata.normalize("NFC", header).casefold().replace("_", " ")
    return "".join(" ".join(text.split()).split(" ")).replace("-", "")


def _lines(
    rows: Iterator[list[str]], columns: Mapping[str, int], site: str
) -> Iterator[Line | str]:
    seen: set[str] = set()
    count = 0
    for row in rows:
        number = rows.line_num  # type: ignore[attr-defined]  # csv.reader's
        if not any(cell.strip() for cell in row):
            continue
        count += 1
        if count > MAX_ROWS:
            raise PortalError(f"more than {MAX_ROWS} rows", hint="split the file")
        cells = {name: row[at].strip() for name, at in columns.items() if at < len(row)}
        fault, new = _person(cells, site)
        if not fault:
            folded = names.folded(new.account)
            fault = f"account {new.account} stands in the file twice" if folded in seen else ""
            seen.add(folded)
        told = frozenset(name for name, cell in cells.items() if cell)
        yield f"line {number}: {fault}" if fault else Line(number=number, new=new, told=told)


def _person(cells: Mapping[str, str], site: str) -> tuple[str, NewAccount]:
    """Return what is wrong with a row, or nothing, and the account in it."""
    kind = _KINDS.get(_fold(cells.get("kind", "")), Kind.PUPIL)
    account = names.clean(cells.get("account", ""))
    password = cells.get("password") or None
    new = NewAccount(
        site=site,
        account=account,
        full_name=_full_name(cells),
        kind=kind,
        proofing=cells.get("proofing") or DEFAULT_PROOFING,
        password=password,
    )
    fault = names.fault(account) or (passwords.fault(password) if password else "")
    if not fault and cells.get("kind") and _fold(cells["kind"]) not in _KINDS:
        fault = f"no kind {cells['kind']!r}; known: {', '.join(_KINDS)}"
    if not fault and len(new.full_name) > names.MAX_FULL_NAME:
        fault = f"the name is longer than {names.MAX_FULL_NAME} characters"
    return fault, new


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().casefold()


def _full_name(cells: Mapping[str, str]) -> str:
    if cells.get("full_name"):
        return names.clean(cells["full_name"])
    given = f"{cells.get('prefix', '')}{cells.get('first', '')}"
    return names.clean(f"{given} {cells.get('last', '')}")


class Taker:
    """Brings the accounts in line with a roll, row by row.

    Passwords of accounts that have one are never touched. Accounts that are not in the roll stay.
    """

    def __init__(
        self, people: People, *, now: datetime, make_passwords: bool = False, dry_run: bool = False
    ) -> None:
        """Args: the accounts, the time, whether to make missing passwords, and only count."""
        self.outcome = Outcome()
        self._people = people
        self._now = now
        self._make_passwords = make_passwords
        self._dry_run = dry_run

    def take(self, line: Line) -> Made | None:
        """Take one row; what is wrong with it goes to the outcome's faults."""
        found = self._people.find(line.new.site, line.new.account)
        try:
            if found is None or found.kind is Kind.SHADOW:
                return self._add(line.new)
            self._change(found, line)
        except PortalError as error:
            self.outcome.faults.append(f"line {line.number}: {error}")
        return None

    def _add(self, new: NewAccount) -> Made | None:
        made = None
        if self._make_passwords and new.password is None:
            made = Made(account=new.account, password=passwords.one_time())
            new = replace(new, password=made.password, must_change=True)
        if not self._dry_run:
            self._people.add(new, now=self._now)
        self.outcome.new += 1
        return made

    def _change(self, found: Account, line: Line) -> None:
        new = line.new
        full_name = new.full_name or found.full_name
        kind = new.kind if "kind" in line.told else found.kind
        proofing = new.proofing if "proofing" in line.told else found.proofing
        if (found.full_name, found.kind, found.proofing) == (full_name, kind, proofing):
            self.outcome.same += 1
            return
        if not self._dry_run:
            self._people.change(found.id, full_name=full_name, kind=kind, proofing=proofing)
        self.outcome.changed += 1
