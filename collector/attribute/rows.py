"""Rows of the logs `sessions` and `leases`, read back as what was told.

The one place where they are read: what the catalogue is told again, and who is asked about, cannot
follow different rules. A row is a mapping with its times as µs, named `time_us`, `start_us` and
`expires_us`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from collector.records import LeaseEvent, SessionEvent, moment

Row = Mapping[str, Any]
SESSION = (
    "session", "event", "site", "method", "person", "account", "ip", "addresses", "mac",
    "time", "start", "expires",
)  # fmt: skip
"""What is read of a row of `sessions`."""
LEASE = (
    "site", "kind", "event", "ip", "mac", "nat_ip", "port_first", "port_last",
    "time", "start", "expires",
)  # fmt: skip
"""What is read of a row of `leases`."""
TIMES = ("time", "start", "expires")


def session_event(row: Row) -> SessionEvent:
    """Return what a row of `sessions` tells."""
    return SessionEvent(
        event_id=UUID(int=0),
        session=UUID(row["session"]),
        event=row["event"],
        time=moment(row["time_us"]),
        site=row["site"],
        method=row["method"] or "",
        person=UUID(row["person"]) if row["person"] else None,
        account=row["account"] or "",
        start=_moment(row["start_us"]),
        expires=_moment(row["expires_us"]),
        addresses=addresses(row),
        mac=row["mac"] or "",
    )


def lease_event(row: Row) -> LeaseEvent:
    """Return what a row of `leases` tells."""
    return LeaseEvent(
        time=moment(row["time_us"]),
        site=row["site"],
        kind=row["kind"],
        event=row["event"],
        ip=row["ip"] or "",
        mac=row["mac"] or "",
        nat_ip=row.get("nat_ip") or "",
        port_first=row.get("port_first"),
        port_last=row.get("port_last"),
        start=_moment(row["start_us"]),
        expires=_moment(row["expires_us"]),
    )


def addresses(row: Row) -> tuple[str, ...]:
    """Return all addresses that a row of `sessions` tells, the first of which is also `ip`."""
    listed = json.loads(row["addresses"] or "[]")
    return tuple(dict.fromkeys([*([row["ip"]] if row["ip"] else []), *listed]))


def _moment(time_us: int | None) -> datetime | None:
    return None if time_us is None else moment(time_us)
