"""One value of a row as a cell: text for people, and the term that asks for more of the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from appliance.search import event_names
from appliance.web.texts import Texts

PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 58: "ICMPv6", 132: "SCTP"}

_PIVOTS = {
    "full_name": "user",
    "account": "user",
    "person": "user",
    "peer_person": "user",
    "src_ip": "ip",
    "dst_ip": "ip",
    "ip": "ip",
    "src_port": "port",
    "dst_port": "port",
    "nat_src_ip": "nat",
    "nat_dst_ip": "nat",
    "src_mac": "mac",
    "dst_mac": "mac",
}
"""The short name that a click on a column asks for; other columns ask for themselves."""

_NO_PIVOT = frozenset(
    [
        "message",
        "raw",
        "note",
        "question",
        "sentence",
        "candidates",
        "extra",
        "addresses",
        "structured_data",
        "fields",
        "raw_bytes",
        "bytes",
        "packets",
        "bytes_reverse",
        "packets_reverse",
        "bytes_in",
        "bytes_out",
        "packets_in",
        "packets_out",
        "duration_s",
        "duration_ms",
        "lost",
        "tcp_flags",
        "nat_key",
        "observation_domain",
    ]
)
_WORDS = {
    "certainty": "certainty",
    "peer_certainty": "certainty",
    "kind": "gap",
    "event": "event",
    "method": "method",
    "peer_method": "method",
    "act": "act",
}
"""Columns of few known values, and the group of messages that has the words for them."""
_LONG = frozenset({"message", "raw", "note", "question", "sentence", "target", "candidates"})
_AMOUNTS = re.compile(r"^(bytes|packets|lost|duration_s)")
_BARE = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What stands in one cell of the table."""

    text: str
    term: str = ""
    """The term that a click adds to the question; empty for none."""
    kind: str = ""
    """`num`, `long` or empty: the style of the cell."""


def cell(column: str, value: Any, words: Texts) -> Cell:  # noqa: ANN401  # any column's value
    """Return the cell for one value."""
    if value is None or value == "":
        return Cell(text="", kind="num" if is_number(column) else "")
    if isinstance(value, datetime):
        return Cell(text=words.moment(value))
    if column == "protocol":
        return Cell(text=PROTOCOLS.get(value, str(value)), term=f"proto:{value}")
    if _AMOUNTS.match(column):
        return Cell(text=words.number(value), kind="num")
    if isinstance(value, bytes):
        return Cell(text=value.hex(" "), kind="long")
    term = "" if column in _NO_PIVOT or isinstance(value, float) else term_of(column, value)
    text = words(f"{_WORDS[column]}:{value}") if column in _WORDS else _text(column, value, words)
    return Cell(text=text, term=term, kind=_kind(column))


def _text(column: str, value: object, words: Texts) -> str:
    """Return a value as it is; of an event its name, in these words."""
    name = event_names.name(column, value)
    return str(value) if name is None else words(f"event:{name}")


def term_of(column: str, value: object) -> str:
    """Return the term of the question language that asks for this value."""
    name = _PIVOTS.get(column, column)
    text = str(value)
    if _BARE.fullmatch(text) and not isinstance(value, bool):
        return f"{name}:{text}"
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}:"{quoted}"'


def with_term(question: str, term: str) -> str:
    """Return the question narrowed by a term."""
    plain = question.strip()
    if plain in ("", "*"):
        return term
    if term in plain.split(" AND "):
        return plain
    narrowed = f"({plain})" if re.search(r"\bOR\b|\|\|", plain) else plain
    return f"{narrowed} AND {term}"


def is_number(column: str) -> bool:
    """Say whether a column's values stand right-aligned."""
    return bool(_AMOUNTS.match(column)) or column.endswith("_port")


def _kind(column: str) -> str:
    if column in _LONG:
        return "long"
    return "num" if is_number(column) else ""
