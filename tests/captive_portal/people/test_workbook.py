"""Hostile XLSX files are refused in one line, with bounded memory."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from captive_portal.errors import PortalError
from captive_portal.people import sheets

HEAD = ["account", "name"]


def saved(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def good() -> bytes:
    book = Workbook()
    for row in (HEAD, ["a", "A"], ["b", "B"]):
        book.worksheets[0].append(row)
    return saved(book)


def with_part(name: str, data: bytes) -> bytes:
    """Return the good file with a part more, or another in place of one."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good())) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, data)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def sheet(rows: str, after: str = "", before: str = "") -> bytes:
    text = f"{before}<worksheet {NS}><sheetData>{rows}</sheetData>{after}</worksheet>"
    return with_part(SHEET, text.encode())


def merged(cells: str) -> bytes:
    book = Workbook()
    for row in (HEAD, ["a", "A"], ["b", "B"]):
        book.worksheets[0].append(row)
    book.worksheets[0].merge_cells(cells)
    return saved(book)


def formula() -> bytes:
    book = Workbook()
    for row in (HEAD, ["=1+1", "A"]):
        book.worksheets[0].append(row)
    return saved(book)


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb": (lambda: with_part("xl/media/zeros.xml", bytes(97 << 20)), "unpacks to more than"),
    "macros": (lambda: with_part("xl/vbaProject.bin", b"x"), "macros"),
    "links": (lambda: with_part("xl/externalLinks/externalLink1.xml", b"<x/>"), "linked"),
    "entities": (lambda: sheet("<row><c><v>&b;</v></c></row>", before=LAUGHS), "entities"),
    "formula": (formula, "a formula"),
    "merged": (lambda: merged("A2:A3"), "joined in row 3"),
    "rows": (lambda: sheet("<row/>" * 201_000), "more than 200000 rows"),
    "far row": (lambda: sheet('<row r="1048576"><c r="A1048576"/></row>'), "more than 200000 rows"),
    "wide": (lambda: sheet(f"<row>{'<c/>' * 2_000_000}</row>"), "columns"),
    "far column": (lambda: sheet('<row r="1"><c r="XFD1"><v>1</v></c></row>'), "columns"),
    "deep": (lambda: sheet("<row>" * 100_000), "nested"),
    "long": (lambda: sheet(f'<row><c t="str"><v>{"x" * 50_000_000}</v></c></row>'), "too long"),
    "names": (lambda: with_part("xl/styles.xml", b"<a>" + b"<b/>" * 1_000_000 + b"</a>"), "much"),
    "cut": (lambda: good()[:-200], "broken"),
    "not xml": (lambda: with_part(SHEET, b"\xff\xfe<"), "broken"),
    "old": (lambda: b"\xd0\xcf\x11\xe0" + bytes(600), "old .xls"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(name: str) -> None:
    make, said = HOSTILE[name]
    with pytest.raises(PortalError, match=said) as error:
        list(sheets.rows(make()))
    assert "\n" not in str(error.value)


def test_a_joined_title_above_the_list_is_none_of_our_business() -> None:
    book = Workbook()
    for row in (["ข้อมูลนักเรียน"], HEAD, ["a", "A"]):
        book.worksheets[0].append(row)
    book.worksheets[0].merge_cells("A1:F1")
    assert [row.cells for row in sheets.rows(saved(book))][1:] == [HEAD, ["a", "A"]]


def test_memory_stays_small_whatever_the_file(tmp_path: Path) -> None:
    names = []
    for name in ("bomb", "wide", "long", "rows", "entities"):
        (tmp_path / name).write_bytes(HOSTILE[name][0]())
        names.append(str(tmp_path / name))
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from captive_portal.errors import PortalError\n"
        "from captive_portal.people import sheets\n"
        "for name in sys.argv[1:]:\n"
        "    octets = open(name, 'rb').read()\n"
        "    try:\n        list(sheets.rows(octets))\n"
        "    except PortalError:\n        pass\n"
        "    else:\n        raise SystemExit(name)\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 300_000, "KiB"


@given(st.integers(0, 6000), st.binary(min_size=1, max_size=40))
def test_a_damaged_file_is_rows_or_an_error(at: int, octets: bytes) -> None:
    whole = bytearray(good())
    at %= len(whole)
    whole[at : at + len(octets)] = octets
    try:
        list(sheets.rows(bytes(whole)))
    except PortalError as error:
        assert "\n" not in str(error)
