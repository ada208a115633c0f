"""The way of the data after the spool: decode, attribute, store, seal.

The one module that names all the stages. `Pipeline.feed` takes frames in the order of the spool and
turns them into rows; an interval of a log ends on the full hour, when its segment is full, or when
asked. Nothing here depends on how frames were batched: a restart runs the same frames through the
same code, skips the rows that are sealed already, and makes the same segments of the rest.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from collector import durable, relearn, sealing
from collector.decode import own_elements
from collector.frames import FrameReader
from collector.last_end import LastEnd
from collector.records import Clock, Frame, Rows
from collector.seal import entries
from collector.seal.chain import Box
from collector.seal.sealer import Sealer, Start
from collector.sealing import NOTHING_TOLD, AtStart
from collector.settings import CollectorSettings, Site
from collector.site import SiteLine
from collector.spool import lines, release
from collector.store import rebuild, sessions_told, snapshots
from collector.store.open_log import OpenLog, Piece, room
from collector.store.schema import FULL_ROWS, LOGS
from collector.store.settings_history import SettingsHistory

_log = logging.getLogger(__name__)
_SITE, _PAYLOAD = attrgetter("site"), attrgetter("payload")
REMEMBERED_US = 2 * 86_400_000_000
"""Flows that began longer ago are tied to sessions only when somebody asks, from the catalogue."""
LATE_CUT_US = 1_000_000
"""The clock must be so far past an interval's end before an idle spool ends it."""


class Pipeline:
    """Frames in, sealed segments out. One thread feeds it; a second one seals."""

    def __init__(
        self, home: Path, settings: CollectorSettings, *, clock: Clock, boot_id: str
    ) -> None:
        own_elements.use(home, settings.flows.elements_file)
        self._home = home
        self._settings = settings
        self._clock = clock
        self._boot_id = boot_id
        self._last_end = LastEnd(home, boot_id)
        self._lines: dict[str, SiteLine] = {}
        self._sealed: dict[tuple[str, str], int] = {}
        self._flushed = self._cut_at = time.monotonic()
        self._taken_bytes = 0
        """Of payloads since the last full end of an interval."""
        self._lock = durable.Lock(home / "run" / "seal.lock")
        self.position = 0
        """The next frame wanted."""
        names = ("frames", "rows", "skipped", "malformed", "repeated")
        self.counts = Counter(dict.fromkeys(names, 0))

    def start(self, head: int, told: AtStart = NOTHING_TOLD) -> None:
        """Take the lock, recover the ledgers, and stand where the spool must be read from.

        Args:
            head: First position that the spool can still give, for a home without snapshots.
            told: What is known of the clock, and who approved going on without a key.
        """
        self._lock.take()
        try:
            self._open(head, told)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, head: int, told: AtStart) -> None:
        self._catalog = rebuild.reopen(self._home, clock=self._clock)
        self._catalog.retire_parts()
        names_kept = bool(self._settings.names.reason)
        self._reader = FrameReader(self._catalog, self.counts, names=names_kept)
        history = SettingsHistory(self._home / "state" / "settings", random=os.urandom)
        changed = history.changed(self._settings.model_dump_json())
        # A new site begins where the others stand: they must not go back for it and forget.
        stand = snapshots.stands(self._home / "state", sys.maxsize)
        begin = head if stand is None else stand
        cause = self._last_end.cause()
        start = Start(cause=cause, spool=begin, settings=changed, approvals=told.approvals)
        box = sealing.box(self._settings, told, clock=self._clock, boot_id=self._boot_id)
        sealers = {
            site.id: self._open_site(site, box, replace(start, lost=told.lost.get(site.id, ())))
            for site in self._settings.sites
        }
        history.told()
        self._mend_catalog()
        self.worker = sealing.SealWorker(
            self._home,
            sealers,
            catalog=self._catalog,
            finish=self._finish,
            sealed=self._note_sealed,
        )
        self._restore(head)
        self._end_us = self._next_end(self._now_us())
        self.worker.start()

    def stop(self) -> None:
        """Seal everything fed so far, say that the stop was meant, and let go of the home."""
        self.seal_now()
        self._last_end.stopped()
        self.close()

    def failed(self, error: BaseException) -> None:
        """Keep why the process ends, for the ledger."""
        self._last_end.failed(error)

    def close(self) -> None:
        """Let go of the home and leave what is not sealed in the spool, for the next start."""
        self.worker.stop()
        self._catalog.close()
        self._lock.release()

    def feed(self, frames: Sequence[Frame]) -> None:
        """Process frames in the order of the spool, ending intervals where their time is up."""
        self.worker.check()
        while frames:
            count = self._before_end(frames)
            if count:
                self._take(frames[:count])
                self.position = lines.after(frames[count - 1])
                if any(line.logs["flows"].due for line in self._lines.values()):
                    self.flush()
            if count < len(frames):
                came = frames[count].received_ns // 1000
                self._cut_all(self._end_us, min(came, self._now_us()))
            elif self._taken_bytes >= self._settings.spool.mark_bytes:
                self._cut_now()
            frames = frames[count:]

    def tick(self, *, idle: bool) -> None:
        """Do what is due by time: parts, the end of an interval, files past their grace."""
        self.worker.check()
        due = time.monotonic()
        if idle and (self._now_us() >= self._end_us + LATE_CUT_US or self._overdue(due)):
            self._cut_now()
        if due >= self.due_s:
            self.flush()

    @property
    def due_s(self) -> float:
        """When the next parts are to be made, by the clock that nobody can set."""
        return self._flushed + self._settings.seal.part_s

    @property
    def patient(self) -> bool:
        """Whether nobody waits for what is read: lines of believed senders let people in."""
        return not self._settings.believed_senders

    def flush(self) -> None:
        """Make every row fed so far searchable."""
        for line in self._lines.values():
            for log in line.logs.values():
                log.flush(self.position)
        self._flushed = time.monotonic()
        expired = self._catalog.expired(self._now_us(), int(self._settings.seal.part_grace_s * 1e6))
        for path in expired:
            (self._home / path).unlink(missing_ok=True)
        if expired:
            self._catalog.gone(expired)

    def seal_now(self) -> None:
        """Close all intervals and wait until they are sealed."""
        self._cut_now()
        self.worker.drain()

    def status(self) -> dict[str, Any]:
        """Return what `prathu status` shows of this process."""
        return {
            "position": self.position,
            "sealed_position": min(self._sealed.values()),
            **self.worker.status(),
            "open_rows": sum(log.rows for x in self._lines.values() for log in x.logs.values()),
            "interval_end_us": self._end_us,
            "unreadable_files": list(self._mended.unreadable),
            "missing_files": list(self._mended.missing),
            "sites": {name: line.status() for name, line in self._lines.items()},
            **self.counts,
        }

    def lines(self) -> list[SiteLine]:
        """Return what is kept of each site, for the thread that feeds."""
        return list(self._lines.values())

    # Start

    def _open_site(self, site: Site, box: Box, start: Start) -> Sealer:
        sealer = sealing.sealer(self._home, site.id, self._settings, box)
        sealer.start(start)
        logs = {}
        for name, schema in LOGS.items():
            place = sealer.position(name)
            self._sealed[site.id, name] = place.spool
            logs[name] = OpenLog(
                site.id,
                schema,
                home=self._home,
                catalog=self._catalog,
                start_us=place.start_us,
                spool_from=place.spool,
            )
        line = SiteLine(site, logs, self._settings)
        line.log_vkey = sealer.log_vkey
        logs["flows"].complete = line.complete
        self._lines[site.id] = line
        return sealer

    def _mend_catalog(self) -> None:
        """Make the catalogue know what lies on disk, then how far flows are sealed."""
        self._mended = relearn.catalogue(self._home, self._catalog, list(self._lines))
        for path in self._mended.missing:
            _log.error("%s is no longer on the disk: see prathu verify", path)
        for site, line in self._lines.items():
            sealed = self._catalog.files("flows", sites=[site])
            line.sealed_until_us = max((file.event_max for file in sealed), default=0)

    def _restore(self, head: int) -> None:
        """Stand at the newest snapshot that no unsealed row lies below."""
        self._last_end.begin()
        found = snapshots.newest(self._home / "state", min(self._sealed.values()))
        if found is None:
            self.position = head
            return
        self.position, sites = found
        for name in sites.keys() & self._lines.keys():
            try:
                self._lines[name].restore(sites[name])
            except (ValueError, KeyError, TypeError) as error:
                _log.error("%s goes on without templates and sessions: %r", name, error)

    # Rows

    def _take(self, frames: Sequence[Frame]) -> None:
        self.counts["frames"] += len(frames)
        self._taken_bytes += sum(map(len, map(_PAYLOAD, frames)))
        by_site: dict[str, list[Frame]] = {}
        for name, run in groupby(frames, _SITE):
            by_site.setdefault(name, []).extend(run)
        for site, group in by_site.items():
            line = self._lines.get(site)
            if line is None:
                self.counts["malformed"] += len(group)
                _log.warning("%d frames are of the unknown site %s", len(group), site)
                continue
            for rows in self._reader.rows(line, group):
                self._add(line, rows)

    def _add(self, line: SiteLine, rows: Rows) -> None:
        """Put rows into their open log, ending the interval whenever a segment is full."""
        line.sources.count(rows)
        log, frames, table = line.logs[rows.log], rows.frame, LOGS[rows.log].table(rows)
        if rows.log == "sessions":
            sessions_told.take_in(self._catalog, table)
        first = int(np.searchsorted(frames, log.spool_from))
        self.counts["rows"] += len(frames) - first
        self.counts["skipped"] += first
        table, frames = table.slice(first), frames[first:]
        most = min(self._settings.seal.rows, FULL_ROWS.get(rows.log, self._settings.seal.rows))
        while len(frames):
            fit = room(frames, most - log.rows)
            if not fit and not log.rows:
                fit = int(np.searchsorted(frames, frames[0], side="right"))
            log.add(table.slice(0, fit))
            table, frames = table.slice(fit), frames[fit:]
            if len(frames):
                end_us = min(table["received"][0].value, self._end_us)
                self.worker.put([log.cut(end_us, int(frames[0]))])

    # Ends of intervals

    def _before_end(self, frames: Sequence[Frame]) -> int:
        """Return how many of the first frames came before the interval ends.

        A frame that came later than now was stamped by a clock since put right: it ends nothing.
        """
        until = self._end_us * 1000
        if self._clock() < until:
            return len(frames)
        return next((i for i, f in enumerate(frames) if f.received_ns >= until), len(frames))

    def _cut_now(self) -> None:
        now = self._now_us()
        self._cut_all(min(now, self._end_us), now)

    def _cut_all(self, end_us: int, then_us: int) -> None:
        """End the interval of every log here, after keeping the state that is true here.

        Args:
            end_us: Its end.
            then_us: A time in the interval that follows.
        """
        self.flush()  # what these rows tell of people belongs to the state
        for line in self._lines.values():
            with line.lock:
                line.timeline.forget(min(end_us, self._now_us()) - REMEMBERED_US)
        snapshots.write(
            self._home / "state",
            self.position,
            {name: line.snapshot() for name, line in self._lines.items()},
        )
        for line in self._lines.values():
            closed = [log.cut(end_us, self.position) for log in line.logs.values()]
            self.worker.put(closed, line.access)
            line.access = Counter()
        self._end_us = self._next_end(then_us)
        self._cut_at = self._flushed = time.monotonic()
        self._taken_bytes = 0

    def _next_end(self, then_us: int) -> int:
        """Return the next full interval after a time, but in the UTC year that is open."""
        step = self._settings.seal.interval_s * 1_000_000
        begun = min(log.start_us for x in self._lines.values() for log in x.logs.values())
        return min((then_us // step + 1) * step, entries.year_end_us(begun))

    def _overdue(self, due: float) -> bool:
        """Return whether an interval lasts too long by the clock that nobody can set."""
        return due - self._cut_at > self._settings.seal.interval_s + 60

    def _finish(self, site: str, table: pa.Table, piece: Piece) -> pa.Table:
        return self._lines[site].finish(table, piece.known, piece.part.event_max)

    def _note_sealed(self, site: str, positions: Mapping[str, int]) -> None:
        """Let go of what no restart needs once a batch is published."""
        for log, position in positions.items():
            self._sealed[site, log] = position
        lowest = min(self._sealed.values())
        snapshots.forget(self._home / "state", lowest)
        stand = snapshots.stands(self._home / "state", lowest)
        if stand is not None:
            release(self._home / "spool", stand)

    def _now_us(self) -> int:
        return self._clock() // 1000
