"""The sealer of one site: batches of closed intervals in, signed entries out.

Sealing goes in numbered steps: 1 stage, 2 fsync, 3 re-read, 4 name (`staging.py`), 5 commit,
6 publish (`ledger.py`); the comment at each step says what a crash there leaves. Start runs the
same functions on what a crash left. A write or fsync that fails is raised and must end the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from collector import durable
from collector.errors import SealError
from collector.seal import catching_up, destroy, entries, files, holds, ledger, recovery
from collector.seal.batch import Entry, Interval, Sealed, Start, access_entry, numbers, sealed
from collector.seal.canonical import parse_schema, read_schema
from collector.seal.chain import Box, Chain, ClockState
from collector.seal.course import Position
from collector.seal.fault import Refused
from collector.seal.keys import RINGS, Rings, Secrets, SiteKeys, ring_key
from collector.seal.staging import Damaged, Parquet, Segments, Stage

__all__ = ["Interval", "Sealed", "Sealer", "Start"]

RUN = "run"


class Sealer:
    """Seals one site. `start` takes the lock and recovers; `stop` lets go.

    Args:
        home: The home.
        site: Names the ledger, for ever.
        logs: Name and interval in seconds of each log.
        box: Clock, ids and random source.
        parquet: How Parquet files are written and read.
    """

    def __init__(
        self,
        home: Path,
        site: str,
        *,
        logs: Sequence[tuple[str, int]],
        box: Box,
        parquet: Parquet,
    ) -> None:
        self._home = home
        self._site = site
        self._logs = dict(sorted(logs))
        self._box = box
        self._parquet = parquet
        self._lock = durable.Lock(home / RUN / f"seal.{site}.lock")
        self._stage = Stage(home, site, random=box.random)
        self.alarms: list[str] = []
        """Lines that the operator must see; the caller shows and clears them."""

    def start(self, told: Start | None = None) -> None:
        """Take the lock, make good what a crash left, and bring the ledger up to now.

        Raises:
            Busy: another process seals this site.
            SealError: the ledger cannot go on without a person.
        """
        durable.make_dir(self._home / RUN, ledger.READABLE)
        self._lock.take()
        try:
            self._open(told or Start())
        except BaseException:
            self._lock.release()
            raise

    def stop(self) -> None:
        """Let go of the lock. Nothing else is open between two batches."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Return itself, started or to be started."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def origin(self) -> str:
        """The open ledger."""
        return self._chain.course.origin

    @property
    def log_vkey(self) -> str:
        """The key that a verifier should be given, from outside."""
        return self._chain.log_vkey

    @property
    def size(self) -> int:
        """Entries in the open ledger."""
        return self._chain.size

    @property
    def clock_state(self) -> ClockState:
        """What was last told of the clock."""
        return self._chain.clock_state

    def position(self, log: str) -> Position:
        """Return up to where a log is sealed: rows below `spool` must be skipped.

        Raises:
            SealError: no such log here.
        """
        if log not in self._chain.course.positions:
            raise SealError(f"the log {log} of {self._site} is not sealed here")
        return self._chain.course.positions[log]

    def latest_end_us(self, log: str) -> int:
        """Return the end of the UTC year in which the next interval of a log starts."""
        return entries.year_end_us(self.position(log).start_us)

    def seal(
        self, batch: Sequence[Interval], *, access: Mapping[str, int] | None = None
    ) -> list[Sealed]:
        """Seal closed intervals in one commit; return what became of each, in order.

        Args:
            batch: At most one interval of each log.
            access: `searches`, `views`, `exports`, `signins` since the last time.

        Raises:
            SealError: an interval does not go on from the last, crosses a year, or its rows cannot
                be stored; nothing was committed.
            StoreError: a write failed; end the process.
        """
        if not batch:
            return []
        try:
            folder, told = self._staged(batch, access)
        except Damaged:
            folder, told = self._staged(batch, access)
        with self._chain.locked():
            self._segments.name(folder, told)
            committed = self._chain.commit(told)
        self._stage.clear(folder)
        self._chain.turn()
        return [sealed(interval, committed) for interval in batch]

    def tell_clock(self, state: ClockState, *, step_us: int = 0) -> None:
        """Take what keeps the clock right; another source or stratum, or a step, is an entry."""
        known, self._chain.clock_state = self.clock_state, state
        if step_us or (state.source, state.stratum) != (known.source, known.stratum):
            self.record(self._chain.clock_entry(step_us))

    def record(self, entry: Mapping[str, Any]) -> None:
        """Write any other entry: its type and own members.

        Raises:
            Refused: the entry does not follow the format.
        """
        with self._chain.locked():
            self._chain.commit([entry])

    def destroy(self, entry: Mapping[str, Any]) -> None:
        """Write a `destroyed` entry, and make it true.

        Raises:
            Refused: the entry does not follow the format.
            StoreError: something may still be there; end the process, and start goes on.
        """
        with self._chain.locked():
            self._chain.commit([entry])
            self._fulfil()

    def _fulfil(self) -> None:
        """Destroy what the ledger says is destroyed, as far as it is still there."""
        gone = holds.newly_destroyed(self._home, self._site)
        destroy.fulfil(self._home, self._site, gone, stage=self._stage)

    def _open(self, told: Start) -> None:
        random = self._box.random
        secrets = Secrets(self._home, random=random, wrap=self._box.wrap)
        secrets.mend()
        used = len(told.approvals) != 2 and any((self._home / RINGS).rglob("*.ring"))
        kek = ring_key(secrets, random=random, used=used)
        recovery.keep(self._home, kek, self._box.recovery)
        put = self._stage.put
        self._rings = Rings(self._home, kek, random=random, put=put)
        self._segments = Segments(
            self._home, stage=self._stage, rings=self._rings, parquet=self._parquet, random=random
        )
        keys = SiteKeys(secrets, self._site, random=random)
        self._chain = Chain(self._home, self._site, keys=keys, box=self._box, put=put)
        self._chain.alarms = self.alarms
        if not self._chain.open(told.approvals):
            self._begin(told)
        self._chain.recover(told.approvals)
        with self._chain.locked():
            self._fulfil()
        self._recover()
        for entry in told.lost:
            self.record(entry)
        self._check_files()
        self._catch_up(told)
        self._chain.turn()

    def _begin(self, told: Start) -> None:
        begin = self._chain.now_us() if told.begin_us is None else told.begin_us
        positions = {
            log: Position(interval_s=interval_s, seq=0, start_us=begin, spool=told.spool)
            for log, interval_s in self._logs.items()
        }
        self._chain.first(positions, begin)

    # Recovery.

    def _recover(self) -> None:
        """Name and commit what was planned whole, and throw away what was not."""
        for batch in self._stage.batches():
            planned = self._segments.planned(batch)
            if planned is not None and not self._done(planned):
                self._roll_forward(batch, planned)
        self._stage.clear()
        for log, position in self._chain.course.positions.items():
            self._rings.drop(f"{self._site}/{log}/{position.seq}", position.start_us)
            self._set_aside(log, position)

    def _done(self, planned: Sequence[Entry]) -> bool:
        """Say whether a batch was committed: the crash came before its folder was cleared."""
        known = self._chain.course.positions
        return any(log not in known or seq < known[log].seq for log, seq in numbers(planned))

    def _roll_forward(self, batch: Path, planned: Sequence[Entry]) -> None:
        segments = [entry for entry in planned if entry["type"] == "segment"]
        with self._chain.locked():
            try:
                self._segments.name(batch, planned)
                wrong = [f.text for entry in segments for f in self._verify(entry)]
                if not wrong:
                    self._chain.commit(planned)
                    return
            except Refused as refused:
                wrong = [str(refused)]
            for entry in segments:
                self._segments.discard(entry)
        self.alarms += [f"{batch.name}: {text}; sealed again from the spool" for text in wrong]

    def _verify(self, entry: Entry) -> Iterator[files.Finding]:
        findings = list(files.check_sizes(self._home, entry))
        if findings:
            yield from findings
            return
        document = self._home / ledger.FOLDER / ledger.SCHEMAS / f"{entry['schema']}.json"
        key = self._rings.get(files.segment_id(entry), entry["start"])
        schema = parse_schema(document.read_bytes())
        yield from files.check_rows(self._home, entry, schema, key, read=self._parquet.read)

    def _set_aside(self, log: str, position: Position) -> None:
        """Move what lies in the place of the next segment and was in no plan."""
        name = entries.segment_path(self._site, log, position.seq, position.start_us)
        parquet = self._home / files.LOGS / name
        for odd in (parquet, files.sidecar_of(parquet)):
            if odd.exists():
                kept = self._stage.quarantine(odd)
                self.alarms.append(f"{odd} has no entry and was moved to {kept}")

    def _check_files(self) -> None:
        """Refuse to go on when an entry lost its segment: a person decides."""
        for path in self._chain.segments.values():
            if not (self._home / path).exists():
                raise SealError(
                    f"{path} is in the ledger but not on the disk",
                    hint="restore it, or two people say that it is lost: prathu retention lost",
                )

    def _catch_up(self, told: Start) -> None:
        """Write what a start has to say: the clock, the gaps since, other logs."""
        now = self._chain.now_us()
        positions, random = self._chain.course.positions, self._box.random
        listed = [
            self._chain.clock_entry(0),
            *catching_up.gaps(positions, told.cause, now),
            *catching_up.config(told, positions, self._logs, now_us=now, random=random),
        ]
        with self._chain.locked():
            self._chain.commit(listed)

    # A batch.

    def _staged(
        self, batch: Sequence[Interval], access: Mapping[str, int] | None
    ) -> tuple[Path, list[Entry]]:
        """Steps 1 to 3 for all intervals, then the plan.

        Raises:
            Damaged: the disk gave other bytes back; the folder is in quarantine.
            SealError: the batch cannot be sealed; its folder and keys are thrown away.
        """
        folder = self._stage.batch(self._box.clock())
        try:
            made = [self._made(folder, interval) for interval in batch]
            told = [entry for entry in made if entry is not None]
            told += self._empty(batch, made)
            if access is not None:
                told.append(access_entry(batch, told, access))
            self._chain.stamp(told)
            self._segments.plan(folder, told)
        except Damaged as damaged:
            kept = self._stage.quarantine(folder)
            self.alarms.append(f"{damaged}; kept in {kept}")
            raise
        except SealError:
            self._stage.clear(folder)
            for interval in batch:
                self._rings.drop(self._id(interval.log), interval.start_us)
            raise
        return folder, told

    def _made(self, folder: Path, interval: Interval) -> Entry | None:
        """Stage an interval; None when it has no rows."""
        position = self.position(interval.log)
        if (interval.start_us, interval.spool_from) != (position.start_us, position.spool):
            raise SealError(
                f"{interval.log} goes on at {position.start_us} and spool {position.spool}, "
                f"not {interval.start_us} and {interval.spool_from}"
            )
        if interval.rows is None:
            return None
        if interval.document is None or interval.document.get("log") != interval.log:
            raise SealError(f"{interval.log}: rows without the schema document of their log")
        schema = read_schema(interval.document)
        return self._segments.make(folder, self._manifest(interval), interval.rows, schema)

    def _manifest(self, interval: Interval) -> Entry:
        """Return what is known of a segment before its rows are."""
        seq = self.position(interval.log).seq
        clock = self.clock_state
        name = entries.segment_path(self._site, interval.log, seq, interval.start_us)
        return {
            "type": "segment",
            "site": self._site,
            "log": interval.log,
            "seq": seq,
            "start": interval.start_us,
            "end": interval.end_us,
            "spool": [interval.spool_from, interval.spool_to],
            "file": {"name": name},
            "clock": {
                "offset_us": clock.offset_us,
                "source": clock.source,
                "stratum": clock.stratum,
            },
            "software": self._box.software,
        }

    def _empty(self, batch: Sequence[Interval], made: Sequence[Entry | None]) -> list[Entry]:
        """Return one `empty` entry for each span in which logs had no row."""
        spans: dict[tuple[int, int], list[list[Any]]] = {}
        for interval, entry in zip(batch, made, strict=True):
            if entry is None:
                seq = self.position(interval.log).seq
                row = [interval.log, seq, interval.spool_from, interval.spool_to]
                spans.setdefault((interval.start_us, interval.end_us), []).append(row)
        return [
            {"type": "empty", "start": start, "end": end, "logs": sorted(rows)}
            for (start, end), rows in sorted(spans.items())
        ]

    def _id(self, log: str) -> str:
        return f"{self._site}/{log}/{self.position(log).seq}"
