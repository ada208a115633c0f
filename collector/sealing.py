"""The thread that seals closed intervals, so that decoding goes on meanwhile.

One worker serves all sites, in order. For a batch of closed intervals of one site it reads their
parts, attributes the flows once more (a session reported late still reaches them), hands them to
the site's sealer, and then swaps parts for segments in the catalogue. Whatever fails here ends the
process; the next start seals the same rows from the spool.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from collector import VERSION, timekeeping
from collector.errors import CollectorError
from collector.records import Clock
from collector.seal.chain import Box, ClockState
from collector.seal.sealer import Interval, Sealed, Sealer
from collector.seal.staging import Parquet
from collector.seal.vault import credential, wrapped
from collector.settings import CollectorSettings
from collector.store import rollup, segments
from collector.store.catalog import Catalog, FileEntry
from collector.store.open_log import Closed, Piece
from collector.store.schema import LOGS

_log = logging.getLogger(__name__)
WAITING = 2
"""So many batches may wait for the worker; then decoding waits, and the spool grows, visibly. The
rows of each that came fast are in memory, 150 MB of a full segment."""

ALARMS = 20
"""The newest of them are shown; the log of the process has all."""
SOFTWARE = f"prathu/{VERSION}"

Batch = tuple[Sequence[Closed], Mapping[str, int] | None]


Act = Callable[[Mapping[str, Sealer], Catalog], None]
"""Something that needs the sealers, by site, and the catalogue, while nothing is sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtStart:
    """What the sealers of a home are told besides its settings."""

    clock_state: ClockState | None = None
    approvals: tuple[str, ...] = ()
    """Two ids of people, to go on where a key is lost."""
    lost: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """By site, entries by which two people say that segments are lost."""


NOTHING_TOLD = AtStart()


def box(settings: CollectorSettings, told: AtStart, *, clock: Clock, boot_id: str) -> Box:
    """Return what every sealer of a home is told of the box.

    Raises:
        SealError: the credential that the service manager hands in is none.
    """
    return Box(
        clock=clock,
        boot_id=boot_id,
        software=SOFTWARE,
        wrap=credential(os.environ),
        recovery=settings.keys.recovery,
        clock_state=told.clock_state or ClockState(),
    )


def sealer(home: Path, site: str, settings: CollectorSettings, of: Box) -> Sealer:
    """Return the sealer of a site, not started."""
    return Sealer(
        home,
        site,
        logs=[(name, settings.seal.interval_s) for name in sorted(LOGS)],
        box=of,
        parquet=Parquet(write=segments.write_any, read=segments.pieces),
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """An entry of another kind for a site's ledger: its type and own members."""

    site: str
    entry: Mapping[str, Any]


class Finisher(Protocol):
    """Gives flows their last attribution, and remembers how far sealed time reaches."""

    def __call__(self, site: str, table: pa.Table, piece: Piece) -> pa.Table:
        """Return `table`, the rows of `piece`, with its persons."""
        ...


class SealWorker:
    """Seals batches of closed intervals in the order they were put."""

    def __init__(
        self,
        home: Path,
        sealers: Mapping[str, Sealer],
        *,
        catalog: Catalog,
        finish: Finisher,
        sealed: Callable[[str, Mapping[str, int]], None],
    ) -> None:
        self._home = home
        self._sealers = sealers
        self._catalog = catalog
        self._finish = finish
        self._sealed = sealed
        self._counts: dict[str, pa.Table] = {}
        """By log, the counts of the rows that are being sealed."""
        self._queue: queue.Queue[Batch | _Told | Act | int | None] = queue.Queue(WAITING)
        """Batches, entries, acts, steps of the clock in µs, and None for the end."""
        self._thread = threading.Thread(target=self._run, name="seal", daemon=True)
        self._failure: BaseException | None = None
        self._alarms: deque[str] = deque(maxlen=ALARMS)
        for site, one in sealers.items():
            self._alarm(site, one)

    def start(self) -> None:
        """Begin to seal."""
        self._thread.start()

    def stop(self) -> None:
        """Seal what was put, then end."""
        self._put(None)
        self._thread.join()
        for sealer in self._sealers.values():
            sealer.stop()
        self.check()

    def put(self, closed: Sequence[Closed], access: Mapping[str, int] | None = None) -> None:
        """Seal intervals of one site as one commit; waits while too many wait.

        Args:
            closed: At most one interval of each log.
            access: What people did since the last time, when all logs end together.
        """
        self._put((closed, access))

    def tell_step(self, step_us: int) -> None:
        """Write into each ledger that the clock was set, behind what was put before."""
        self._put(step_us)

    def tell_clock(self, state: ClockState) -> None:
        """Tell each ledger what keeps the clock right, where that is something else now."""

        def told(sealers: Mapping[str, Sealer], _: Catalog) -> None:
            for sealer in sealers.values():
                sealer.tell_clock(state)

        self.aside(told)

    def tell(self, site: str, entry: Mapping[str, Any]) -> None:
        """Write an entry into a site's ledger, behind what was put before."""
        self._put(_Told(site, entry))

    def aside(self, act: Act) -> None:
        """Have something done behind what was put before; what it raises ends the worker."""
        self._put(act)

    def drain(self) -> None:
        """Wait until everything put so far is sealed."""
        while self._queue.unfinished_tasks and self._failure is None:
            threading.Event().wait(0.01)
        self.check()

    def check(self) -> None:
        """Raise what ended the worker, if anything did."""
        if self._failure is not None:
            raise self._failure

    def status(self) -> dict[str, Any]:
        """Return what `prathu status` shows of sealing."""
        states = [one.clock_state for one in self._sealers.values()]
        return {
            "waiting_batches": self._queue.unfinished_tasks,
            "alarms": list(self._alarms),
            "keys_wrapped": wrapped(self._home),
            "time": asdict(states[0]) | {"alarm": timekeeping.alarm(states[0])} if states else None,
        }

    def _put(self, batch: Batch | _Told | Act | int | None) -> None:
        while True:
            self.check()
            try:
                return self._queue.put(batch, timeout=0.5)
            except queue.Full:
                continue

    def _run(self) -> None:
        try:
            while (batch := self._queue.get()) is not None:
                if isinstance(batch, int):
                    for sealer in self._sealers.values():
                        sealer.tell_clock(sealer.clock_state, step_us=batch)
                elif isinstance(batch, _Told):
                    self._sealers[batch.site].record(batch.entry)
                elif callable(batch):
                    batch(self._sealers, self._catalog)
                else:
                    self._seal(*batch)
                self._queue.task_done()
        except BaseException as error:  # noqa: BLE001  # kept, and raised in the main loop
            # Who raises it tells what a known error says; only a mistake of ours needs its place.
            level = logging.DEBUG if isinstance(error, CollectorError) else logging.ERROR
            _log.log(level, "sealing failed", exc_info=True)
            self._failure = error

    def _seal(self, batch: Sequence[Closed], access: Mapping[str, int] | None) -> None:
        site = batch[0].site
        sealer = self._sealers[site]
        sealed = sealer.seal([self._interval(closed) for closed in batch], access=access)
        self._alarm(site, sealer)
        for closed, result in zip(batch, sealed, strict=True):
            self._publish(closed, result)
        self._sealed(site, {closed.schema.log: closed.spool_to for closed in batch})

    def _alarm(self, site: str, sealer: Sealer) -> None:
        """Write down, and keep to be shown, what the operator must see."""
        while sealer.alarms:
            text = f"{site}: {sealer.alarms.pop(0)}"
            _log.error("%s", text)
            self._alarms.append(text)

    def _interval(self, closed: Closed) -> Interval:
        return Interval(
            log=closed.schema.log,
            start_us=closed.start_us,
            end_us=closed.end_us,
            spool_from=closed.spool_from,
            spool_to=closed.spool_to,
            rows=partial(self._rows, closed) if closed.rows else None,
            document=closed.schema.document,
        )

    def _rows(self, closed: Closed) -> pa.Table:
        """Return the rows of an interval from its parts, flows with their last attribution."""
        tables = []
        for piece in closed.pieces:
            table = piece.take(self._home, closed.schema)
            if closed.schema.log == "flows":
                table = self._finish(closed.site, table, piece)
            tables.append(table)
        rows = pa.concat_tables(tables)
        # Here, where they are in memory: reading them again cost four times as much.
        self._counts[closed.schema.log] = rollup.count(rows, closed.schema.log)
        return rows

    def _publish(self, closed: Closed, result: Sealed) -> None:
        if result.path is None:
            return
        old = [part.path for part in closed.parts]
        entry = FileEntry(
            path=result.path,
            kind="segment",
            site=closed.site,
            log=closed.schema.log,
            seq=result.seq,
            schema_version=closed.schema.version,
            spool_from=closed.spool_from,
            spool_to=closed.spool_to,
            rows=closed.rows,
            event_min=min(part.event_min for part in closed.parts),
            event_max=max(part.event_max for part in closed.parts),
            received_min=min(part.received_min for part in closed.parts),
            received_max=max(part.received_max for part in closed.parts),
            size=(self._home / result.path).stat().st_size,
        )
        # First: start makes rollups of what the catalogue does not know, and of nothing else.
        rollup.write(self._home, entry, self._counts.pop(closed.schema.log))
        self._catalog.publish(entry, replaces=old)
