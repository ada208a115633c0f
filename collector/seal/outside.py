"""What is known outside of the box: tokens and cosignatures, where they lie and what they prove.

`cosig/<size>.<key id>` holds one line of one witness, `tst/<size>.<authority>.tsr` the answer of an
authority as it came, `.pem` beside it the chain of its signer. An `anchor` entry pins them in the
ledger itself, once a year by a second hash. Nothing here asks anybody: see `collector/outside.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from collector import durable
from collector.seal import ledger, note, tiles, timestamp, witness
from collector.seal.chain import flock
from collector.seal.fault import Refused
from collector.seal.ledger import Put
from collector.seal.note import Checkpoint, VKey

COSIGNATURES, TOKENS = "cosig", "tst"
_COSIGNATURE = re.compile(r"cosig/(0|[1-9][0-9]{0,18})\.([0-9a-f]{8})")
_TOKEN = re.compile(r"tst/(0|[1-9][0-9]{0,18})\.([a-z0-9-]+)\.(tsr|pem)")
Entry = Mapping[str, Any]


class Kept(NamedTuple):
    """A file that came from outside."""

    size: int
    by: str
    """Key id of a witness, name of an authority."""
    kind: str
    """`cosig`, `tsr` or `pem`."""

    @property
    def name(self) -> str:
        """The file, from the ledger's folder on."""
        if self.kind == COSIGNATURES:
            return f"{COSIGNATURES}/{self.size}.{self.by}"
        return f"{TOKENS}/{self.size}.{self.by}.{self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The newest checkpoint that is known outside."""

    origin: str
    size: int
    since_us: int
    """The earliest time at which anybody outside had it."""
    by: tuple[str, ...]
    """Authorities and witnesses."""


def parse_name(name: str) -> Kept | None:
    """Return what a file in a ledger's folder is, None when it did not come from outside."""
    if found := _COSIGNATURE.fullmatch(name):
        return Kept(int(found[1]), found[2], COSIGNATURES)
    if found := _TOKEN.fullmatch(name):
        return Kept(int(found[1]), found[2], found[3])
    return None


def listed(folder: Path) -> list[Kept]:
    """Return what came from outside for one ledger, by size."""
    names = (
        f"{place}/{path.name}"
        for place in (COSIGNATURES, TOKENS)
        if (folder / place).is_dir()
        for path in (folder / place).iterdir()
    )
    return sorted(kept for name in names if (kept := parse_name(name)) is not None)


def origin_of(folder: Path) -> str:
    """Return the origin of the ledger in a folder."""
    return f"{folder.parent.name}/ledger/{folder.name}"


def folder_of(home: Path, origin: str) -> Path:
    """Return the folder of a ledger."""
    site, _, year = origin.partition("/ledger/")
    return home / ledger.FOLDER / site / year


def published(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint of a ledger, None before the first."""
    try:
        return note.parse_checkpoint(note.parse(durable.read_plain(folder / "checkpoint")).text)
    except FileNotFoundError:
        return None


def signed_note(folder: Path, size: int) -> bytes:
    """Return a kept checkpoint, its own lines alone."""
    return durable.read_plain(folder / "checkpoints" / str(size))


def newest(home: Path, site: str) -> Known | None:
    """Return the newest checkpoint of a site that is known outside, None when none is."""
    for folder in reversed(ledger.folders(home, site)):
        found = [kept for kept in listed(folder) if kept.kind != "pem"]
        for size in sorted({kept.size for kept in found}, reverse=True):
            told = [_told(folder, kept) for kept in found if kept.size == size]
            times = [one for one in told if one is not None]
            if times:
                return Known(
                    origin=origin_of(folder),
                    size=size,
                    since_us=min(time_us for time_us, _ in times),
                    by=tuple(sorted({by for _, by in times})),
                )
    return None


def _told(folder: Path, kept: Kept) -> tuple[int, str] | None:
    """Return time and name in a file that was checked when it came, None if it was damaged."""
    try:
        data = durable.read_plain(folder / kept.name)
        if kept.kind == "tsr":
            return timestamp.time_of(data), kept.by
        line = note.parse_line(data.decode().removesuffix("\n"))
        return witness.time_of(line) * 1_000_000, line.name
    except (Refused, OSError, UnicodeDecodeError):
        return None


class Shelf:
    """Puts what came from outside, and was found good, beside its ledger."""

    def __init__(self, folder: Path, put: Put) -> None:
        self._folder = folder
        self._put = put

    def cosignature(self, size: int, key: VKey, line: bytes) -> None:
        """Keep the line of a witness."""
        kept = Kept(size, key.key_id.hex(), COSIGNATURES)
        # Under the lock that keeps verifiers of a running box out.
        with flock(self._folder.parent):
            self._put(self._folder / kept.name, line)

    def token(self, size: int, authority: str, response: bytes, chain: bytes) -> None:
        """Keep a token and its chain; a crash between leaves a chain that `tidy` takes away."""
        with flock(self._folder.parent):
            self._put(self._folder / Kept(size, authority, "pem").name, chain)
            self._put(self._folder / Kept(size, authority, "tsr").name, response)

    def tidy(self) -> None:
        """Take away chains without token."""
        found = set(listed(self._folder))
        for kept in found:
            if kept.kind == "pem" and kept._replace(kind="tsr") not in found:
                (self._folder / kept.name).unlink(missing_ok=True)


class Clocks:
    """The times that entries of one ledger say, for the tokens that cover them."""

    def __init__(self, folder: Path, size: int) -> None:
        self._tiles = tiles.Tiles(folder, size)
        self._known: dict[int, list[tuple[int, int | None]]] = {}

    def covered_us(self, size: int) -> int:
        """Return the earliest time that a token over the first `size` entries can bear.

        That of the last entry, less how far the box's clock is known to be off, less five minutes.
        Entries before a step back of the clock bear times that were wrong, and are not asked.
        """
        if size == 0:
            return 0
        number, at = divmod(size - 1, tiles.WIDTH)
        rows = self._rows(number)[: at + 1]
        time_us, offset = rows[-1][0], _last_offset(rows)
        while offset is None and number > 0:
            number -= 1
            offset = _last_offset(self._rows(number))
        return time_us - abs(offset or 0) - timestamp.SLACK_US

    def _rows(self, number: int) -> list[tuple[int, int | None]]:
        if number not in self._known:
            self._known[number] = [_clock(data) for data in self._tiles.entries(number)]
        return self._known[number]


def _load(data: bytes) -> Entry:
    """Return an entry that was checked before it was signed.

    Raises:
        Refused: E-11, damaged since.
    """
    try:
        entry: Entry = json.loads(data)
        _ = entry["type"], entry["time"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused("E-11", f"not an entry: {error}") from error
    return entry


def _clock(data: bytes) -> tuple[int, int | None]:
    entry = _load(data)
    return entry["time"], entry["offset_us"] if entry["type"] == "clock" else None


def _last_offset(rows: Sequence[tuple[int, int | None]]) -> int | None:
    return next((offset for _, offset in reversed(rows) if offset is not None), None)


# Anchors.


def anchors(home: Path, site: str) -> Iterator[Entry]:
    """Give the `anchor` entries of all ledgers of a site, oldest first."""
    for folder in ledger.folders(home, site):
        checkpoint = published(folder)
        if checkpoint is not None:
            yield from anchors_of(folder, checkpoint.size)


def anchors_of(folder: Path, size: int) -> Iterator[Entry]:
    """Give the `anchor` entries among the first `size` of a ledger."""
    reader = tiles.Tiles(folder, size)
    for number in range(-(-size // tiles.WIDTH)):
        for data in reader.entries(number):
            if b'"type":"anchor"' in data:
                yield _load(data)


def anchor(folder: Path, size: int, *, renewal: str | None = None) -> Entry:
    """Return the entry that pins what came from outside for one checkpoint."""
    found = [kept for kept in listed(folder) if kept.size == size and kept.kind != "pem"]
    proofs = [hashlib.sha256((folder / kept.name).read_bytes()).hexdigest() for kept in found]
    text = note.parse(signed_note(folder, size)).text
    return {
        "type": "anchor",
        "origin": origin_of(folder),
        "size": size,
        "text_sha256": hashlib.sha256(text).hexdigest(),
        "proofs": sorted(proofs),
        "renewal": renewal,
    }


def unpinned(folder: Path, pinned: set[str]) -> list[int]:
    """Return the sizes of a ledger with a token that no anchor speaks of yet."""
    return sorted(
        {
            kept.size
            for kept in listed(folder)
            if kept.kind == "tsr"
            and hashlib.sha256((folder / kept.name).read_bytes()).hexdigest() not in pinned
        }
    )


def renewal(home: Path, origin: str, size: int, pinned: set[str]) -> str:
    """Return the second hash over all checkpoints up to one, and over their pinned tokens.

    SHA-512 over every kept checkpoint of the site, ledger by ledger, in order of size, and behind
    each the tokens for it that an earlier anchor pinned, by name.
    """
    whole = hashlib.sha512()
    for folder in ledger.folders(home, origin.partition("/ledger/")[0]):
        last = origin_of(folder) == origin
        for data in _pieces(folder, size if last else None, pinned):
            whole.update(data)
        if last:
            break
    return whole.hexdigest()


def _pieces(folder: Path, size: int | None, pinned: set[str]) -> Iterator[bytes]:
    """Give the checkpoints of a ledger up to a size, each with its pinned tokens behind it."""
    tokens: dict[int, list[bytes]] = {}
    for kept in listed(folder):
        if kept.kind == "tsr" and (folder / kept.name).is_file():
            data = durable.read_plain(folder / kept.name)
            if hashlib.sha256(data).hexdigest() in pinned:
                tokens.setdefault(kept.size, []).append(data)
    checkpoints = [path for path in (folder / "checkpoints").iterdir() if path.is_file()]
    for known in sorted(int(p.name) for p in checkpoints if re.fullmatch("[0-9]{1,16}", p.name)):
        if size is None or known <= size:
            yield signed_note(folder, known)
            yield from tokens.get(known, ())
