"""Homes with a few files of log rows, written by the real store, for tests of searching."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from appliance.search.duck import Limits
from appliance.search.engine_local import Asker, LocalEngine
from collector.records import AuditEvent, Binding
from collector.store import parts, segments, sessions_told
from collector.store.catalog import FILE, Catalog, FileEntry, PersonName
from collector.store.schema import LOGS

Row = Mapping[str, Any]

NOW_US = 1_795_338_000_000_000
"""The time that the tests' clock shows: 2026-11-22T16:00:00 in Bangkok."""
MINUTE = 60_000_000
SITE = "school-a"
SITES = {SITE: ("10.0.0.0/8",), "school-b": ("10.0.0.0/8",)}
ASKER = Asker(actor="local:tester", address="127.0.0.1")


class Home:
    """A folder with a catalogue, to which files of rows are added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._catalog = Catalog.open(path / FILE, write=True, clock=clock)
        self._made = 0
        self.audited: list[AuditEvent] = []

    def segment(self, rows: Iterable[Row], *, log: str = "flows", site: str = SITE) -> FileEntry:
        """Add a sealed segment; its rows stand by person, then time, as the sealer has them."""
        ordered = sorted(rows, key=lambda r: (r.get("person") or "", r["time"]))
        return self._add("segment", f"logs/{site}/{log}/{self._made}.parquet", ordered, log, site)

    def part(self, rows: Iterable[Row], *, log: str = "flows", site: str = SITE) -> FileEntry:
        """Add an open part."""
        return self._add("part", f"open/{site}/{log}/{self._made}.parquet", rows, log, site)

    def person(self, person: str, account: str, full_name: str, *, site: str = SITE) -> None:
        """Let the catalogue know a name."""
        name = PersonName(
            site=site,
            person=person,
            account=account,
            full_name=full_name,
            proofing="",
            first_us=0,
            last_us=NOW_US,
        )
        self._catalog.add_persons([name])

    def late(self, *bindings: Binding) -> None:
        """Tell of sessions after their flows were sealed."""
        self._catalog.add_late_bindings(bindings)

    def publish(self, segment: FileEntry, replaces: Sequence[str]) -> None:
        """Swap parts for a segment."""
        self._catalog.publish(segment, replaces)

    def destroy(self, segment: FileEntry) -> None:
        """Take a segment away; what the catalogue learnt from its rows stays a while."""
        (self.path / segment.path).unlink()
        self._catalog.gone([segment.path])

    def engine(self, limits: Limits | None = None) -> LocalEngine:
        """Return an engine over this home that keeps its audit events in `audited`."""
        return LocalEngine(
            self.path, limits or Limits(), self.audited.append, clock=clock, sites=SITES
        )

    def _add(self, kind: Any, path: str, rows: Iterable[Row], log: str, site: str) -> FileEntry:
        self._made += 1
        written = table(rows, log=log, site=site)
        full = self.path / path
        if kind == "part":
            stats = parts.write(written, full)
        else:
            stats = segments.write(written, full, LOGS[log])
        entry = FileEntry(
            path=path,
            kind=kind,
            site=site,
            log=log,
            seq=self._made if kind == "segment" else None,
            schema_version=1,
            spool_from=self._made,
            spool_to=self._made + 1,
            **asdict(stats),
        )
        self._catalog.add_part(entry)
        if log == "sessions":
            sessions_told.take_in(self._catalog, written)
        return entry


def clock() -> int:
    """The time now, in nanoseconds: always the same."""
    return NOW_US * 1000


def table(rows: Iterable[Row], *, log: str = "flows", site: str = SITE) -> pa.Table:
    """Return rows as a table of the log; times are µs, `received` is `time` unless told."""
    schema = LOGS[log].arrow
    full = [{"received": row["time"], "site": site, "source": "", **row} for row in rows]
    columns = [pa.array([row.get(f.name) for row in full], f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def flow(at_us: int, src: str, dst: str, **more: Any) -> dict[str, Any]:
    """Return a row of flows that lasts a second unless told."""
    given = {"src_port": 40000, "dst_port": 443, "protocol": 6, "bytes": 1000, "packets": 3}
    ends = {"time_end": at_us + 1_000_000, "clock": "ok", "certainty": "unknown"}
    return {"time": at_us, "src_ip": src, "dst_ip": dst, **given, **ends, **more}
