"""One ledger of a home, checked file by file.

What is signed is compared with what lies there from three sides: the entry bundles, the tiles and
the checkpoints. Whichever of them two others speak against is named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.seal import entries, files, holds, note, outside, tiles, tree
from collector.seal.course import Course, Epoch, Position
from collector.seal.fault import Refused
from collector.seal.files import Finding
from collector.seal.ledger import FOLDER, State, parse_state
from collector.seal.note import Checkpoint, VKey

_SIZE = re.compile(r"checkpoints/(0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A ledger's folder at one moment, read under the lock: what may change is held."""

    folder: Path
    names: tuple[str, ...]
    """All files, from the folder on."""
    held: Mapping[str, bytes]
    """`state`, `checkpoint` and partial tiles."""
    odd: Mapping[str, str] = field(default_factory=dict)
    """What lies there and is not read, with why; it counts as missing."""

    def read(self, name: str) -> bytes | None:
        """Return a file, None when it is not there."""
        if name in self.held:
            return self.held[name]
        if name not in self.names:
            return None
        return (self.folder / name).read_bytes()


def snapshot(folder: Path) -> Snapshot:
    """Return what lies in a ledger's folder; call it under the lock."""
    there = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
    odd = {name: why for name in there if (why := files.odd(folder / name, tiles.MOST_BYTES))}
    found = [name for name in there if name not in odd]
    held = {
        name: (folder / name).read_bytes()
        for name in found
        if name in ("state", "checkpoint") or ".p/" in name
    }
    return Snapshot(folder=folder, names=tuple(found), held=held, odd=odd)


@dataclass(slots=True, kw_only=True)
class LedgerResult:
    """What one ledger says and what is wrong with it."""

    origin: str
    size: int = 0
    findings: list[Finding] = field(default_factory=list)
    segments: list[Mapping[str, Any]] = field(default_factory=list)
    account: list[Mapping[str, Any]] = field(default_factory=list)
    """What tells of segments, holds and destruction, in order."""
    genesis: Mapping[str, Any] | None = None
    course: Course | None = None
    checkpoint: bytes = b""
    checkpoints: int = 0
    broken: list[int] = field(default_factory=list)
    """Sizes from which an epoch key was replaced because it was lost."""


def verify_ledger(
    found: Snapshot, origin: str, positions: Mapping[str, Position], progress: Callable[[], None]
) -> LedgerResult:
    """Check one ledger, going on from the positions of the one before."""
    check = _Check(found, origin, progress)
    check.run(positions)
    return check.result


class _Check:
    def __init__(self, found: Snapshot, origin: str, progress: Callable[[], None]) -> None:
        self._found = found
        self._progress = progress
        self.result = LedgerResult(origin=origin)
        site, _, year = origin.partition("/ledger/")
        self._site, self._place = site, f"{FOLDER}/{site}/{year}"
        self._leaves: list[bytes] = []
        self._bundles: dict[int, list[bytes]] = {}

    def run(self, positions: Mapping[str, Position]) -> None:
        """Check everything; findings and what was learnt are in `result`."""
        for name, why in self._found.odd.items():
            self._find("E-25", name, f"the file {why}")
        state = self._state()
        newest = self._checkpoint_text("checkpoint")
        self.result.size = self._size(state, newest)
        self._read_bundles()
        self._blame(state, newest)
        self._course(positions)
        self._check_state(state)
        self._check_checkpoints()
        self._check_names()

    def _find(self, number: str, name: str, text: str) -> None:
        self.result.findings.append(
            Finding(number=number, place=f"{self._place}/{name}", text=text)
        )

    # How large the ledger is, and who is wrong about it.

    def _state(self) -> State | None:
        data = self._found.read("state")
        if data is None:
            self._find("E-25", "state", "the file is missing")
            return None
        try:
            return parse_state(data)
        except Refused as refused:
            self._find(refused.number, "state", str(refused))
            return None

    def _checkpoint_text(self, name: str) -> Checkpoint | None:
        """Return the text of a checkpoint; what is wrong with the note is told elsewhere."""
        try:
            return note.parse_checkpoint(note.parse(self._found.read(name) or b"").text)
        except Refused:
            return None

    def _size(self, state: State | None, newest: Checkpoint | None) -> int:
        """Return the size that most of state, checkpoint and kept checkpoints speak for."""
        kept = [int(m[1]) for name in self._found.names if (m := _SIZE.fullmatch(name))]
        told = [source.size for source in (state, newest) if source is not None]
        told += [max(kept)] if kept else []
        if not told:
            return 0
        most = Counter(told).most_common(1)[0]
        size = most[0] if most[1] > 1 else told[0]
        kinds = (f"tile/{tiles.ENTRIES}/", "tile/0/")
        held = max(sum(n.startswith(kind) for n in self._found.names) for kind in kinds)
        if size <= held * tiles.WIDTH:
            return size
        self._find("E-25", "state", f"a size of {size}, but {held} tiles")
        return held * tiles.WIDTH

    def _read_bundles(self) -> None:
        size = self.result.size
        for number in range(-(-size // tiles.WIDTH)):
            wanted = min(size - number * tiles.WIDTH, tiles.WIDTH)
            name = tiles.path(tiles.ENTRIES, number, wanted % tiles.WIDTH)
            data = self._found.read(name)
            if data is None:
                self._find("E-25", name, "the entry bundle is missing")
                continue
            try:
                listed = tiles.parse_bundle(data)
            except Refused as refused:
                self._find(refused.number, name, str(refused))
                continue
            if len(listed) != wanted:
                self._find("E-25", name, f"{len(listed)} entries, not {wanted}")
                continue
            self._bundles[number] = listed
            self._progress()

    def _blame(self, state: State | None, newest: Checkpoint | None) -> None:
        """Compare bundles, tiles and signed root; name the files that stand alone."""
        size = self.result.size
        signed = {s.root for s in (state, newest) if s is not None and s.size == size}
        whole = len(self._bundles) == -(-size // tiles.WIDTH)
        hashes = {n: [tree.leaf_hash(e) for e in b] for n, b in self._bundles.items()}
        of_bundles = [h for n in sorted(hashes) for h in hashes[n]]
        of_tiles = self._level_zero()
        bundles_hold = whole and tree.root(of_bundles) in signed
        tiles_hold = len(of_tiles) == size and tree.root(of_tiles) in signed
        self._leaves = of_tiles if tiles_hold and not bundles_hold else of_bundles
        if not bundles_hold:
            self._blame_bundles(hashes, of_tiles)
        if bundles_hold or not tiles_hold or len(of_tiles) == size:
            self._blame_tiles(only_upper=not bundles_hold)
        if whole and not bundles_hold and not tiles_hold and of_bundles == of_tiles:
            self._find("E-25", "tile", "the entries are not those that were signed")

    def _level_zero(self) -> list[bytes]:
        """Return the leaf hashes in the tiles, as far as they are there and whole."""
        leaves = []
        for number in range(-(-self.result.size // tiles.WIDTH)):
            width = min(self.result.size - number * tiles.WIDTH, tiles.WIDTH)
            data = self._found.read(tiles.path(0, number, width % tiles.WIDTH)) or b""
            leaves += [data[i : i + 32] for i in range(0, 32 * width, 32)]
        return leaves

    def _blame_bundles(self, hashes: Mapping[int, list[bytes]], of_tiles: list[bytes]) -> None:
        for number, found in hashes.items():
            first = number * tiles.WIDTH
            told = of_tiles[first : first + len(found)]
            if found != told:
                odd = next(i for i, h in enumerate(found) if told[i : i + 1] != [h])
                name = tiles.path(tiles.ENTRIES, number, len(found) % tiles.WIDTH)
                self._find("E-25", name, f"entry {first + odd} is not the one that was signed")

    def _blame_tiles(self, *, only_upper: bool) -> None:
        """Compare every tile of this size with what the leaves give."""
        level, hashes = 0, self._leaves
        size = self.result.size
        while size:
            for number in range(-(-size // tiles.WIDTH)):
                width = min(size - number * tiles.WIDTH, tiles.WIDTH)
                name = tiles.path(level, number, width % tiles.WIDTH)
                first = number * tiles.WIDTH
                expected = b"".join(hashes[first : first + width])
                if not (only_upper and level == 0 and self._found.read(name) is not None):
                    self._same(name, expected)
            size //= tiles.WIDTH
            hashes = [
                tree.root(hashes[i * tiles.WIDTH : (i + 1) * tiles.WIDTH]) for i in range(size)
            ]
            level += 1

    def _same(self, name: str, expected: bytes) -> None:
        data = self._found.read(name)
        if data is None:
            self._find("E-25", name, "the tile is missing")
        elif data != expected:
            odd = next(
                (
                    i
                    for i in range(0, len(expected), 32)
                    if data[i : i + 32] != expected[i : i + 32]
                ),
                len(expected),
            )
            self._find("E-25", name, f"hash {odd // 32} of the tile is not that of the entries")

    # What the entries say.

    def _course(self, positions: Mapping[str, Position]) -> None:
        course = Course(self.result.origin, positions=dict(positions))
        going = True
        for number, listed in sorted(self._bundles.items()):
            name = tiles.path(tiles.ENTRIES, number, len(listed) % tiles.WIDTH)
            going = going and number * tiles.WIDTH == course.size
            for offset, data in enumerate(listed):
                index = number * tiles.WIDTH + offset
                try:
                    entry = entries.parse(data, index=index, site=self._site)
                    self._learn(entry)
                    if going:
                        course.take(entry)
                except Refused as refused:
                    going = False
                    self._find(refused.number, name, f"entry {index}: {refused}")
        self._end(course, going=going)

    def _learn(self, entry: Mapping[str, Any]) -> None:
        if entry["type"] in holds.TYPES:
            self.result.account.append(entry)
        if entry["type"] == "segment":
            self.result.segments.append(entry)
        elif entry["type"] == "genesis":
            self._genesis(entry)

    def _genesis(self, entry: Mapping[str, Any]) -> None:
        self.result.genesis = entry
        origin = self.result.origin
        for member, name in (("log_vkey", origin), ("epoch_vkey", f"{origin}/epoch")):
            key = note.parse_vkey(entry[member])
            if key.name != name or key.kind != note.ED25519:
                raise Refused("E-22", f"{member} is the key of {key.name}, not of {name}")
        if entry["mldsa_vkey"] is not None:
            key = note.parse_vkey(entry["mldsa_vkey"])
            if key.name != origin or key.kind != note.ML_DSA_44:
                raise Refused("E-22", "mldsa_vkey is no ML-DSA key of this ledger")

    def _end(self, course: Course, *, going: bool) -> None:
        self.result.course = course
        self.result.broken = [e.index + 1 for e in course.epochs if e.broken]
        if course.genesis is None and going:
            self._find("E-22", "tile/entries", "the ledger has no genesis")
        behind = course.behind() if going and course.closed is None else None
        if behind is not None:
            self._find("E-01", "tile/entries", f"{behind} lies behind all other logs")

    # What was signed.

    def _check_state(self, state: State | None) -> None:
        course = self.result.course
        if state is None or course is None:
            return
        if state.size != self.result.size or state.root != tree.root(self._leaves):
            self._find("E-25", "state", "size and root are not those of the entries")
        elif course.size == state.size and state.epoch != course.epochs[-1].number:
            self._find("E-25", "state", f"epoch {state.epoch}, but {course.epochs[-1].number}")

    def _check_checkpoints(self) -> None:
        sizes = {int(m[1]): n for n in self._found.names if (m := _SIZE.fullmatch(n))}
        wanted = {e.index + 1 for e in self._epochs() if e.index} | {self.result.size}
        for size in sorted(wanted - sizes.keys()):
            self._find("E-25", f"checkpoints/{size}", "the checkpoint is missing")
        growing = tree.Growing()
        for leaf in [*self._leaves, None]:
            if growing.size in sizes:
                self._check_note(sizes.pop(growing.size), growing.size, growing.root())
            if leaf is not None:
                growing.add(leaf)
        for size, name in sorted(sizes.items()):
            self._find("E-04", name, f"somebody signed size {size}: the ledger's tail is cut")
        self._check_note("checkpoint", self.result.size, growing.root())
        self.result.checkpoint = self._found.read("checkpoint") or b""

    def _check_note(self, name: str, size: int, root: bytes) -> None:
        """Check one checkpoint: its text, and exactly the lines it must bear."""
        data = self._found.read(name)
        if data is None:
            self._find("E-25", name, "the checkpoint is missing")
            return
        self.result.checkpoints += 1
        try:
            signed = note.parse(data)
            _check_text(signed, Checkpoint(self.result.origin, size, root))
            self._check_lines(signed, size)
        except Refused as refused:
            self._find(refused.number, name, str(refused))

    def _check_lines(self, signed: note.Note, size: int) -> None:
        wanted = list(self._signers(size))
        found = note.check(signed, wanted)
        if wanted[-1].kind == note.ML_DSA_44 and found == [*wanted[:-1]]:
            raise Refused("E-20", f"the ML-DSA line that size {size} must bear is missing")
        if None in found:
            odd = signed.lines[found.index(None)].name
            raise Refused("E-03", f"a line of {odd} by a key that does not sign size {size}")
        if found != wanted:
            raise Refused("E-03", f"not the {len(wanted)} lines that size {size} must bear")

    def _signers(self, size: int) -> Iterator[VKey]:
        """Give the keys that must sign a size, in order."""
        if self.result.genesis is None:
            raise Refused("E-03", "no genesis says whose signature this must be")
        yield note.parse_vkey(self.result.genesis["log_vkey"])
        known = [epoch for epoch in self._epochs() if epoch.index < size]
        if not known:
            raise Refused("E-03", f"no epoch covers size {size}")
        newest = known[-1]
        if newest.index == size - 1 and newest.index and not newest.broken:
            yield note.parse_vkey(known[-2].vkey)
        yield note.parse_vkey(newest.vkey)
        if self.result.genesis["mldsa_vkey"] is not None:
            yield note.parse_vkey(self.result.genesis["mldsa_vkey"])

    def _epochs(self) -> list[Epoch]:
        return self.result.course.epochs if self.result.course is not None else []

    # What else lies there.

    def _check_names(self) -> None:
        for name in self._found.names:
            if name in ("state", "checkpoint") or _SIZE.fullmatch(name):
                continue
            if outside.parse_name(name) is not None:
                continue  # told of by `verify_outside.py`
            try:
                self._check_older(name, *tiles.parse_path(name))
            except Refused as refused:
                self._find(refused.number, name, str(refused))

    def _check_older(self, name: str, level: int | str, number: int, width: int) -> None:
        """Compare a partial tile of an earlier size with the present one."""
        depth = 0 if level == tiles.ENTRIES else int(level)
        count = min((self.result.size >> (8 * depth)) - number * tiles.WIDTH, tiles.WIDTH)
        if width == 0 or width >= count:
            return  # compared already, or beyond what was committed
        data = self._found.read(name)
        whole = self._found.read(tiles.path(level, number, count % tiles.WIDTH)) or b""
        if level == tiles.ENTRIES:
            expected = tiles.bundle(self._bundles.get(number, [])[:width])
        else:
            expected = whole[: 32 * width]
        if data != expected:
            raise Refused("E-25", "an older partial tile is not the beginning of the present one")


def _check_text(signed: note.Note, expected: Checkpoint) -> None:
    if note.parse_checkpoint(signed.text) != expected:
        raise Refused("E-25", "origin, size and root are not those of the entries")
