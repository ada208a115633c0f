"""What other RADIUS servers have yet to be told of sessions: a queue on disk.

One small SQLite file of its own: what waits is not part of the people's database, and is lost
with the disk only. An event that comes twice, as after a crash, waits once.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from captive_portal.errors import PortalError

MOST = 500_000
"""Events that wait at most, of all servers: a term of a school; past it the oldest interims go."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY,
    upstream TEXT NOT NULL,
    event TEXT NOT NULL,
    session TEXT NOT NULL,
    status INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (upstream, event)
);
CREATE INDEX IF NOT EXISTS waiting_order ON waiting (upstream, number);
CREATE TABLE IF NOT EXISTS booted (upstream TEXT PRIMARY KEY, boot TEXT NOT NULL);
"""
_PUT = """
INSERT OR IGNORE INTO waiting (upstream, event, session, status, at_us, body)
VALUES (?, ?, ?, ?, ?, ?)
"""
INTERIM = 3
"""Acct-Status-Type of an interim update (RFC 2869 2.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One event that waits for one server."""

    upstream: str
    event: str
    session: str
    status: int
    at_us: int
    """When it happened, microseconds since 1970-01-01T00:00:00Z."""
    body: str
    """Its attributes, as JSON."""
    number: int = 0
    """Its place in the queue."""


class WaitingEvents:
    """The queue of a home. For many threads."""

    def __init__(self, path: Path) -> None:
        """Open it, made where there is none. Raises PortalError."""
        self.dropped = 0
        """Interims that were given up since the start, to make room."""
        self._lock = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._count = int(self._db.execute("SELECT count(*) FROM waiting").fetchone()[0])
        except (OSError, sqlite3.Error) as error:
            raise PortalError(
                f"the queue of accounting {path} cannot be opened: {error}",
                hint="if it is damaged, delete it: what waits in it is not told upstream",
            ) from error

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._db.close()

    def __len__(self) -> int:
        return self._count

    def put(self, events: Iterable[Waiting]) -> None:
        """Return when all of these are on disk, once each.

        Raises:
            PortalError: they are not.
        """
        rows = [_row(event) for event in events]
        if not rows:
            return
        with self._changing() as db:
            before = db.total_changes
            db.executemany(_PUT, rows)
            self._count += db.total_changes - before
            if self._count > MOST:
                self._make_room(db)

    def _make_room(self, db: sqlite3.Connection) -> None:
        gone = 0
        for what in (f"WHERE status = {INTERIM}", ""):
            over = self._count - gone - MOST
            if over > 0:
                rows = f"SELECT number FROM waiting {what} ORDER BY number LIMIT {over}"  # noqa: S608  # numbers of ours
                done = db.execute(f"DELETE FROM waiting WHERE number IN ({rows})")  # noqa: S608  # as above
                gone += done.rowcount
        self._count -= gone
        self.dropped += gone

    def head(self, upstream: str, most: int) -> Sequence[Waiting]:
        """Return the events that wait longest for a server. Raises PortalError."""
        with self._changing() as db:
            rows = db.execute(
                "SELECT upstream, event, session, status, at_us, body, number FROM waiting"
                " WHERE upstream = ? ORDER BY number LIMIT ?",
                (upstream, most),
            ).fetchall()
        return [
            Waiting(
                upstream=one,
                event=event,
                session=session,
                status=status,
                at_us=at_us,
                body=body,
                number=number,
            )
            for one, event, session, status, at_us, body, number in rows
        ]

    def done(self, events: Iterable[Waiting]) -> None:
        """Take away what was told. Raises PortalError."""
        with self._changing() as db:
            before = db.total_changes
            db.executemany(
                "DELETE FROM waiting WHERE number = ?", [(event.number,) for event in events]
            )
            self._count -= db.total_changes - before

    def counts(self) -> dict[str, int]:
        """Return how many events wait for each server. Raises PortalError."""
        with self._changing() as db:
            return dict(
                db.execute("SELECT upstream, count(*) FROM waiting GROUP BY upstream").fetchall()
            )

    def announce(self, event: Waiting, boot: str) -> None:
        """Put in what tells a server of this start of the machine, once for each start.

        Raises:
            PortalError: it is not on disk.
        """
        with self._changing() as db:
            told = db.execute(
                "SELECT boot FROM booted WHERE upstream = ?", (event.upstream,)
            ).fetchone()
            if told == (boot,):
                return
            db.execute("INSERT OR REPLACE INTO booted VALUES (?, ?)", (event.upstream, boot))
            db.execute(_PUT, _row(event))
            self._count += 1

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            count, dropped = self._count, self.dropped
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._count, self.dropped = count, dropped
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise PortalError(f"the queue of accounting: {error}") from error


def _row(event: Waiting) -> tuple[str, str, str, int, int, str]:
    return event.upstream, event.event, event.session, event.status, event.at_us, event.body
