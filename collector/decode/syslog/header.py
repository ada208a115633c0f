"""What a syslog message says before its text, whichever format it came in."""

from __future__ import annotations

import re
from functools import lru_cache
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
    return _NONE if found is None else _of(found[1])


@lru_cache(maxsize=1024)
def _of(digits: str) -> Priority:
    """Return the priority that stands as `<digits>`."""
    end = len(digits) + 2
    if not digits:
        return _NONE._replace(end=end)
    value = int(digits)
    if value > 191:
        return Priority(None, None, end, f"no priority is {value}")
    return Priority(value >> 3, value & 7, end)


_NONE = Priority(USER_NOTICE >> 3, USER_NOTICE & 7, 0)
