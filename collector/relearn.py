"""What a crash kept from the catalogue, or took from it, learnt again at every start.

Files and their rollups are found on the disk. What sessions told after the flows that they reach
were sealed stands in the catalogue alone. It follows from the sealed rows of `sessions` and
`leases`, in the order of their receipt, and from how far the flows were sealed by then; so a new
catalogue is told again.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

from collector.attribute.timeline import Change, Timeline
from collector.errors import StoreError
from collector.records import LeaseEvent, SessionEvent, microseconds
from collector.store import rebuild, rollup, segments
from collector.store.catalog import Catalog, FileEntry
from collector.store.schema import LOGS

_log = logging.getLogger(__name__)
_LEASE = ("received", "time", "site", "kind", "event", "ip", "mac", "start", "expires")
_SESSION = (
    "received",
    "event_id",
    "session",
    "event",
    "time",
    "site",
    "method",
    "person",
    "start",
    "expires",
    "ip",
    "addresses",
    "mac",
)


def catalogue(home: Path, catalog: Catalog, sites: Sequence[str]) -> rebuild.Mended:
    """Make `catalog` know what lies on disk; a new one also what was learnt late at `sites`.

    Damage is told and left alone: it must not keep the box from starting.
    """
    # In one step: a catalogue that a crash left half made would pass for a whole one.
    with catalog.together():
        new = not catalog.paths()
        mended = rebuild.reconcile(catalog, home)
        for segment in mended.added:
            _count(home, segment)
        if new and mended.added:
            for site in sites:
                late_bindings(home, catalog, site)
    return mended


def _count(home: Path, segment: FileEntry) -> None:
    try:
        rollup.make(home, segment)
    except StoreError as error:
        _log.error("%s: see prathu verify", error)


def late_bindings(home: Path, catalog: Catalog, site: str) -> None:
    """List in `catalog` the bindings of a site that its sealed flows did not know.

    Args:
        home: The home.
        catalog: Knows all segments already.
        site: The site.

    A damaged segment is told and left out: the box must go on collecting.
    """
    flows = sorted(catalog.files("flows", sites=[site]), key=lambda file: file.received_max)
    ends = [file.received_max for file in flows]
    reach = list(accumulate((file.event_max for file in flows), max))
    timeline = Timeline()
    sessions = _rows(home, catalog, site, "sessions", _SESSION)
    leases = _rows(home, catalog, site, "leases", _LEASE)
    for row in merge(sessions, leases, key=itemgetter("received")):
        sealed = bisect_left(ends, microseconds(row["received"]))
        changes = _tell(timeline, row)
        if sealed:
            _list_late(catalog, changes, reach[sealed - 1])


def _tell(timeline: Timeline, row: Mapping[str, Any]) -> list[Change]:
    if "session" in row:
        return timeline.add(_session(row), -1)
    return timeline.add_lease(_lease(row), -1)[0]


def _list_late(catalog: Catalog, changes: list[Change], sealed_until_us: int) -> None:
    late = [change for change in changes if change.from_us < sealed_until_us]
    if late:
        catalog.add_late_bindings(
            [change.new for change in late if change.new is not None],
            withdrawn=[change.old for change in late if change.old is not None],
        )


def _rows(
    home: Path, catalog: Catalog, site: str, log: str, columns: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Give the sealed rows of a site's log in the order of their receipt, file by file."""
    files = catalog.files(log, sites=[site], by="received")
    for file in sorted(files, key=lambda file: file.received_min):
        try:
            table = segments.read(home / file.path, LOGS[log])
        except StoreError as error:
            _log.error("%s; whom it told of late is not known", error)
            continue
        rows = table.select(list(columns)).to_pylist()
        yield from sorted(rows, key=itemgetter("received"))


def _lease(row: Mapping[str, Any]) -> LeaseEvent:
    return LeaseEvent(
        time=row["time"],
        site=row["site"],
        kind=row["kind"],
        event=row["event"],
        ip=row["ip"] or "",
        mac=row["mac"] or "",
        start=row["start"],
        expires=row["expires"],
    )


def _session(row: Mapping[str, Any]) -> SessionEvent:
    addresses = json.loads(row["addresses"]) if row["addresses"] else [row["ip"]]
    return SessionEvent(
        event_id=UUID(row["event_id"]),
        session=UUID(row["session"]),
        event=row["event"],
        time=row["time"],
        site=row["site"],
        method=row["method"],
        person=UUID(row["person"]) if row["person"] else None,
        start=row["start"],
        expires=row["expires"],
        addresses=tuple(address for address in addresses if address),
        mac=row["mac"] or "",
    )
