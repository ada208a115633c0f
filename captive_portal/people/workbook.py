"""What an XLSX file may be before a library that trusts it opens it.

The archive's parts are bounded by what its directory says (the reader of archives gives no byte
more), and each part is run through once, in pieces: a hostile file is refused here in one line,
whatever it would have made of the memory.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from xml.sax import SAXException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml import DefusedXmlException
from defusedxml.sax import make_parser
from typing_extensions import override

from captive_portal.errors import PortalError

MAX_UNPACKED = 96 << 20
"""Bytes of all parts together: a roll of 200,000 rows has 60 MiB."""
MAX_PARTS = 500
MAX_CELLS = 400
"""In one row."""
MAX_ELEMENTS = 200_000
"""In a part that is neither a sheet nor its strings."""
MAX_STRINGS = 2_000_000
"""Elements in the part of strings, of which each string has two or more."""
MAX_TEXT = 40_000
"""Characters between two tags; a cell holds 32,767."""
MAX_DEPTH = 64
_PIECE = 1 << 16
_CELL = re.compile(r"[A-Z]{1,3}([0-9]{1,7})")


def refuse_hostile(octets: bytes, *, max_rows: int) -> int:
    """Look through a file before it is opened.

    Args:
        octets: The file.
        max_rows: So many rows a sheet may have.

    Returns:
        The last row in which cells are joined in any sheet; 0 when none are.

    Raises:
        PortalError: it holds what a list of people does not, or too much of it, or is broken.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            parts = archive.infolist()
            _refuse_parts(parts)
            merged = 0
            for part in parts:
                if part.filename.lower().endswith((".xml", ".rels", ".vml")):
                    merged = max(merged, _scan(archive, part, max_rows))
            return merged
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PortalError("the XLSX file is broken", hint="save it again as .xlsx") from error
    except DefusedXmlException as error:
        raise PortalError(
            "the XLSX file declares XML entities, as no spreadsheet does", hint="do not open it"
        ) from error
    except (SAXException, ValueError, OSError) as error:
        raise PortalError("the XLSX file is broken", hint="save it again as .xlsx") from error


def _refuse_parts(parts: list[zipfile.ZipInfo]) -> None:
    if len(parts) > MAX_PARTS or len({part.filename for part in parts}) != len(parts):
        raise PortalError("the XLSX file has too many parts", hint="copy the list to a new file")
    if sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise PortalError(
            f"the XLSX file unpacks to more than {MAX_UNPACKED >> 20} MiB",
            hint="copy the list alone to a new file, or split it",
        )
    for part in parts:
        name = part.filename.lower()
        program = name.endswith((".bin", ".exe")) and "printersettings" not in name
        if program or "vbaproject" in name:
            raise PortalError("the XLSX file holds macros", hint="save it as .xlsx without them")
        if "externallink" in name:
            raise PortalError(
                "the XLSX file is linked with other files", hint="copy the list as values"
            )
        if part.flag_bits & 1:
            raise PortalError("the XLSX file has a password", hint="save it without")


def _scan(archive: zipfile.ZipFile, part: zipfile.ZipInfo, max_rows: int) -> int:
    looker = _Looker(part.filename, max_rows)
    parser = make_parser()
    parser.forbid_dtd = True
    parser.setContentHandler(looker)
    with archive.open(part) as stream:
        while piece := stream.read(_PIECE):
            parser.feed(piece)
    parser.close()
    return looker.merged


def _column(reference: str) -> int:
    """Return which column a cell is in, from 1 on."""
    number = 0
    for letter in reference.upper():
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    return number


class _Looker(ContentHandler):
    """Runs through one part and counts."""

    def __init__(self, name: str, max_rows: int) -> None:
        super().__init__()
        self.merged = 0
        self._sheet = "/worksheets/" in name and not name.endswith(".rels")
        self._most = MAX_STRINGS if name.lower().endswith("sharedstrings.xml") else MAX_ELEMENTS
        self._max_rows = max_rows
        self._depth = self._elements = self._rows = self._cells = self._text = 0

    @override
    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        """Count, and refuse what is too much or out of place."""
        self._depth += 1
        self._text = 0
        if self._depth > MAX_DEPTH:
            raise PortalError("the XLSX file is nested too deeply", hint="do not open it")
        if len(attrs) > 60:
            raise PortalError("the XLSX file is broken", hint="save it again as .xlsx")
        if self._sheet:
            self._in_sheet(name.rpartition(":")[2], attrs)
            return
        self._elements += 1
        if self._elements > self._most:
            raise PortalError("the XLSX file holds too much", hint="copy the list to a new file")

    def _in_sheet(self, name: str, attrs: AttributesImpl) -> None:
        if name == "row":
            self._rows, self._cells = self._rows + 1, 0
            at, most = str(attrs.get("r", ""))[:9], self._max_rows + 20
            if self._rows > most or (at.isdecimal() and int(at) > most):
                raise PortalError(f"more than {self._max_rows} rows", hint="split the file")
            return
        self._cells += 1
        if name == "c" and _column(attrs.get("r", "A")) > MAX_CELLS:
            raise self._too_wide()
        if name == "f":
            raise PortalError(
                f"row {self._rows} holds a formula", hint="copy the list as values and save it"
            )
        if name == "mergeCell":
            rows = [int(row) for row in _CELL.findall(attrs.get("ref", ""))]
            self.merged = max([self.merged, *rows])
            self._cells = 0
        # A cell has up to three elements; what is not in a row is not counted by rows.
        if self._cells > 4 * MAX_CELLS:
            raise self._too_wide()

    def _too_wide(self) -> PortalError:
        return PortalError(
            f"row {self._rows} has more than {MAX_CELLS} columns", hint="delete empty columns"
        )

    @override
    def endElement(self, name: str) -> None:
        """Leave an element."""
        self._depth -= 1
        self._text = 0

    @override
    def characters(self, content: str) -> None:
        """Bound what stands between two tags."""
        self._text += len(content)
        if self._text > MAX_TEXT:
            raise PortalError("a cell of the XLSX file is too long", hint="copy the list as values")
