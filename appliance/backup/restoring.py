"""`prathu restore`: a backup becomes a home again, and proves itself before anybody starts it.

The keys that sign are not in a backup: two people let the box go on in the next ledger of the year
(`prathu keys replace`), which bears the last checkpoint of this one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage

from appliance import settings as box_settings
from appliance.backup import archive
from appliance.backup.making import Tell, newest, segment_name
from appliance.backup.target import Target
from appliance.errors import BoxError, NotFound, WrongUse
from collector import durable, kept
from collector.seal import entries, files, ledger, outside, tiles
from collector.seal.course import Course
from collector.seal.ledger import Ledger
from collector.seal.recovery import SEALED, restored
from collector.seal.vault import KEK, SECRETS, Secrets, credential
from collector.settings import SETTINGS_FILE
from collector.spool import layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back."""

    archive: str
    made_at: str
    segments: int
    missing: tuple[str, ...]
    """Segments that the ledger has and the place of the backup has not, from the home on."""


def restore(  # noqa: PLR0913  # what to bring, and with which key
    home: Path,
    target: Target,
    *,
    private: str,
    name: str = "",
    logs: bool = True,
    envelope: bool = True,
    tell: Tell = lambda *_: None,
) -> Restored:
    """Bring the newest backup, or the one named, into an empty home.

    Args:
        home: Made already, with its folders, and otherwise empty.
        target: Where the backups lie.
        private: What stands on the paper.
        name: Of the archive.
        logs: Bring the segments too.
        envelope: Take the ring key out of its envelope, which only the paper opens.
        tell: Told how many files of segments are here.

    Raises:
        WrongUse: the home is not empty, or the key is none.
        NotFound: there is no such backup.
        BoxError: it is damaged, or does not open with this key.
    """
    check_empty(home)
    identity = _identity(private)
    there = target.names()
    found = wanted(there, name)
    work = home / "stage" / "restore"
    durable.make_dir(work)
    sealed, plain = work / "archive.age", work / "archive.tar"
    try:
        target.get(found, sealed)
        archive.decrypt(sealed, plain, identity)
        head = archive.unpack(plain, home)
    finally:
        for path in (sealed, plain):
            path.unlink(missing_ok=True)
    if envelope:
        _ring_key(home, private)
    _begin_spool(home)  # before what may fail half-way: numbers must never begin anew
    missing, count = [], 0
    places = list(_places(home))
    for number, place in enumerate(places):
        tell("segments", number, len(places))
        if logs and _fetch(home, target, place, set(there), identity):
            count += place.endswith(".parquet")
        else:
            missing.append(place)
    return Restored(
        archive=found,
        made_at=str(head.get("time", "")),
        segments=count,
        missing=tuple(one for one in missing if one.endswith(".parquet")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How far a ledger goes that came back."""

    origin: str
    entries: int
    time_us: int
    """Of the last entry."""


def ends(home: Path) -> Iterator[End]:
    """Give where the newest ledger of each site ends."""
    for folder in _newest_ledgers(home):
        checkpoint = outside.published(folder)
        if checkpoint is not None and checkpoint.size:
            last = checkpoint.size - 1
            tile = tiles.Tiles(folder, checkpoint.size).entries(last // tiles.WIDTH)
            entry = json.loads(list(tile)[last % tiles.WIDTH])
            yield End(origin=checkpoint.origin, entries=last + 1, time_us=entry["time"])


def wanted(there: list[str], name: str = "") -> str:
    """Return the archive of this name, or the newest.

    Raises:
        NotFound: there is none.
    """
    found = name or newest(there)
    if found is None or found not in there:
        known = [one for one in there if one.endswith(".tar.age")]
        what = f"there is no backup {name}".rstrip()
        raise NotFound(what, hint=f"there are: {', '.join(known)}" if known else "give the place")
    return found


def check_empty(home: Path) -> None:
    """Refuse a home that holds anything.

    Raises:
        WrongUse: it does.
    """
    if (home / SETTINGS_FILE).exists() or any((home / ledger.FOLDER).glob("*/*/state")):
        raise WrongUse(f"{home} is a home already", hint="restore onto an empty one: --home DIR")


def _identity(private: str) -> pyrage.x25519.Identity:
    try:
        return pyrage.x25519.Identity.from_str("".join(private.split()).upper())
    except pyrage.IdentityError as error:
        raise WrongUse("that is no private half of a key", hint="it begins AGE-SECRET-") from error


def _ring_key(home: Path, private: str) -> None:
    """Take the ring key out of its envelope; the box's own key opens no envelope."""
    sealed = home / SECRETS / SEALED
    if sealed.exists():
        kek = restored(sealed.read_bytes(), private)
        Secrets(home, random=os.urandom, wrap=credential(os.environ)).write(KEK, kek)


def _places(home: Path) -> Iterator[str]:
    """Give the files that the ledgers say must be there."""
    sites = [site.id for site in box_settings.load(home).sites]
    for book in kept.read_books(home, sites).values():
        for one in sorted(book.kept.values(), key=lambda kept: (kept.start_us, kept.log)):
            parquet = Path(files.LOGS) / one.name
            yield str(files.sidecar_of(parquet))
            yield str(parquet)


def _fetch(
    home: Path, target: Target, place: str, there: set[str], identity: pyrage.x25519.Identity
) -> bool:
    """Bring one file of a segment; False when the place of the backup has none."""
    name = segment_name(place)
    if name not in there:
        return False
    path, sealed = home / place, home / "stage" / "restore" / "segment.age"
    durable.make_dir(path.parent, ledger.READABLE)
    try:
        target.get(name, sealed)
        archive.decrypt(sealed, path, identity)
        path.chmod(durable.FILE_MODE)
    except BoxError:
        path.unlink(missing_ok=True)
        raise
    finally:
        sealed.unlink(missing_ok=True)
    return True


def _begin_spool(home: Path) -> None:
    """Let the spool go on at the number up to which rows are sealed, so that none is skipped."""
    first = max((_sealed_to(home, folder) for folder in _newest_ledgers(home)), default=0)
    mark = os.urandom(layout.MARK_SIZE)
    path = home / "spool" / layout.name(first)
    durable.replace(path, layout.pack_header(first, first, mark))


def _newest_ledgers(home: Path) -> Iterator[Path]:
    for site in box_settings.load(home).sites:
        yield from ledger.folders(home, site.id)[-1:]


def _never(path: Path, _: bytes, __: int = 0, /) -> None:
    """Stand for the one who writes: this ledger is only read."""
    raise BoxError(f"{path} is not written here")


def _sealed_to(home: Path, folder: Path) -> int:
    """Return the greatest number of a frame that some log of a ledger has sealed, and one."""
    site = folder.parent.name
    origin = f"{site}/ledger/{folder.name}"
    course = Course(origin)
    for index, data in enumerate(Ledger(home, origin, put=_never).entries()):
        course.take(entries.parse(data, index=index, site=site))
    return max((position.spool for position in course.positions.values()), default=0)
