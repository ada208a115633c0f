"""Elements that a home names itself: a CSV of number, name and type, as `elements.csv` has them.

What IANA, or this box, calls by a name keeps it: a file that says otherwise is refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from collector.decode import elements
from collector.decode.elements import Element
from collector.errors import SettingsError

HEADER = ("pen", "id", "name", "type")
MOST = 10_000
MOST_CHARACTERS = 1 << 20
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MOST_PEN, _MOST_ID = (1 << 32) - 1, (1 << 16) - 1
_HINT = "a line reads: pen,id,name,type, for instance 12345,1,roomName,string"


def use(home: Path, file: str) -> int:
    """Call elements as a file of the home does, from now on; return how many it names.

    Args:
        home: The home.
        file: Its path there; empty for none.

    Raises:
        SettingsError: in one line, what cannot be read or is not so.
    """
    named = load(home / file) if file else {}
    elements.call(named)
    return len(named)


def load(path: Path) -> dict[tuple[int, int], Element]:
    """Return the elements that a file names.

    Raises:
        SettingsError: in one line, what cannot be read or is not so.
    """
    try:
        with path.open("rb") as file:
            text = file.read(4 * (MOST_CHARACTERS + 2)).decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"flows.elements_file: {path}: {error.strerror}", hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"flows.elements_file: {path} is not UTF-8", hint=_HINT) from error
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"flows.elements_file: {path}: {error}", hint=_HINT) from error


def parse(text: str) -> dict[tuple[int, int], Element]:
    """Return the elements that a text names.

    Raises:
        ValueError: in one line, which line is wrong and why.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it is longer than {MOST_CHARACTERS} characters")
    found: dict[tuple[int, int], Element] = {}
    for at, cells in _rows(text):
        try:
            one = _element(cells, found)
        except ValueError as error:
            raise ValueError(f"line {at}: {error}") from error
        found[one.pen, one.id] = one
        if len(found) > MOST:
            raise ValueError(f"line {at}: more than {MOST} elements")
    return found


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the rows below the header, each with the number of its line."""
    header = True
    for at, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            cells = [cell.strip() for cell in next(csv.reader([line], strict=True))]
        except csv.Error as error:
            raise ValueError(f"line {at}: {error}") from error
        if header and tuple(cell.lower() for cell in cells) != HEADER:
            raise ValueError(f"line {at}: the first line is {','.join(HEADER)}")
        if not header:
            yield at, cells
        header = False


def _element(cells: list[str], others: Mapping[tuple[int, int], Element]) -> Element:
    if len(cells) != len(HEADER):
        raise ValueError(f"{len(cells)} values in place of {len(HEADER)}")
    pen, number = _number("pen", cells[0], 0, _MOST_PEN), _number("id", cells[1], 1, _MOST_ID)
    name, kind = cells[2:]
    if (pen, number) in others:
        raise ValueError(f"{pen}/{number} stands there twice")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name[:80]!r} is no name: letters and digits, a letter first, at most 64"
        )
    kinds = {one.type for one in elements.table().values()}
    if kind not in kinds:
        raise ValueError(f"{kind[:80]!r} is no type; there are: {', '.join(sorted(kinds))}")
    known = elements.registered(pen, number)
    if known.type != elements.UNKNOWN and (known.name, known.type) != (name, kind):
        whose = "IANA's registry" if pen == 0 else "the box's own table"
        raise ValueError(f"{pen}/{number} is {known.name} ({known.type}) in {whose}: leave it out")
    return Element(pen, number, name, kind)


def _number(what: str, text: str, least: int, most: int) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else -1
    if not least <= number <= most:
        raise ValueError(f"{text[:80]!r} is no {what}: it is {least} to {most}")
    return number
