"""Which column of a roll is what: by the names over them, in Thai or English, never by place.

Where one name may mean two things, what is below it decides; where that decides nothing either,
the roll is refused. Columns that are not known are never read: religion, health, parents' data
and all else that a list of pupils may hold.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from captive_portal.errors import PortalError
from captive_portal.people import identifiers, names
from captive_portal.people.accounts import Kind
from captive_portal.people.sheets import Row

LOOKED_AT = 20
"""The names stand in one of the first rows, below a title perhaps."""
SAMPLE = 200
"""Rows by which columns of one name are told apart."""

HEADERS: Mapping[str, tuple[str, ...]] = {
    "account": ("account", "username", "user name", "user", "login", "ชื่อผู้ใช้", "บัญชีผู้ใช้", "บัญชี"),
    "full_name": (
        "full name", "fullname", "name", "display name",
        "ชื่อ-นามสกุล", "ชื่อ-สกุล", "ชื่อสกุล", "ชื่อนามสกุล", "ชื่อ นามสกุล", "ชื่อ สกุล", "ชื่อเต็ม",
    ),
    "prefix": ("prefix", "title", "คำนำหน้า", "คำนำหน้าชื่อ", "คำนำหน้านาม"),
    "first": ("first name", "firstname", "given name", "ชื่อ", "ชื่อ(ไทย)", "ชื่อภาษาไทย"),
    "last": (
        "last name", "lastname", "surname", "family name",
        "นามสกุล", "สกุล", "ชื่อสกุล(ไทย)", "นามสกุล(ไทย)", "นามสกุลภาษาไทย",
    ),
    "kind": ("kind", "type", "ประเภท", "ประเภทผู้ใช้", "สถานะ"),
    "password": ("password", "รหัสผ่าน"),
    "proofing": ("proofing", "proof", "การพิสูจน์ตัวตน", "วิธียืนยันตัวตน"),
    "national_id": (
        "national id", "citizen id", "id card", "passport",
        "เลขประจำตัวประชาชน", "เลขบัตรประชาชน", "เลขประจำตัวบัตรประชาชน", "หมายเลขบัตรประชาชน",
        "เลขประจำตัวนักเรียน(13 หลัก)", "เลขประจำตัวนักเรียน 13 หลัก", "เลขประจำตัว 13 หลัก",
        "เลขประจำตัวประชาชนนักเรียน", "เลขบัตรประชาชนนักเรียน", "รหัสประชาชน", "เลขประจำตัวนักเรียน",
        "เลขหนังสือเดินทาง",
    ),
    "student_code": (
        "student code", "student id", "student no", "student number",
        "รหัสนักเรียน", "รหัสประจำตัวนักเรียน", "เลขที่/รหัสนักเรียน", "เลขประจำตัวนักเรียน",
        "รหัสประจำตัว", "รหัสนักศึกษา",
    ),
    "grade": ("grade", "class", "level", "ชั้น", "ชั้นเรียน", "ระดับชั้น", "ชั้นปี", "ชั้น/ห้อง"),
    "room": ("room", "section", "ห้อง", "ห้องเรียน", "ห้องที่"),
    "school_code": ("school code", "school id", "sch id", "รหัสโรงเรียน", "รหัสสถานศึกษา"),
    "status": (
        "status", "student status", "สถานะ", "สถานภาพ", "สถานภาพนักเรียน", "สถานะนักเรียน",
    ),
    "group": ("group", "กลุ่ม", "กลุ่มผู้ใช้"),
    "until": ("until", "valid until", "expires", "ใช้ได้ถึง", "ใช้ได้ถึงวันที่", "วันหมดอายุ"),
}  # fmt: skip
SECRET = frozenset({"national_id", "password"})
"""What is not given back with a bad row."""
KINDS: Mapping[str, Kind] = {
    "pupil": Kind.PUPIL, "student": Kind.PUPIL, "นักเรียน": Kind.PUPIL, "นักศึกษา": Kind.PUPIL,
    "teacher": Kind.TEACHER, "ครู": Kind.TEACHER, "อาจารย์": Kind.TEACHER,
    "staff": Kind.STAFF, "บุคลากร": Kind.STAFF, "เจ้าหน้าที่": Kind.STAFF,
    "guest": Kind.GUEST, "visitor": Kind.GUEST, "ผู้มาติดต่อ": Kind.GUEST, "บุคคลภายนอก": Kind.GUEST,
}  # fmt: skip
STATUSES: Mapping[str, bool] = {
    "กำลังศึกษา": False, "กำลังเรียน": False, "ปกติ": False, "studying": False, "active": False,
    "จำหน่าย": True, "ย้ายออก": True, "ย้าย": True, "ลาออก": True, "จบการศึกษา": True, "จบ": True,
    "พ้นสภาพ": True, "เสียชีวิต": True, "left": True, "graduated": True, "moved": True,
}  # fmt: skip
"""What a status says: whether the pupil has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A roll's columns, understood."""

    columns: Mapping[str, int]
    """Field to column, from 0 on."""
    headers: Mapping[str, str]
    """Field to the name over its column, as written."""
    ignored: Sequence[str]
    """Names of the columns that are not read."""
    notes: Sequence[str]
    """What was decided that people might have decided otherwise."""
    row: int
    """The row of the names."""

    @property
    def fingerprint(self) -> str:
        """What tells this layout from others, and knows it again in the next file."""
        known = sorted(
            (field, self.columns[field], fold(self.headers[field])) for field in self.columns
        )
        return hashlib.sha256(repr((known, len(self.ignored))).encode()).hexdigest()[:32]


def fold(header: str) -> str:
    """Return the form in which two spellings of a column's name are the same."""
    text = names.digits(names.clean(header)).casefold()
    text = unicodedata.normalize("NFC", "".join(sign for sign in text if sign not in " _-*:.\"'"))
    return text.removesuffix("ต้องกรอก").removesuffix("()")


_KIND_WORDS = frozenset(map(fold, KINDS))
_STATUS_WORDS = frozenset(map(fold, STATUSES))
_SPELT: dict[str, list[str]] = {}
for _field, _names in HEADERS.items():
    for _name in _names:
        if _field not in _SPELT.setdefault(fold(_name), []):
            _SPELT[fold(_name)].append(_field)


def find(rows: Sequence[Row]) -> tuple[Layout, int]:
    """Return the layout of a roll, and how many of its first rows it takes.

    Args:
        rows: The first rows, as many as there are up to LOOKED_AT + SAMPLE.

    Raises:
        PortalError: no row of names, or two readings of one.
    """
    heads = rows[:LOOKED_AT]
    known = [sum(fold(cell) in _SPELT for cell in row.cells) for row in heads]
    if not any(known):
        raise _no_account(heads[0].number if heads else 1)
    at = known.index(max(known))
    return _layout(heads[at], rows[at + 1 : at + 1 + SAMPLE]), at + 1


def _layout(head: Row, below: Sequence[Row]) -> Layout:
    columns: dict[str, int] = {}
    ignored, notes = list[str](), list[str]()
    for at, header in enumerate(head.cells):
        could = _SPELT.get(fold(header), [])
        fields = _fitting(could, at, below) if len(could) > 1 else could
        if len(fields) > 1:
            raise _two_readings(head, at, " or ".join(fields))
        if not fields:
            ignored.append(names.clean(header)[:100])
            if could:
                notes.append(f"{ignored[-1]}: not read, as its cells are not {' or '.join(could)}")
        elif fields[0] in columns:
            _second(head, columns[fields[0]], at, fields[0], below)
            notes.append(f"{names.clean(header)[:100]}: a second column of that name is not read")
        else:
            columns[fields[0]] = at
    if not {"account", "student_code"} & columns.keys():
        raise _no_account(head.number)
    return Layout(
        columns=columns,
        headers={field: names.clean(head.cells[at])[:100] for field, at in columns.items()},
        ignored=[name for name in ignored if name],
        notes=notes,
        row=head.number,
    )


def _fitting(could: Sequence[str], at: int, below: Sequence[Row]) -> list[str]:
    """Return which fields the cells below a name fit, of those that the name may mean."""
    cells = [row.cells[at] for row in below if at < len(row.cells) and row.cells[at]]
    if not cells:
        return []  # an empty column says nothing, whichever it is
    return [field for field in could if _share(cells, _FITS[field]) >= 0.5]


def _share(cells: Sequence[str], fits: Callable[[str], bool]) -> float:
    return sum(map(fits, cells)) / len(cells)


_FITS: Mapping[str, Callable[[str], bool]] = {
    "national_id": identifiers.looks_like_id,
    "student_code": lambda cell: not identifiers.looks_like_id(cell) and len(cell) <= 20,
    "kind": lambda cell: fold(cell) in _KIND_WORDS,
    "status": lambda cell: fold(cell) in _STATUS_WORDS,
}


def _second(head: Row, first: int, second: int, field: str, below: Sequence[Row]) -> None:
    """Refuse two columns of one field, unless the second only repeats the first, as DMC does."""
    if fold(head.cells[first]) == fold(head.cells[second]) and field != "account":
        return
    same = all(_cell(row, first) == _cell(row, second) for row in below)
    if not same or not below:
        raise PortalError(
            f"line {head.number}: two columns for {field}: "
            f"{head.cells[first][:100]} and {head.cells[second][:100]}",
            hint="delete the one that is not meant",
        )


def _cell(row: Row, at: int) -> str:
    return row.cells[at] if at < len(row.cells) else ""


def _two_readings(head: Row, at: int, fields: str) -> PortalError:
    return PortalError(
        f"line {head.number}: column {at + 1}, {head.cells[at][:100]}, may be {fields}",
        hint="give it a name of its own, such as รหัสนักเรียน or เลขประจำตัวประชาชน",
    )


def _no_account(line: int) -> PortalError:
    return PortalError(
        f"line {line}: no column for the account name or the student code",
        hint="one line names the columns, for instance: account,full_name,kind,password",
    )
