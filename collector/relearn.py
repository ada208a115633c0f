"""What a crash kept from the catalogue, or took from it, learnt again at every start.

Files and their rollups are found on the disk. What sessions told after the flows that they reach
were sealed stands in the catalogue alone. It follows from the sealed rows of `sessions` and
`leases`, in the order of their receipt, and from how far the flows were sealed by then; so a new
catalogue is told again.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector.attribute import rows
from collector.attribute.change import Change
from collector.attribute.timeline import Timeline
from collector.errors import StoreError
from collector.store import rebuild, rollup, segments
from collector.store.catalog import Catalog, FileEntry
from collector.store.schema import LOGS

_log = logging.getLogger(__name__)


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
    sessions = _rows(home, catalog, site, "sessions", rows.SESSION)
    leases = _rows(home, catalog, site, "leases", rows.LEASE)
    for row in merge(sessions, leases, key=itemgetter("received_us")):
        sealed = bisect_left(ends, row["received_us"])
        changes = _tell(timeline, row)
        if sealed:
            _list_late(catalog, changes, reach[sealed - 1])


def _tell(timeline: Timeline, row: Mapping[str, Any]) -> list[Change]:
    if "session" in row:
        changes = timeline.add(rows.session_event(row), -1)
    else:
        changes, _ = timeline.add_lease(rows.lease_event(row), -1)
    return timeline.take_unlisted() + changes


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
        yield from sorted(_plain(table, columns), key=itemgetter("received_us"))


def _plain(table: pa.Table, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return some columns of a table and when each row was received, all times in µs."""
    named = {name: table[name] for name in columns if name not in rows.TIMES}
    for name in ("received", *rows.TIMES):
        named[f"{name}_us"] = table[name].cast(pa.int64())
    return pa.table(named).to_pylist()
