"""Text from logs for terminals and spreadsheets: nothing in it moves the cursor or is run.

Whoever can send a line of syslog writes into the log, and somebody reads it on a terminal. What is
no visible sign becomes its escape: a message of two lines stays one line of a table.
"""

from __future__ import annotations

import json
import re
from typing import Any

# C0, DEL and C1, line and paragraph separators, what reorders text (UAX #9), lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNSAFE_BUT_LINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    """Return `text` as one line that a terminal only shows."""
    return _UNSAFE.sub(_escape, text)


def printable_lines(text: str) -> str:
    r"""Return `text` with its lines and tabs, and nothing else that a terminal would obey."""
    return _UNSAFE_BUT_LINES.sub(_escape, text)


def json_line(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401  # any JSON value
    """Return JSON with the letters of all languages as they are, safe to print."""
    text = json.dumps(value, ensure_ascii=False, default=str, indent=indent)
    return _UNSAFE_BUT_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    code = ord(sign)
    return _SHORT.get(sign) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def cell(value: object) -> object:
    """Return a value for CSV: text that a spreadsheet would run gets an apostrophe in front."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
