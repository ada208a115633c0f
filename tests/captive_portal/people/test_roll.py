"""A school's roll is read as DMC and spreadsheets write it, whatever the layout."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from captive_portal.errors import PortalError
from captive_portal.people import bad_rows, roll, sheets
from captive_portal.people.accounts import Kind
from captive_portal.people.keys import PersonKey
from captive_portal.people.roll import Where
from captive_portal.settings import School
from tests.captive_portal.conftest import SITE

KEY = PersonKey(b"k" * 32)
HERE = Where(site=SITE, key=KEY)
THAI = "ชื่อผู้ใช้,คำนำหน้า,ชื่อ,นามสกุล,ประเภท,ศาสนา\nmalee,ด.ญ.,มาลี,ดีใจ,นักเรียน,x\n"
WRONG_ID, G_CODE = "1101700230700", "G000000000019"
"""The first fails the checksum."""


def xlsx(rows: Sequence[Sequence[Any]]) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read(octets: bytes | str, where: Where = HERE) -> roll.Roll:
    return roll.read(octets.encode() if isinstance(octets, str) else octets, where)


@pytest.mark.parametrize(
    "octets",
    [
        THAI.encode(),
        b"\xef\xbb\xbf" + THAI.encode(),
        THAI.encode("utf-16"),
        THAI.encode("cp874"),
        THAI.encode("tis-620"),
        THAI.replace(",", ";").replace("\n", "\r\n").encode(),
        THAI.replace(",", "\t").encode(),
        xlsx([line.split(",") for line in THAI.splitlines()]),
    ],
)
def test_the_ways_in_which_spreadsheets_write_give_the_same(octets: bytes) -> None:
    found = read(octets)
    assert [(line.number, line.new.account, line.new.full_name) for line in found.lines] == [
        (2, "malee", "ด.ญ.มาลี ดีใจ")
    ]
    assert found.lines[0].new.kind is Kind.PUPIL
    assert list(found.layout.ignored) == ["ศาสนา"]


PEOPLE = (
    (WRONG_ID, "00123", "ป.4", "1", "ด.ช.", "สมชาย", "ใจดี"),
    (G_CODE, "00124", "ป.4", "1", "ด.ญ.", "สมหญิง", "ดีใจ"),
)


def layout_a() -> bytes:
    head = [
        *("รหัสโรงเรียน", "ชื่อโรงเรียน", "เลขประจำตัวประชาชน", "ชั้น", "ห้อง", "รหัสนักเรียน", "เพศ"),
        *("คำนำหน้าชื่อ", "ชื่อ", "นามสกุล", "วันเกิด", "อายุ(ปี)", "น้ำหนัก", "ส่วนสูง", "กลุ่มเลือด", "ศาสนา"),
    ]
    rows = [
        ["63020130", "โรงเรียน ก", i, g, r, c, "ช", p, f, n, "03/09/2558", 10, 30, 140, "O", "ลับ"]
        for i, c, g, r, p, f, n in PEOPLE
    ]
    return xlsx([["ข้อมูลนักเรียนรายบุคคล"], head, *rows])


def layout_b() -> bytes:
    head = [
        *("เลขประจำตัวนักเรียน", "เลขประจำตัวนักเรียน", "ชั้น", "ห้อง", "เพศ", "คำนำหน้าชื่อ", "ชื่อ", "นามสกุล"),
        *("วันเกิด", "เชื้อชาติ", "ชื่อบิดา", "นามสกุลบิดา", "เลขประจำตัวประชาชนบิดา", "ความด้อยโอกาส"),
    ]
    rows = [
        [i, c, "ประถมศึกษาปีที่ 4", r, "ช", p, f, n, "03/09/2558", "ลับ", "ลับ", "ลับ", "ลับ", "ลับ"]
        for i, c, g, r, p, f, n in PEOPLE
    ]
    return xlsx([head, *rows])


def layout_c() -> bytes:
    head = [
        *("รหัสโรงเรียน", "เลขประจำตัวประชาชน ต้องกรอก", "รหัสนักเรียน ต้องกรอก", "ชั้น ต้องกรอก", "ห้อง"),
        *("คำนำหน้าชื่อ", "ชื่อ ต้องกรอก", "นามสกุล ต้องกรอก", "ชื่อ(อังกฤษ)", "หมู่โลหิต", "ความพิการ"),
        *("GPAX", "รหัสโรงเรียนห้องสาขา", "ชื่อ ต้องกรอก", "ชั้น ต้องกรอก"),
    ]
    rows = [
        ["63020130", i, c, "ป.4/1", "", p, f, n, "Somchai", "ลับ", "ลับ", 4, "", "ลับ", ""]
        for i, c, g, r, p, f, n in PEOPLE
    ]
    return xlsx([head, *rows])


def layout_d() -> bytes:
    lines = ["เลขประจำตัวนักเรียน(13 หลัก),ชั้น,ห้อง,เลขที่/รหัสนักเรียน,คำนำหน้าชื่อ,ชื่อ,นามสกุล,วันเกิด,ศาสนา"]
    lines += [f"{i},ป.๔,{r},{c},{p},{f},{n},03/09/2558,ลับ" for i, c, g, r, p, f, n in PEOPLE]
    return "\n".join(lines).encode("cp874")


@pytest.mark.parametrize("make", [layout_a, layout_b, layout_c, layout_d])
def test_every_layout_gives_the_same_rows_and_nothing_that_is_secret(make: Any) -> None:
    found = read(make())
    assert [
        (n.account, n.student_code, n.full_name, n.grade, n.room, n.id_kind, n.id_hash)
        for n in (line.new for line in found.lines)
    ] == [
        ("00123", "00123", "ด.ช.สมชาย ใจดี", "ป.4", "1", "national", KEY.hash("id", WRONG_ID)),
        ("00124", "00124", "ด.ญ.สมหญิง ดีใจ", "ป.4", "1", "g", KEY.hash("id", G_CODE)),
    ]
    assert [line.warning for line in found.lines] == [
        "the last digit of the identifier does not fit",
        "",
    ]
    said = repr(found)
    assert not [text for text in ("ลับ", WRONG_ID, G_CODE, "2558") if text in said]


def test_names_decide_and_not_places() -> None:
    lines = [line.split(",") for line in layout_d().decode("cp874").splitlines()]
    turned = "\n".join(",".join(reversed(line)) for line in lines)
    turned_lines = [(x.new, x.told) for x in read(turned).lines]
    assert turned_lines == [(x.new, x.told) for x in read(layout_d()).lines]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column for the account"),
        ("name\nx\n", "no column for the account"),
        ("account,user\na,b\n", "two columns for account"),
        ("รหัสนักเรียน,เลขที่/รหัสนักเรียน\n1,2\n", "two columns for student_code"),
        ('account\n"a\n', "line"),
        ("รหัสโรงเรียน,account\n63020130,a\n63020131,b\n", "of 2 schools"),
    ],
)
def test_a_file_with_two_readings_or_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(PortalError, match=said):
        read(text)


def test_what_is_decided_about_columns_is_told() -> None:
    twice = read("เลขประจำตัวนักเรียน,เลขประจำตัวนักเรียน\n1,2\n")
    assert twice.lines[0].new.student_code == "1"
    assert list(twice.notes) == ["เลขประจำตัวนักเรียน: a second column of that name is not read"]
    neither = read("account,สถานะ\na,เสาร์\n")
    assert list(neither.notes) == ["สถานะ: not read, as its cells are not kind or status"]


def test_a_column_that_may_be_either_is_refused() -> None:
    half = "\n".join(["เลขประจำตัวนักเรียน,account", f"{WRONG_ID},a", "5,b"])
    with pytest.raises(PortalError, match="may be national_id or student_code"):
        read(half)


def test_bad_rows_are_named_by_line_and_good_ones_read() -> None:
    found = read(
        'account,name,kind,password\na,"two\nlines",,\n,nobody,,\n\nb,B,headmaster,\n'
        "c,C,,short\na,A,,\nd,D,pupil,\n"
    )
    assert [(line.number, line.new.account) for line in found.lines] == [(3, "a"), (9, "d")]
    assert [str(bad).split(":")[0] for bad in found.bad] == ["line 4", "line 6", "line 7", "line 8"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("national_id,student_code\n1.23E+12,5\n", "rounded"),
        (f"account,name\n{WRONG_ID[:12]}8,x\n", "citizen id"),
        (f"student_code,name\n{WRONG_ID},x\n", "looks like a citizen id"),
        ("account,status\na,ไม่รู้\n", "no status"),
        ("account,until\na,31/13/2570\n", "no date"),
    ],
)
def test_rows_that_cannot_be_right_are_given_back_with_a_reason(text: str, said: str) -> None:
    text = text.replace("national_id", "เลขประจำตัวประชาชน").replace("student_code", "รหัสนักเรียน")
    found = read(text)
    assert (len(found.lines), len(found.bad)) == (0, 1)
    assert said in found.bad[0].reason
    assert "11017002307" not in repr(found.bad)


def test_bad_rows_come_back_without_what_is_secret_and_without_formulas() -> None:
    found = read(
        "account,password,ประเภท,เลขประจำตัวประชาชน,ศาสนา,name\n"
        f"=A1+1,correct horse,ไม่มี,{WRONG_ID},ลับ,=B1\n"
    )
    octets = bad_rows.written(found.bad, found.layout)
    rows = [[cell.value for cell in row] for row in load_workbook(io.BytesIO(octets)).worksheets[0]]
    assert rows[0] == ["เหตุผล (reason)", "แถว (row)", "account", "ประเภท", "name"]
    assert rows[1][1:] == ["2", "=A1+1", "ไม่มี", "=B1"]
    sheet = load_workbook(io.BytesIO(octets)).worksheets[0]
    assert [cell.data_type for cell in sheet[2]] == ["s"] * 5
    assert b"horse" not in octets


def test_schools_are_known_by_any_of_their_codes() -> None:
    school = School(site=SITE, ministry="1063020130", smis="63020130", obec="160271")
    other = School(site="school-b", smis="70010062")
    where = Where(site=SITE, key=KEY, schools=(school, other))
    rows = ["รหัสโรงเรียน,account", "1063020130,a", "63020130,b", "160271,c", "70010062,d", "1,e"]
    found = read("\n".join(rows), where)
    assert [line.new.account for line in found.lines] == ["a", "b", "c"]
    assert [bad.reason.split(";")[0] for bad in found.bad] == [
        "the row is of the school school-b",
        "no school of this box has the code 1",
    ]


def test_buddhist_years_and_months_are_dates() -> None:
    rows = ["account,until", "a,31/03/2570", "b,31 มี.ค. 2570", "c,๓๑ มีนาคม ๒๕๗๐", "d,2027-03-31"]
    found = read("\n".join(rows))
    assert {line.until for line in found.lines} == {date(2027, 3, 31)}
    assert found.bad == []


def test_numbers_of_a_spreadsheet_keep_their_zeros_where_it_shows_them() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["รหัสนักเรียน", "เลขประจำตัวประชาชน", "ชื่อ"])
    sheet.append([42, 1101700230700, "=ชื่อ"])
    sheet["A2"].number_format = "00000"
    sheet["C2"].data_type = "s"
    out = io.BytesIO()
    book.save(out)
    new = read(out.getvalue()).lines[0].new
    assert (new.student_code, new.full_name) == ("00042", "=ชื่อ")
    assert new.id_hash == KEY.hash("id", WRONG_ID)


def test_sara_am_of_two_signs_is_one() -> None:
    found = read("account,name\na,น\u0e4d้\u0e32ค\u0e4d\u0e32\n")
    assert found.lines[0].new.full_name == "น้ำคำ"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_roll_or_an_error(octets: bytes) -> None:
    for head in (b"account,name\n", b"", b"PK\x03\x04"):
        try:
            roll.read(head + octets, HERE)
        except PortalError as error:
            assert str(error).count("\n") <= octets.count(b"\n") + octets.count(b"\r")


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)


@given(st.lists(st.lists(st.one_of(CELL, st.integers(), st.none()), max_size=6), max_size=8))
def test_any_cells_are_lines_bad_rows_or_an_error(rows: list[list[Any]]) -> None:
    rows = [["account", "เลขประจำตัวประชาชน", "รหัสนักเรียน", "ชั้น", "ห้อง", "สถานะ"], *rows]
    try:
        octets = xlsx(rows)
    except ValueError:
        return  # a cell that begins with = is a formula to the writer
    try:
        found = roll.read(octets, HERE)
    except PortalError:
        return
    bad_rows.written(found.bad, found.layout)
    assert len(found.lines) + len(found.bad) <= len(rows)


def test_a_long_roll_is_read_and_doubles_are_found() -> None:
    rows = "".join(f"pupil{n}\n" for n in range(30_000))
    found = read(f"account\n{rows}pupil7\n")
    assert len(found.lines) == 30_000
    assert [str(bad) for bad in found.bad] == [
        "line 30002: account pupil7 stands in the file twice, first in line 9"
    ]


def test_rows_past_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 3)
    assert len(read("account\na\nb\nc\n").lines) == 3
    with pytest.raises(PortalError, match="more than 3 rows"):
        read("account\na\na\na\na\n")
