"""Names and types of information elements, from one table per the IANA registry and vendors.

`elements.csv` says pen, id, name, type. The elements of the reverse direction (RFC 5103, PEN
29305) are made from the IANA ones; CERT's own (PEN 6871) mark the reverse with bit 0x4000. What
is not there may have a name that the home gives it (`own_elements.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

IPFIX = 10
UNKNOWN = "unknown"
"""The type of what is not in the table."""
REVERSE_PEN = 29305
_CERT_PEN = 6871
_CERT_REVERSE_BIT = 0x4000

_SCOPES = {
    1: "scopeSystem",
    2: "scopeInterface",
    3: "scopeLineCard",
    4: "scopeCache",
    5: "scopeTemplate",
}


@dataclass(frozen=True, slots=True)
class Element:
    """One information element."""

    pen: int
    id: int
    name: str
    """After the registry; `PEN/id` or `id` when it is not in the table."""
    type: str
    """An abstract data type of RFC 7012 section 3.1; `unknown` when it is not in the table."""


@cache
def table() -> dict[tuple[int, int], Element]:
    """Return the table by (pen, id)."""
    text = resources.files("collector.decode").joinpath("elements.csv").read_text("utf-8")
    rows = csv.reader(line for line in text.splitlines() if not line.startswith("#"))
    next(rows)
    return {
        (int(pen), int(number)): Element(int(pen), int(number), name, kind)
        for pen, number, name, kind in rows
    }


_own: dict[tuple[int, int], Element] = {}
"""What the home names: one home a process."""


def call(named: Mapping[tuple[int, int], Element]) -> None:
    """Call elements so from now on, which the table does not have, and no others."""
    _own.clear()
    _own.update(named)


def lookup(pen: int, number: int) -> Element:
    """Return the element, made up from its number when nobody names it."""
    known = registered(pen, number)
    return _own.get((pen, number), known) if known.type == UNKNOWN else known


def registered(pen: int, number: int) -> Element:
    """Return the element by the table alone, made up from its number when it does not have it."""
    known = table().get((pen, number))
    if known is not None:
        return known
    forward = None
    if pen == REVERSE_PEN:
        forward = table().get((0, number))
    elif pen == _CERT_PEN and number & _CERT_REVERSE_BIT:
        forward = table().get((pen, number & ~_CERT_REVERSE_BIT))
    if forward is not None:
        name = f"reverse{forward.name[0].upper()}{forward.name[1:]}"
        return Element(pen, number, name, forward.type)
    return Element(pen, number, f"{pen}/{number}" if pen else str(number), UNKNOWN)


def scope(number: int) -> Element:
    """Return the element of a NetFlow v9 scope field (RFC 3954 section 6.1)."""
    return Element(0, number, _SCOPES.get(number, f"scope{number}"), "unknown")
