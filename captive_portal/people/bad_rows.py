"""Rows that were not taken, as XLSX with the reason in front: to be mended and imported again."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from captive_portal.people import layout
from captive_portal.people.layout import Layout
from captive_portal.people.roll import Bad

REASON, ROW = "เหตุผล (reason)", "แถว (row)"


def written(bad: Sequence[Bad], found: Layout, *, say: Callable[[str], str] = str) -> bytes:
    """Return the rows as XLSX, with the columns that may be given back.

    Args:
        bad: The rows.
        found: Their columns.
        say: Gives a reason in the language of whoever reads it.
    """
    fields = [field for field in found.columns if field not in layout.SECRET]
    book = Workbook(write_only=True)
    sheet = book.create_sheet("แถวที่มีปัญหา")
    _row(sheet, [REASON, ROW, *(found.headers[field] for field in fields)])
    for one in bad:
        cells = (one.cells.get(field, "") for field in fields)
        _row(sheet, [say(one.reason), str(one.number), *cells])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _row(sheet: WriteOnlyWorksheet, texts: Sequence[str]) -> None:
    cells = []
    for text in texts:
        cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", text))
        cell.data_type = "s"  # what begins with = is text too
        cells.append(cell)
    sheet.append(cells)
