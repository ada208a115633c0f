# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the programs that watch a wire hand over: events as the receiving process reads them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Record = tuple[str, Mapping[str, Any]]
"""`lease`, `name` or `coverage`, and the members of the event."""

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_FOR_EVER = datetime(2399, 12, 31, tzinfo=UTC)


def coverage(
    site: str,
    interface: str,
    kind: str,
    now_ns: int,
    since_ns: int | None = None,
    **members: object,
) -> Record:
    """Return an event of what was not seen, or may not have been.

    Args:
        site: Whose network it is.
        interface: Which is watched.
        kind: What happened.
        now_ns: When it was found out, ns since the epoch.
        since_ns: Since when it goes on.
        members: Of the event; `source` in place of the interface.
    """
    return "coverage", {
        "time": text(now_ns if since_ns is None else since_ns),
        "end": text(now_ns),
        "site": site,
        "kind": kind,
        "source": f"sniff {interface}",
        **members,
    }


def text(time_ns: int) -> str:
    """Return a time in RFC 3339; what lies past year 2399 is as good as for ever."""
    return min(_BEGIN + timedelta(microseconds=time_ns // 1000), _FOR_EVER).isoformat()
