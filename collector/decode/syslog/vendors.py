"""Which format a message is of, told by what is in it and by nothing else.

No sender's past is remembered: a sender may mix formats, and the same line gives the same row
however lines were batched. What begins with a program that a format claims is tried by that format
first; then come the formats of which the message has a mark, in the order of `FORMATS`.
"""

from __future__ import annotations

from typing import NamedTuple

from collector.decode.syslog.formats import FORMATS
from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading

READ = 16_384
"""Characters of a message that are taken apart; the line is kept whole."""
_MARKED = 512
"""Characters in which marks are looked for."""
_BY_PROGRAM: dict[str, list[Format]] = {}
for _format in FORMATS:
    for _program in _format.programs:
        _BY_PROGRAM.setdefault(_program, []).append(_format)
_MARKS = tuple((mark, one) for one in FORMATS for mark in one.marks)


class Vendored(NamedTuple):
    """A message taken apart and whose it is."""

    vendor: str
    reading: Reading
    cut: bool
    """Whether only the first `READ` characters of it were."""
    named: bool
    """Whether the line names all that has no column."""


def read(header: Header) -> Vendored | None:
    """Return a message taken apart, None when no format reads it."""
    short = header
    if len(header.message) > READ:
        short = header._replace(message=header.message[:READ])
    tried: list[str] = []
    if header.app_name:
        program = header.app_name.rpartition("/")[2].lower()
        for one in _BY_PROGRAM.get(program, ()):
            tried.append(one.name)
            if (reading := one.read(header if one.whole else short)) is not None:
                cut = short is not header and not one.whole
                return Vendored(one.name, reading, cut, one.named)
    text, code = short.message[:_MARKED], header.msg_id or ""
    for mark, one in _MARKS:
        if (mark in text or mark in code) and one.name not in tried:
            tried.append(one.name)
            if (reading := one.read(header if one.whole else short)) is not None:
                cut = short is not header and not one.whole
                return Vendored(one.name, reading, cut, one.named)
    return None
