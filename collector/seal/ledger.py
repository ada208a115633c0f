"""The ledger of one site and year on disk: its tiles, `state` and checkpoints.

`state` is the truth about what was committed; a checkpoint says it to the world. Tiles come first,
then the signature is made ready, then `state` moves, then the checkpoint appears. Nothing here
holds a lock: the sealer does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import rfc8785

from collector import durable
from collector.errors import SealError
from collector.seal import note, tiles, tree
from collector.seal.fault import Refused
from collector.seal.note import Checkpoint, Signer

FOLDER = "ledger"
SCHEMAS = "schema"
READABLE = 0o750
_YEAR = re.compile(r"([0-9]{4})(?:-([1-9][0-9]*))?")


class Put(Protocol):
    """Writes a file so that it is on the disk whole or not at all."""

    def __call__(self, path: Path, data: bytes, mode: int = durable.FILE_MODE, /) -> None:
        """Write `data` as `path`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far the ledger was committed."""

    size: int
    root: bytes
    epoch: int
    """Number of the newest epoch entry."""

    @property
    def text(self) -> bytes:
        """The bytes of the file."""
        return rfc8785.dumps({"epoch": self.epoch, "root": self.root.hex(), "size": self.size})


NOTHING = State(size=0, root=tree.EMPTY, epoch=0)


def parse_state(data: bytes) -> State:
    """Return what the file `state` says.

    Raises:
        Refused: E-25, not exactly such a file.
    """
    try:
        record = json.loads(data)
        state = State(
            size=record["size"], root=bytes.fromhex(record["root"]), epoch=record["epoch"]
        )
        if type(state.size) is not int or type(state.epoch) is not int or state.text != data:
            raise Refused("E-25", "state is not in its canonical form")
    except (ValueError, TypeError, KeyError) as error:
        raise Refused("E-25", f"not a state: {error}") from error
    return state


def folders(home: Path, site: str) -> list[Path]:
    """Return the ledgers of a site, oldest first."""
    root = home / FOLDER / site
    found = [(m, path) for path in root.glob("*") if (m := _YEAR.fullmatch(path.name))]
    return [path for _, path in sorted(found, key=lambda f: (int(f[0][1]), int(f[0][2] or 1)))]


class Ledger:
    """One ledger, open for appending."""

    def __init__(self, home: Path, origin: str, *, put: Put) -> None:
        self.origin = origin
        self._put = put
        site, _, year = origin.partition("/ledger/")
        self.folder = home / FOLDER / site / year
        self.state = self.read_state()

    def read_state(self) -> State:
        """Return the state on disk; of size 0 for a ledger that is only being made.

        Raises:
            SealError: a ledger that was published has none.
        """
        path = self.folder / "state"
        if path.exists():
            return parse_state(path.read_bytes())
        if (self.folder / "checkpoint").exists():
            raise SealError(f"{path} is missing", hint="restore it, then: prathu verify")
        return NOTHING

    def entries(self) -> Iterator[bytes]:
        """Give every committed entry."""
        reader = tiles.Tiles(self.folder, self.state.size)
        for number in range(-(-self.state.size // tiles.WIDTH)):
            yield from reader.entries(number)

    def published(self) -> Checkpoint | None:
        """Return the checkpoint that the world can see, None before the first."""
        path = self.folder / "checkpoint"
        if not path.exists():
            return None
        checkpoint = note.parse_checkpoint(note.parse(path.read_bytes()).text)
        if checkpoint.origin != self.origin:
            raise SealError(f"{path} is of {checkpoint.origin}", hint="prathu verify says more")
        return checkpoint

    def note(self) -> bytes:
        """Return the newest checkpoint as it is published."""
        return (self.folder / "checkpoint").read_bytes()

    def check(self) -> None:
        """Refuse to go on from tiles that do not give the state.

        Raises:
            SealError: the last tiles, bundle or checkpoint do not agree with `state`.
        """
        size, reader = self.state.size, tiles.Tiles(self.folder, self.state.size)
        known = self.published()
        if known is not None and known.size > size:
            raise SealError(
                f"{self.folder / 'state'} has size {size}, the checkpoint {known.size}",
                hint="somebody put an old copy back: prathu verify says more",
            )
        if reader.subtree(0, size) != self.state.root:
            raise SealError(f"the tiles of {self.folder} do not give its state", hint="verify it")
        if size:
            last = (size - 1) // tiles.WIDTH
            leaves = [tree.leaf_hash(entry) for entry in reader.entries(last)]
            if leaves != [reader.node(0, i) for i in range(last * tiles.WIDTH, size)]:
                raise SealError(f"the last entries of {self.folder} are not its tiles'")

    def commit(self, data: Sequence[bytes], signers: Sequence[Signer], *, epoch: int) -> None:
        """Append entries and move `state`: step 5 of sealing.

        Args:
            data: Entries, encoded.
            signers: Keys of the lines, in order; asked before anything is committed.
            epoch: Number of the newest epoch entry, these included.

        Raises:
            SealError: the ledger on disk is not the one that was read, or not consistent.
        """
        before = self.state
        # A crash from here to `state` leaves tiles beyond it: the next commit writes over them.
        size = tiles.write(self.folder, before.size, data, self._put)
        root = self._consistent(before, size)
        self._sign(Checkpoint(self.origin, size, root), signers)
        if self.read_state() != before:
            raise SealError(f"somebody else wrote {self.folder / 'state'}", hint="stop the other")
        state = State(size=size, root=root, epoch=epoch)
        self._put(self.folder / "state", state.text)
        # From here on the entries are committed: a crash before `publish` is made good at start.
        self.state = state

    def publish(self, signers: Sequence[Signer]) -> None:
        """Show the newest checkpoint: step 6 of sealing, and what recovery does again.

        Raises:
            SealError: the newest root does not go on from the one published before.
        """
        known = self.published()
        if known is not None and known.size:
            self._consistent(State(size=known.size, root=known.root, epoch=0), self.state.size)
        checkpoint = Checkpoint(self.origin, self.state.size, self.state.root)
        signed = self._sign(checkpoint, signers)
        self._put(self.folder / "checkpoints" / str(self.state.size), signed)
        # A crash here leaves `checkpoint` at the size before; start publishes again, same bytes.
        self._put(self.folder / "checkpoint", signed)
        self._tidy()

    def behind(self) -> bool:
        """Say whether entries were committed that the world cannot see yet."""
        known = self.published()
        return known is None or known.size < self.state.size

    def kept(self) -> bytes | None:
        """Return the kept checkpoint of this state, None when it was not signed yet."""
        path = self.folder / "checkpoints" / str(self.state.size)
        if not path.exists():
            return None
        data = path.read_bytes()
        told = note.parse_checkpoint(note.parse(data).text)
        wanted = Checkpoint(self.origin, self.state.size, self.state.root)
        return data if told == wanted else None

    def publish_kept(self) -> bool:
        """Show the checkpoint that a crash left signed; False when it was not signed yet."""
        signed = self.kept()
        if signed is None:
            return False
        self._put(self.folder / "checkpoint", signed)
        self._tidy()
        return True

    def rewind(self) -> None:
        """Go back to what was published: the entries since were never signed, and nobody saw them.

        Their rows are still in the spool; tiles beyond are written over.
        """
        known = self.published()
        if known is None:
            durable.remove(self.folder / "state")
            return
        reader = tiles.Tiles(self.folder, known.size)
        told = (
            json.loads(data)
            for number in range(-(-known.size // tiles.WIDTH))
            for data in reader.entries(number)
        )
        epoch = max((entry["epoch"] for entry in told if entry["type"] == "epoch"), default=0)
        self._put(self.folder / "state", State(size=known.size, root=known.root, epoch=epoch).text)

    def _consistent(self, before: State, size: int) -> bytes:
        """Return the root of `size`, recomputed from disk, if it goes on from `before`."""
        reader = tiles.Tiles(self.folder, size)
        root = reader.subtree(0, size)
        if before.size:
            proof = tree.consistency_proof(before.size, size, reader.subtree)
            tree.check_consistency(before.size, size, proof, old_root=before.root, new_root=root)
        return root

    @staticmethod
    def _sign(checkpoint: Checkpoint, signers: Sequence[Signer]) -> bytes:
        text = checkpoint.text
        return text + b"\n" + b"".join(key.sign(text) for key in signers)

    def _tidy(self) -> None:
        """Take away partial tiles of earlier sizes; what a crash leaves goes the next time."""
        keep = {tiles.path(*tile) for tile in tiles.widths(self.state.size)}
        keep |= {
            tiles.path(tiles.ENTRIES, number, width)
            for level, number, width in tiles.widths(self.state.size)
            if level == 0
        }
        for level in ("entries", *(str(n) for n in range(tiles.LEVELS))):
            for folder in self._partial_folders(level):
                for partial in folder.iterdir():
                    if str(partial.relative_to(self.folder)) not in keep:
                        partial.unlink()

    def _partial_folders(self, level: str) -> list[Path]:
        """Return the folders of partial tiles of the newest tile and the one before it."""
        span = tiles.WIDTH ** (1 if level == "entries" else int(level) + 1)
        newest = self.state.size // span
        tops = {tiles.path(level, number, 1) for number in (newest, max(newest - 1, 0))}
        return [f for name in tops if (f := (self.folder / name).parent).is_dir()]
