"""Which format a message is of, told by what is in it and by nothing else.

No sender's past is remembered: a sender may mix formats, and the same line gives the same row
however lines were batched. A program that a format claims is read by that format alone; any other
message by the formats of which it has a mark, in the order of `FORMATS`. Only the settings can give
a sender a format (`fixed.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
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


def read(header: Header, only: Format | None = None) -> Vendored | None:
    """Return a message taken apart, None when no format reads it.

    Args:
        header: The message and what stood before it.
        only: The format that the settings give its sender; no other one is tried then.
    """
    short = header
    if len(header.message) > READ:
        short = header._replace(message=header.message[:READ])
    program = (header.app_name or "").rpartition("/")[2].lower()
    found = (only,) if only else _BY_PROGRAM.get(program) or _marked(short)
    for one in found:
        if one.begins is not None and one.begins.match(_begin(short)) is None:
            continue
        if (reading := one.read(header if one.whole else short)) is not None:
            cut = short is not header and not one.whole
            return Vendored(one.name, reading, cut, one.named)
    return None


def _marked(header: Header) -> Iterable[Format]:
    """Return the formats of which a message has a mark."""
    text, code = header.message[:_MARKED], header.msg_id or ""
    return dict.fromkeys(one for mark, one in _MARKS if mark in text or mark in code)


def _begin(header: Header) -> str:
    """Return what a message begins with, program and process id in front."""
    process = f"[{header.proc_id}]" if header.proc_id else ""
    program = f"{header.app_name}{process}: " if header.app_name else ""
    code = f"{header.msg_id} " if header.msg_id else ""
    return f"{program}{code}{header.message[:_MARKED]}"
