"""The rows of one site and log since its last seal, on the way to their segment.

Rows gather in memory for a moment, then lie in *parts*, small Parquet files that search reads.
Parts are a copy: they are made anew from the spool at every start. Small parts are merged so that a
quiet hour is a few dozen files and not two thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector import columns
from collector.store import parts
from collector.store.catalog import Catalog, FileEntry
from collector.store.schema import LogSchema

MERGE_COUNT = 8
"""So many neighbouring parts of like size become one."""
MERGE_ROWS = 1 << 16
"""Parts that are larger together are left alone: at speed nothing is written twice."""
PENDING_ROWS = 1 << 17
"""With so many rows that no part holds yet, it is time for one."""
KEEP_ROWS = parts.MANY_ROWS
"""A part with so many rows will be sealed within the minute: its rows stay in memory till then."""
Complete = Callable[[pa.Table], tuple[pa.Table, int]]
"""Gives the rows of a part what is told of people, and a count of what was known of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One part of an open log."""

    part: FileEntry
    level: int
    """How often its rows were merged."""
    known: int
    """What was known when the rows were completed."""
    kept: list[pa.Table]
    """The rows, where they stay in memory until somebody takes them; else empty."""

    def take(self, home: Path, schema: LogSchema) -> pa.Table:
        """Return the rows: the first time those kept in memory, of which no other copy stays."""
        return self.kept.pop() if self.kept else parts.read([home / self.part.path], schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """One interval of one log, closed and waiting to be sealed."""

    site: str
    schema: LogSchema
    start_us: int
    end_us: int
    spool_from: int
    spool_to: int
    pieces: tuple[Piece, ...]

    @property
    def parts(self) -> tuple[FileEntry, ...]:
        """The parts as the catalogue knows them."""
        return tuple(piece.part for piece in self.pieces)

    @property
    def rows(self) -> int:
        """How many rows the parts hold."""
        return sum(part.rows for part in self.parts)


class OpenLog:
    """Rows of one (site, log) whose frames lie at or past `spool_from`."""

    def __init__(
        self,
        site: str,
        schema: LogSchema,
        *,
        home: Path,
        catalog: Catalog,
        start_us: int,
        spool_from: int,
    ) -> None:
        self.site = site
        self.schema = schema
        self.start_us = start_us
        self.spool_from = spool_from
        self.complete: Complete = _as_they_are
        self._home = home
        self._catalog = catalog
        self._pending: list[pa.Table] = []
        self._pending_from = spool_from
        self._pieces: list[Piece] = []

    @property
    def rows(self) -> int:
        """Rows gathered since the last cut."""
        return self.pending_rows + sum(piece.part.rows for piece in self._pieces)

    @property
    def pending_rows(self) -> int:
        """Rows that no part holds yet."""
        return sum(table.num_rows for table in self._pending)

    @property
    def due(self) -> bool:
        """Whether so much is pending that it should become a part."""
        return self.pending_rows >= PENDING_ROWS

    def add(self, table: pa.Table) -> None:
        """Take rows, in arrival order."""
        if table.num_rows:
            self._pending.append(table)

    def flush(self, position: int) -> None:
        """Complete what is pending and write it as a part; its frames all lie below `position`."""
        if self._pending:
            table, known = self.complete(columns.one_chunk_each(pa.concat_tables(self._pending)))
            part = self._write(table, self._pending_from, position)
            self._catalog.add_part(part)
            kept = [table] if table.num_rows >= KEEP_ROWS else []
            self._pieces.append(Piece(part=part, level=0, known=known, kept=kept))
            self._pending = []
            self._merge_tail()
        self._pending_from = position

    def cut(self, end_us: int, position: int) -> Closed:
        """Close the interval at `end_us`: rows of frames below `position` are its rows."""
        self.flush(position)
        closed = Closed(
            site=self.site,
            schema=self.schema,
            start_us=self.start_us,
            end_us=max(end_us, self.start_us),
            spool_from=self.spool_from,
            spool_to=position,
            pieces=tuple(self._pieces),
        )
        self.start_us, self.spool_from = closed.end_us, position
        self._pieces = []
        return closed

    def _write(self, table: pa.Table, start: int, end: int) -> FileEntry:
        name = Path("open", self.site, self.schema.log, f"{start}-{end}.parquet")
        path = self._home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        stats = parts.write(table, path)
        return FileEntry(
            path=name.as_posix(),
            kind="part",
            site=self.site,
            log=self.schema.log,
            seq=None,
            schema_version=self.schema.version,
            spool_from=start,
            spool_to=end,
            rows=stats.rows,
            event_min=stats.event_min,
            event_max=stats.event_max,
            received_min=stats.received_min,
            received_max=stats.received_max,
            size=stats.size,
        )

    def _merge_tail(self) -> None:
        """Make one part of the newest few, while so many of one level stand at the end.

        A row is written once a level: in a quiet hour of 1,800 parts, four times.
        """
        while len(self._pieces) >= MERGE_COUNT:
            old = self._pieces[-MERGE_COUNT:]
            many = sum(piece.part.rows for piece in old) > MERGE_ROWS
            if many or any(piece.level != old[0].level for piece in old):
                return
            paths = [piece.part.path for piece in old]
            table = parts.read([self._home / path for path in paths], self.schema)
            merged = self._write(table, old[0].part.spool_from, old[-1].part.spool_to)
            self._catalog.publish(merged, replaces=paths)
            known = min(piece.known for piece in old)
            piece = Piece(part=merged, level=old[0].level + 1, known=known, kept=[])
            self._pieces[-MERGE_COUNT:] = [piece]


def _as_they_are(table: pa.Table) -> tuple[pa.Table, int]:
    return table, 0


def room(frames: npt.NDArray[np.int64], capacity: int) -> int:
    """Return how many leading rows fit `capacity` without cutting a frame's rows apart.

    Args:
        frames: Position of the frame that released each row, ascending.
        capacity: Rows that fit.
    """
    if capacity >= len(frames):
        return len(frames)
    if capacity <= 0:
        return 0
    return int(np.searchsorted(frames, frames[capacity], side="left"))
