"""`prathu backup`: what of a box leaves it, and what never does.

An archive holds settings, the database, ledgers, rings and the ring key as sealed to the paper. The
keys that sign and the ring key itself never leave. Segments lie beside archives, a file each, since
they never change; those that the ledger says are destroyed are destroyed there too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage

from appliance.backup import archive
from appliance.backup.archive import FORMAT, HEAD, Writer
from appliance.backup.target import Target
from appliance.errors import WrongUse
from appliance.settings import BoxSettings
from captive_portal.database import FILE as DATABASE
from collector import durable, kept
from collector.losing import REASONS
from collector.seal import files, ledger
from collector.seal.chain import flock
from collector.seal.holds import Book
from collector.seal.keys import RINGS
from collector.seal.recovery import RECORD, SEALED
from collector.seal.vault import SECRETS

OWN_KEY = f"{SECRETS}/backup.key"
"""Opens backups on this box alone, for rehearsals; it never leaves."""
SEGMENTS = "segments"
SEALED_TO = "segments.to"
"""Beside the segments: the public halves of the keys that open them all."""
KEPT = timedelta(days=14)
"""Older archives go: with them the wrapped keys of what was destroyed since."""
Tell = Callable[[str, int, int], None]
"""Told what is under way, how much of it is done, and of how much."""
_PREFIX, _SUFFIX = "prathu-", ".tar.age"
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a backup came to."""

    archive: str
    size_bytes: int
    segments_new: int
    segments_there: int
    segments_gone: int
    archives_gone: int
    database: bool
    """Whether the database is in it; one that is not SQLite is backed up by its own tools."""


def backup(
    home: Path,
    settings: BoxSettings,
    target: Target,
    *,
    now: datetime,
    logs: bool,
    tell: Tell = lambda *_: None,
) -> Made:
    """Make a backup.

    Raises:
        WrongUse: there is no key on paper to encrypt it to.
        BoxError: the target does not take it.
    """
    recipients = _recipients(home, settings)
    work = home / "stage" / "backup"
    durable.make_dir(work)
    name = f"{_PREFIX}{now.astimezone(UTC):{_STAMP}}{_SUFFIX}"
    beside = work / name
    try:
        tell("database and ledgers", 0, 1)
        archive.write(beside, recipients, lambda out: _fill(home, settings, out, now))
        size = beside.stat().st_size
        target.put(name, beside)
        there = target.names()
        books = kept.read_books(home, [site.id for site in settings.sites])
        new = set[str]()
        if logs:
            new = _put_segments(home, target, books, there, recipients, work, tell)
        gone = _destroy(target, books, there)
        old = _prune(target, there, now)
    finally:
        beside.unlink(missing_ok=True)
    return Made(
        archive=name,
        size_bytes=size,
        segments_new=_whole(new),
        segments_there=_whole(new | set(there)) - gone,
        segments_gone=gone,
        archives_gone=old,
        database=not settings.database,
    )


def own_key(home: Path) -> pyrage.x25519.Identity:
    """Return the key with which this box opens its own backups, made when there is none."""
    path = home / OWN_KEY
    if not path.exists():
        durable.make_dir(path.parent)
        made = str(pyrage.x25519.Identity.generate())
        durable.replace(path, made.encode(), mode=0o600)
    return pyrage.x25519.Identity.from_str(path.read_text())


def newest(names: list[str]) -> str | None:
    """Return the newest archive among names."""
    return max((one for one in names if _when(one) is not None), default=None)


def segment_name(place: str) -> str:
    """Return what a file under `logs/` is called at the target."""
    return f"{SEGMENTS}/{place.removeprefix(files.LOGS + '/')}.age"


def _recipients(home: Path, settings: BoxSettings) -> archive.Recipients:
    paper = settings.keys.recovery
    if not paper:
        raise WrongUse(
            "there is no key on paper: a backup that this box alone can open would die with it",
            hint="prathu keys recovery",
        )
    return [archive.recipient(paper), own_key(home).to_public()]


def _fill(home: Path, settings: BoxSettings, out: Writer, now: datetime) -> None:
    stands = {site.id: _stand(home, site.id) for site in settings.sites}
    head = {"format": FORMAT, "time": now.isoformat(), "ledgers": stands}
    out.add(HEAD, json.dumps(head).encode())
    states = ("state/settings", str(REASONS))
    folders = ("prathu.d", "nas", "tls", "radius", "pages", "holds", "cases")
    for place in ("prathu.toml", *folders, *states):
        _add(home, place, out)
    # Without them a restored box has other ids for repeats, and codes and identifiers fit nobody.
    for key in sorted((home / DATABASE).parent.glob("*.key")):
        out.add_file(key.relative_to(home).as_posix(), key)
    for name in (SEALED, RECORD):
        _add(home, f"{SECRETS}/{name}", out)
    if not settings.database and (home / DATABASE).exists():
        out.add(str(DATABASE), _database(home))
    _add(home, f"{ledger.FOLDER}/{ledger.SCHEMAS}", out)
    for site in sorted(stands):
        folder = home / ledger.FOLDER / site
        if folder.is_dir():
            # Under the lock ledger, keys and what is destroyed agree; nothing leaves the box yet.
            with flock(folder):
                _add(home, f"{ledger.FOLDER}/{site}", out)
                _add(home, f"{RINGS}/{site}", out)


def _stand(home: Path, site: str) -> dict[str, object]:
    known = [path for path in ledger.folders(home, site) if (path / "state").exists()]
    if not known:
        return {}
    state = ledger.parse_state((known[-1] / "state").read_bytes())
    return {"ledger": known[-1].name, "size": state.size, "root": state.root.hex()}


def _add(home: Path, place: str, out: Writer) -> None:
    root = home / place
    found = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    for path in found:
        if path.suffix != ".tmp":
            out.add_file(path.relative_to(home).as_posix(), path)


def _database(home: Path) -> bytes:
    """Return a copy of the database as of one moment, while others write on."""
    copy = home / "stage" / "backup" / "database.sqlite"
    copy.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(home / DATABASE, timeout=10)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target, pages=1000)
            target.execute("PRAGMA journal_mode = DELETE")
        return copy.read_bytes()
    finally:
        copy.unlink(missing_ok=True)


def _put_segments(  # noqa: PLR0913  # where from, where to, and what is there
    home: Path,
    target: Target,
    books: dict[str, Book],
    there: list[str],
    recipients: archive.Recipients,
    work: Path,
    tell: Tell,
) -> set[str]:
    """Put what is not there; all anew where what is there opens with other keys than now."""
    known = {name for name in there if name.startswith(f"{SEGMENTS}/")}
    keys = "".join(f"{one}\n" for one in sorted(map(str, recipients))).encode()
    if known and not _opens(target, there, keys, work):
        known = set()
    elif SEALED_TO not in there:
        _put(target, SEALED_TO, keys, work)
    new = set()
    places = list(_places(books))
    for number, place in enumerate(places):
        tell("segments", number, len(places))
        name = segment_name(place)
        if name in known:
            continue
        sealed = work / "segment.age"
        try:
            archive.encrypt(home / place, sealed, recipients)
        except FileNotFoundError:
            continue  # destroyed meanwhile
        target.put(name, sealed)
        sealed.unlink()
        new.add(name)
    if not known:
        _put(target, SEALED_TO, keys, work)
    return new


def _opens(target: Target, there: list[str], keys: bytes, work: Path) -> bool:
    """Say whether all segments that are there were encrypted to these keys.

    Another paper, or a restore onto another machine, brings other keys; then the newest backup has
    to open with the newest paper alone.
    """
    if SEALED_TO not in there:
        return False
    copy = work / SEALED_TO
    try:
        target.get(SEALED_TO, copy)
        return copy.read_bytes() == keys
    finally:
        copy.unlink(missing_ok=True)


def _put(target: Target, name: str, data: bytes, work: Path) -> None:
    file = work / name
    try:
        file.write_bytes(data)
        target.put(name, file)
    finally:
        file.unlink(missing_ok=True)


def _whole(names: set[str]) -> int:
    """Return how many segments are whole: the Parquet file goes last."""
    return sum(name.endswith(".parquet.age") for name in names)


def _places(books: dict[str, Book]) -> Iterator[str]:
    """Give the files of every segment that is kept: the sidecar first, the Parquet file last."""
    for book in books.values():
        for one in sorted(book.kept.values(), key=lambda kept: kept.received_us):
            parquet = Path(files.LOGS) / one.name
            yield str(files.sidecar_of(parquet))
            yield str(parquet)


def _destroy(target: Target, books: dict[str, Book], there: list[str]) -> int:
    """Take away what the ledgers say is destroyed."""
    gone = 0
    for name in there:
        parts = name.split("/")
        if parts[0] != SEGMENTS or len(parts) != 7 or parts[1] not in books:
            continue
        seq = parts[6].partition(".")[0]
        if seq.isdecimal() and (parts[2], int(seq)) in books[parts[1]].gone:
            target.delete(name)
            gone += name.endswith(".parquet.age")
    return gone


def _prune(target: Target, there: list[str], now: datetime) -> int:
    """Take archives away that are too old; the newest stays whatever its age."""
    last = newest(there)
    old = [n for n in there if n != last and (when := _when(n)) is not None and when < now - KEPT]
    for name in old:
        target.delete(name)
    return len(old)


def _when(name: str) -> datetime | None:
    if not (name.startswith(_PREFIX) and name.endswith(_SUFFIX)):
        return None
    try:
        stamp = name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
