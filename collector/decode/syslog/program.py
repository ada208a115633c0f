"""Which program a line is of, and where its own words begin; with a header of either kind, or none.

What a program says counts only as its own: others repeat in the middle of their lines what
strangers typed, as names of users, of pages and of networks.
"""

from __future__ import annotations

import re

from collector.decode.syslog import rfc3164, rfc5424

_TAG = re.compile(r"([^\s:\[\]{}=\"|,;]{1,64})(?:\[\d{1,10}\])?: ")


def own_words(line: str) -> tuple[str, str]:
    """Return the program's name, empty where none is told, and its message."""
    line = line.rstrip("\r\n\0")
    header = rfc5424.parse(line) or rfc3164.parse(line, 0)
    tag = _TAG.match(header.message) if header.app_name is None else None
    if tag is None:
        return header.app_name or "", header.message
    return tag[1], header.message[tag.end() :]
