"""The catalogue: which files hold which times, and what sessions told of people.

One SQLite file with a rollback journal, written by the sealing process alone and read by all. It is
derived: `rebuild.reopen` makes it again from the files on disk. A reader opens it anew for each
question, so it never holds up the writer and never reads a file that was replaced.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from collector.errors import StoreError
from collector.records import Binding, Clock
from collector.store import named_sql

FILE = "catalog.sqlite"
"""Its name in a home."""
VERSION = 2
"""Of its tables, in `PRAGMA user_version`. Another version is made anew from the disk."""
BUSY_S = 10.0
"""How long to wait for one who writes."""
_ALWAYS = (-(1 << 63), (1 << 63) - 1)
_SQL = named_sql.load("collector.store", "catalog.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One Parquet file: a part or a segment of one site and log. Times are µs UTC."""

    path: str
    """Relative to the home, with slashes."""
    kind: Literal["part", "segment"]
    site: str
    log: str
    seq: int | None
    """Of the interval; None for a part."""
    schema_version: int
    spool_from: int
    spool_to: int
    """Frames [spool_from, spool_to) released its rows; -1 where a rebuild could not know."""
    rows: int
    event_min: int
    event_max: int
    """The greatest of `time` and `time_end`."""
    received_min: int
    received_max: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonName:
    """What sessions told of a person, word for word, from the first to the last time."""

    site: str
    person: str
    account: str
    full_name: str
    proofing: str
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A session, and what it was told with: where to look for its rows. Times are µs UTC."""

    name: str
    """An address, a prefix or a MAC in canonical text, or the session's own id."""
    site: str
    session: str
    first_us: int
    """The earliest `start`, or `time` where none was told."""
    last_us: int
    """The latest `time`."""


class Catalog:
    """The catalogue of one home; `open` it."""

    def __init__(self, path: Path, writer: sqlite3.Connection | None, clock: Clock | None) -> None:
        self._path = path
        self._writer = writer
        self._clock = clock
        self._lock = threading.RLock()
        """The writer's one connection serves decoding and sealing, which are two threads."""

    @classmethod
    def open(cls, path: Path, write: bool = False, *, clock: Clock | None = None) -> Self:
        """Return the catalogue at `path`; with `write` it is made when it is not there.

        Args:
            path: `catalog.sqlite` of a home.
            write: Only the sealing process, which then gives its clock.
            clock: Says when a file was taken out.

        Raises:
            StoreError: not there (to read), not a catalogue, or one of another version.
        """
        if not write:
            if not path.is_file():
                raise StoreError(f"no catalogue at {path}", hint="it comes with: prathu up")
            return cls(path, None, None)
        if clock is None:
            raise ValueError("who writes the catalogue must give a clock")
        with _telling(path):
            writer = sqlite3.connect(path, BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                _prepare(writer, path)
            except BaseException:
                writer.close()
                raise
        return cls(path, writer, clock)

    def close(self) -> None:
        """Let go of the file."""
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def files(
        self,
        log: str,
        *,
        sites: Iterable[str] | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
        by: Literal["event", "received"] = "event",
    ) -> list[FileEntry]:
        """Return the files that may hold rows of [start_us, end_us), newest first.

        By event, a row counts from its `time` to its `time_end`, so an instant finds flows that
        were running.
        """
        values = {"log": log, "sites": _listed(sites), **_period(start_us, end_us)}
        return [FileEntry(**row) for row in self._read(f"files_by_{by}", values)]

    def late_bindings(
        self,
        *,
        sites: Iterable[str] | None = None,
        address: str | None = None,
        person: str | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
    ) -> list[Binding]:
        """Return bindings that were learnt after sealing and meet [start_us, end_us)."""
        period = _period(start_us, end_us)
        values = {"sites": _listed(sites), "address": address, "person": person, **period}
        return [Binding(**row) for row in self._read("late_bindings", values)]

    def persons(
        self,
        *,
        site: str | None = None,
        person_ids: Iterable[str] | None = None,
        text: str | None = None,
    ) -> list[PersonName]:
        """Return names, newest first.

        Args:
            site: Of this site only.
            person_ids: Of these people only.
            text: A piece of account or full name, in any case and either spelling of sara am.
        """
        folded = fold(text) if text else None
        values = {"site": site, "ids": _listed(person_ids), "folded": folded}
        return [PersonName(**row) for row in self._read("persons", values)]

    def mentions(
        self,
        names: Iterable[str],
        *,
        sites: Iterable[str] | None = None,
        start_us: int | None = None,
        end_us: int | None = None,
        most: int = -1,
    ) -> list[Mention]:
        """Return the sessions told with any of `names` that meet [start_us, end_us).

        The latest to begin come first; `most` of them, or all.
        """
        values = {"names": _listed(names), "sites": _listed(sites), "most": most}
        rows = self._read("mentions", {**values, **_period(start_us, end_us)})
        return [Mention(**row) for row in rows]

    def mentions_before(self, before_us: int) -> list[Mention]:
        """Return all that was told last before an instant."""
        rows = self._read("mentions_before", {"before_us": before_us})
        return [Mention(**row) for row in rows]

    def add_part(self, *parts: FileEntry) -> None:
        """Let search see `parts`."""
        with self._transaction() as tables:
            tables.executemany(_SQL["add_file"], [asdict(part) for part in parts])

    def publish(self, entry: FileEntry, replaces: Sequence[str] = ()) -> None:
        """Let search see `entry` in place of the parts at the paths `replaces`, in one step.

        The parts' files stay for running questions until `expired` lists them.
        """
        with self._transaction() as tables:
            tables.executemany(_SQL["retire"], [self._retired(path) for path in replaces])
            tables.execute(_SQL["add_file"], asdict(entry))

    def retire_parts(self) -> None:
        """Take all parts out: at start they are made anew."""
        with self._transaction() as tables:
            tables.execute(_SQL["retire_parts"], {"now_us": self._now_us()})

    def expired(self, now_us: int, grace_us: int = 0) -> list[str]:
        """Return files taken out at least `grace_us` ago: unlink them, then call `gone`."""
        return [row["path"] for row in self._read("expired", {"until_us": now_us - grace_us})]

    def gone(self, paths: Iterable[str]) -> None:
        """Forget files that are no longer on disk."""
        with self._transaction() as tables:
            tables.executemany(_SQL["forget"], [{"path": path} for path in paths])

    def add_late_bindings(
        self, bindings: Iterable[Binding], withdrawn: Iterable[Binding] = ()
    ) -> None:
        """List `bindings` as learnt after sealing, and strike out those that they correct."""
        with self._transaction() as tables:
            tables.executemany(_SQL["drop_late"], [_binding_key(old) for old in withdrawn])
            tables.executemany(_SQL["add_late"], [asdict(new) for new in bindings])

    def add_persons(self, names: Iterable[PersonName]) -> None:
        """Take in names; those known grow in time."""
        rows = [{**asdict(n), "folded": fold(f"{n.account}\n{n.full_name}")} for n in names]
        with self._transaction() as tables:
            tables.executemany(_SQL["add_person"], rows)

    def add_mentions(self, mentions: Iterable[Mention]) -> None:
        """Take in what sessions were told with; those known grow in time."""
        with self._transaction() as tables:
            tables.executemany(_SQL["add_mention"], [asdict(mention) for mention in mentions])

    def forget(
        self,
        names: Iterable[PersonName],
        bindings: Iterable[Binding],
        mentions: Iterable[Mention],
    ) -> None:
        """Drop names, late bindings and mentions; what they said is overwritten in the file."""
        with self._transaction() as tables:
            tables.executemany(_SQL["drop_person"], [asdict(name) for name in names])
            tables.executemany(_SQL["drop_late"], [_binding_key(old) for old in bindings])
            tables.executemany(_SQL["drop_mention"], [asdict(old) for old in mentions])

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written in the block appears at its end, or, if it fails, nothing."""
        with self._transaction():
            yield

    def paths(self) -> set[str]:
        """Return the paths of all files, those taken out too."""
        return {row["path"] for row in self._read("paths", {})}

    def _retired(self, path: str) -> Mapping[str, object]:
        return {"path": path, "now_us": self._now_us()}

    def _now_us(self) -> int:
        if self._clock is None:
            raise StoreError(f"{self._path} was opened for reading")
        return self._clock() // 1000

    def _read(self, query: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        with _telling(self._path), self._reading() as tables:
            found = tables.execute(_SQL[query], values)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._writer is not None:
            with self._lock:
                yield self._writer
            return
        with closing(_connect_reader(self._path)) as reader:
            _check_version(reader, self._path)
            yield reader

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of a block or nothing; a block inside another is part of it."""
        if self._writer is None:
            raise StoreError(f"{self._path} was opened for reading")
        with self._lock:
            if self._writer.in_transaction:
                yield self._writer
                return
            with _telling(self._path), self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer


def fold(text: str) -> str:
    """Return `text` as it is compared: without case, and Thai sara am in one spelling."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _prepare(writer: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file; check an old one."""
    writer.execute("PRAGMA journal_mode = DELETE")
    writer.execute("PRAGMA synchronous = FULL")
    writer.execute("PRAGMA secure_delete = ON")
    new = writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not new:
        _check_version(writer, path)
        return
    writer.execute("BEGIN IMMEDIATE")
    with writer:
        for statement in _statements(_SQL["tables"]):
            writer.execute(statement)
        writer.execute(f"PRAGMA user_version = {VERSION}")


def _connect_reader(path: Path) -> sqlite3.Connection:
    """Open for reading; who may write must be able to undo what a killed writer left half done."""
    for mode in ("rw", "ro"):
        reader = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", BUSY_S, uri=True)
        try:
            reader.execute("PRAGMA query_only = ON")
            reader.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError:
            reader.close()
            if mode == "ro":
                raise
        else:
            return reader
    raise AssertionError("the loop returns or raises")


def _check_version(tables: sqlite3.Connection, path: Path) -> None:
    found = tables.execute("PRAGMA user_version").fetchone()[0]
    if found != VERSION:
        raise StoreError(
            f"{path} has version {found} of the tables, this is version {VERSION}",
            hint="the next start of prathu up makes it anew",
        )


def _statements(text: str) -> list[str]:
    """Return the statements of a script: `executescript` would end the transaction."""
    return [piece for piece in text.split(";\n") if piece.strip()]


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the catalogue {path}: {error}") from error


def _listed(values: Iterable[str] | None) -> str | None:
    return None if values is None else json.dumps(list(values), ensure_ascii=False)


def _period(start_us: int | None, end_us: int | None) -> dict[str, int]:
    start = _ALWAYS[0] if start_us is None else start_us
    return {"start_us": start, "end_us": _ALWAYS[1] if end_us is None else end_us}


def _binding_key(binding: Binding) -> Mapping[str, object]:
    return {
        "site": binding.site,
        "address": binding.address,
        "session": binding.session,
        "start_us": binding.start_us,
    }
