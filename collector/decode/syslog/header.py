"""What a syslog message says before its text, whichever format it came in."""

from __future__ import annotations

import re
from typing import NamedTuple

USER_NOTICE = 13
"""The priority of a message that has none (RFC 3164 section 4.3.3)."""

_PRIORITY = re.compile(r"<(\d{0,3})>")


class Header(NamedTuple):
    """A message taken apart. None: the sender did not say."""

    format: str
    """`rfc5424`, `rfc3164`, or `raw` for a line with the header of neither."""
    message: str
    facility: int | None = None
    severity: int | None = None
    time_us: int | None = None
    """The time in it, in µs UTC."""
    zoned: bool = False
    """Whether that time had a zone; else it was read as Asia/Bangkok."""
    hostname: str | None = None
    app_name: str | None = None
    proc_id: str | None = None
    msg_id: str | None = None
    structured_data: str | None = None
    """As sent, brackets and escapes and all."""
    fault: str | None = None
    """What is wrong with it."""


class Priority(NamedTuple):
    """The `<PRI>` in front, and where what follows it begins."""

    facility: int | None
    severity: int | None
    end: int
    fault: str | None = None


def priority(text: str) -> Priority:
    """Return the priority of a message; without one it is user.notice and ends at 0."""
    found = _PRIORITY.match(text)
    if found is None or not found[1]:
        return Priority(USER_NOTICE >> 3, USER_NOTICE & 7, found.end() if found else 0)
    value = int(found[1])
    if value > 191:
        return Priority(None, None, found.end(), f"no priority is {value}")
    return Priority(value >> 3, value & 7, found.end())
