"""Rows of text out of the files that schools have: XLSX, and CSV in any of its encodings.

Nothing is understood here: a row is its number, as the program that people open it with counts,
and its cells as text. No formula is ever worked out.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from openpyxl import load_workbook

from captive_portal.errors import PortalError
from captive_portal.people import workbook

MAX_BYTES = 32 << 20
MAX_ROWS = 200_000
MAX_CELL = 2_000
"""Characters; more of a cell is cut off, as nothing that is read is so long."""
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_ONLY_ZEROS = re.compile(r"0{2,20}")

warnings.filterwarnings("ignore", module="openpyxl")  # it quotes cells


class Row(NamedTuple):
    """One row."""

    number: int
    cells: list[str]


def rows(octets: bytes) -> Iterator[Row]:
    """Give the rows that hold something.

    Args:
        octets: The file; XLSX by what it begins with, else CSV: UTF-8 (with or without mark),
            UTF-16 with mark or, as old spreadsheets write, Windows-874; with commas, semicolons
            or tabs.

    Raises:
        PortalError: not such a file, too large a one, or one that no school would make.
    """
    if len(octets) > MAX_BYTES:
        raise PortalError(f"the file is larger than {MAX_BYTES >> 20} MiB", hint="split it")
    if octets.startswith(_OLD_OFFICE):
        raise PortalError("an old .xls file, or one with a password", hint="save it as .xlsx")
    found = _xlsx(octets) if octets.startswith(b"PK") else _csv(octets)
    for count, row in enumerate(row for row in found if any(row.cells)):
        if count > MAX_ROWS:
            raise PortalError(f"more than {MAX_ROWS} rows", hint="split the file")
        yield row


def _csv(octets: bytes) -> Iterator[Row]:
    text = _decoded(octets)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        for cells in reader:
            yield Row(reader.line_num, [cell.strip()[:MAX_CELL] for cell in cells])
    except csv.Error as error:
        raise PortalError(
            f"line {reader.line_num}: the cells cannot be read", hint="is it a CSV file?"
        ) from error


def _decoded(octets: bytes) -> str:
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _try(octets, "utf-16")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _try(octets, "cp874")  # TIS-620 is a part of it


def _try(octets: bytes, encoding: str) -> str:
    try:
        return octets.decode(encoding)
    except UnicodeDecodeError as error:
        raise PortalError("the file is not text", hint="save it as CSV UTF-8") from error


def _delimiter(text: str) -> str:
    """Return what parts cells: by the first line that has any, as a title may stand above."""
    for line in text[:20_000].splitlines()[:20]:
        best = max(",;\t", key=line.count)
        if line.count(best):
            return best
    return ","


def _xlsx(octets: bytes) -> Iterator[Row]:
    merged = workbook.refuse_hostile(octets, max_rows=MAX_ROWS)
    first = 0
    for row in _cells(octets):
        yield row
        # Titles above the list may be joined: they are alone in their rows.
        first = first or (row.number if sum(map(bool, row.cells)) > 1 else 0)
        if first and merged >= first:
            raise PortalError(
                f"cells are joined in row {merged}, so that others seem empty",
                hint="part them (unmerge cells) and fill each in",
            )


def _cells(octets: bytes) -> Iterator[Row]:
    try:
        book = load_workbook(io.BytesIO(octets), read_only=True, keep_links=False)
        sheet = next(iter(book.worksheets), None)
        if sheet is None:
            return
        sheet.reset_dimensions()  # what the file says of its size is often not so
        found = sheet.iter_rows(max_row=MAX_ROWS + 20)
        for number, row in enumerate(found, start=1):
            cells = [_text(cell) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            yield Row(number, cells)
    except PortalError:
        raise
    except Exception as error:  # any fault of a library over bytes that anybody may have made
        raise PortalError("the XLSX file is broken", hint="save it again as .xlsx") from error


def _text(cell: Any) -> str:  # noqa: ANN401  # openpyxl's, of several kinds
    value = cell.value
    if value is None or isinstance(value, bool) or cell.data_type == "e":
        return ""
    if isinstance(value, datetime | date):
        return value.date().isoformat() if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, int | float):
        return _number(value, cell)
    return str(value).strip()[:MAX_CELL]


def _number(value: float, cell: Any) -> str:  # noqa: ANN401  # as above
    """Return a number as the sheet shows it where that matters: whole, with its leading zeros."""
    if value != value or abs(value) > 1e15 or value != int(value):
        return repr(value)
    text = str(int(value))
    shown = cell.number_format or ""
    return text.zfill(len(shown)) if _ONLY_ZEROS.fullmatch(shown) else text
