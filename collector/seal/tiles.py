"""C2SP tlog-tiles: paths, hash tiles and entry bundles of one ledger.

A tile of level L holds up to 256 roots of 256^L leaves each. A partial tile has a name of its own
for each width, so that nothing that was once signed is ever written over.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from collector.seal import hashing, tree
from collector.seal.fault import Refused

WIDTH = 256
LEVELS = 8
"""Of tree levels in one tile."""
ENTRIES = "entries"
MOST_BYTES = 32 << 20
"""More than a bundle of the longest entries has."""
_NAME = re.compile(
    r"(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
)


def path(level: int | str, number: int, width: int = 0) -> str:
    """Return the path of a tile or, with the level `entries`, of a bundle; width 0 is full."""
    parts = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        parts.append(f"x{number % 1000:03d}")
    partial = f".p/{width}" if width else ""
    return f"tile/{level}/{'/'.join(reversed(parts))}{partial}"


def parse_path(name: str) -> tuple[int | str, int, int]:
    """Return level (or `entries`), number and width of a path; width 0 is full.

    Raises:
        Refused: E-25, not such a path.
    """
    tile, level, rest = (*name.split("/", 2), "", "")[:3]
    if tile != "tile" or not re.fullmatch(r"entries|0|[1-9]|[1-5][0-9]|6[0-3]", level):
        raise Refused("E-25", f"not the path of a tile: {name}")
    if not _NAME.fullmatch(rest):
        raise Refused("E-25", f"not the path of a tile: {name}")
    whole, _, width = rest.partition(".p/")
    number = int("".join(part.removeprefix("x") for part in whole.split("/")))
    parsed = (level if level == ENTRIES else int(level)), number, int(width or 0)
    if path(*parsed) != name:
        raise Refused("E-25", f"not the one path of a tile: {name}")
    return parsed


def bundle(entries: Sequence[bytes]) -> bytes:
    """Return entries as an entry bundle."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        Refused: E-25, cut off or of more than 256 entries.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise Refused("E-25", f"the entry bundle is cut off in its entry {len(entries)}")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) > WIDTH:
        raise Refused("E-25", f"an entry bundle of {len(entries)} entries")
    return entries


def widths(size: int) -> Iterator[tuple[int, int, int]]:
    """Give level, number and width of the last, partial tile of each level; width is never 0."""
    level = 0
    while size:
        if size % WIDTH:
            yield level, size // WIDTH, size % WIDTH
        size //= WIDTH
        level += 1


def changed(old: int, new: int) -> Iterator[tuple[int, int, int]]:
    """Give level, number and width (0 is full) of the tiles of size `new` that `old` has not."""
    level = 0
    while new:
        for number in range(old // WIDTH, -(-new // WIDTH)):
            width = min(new - number * WIDTH, WIDTH)
            if new != old:
                yield level, number, width % WIDTH
        old, new, level = old // WIDTH, new // WIDTH, level + 1


class Tiles:
    """Reads the tiles of a ledger at one size."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self.size = size
        self._kept: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the root of the 2^level leaves from index * 2^level on.

        Raises:
            Refused: E-25, a tile that is missing or too short.
        """
        first = index << (level % LEVELS)
        count = 1 << (level % LEVELS)
        data = self._tile(level // LEVELS, first // WIDTH)
        at = first % WIDTH * hashing.HASH_BYTES
        run = [data[i : i + 32] for i in range(at, at + count * 32, 32)]
        if len(run[-1]) != hashing.HASH_BYTES:
            raise Refused("E-25", f"{path(level // LEVELS, first // WIDTH)} is too short")
        return tree.root(run)

    def subtree(self, start: int, stop: int) -> bytes:
        """Return the root of the leaves [start, stop), as RFC 6962 splits them.

        Raises:
            Refused: E-25, a tile that is missing or too short.
        """
        if start == stop:
            return tree.EMPTY
        span = stop - start
        if span & (span - 1) == 0 and start % span == 0:
            level = span.bit_length() - 1
            return self.node(level, start >> level)
        middle = start + tree.split(span)
        return tree.node_hash(self.subtree(start, middle), self.subtree(middle, stop))

    def entries(self, number: int) -> list[bytes]:
        """Return the entries of a bundle, as many as the size has.

        Raises:
            Refused: E-25, missing, cut off or too short.
        """
        wanted = min(self.size - number * WIDTH, WIDTH)
        found = parse_bundle(self._read(ENTRIES, number, wanted))
        if len(found) < wanted:
            raise Refused("E-25", f"{path(ENTRIES, number)} has {len(found)} entries of {wanted}")
        return found[:wanted]

    def _tile(self, level: int, number: int) -> bytes:
        if (level, number) not in self._kept:
            width = min((self.size >> (LEVELS * level)) - number * WIDTH, WIDTH)
            self._kept[level, number] = self._read(level, number, width)
        return self._kept[level, number]

    def _read(self, level: int | str, number: int, width: int) -> bytes:
        """Read a tile of this width, or a wider one where the narrow one is gone."""
        names = [path(level, number, width % WIDTH), path(level, number)]
        partial = self._folder / path(level, number, 1)
        wider = sorted(int(p.name) for p in partial.parent.glob("*") if p.name.isdecimal())
        names += [path(level, number, w) for w in wider if w > width % WIDTH > 0]
        for name in names:
            try:
                return _plain(self._folder / name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Refused("E-25", f"{name} cannot be read: {error.strerror}") from error
        raise Refused("E-25", f"{names[0]} is missing")


def _plain(path: Path) -> bytes:
    """Return the bytes of a tile; a pipe or a device in its place is not waited for."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Refused("E-25", f"{path.name} is no plain file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Refused("E-25", f"{path.name} is too long for a tile")
    return data


def write(
    folder: Path, old: int, leaves: Sequence[bytes], put: Callable[[Path, bytes], None]
) -> int:
    """Write all tiles and bundles that new entries change; return the new size.

    Args:
        folder: Of the ledger.
        old: Size before; its tiles are there.
        leaves: The entries to append.
        put: Writes a file so that it is on the disk.
    """
    new = old + len(leaves)
    before = Tiles(folder, old)
    hashes: dict[int, list[bytes]] = {0: [tree.leaf_hash(leaf) for leaf in leaves]}
    begin = {0: old}
    for level, number, width in changed(old, new):
        if level not in hashes:
            hashes[level], begin[level] = _level(hashes[level - 1], begin[level - 1], before, level)
        first = number * WIDTH
        kept = [before.node(LEVELS * level, i) for i in range(first, max(first, begin[level]))]
        end = first + (width or WIDTH)
        fresh = hashes[level][max(first - begin[level], 0) : end - begin[level]]
        put(folder / path(level, number, width), b"".join(kept[:WIDTH] + fresh))
        if level == 0:
            held = before.entries(number) if first < old else []
            added = list(leaves[max(first - old, 0) : end - old])
            put(folder / path(ENTRIES, number, width), bundle(held + added))
    return new


def _level(below: list[bytes], begin: int, before: Tiles, level: int) -> tuple[list[bytes], int]:
    """Return the roots of full tiles below that are new at a level, and where they begin."""
    start = begin // WIDTH
    first = start * WIDTH
    run = [before.node(LEVELS * (level - 1), i) for i in range(first, begin)] + below
    whole = len(run) // WIDTH
    return [tree.root(run[i * WIDTH : (i + 1) * WIDTH]) for i in range(whole)], start
