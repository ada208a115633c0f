"""How much room the log `datagrams` takes, or would take, at the rate of the flows so far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collector.settings import CollectorSettings
from collector.store.catalog import Catalog, FileEntry
from collector.store.schema import DATAGRAMS, FLOWS

FLOW_BYTES = 22
"""Of packed datagrams for each flow: measured on NetFlow v9 with NAT, 24 records a datagram."""
_DAY_US = 86_400e6
_LEAST_DAYS = 1 / 24


def forecast(home: Path, settings: CollectorSettings) -> dict[str, Any]:
    """Return whether datagrams are kept and why, and bytes a day; None before anything is sealed.

    What was kept so far is measured; else it is taken from the flows.
    """
    told: dict[str, Any] = {"reason": settings.datagrams.reason, "bytes_per_day": None}
    path = home / "catalog.sqlite"
    if not path.exists():
        return told
    with Catalog.open(path) as catalog:
        kept = catalog.files(DATAGRAMS.log, by="received")
        flows = catalog.files(FLOWS.log, by="received")
    if settings.datagrams.reason and kept:
        told["bytes_per_day"] = round(sum(file.size for file in kept) / _days(kept))
    elif flows:
        told["bytes_per_day"] = round(sum(file.rows for file in flows) * FLOW_BYTES / _days(flows))
    return told


def _days(files: Sequence[FileEntry]) -> float:
    first = min(file.received_min for file in files)
    last = max(file.received_max for file in files)
    return max((last - first) / _DAY_US, _LEAST_DAYS)


def line(told: dict[str, Any], days: int) -> str:
    """Return it for people, with the room that so many days take."""
    rate = told["bytes_per_day"]
    room = "how much that is, is known once flows are sealed"
    if rate is not None:
        room = f"about {_size(rate)} a day, {_size(rate * days)} in {days} days"
    if told["reason"]:
        return f"kept ({told['reason']}): {room}"
    return f"not kept; would be {room}" if rate is not None else "not kept"


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:,.0f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"
