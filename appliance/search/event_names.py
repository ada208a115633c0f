"""What the numbers of events mean that firewalls and NATs tell of, in words.

IANA's registries of IPFIX elements 230, natEvent (RFC 8158), and 233, firewallEvent. Answers for
programs keep the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NAT = {
    1: "translation created",
    2: "translation deleted",
    3: "addresses exhausted",
    4: "NAT44 session created",
    5: "NAT44 session deleted",
    6: "NAT64 session created",
    7: "NAT64 session deleted",
    8: "NAT44 BIB created",
    9: "NAT44 BIB deleted",
    10: "NAT64 BIB created",
    11: "NAT64 BIB deleted",
    12: "ports exhausted",
    13: "quota exceeded",
    14: "address binding created",
    15: "address binding deleted",
    16: "port block allocated",
    17: "port block released",
    18: "threshold reached",
}
FIREWALL = {
    0: "ignored",
    1: "flow created",
    2: "flow deleted",
    3: "flow denied",
    4: "flow alert",
    5: "flow update",
}
NAMES: Mapping[str, Mapping[int, str]] = {"nat_event": NAT, "firewall_event": FIREWALL}
"""By column."""


def name(column: str, value: object) -> str | None:
    """Return an event in words; None where the column tells of none, or the number has no name."""
    return NAMES[column].get(value) if column in NAMES and isinstance(value, int) else None


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its events in words, for a table that people read."""
    return {key: name(key, value) or value for key, value in row.items()}


def shown(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the columns of a table; those of events only where a row tells of one."""
    there = {column for row in rows for column in NAMES if row.get(column) is not None}
    return tuple(column for column in columns if column not in NAMES or column in there)
