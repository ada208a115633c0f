"""ArcSight Common Event Format: `CEF:0|vendor|product|version|id|name|severity|key=value …`.

Values hold blanks and go on until the next key. Some senders leave out `CEF:`, or put a blank
after it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, split

NAMES = {
    "src": "src_ip",
    "spt": "src_port",
    "dst": "dst_ip",
    "dpt": "dst_port",
    "proto": "protocol",
    "suser": "account",
    "duser": "account",
    "smac": "mac",
    "in": "bytes",
    "out": "bytes_reverse",
    "act": "action",
    "sourceTranslatedAddress": "nat_src_ip",
    "sourceTranslatedPort": "nat_src_port",
    "destinationTranslatedAddress": "nat_dst_ip",
    "destinationTranslatedPort": "nat_dst_port",
}
"""Which column a key of CEF's extension dictionary fills."""
_HEAD = re.compile(r"(?:CEF: ?)?(?P<version>[01])\|")
_CELL = re.compile(r"((?:[^|\\]|\\.){0,512})\|", re.DOTALL)
_KEY = re.compile(r"(?:(?<=\s)|\A)([\w.\[\]-]{1,80})=")
_ESCAPED = re.compile(r"\\([\\=|nr])")
_PLAIN = {"n": "\n", "r": "\r"}
_CELLS = 6


class Parts(NamedTuple):
    """Such a message, cut."""

    head: tuple[str, ...]
    """Vendor, product, version, id, name, severity."""
    pairs: Mapping[str, str]


def parts(text: str) -> Parts | None:
    """Return a message cut into header and extension."""
    begin = text.find("CEF:")
    found = _HEAD.match(text, max(begin, 0))
    if found is None:
        return None
    at, head = found.end(), []
    for _ in range(_CELLS):
        cell = _CELL.match(text, at)
        if cell is None:
            return None
        head.append(_plain(cell[1]))
        at = cell.end()
    return Parts(tuple(head), _extension(text[at:].strip()))


def reading(found: Parts, names: Mapping[str, str]) -> Reading:
    """Return its columns by a map of keys."""
    columns, rest, *_ = split(found.pairs.items(), names)
    vendor, product, version, number, name, severity = found.head
    columns["event_type"] = name or number
    head = {"vendor": vendor, "product": product, "version": version, "id": number}
    told = {**head, "level": severity, **rest}
    return Reading(columns, {key: value for key, value in told.items() if value})


def _extension(text: str) -> dict[str, str]:
    keys = list(_KEY.finditer(text))
    ends = [key.start() for key in keys[1:]] + [len(text)]
    return {
        key[1]: _plain(text[key.end() : end].strip()) for key, end in zip(keys, ends, strict=False)
    }


def _plain(text: str) -> str:
    return (
        _ESCAPED.sub(lambda found: _PLAIN.get(found[1], found[1]), text) if "\\" in text else text
    )


def _read(header: Header) -> Reading | None:
    found = parts(header.message)
    return None if found is None else reading(found, NAMES)


FORMAT = Format(name="cef", read=_read, marks=("CEF:", "0|"))
