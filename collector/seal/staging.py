"""Steps 1 to 4 of sealing: the files of a batch, from nothing to their names.

Everything is made under `stage/<site>/<id>/`. When all of it is on the disk and was read back, a
plan of the batch is written beside it: with a plan a crash is rolled forward, without one the
folder is thrown away and the rows are sealed again from the spool, with a new key.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import rfc8785

from collector import durable
from collector.errors import SealError
from collector.seal import files, segment
from collector.seal.canonical import Schema
from collector.seal.keys import Random, Rings
from collector.seal.ledger import FOLDER, READABLE, SCHEMAS

STAGE = "stage"
QUARANTINE = "quarantine"
PLAN = "plan.json"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DRAWS = 4
"""Keys drawn for one segment before a broken random source is suspected."""


class Damaged(SealError):
    """What was read back is not what was written; the files are in quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parquet:
    """How the pipeline writes and reads the Parquet file of a segment."""

    write: Callable[[pa.Table, Path], None]
    read: Callable[[Path], Iterable[pa.Table]]
    """Gives the rows in pieces, so that a segment is never twice in memory."""


class Stage:
    """The place where files of one site wait for their names."""

    def __init__(self, home: Path, site: str, *, random: Random) -> None:
        self._home = home
        self._random = random
        self.folder = home / STAGE / site

    def put(self, path: Path, data: bytes, mode: int = durable.FILE_MODE) -> None:
        """Write a file so that it is on the disk whole or not at all, without a name beside it."""
        durable.make_dir(self.folder)
        durable.make_dir(path.parent, 0o700 if mode == 0o600 else READABLE)
        beside = self.folder / self._random(8).hex()
        durable.write_new(beside, data, mode=mode)
        durable.rename(beside, path)

    def batch(self, now_ns: int) -> Path:
        """Return a new folder for a batch."""
        folder = self.folder / _ulid(now_ns // 1_000_000, self._random(10))
        durable.make_dir(folder)
        return folder

    def batches(self) -> list[Path]:
        """Return the folders that a crash left, oldest first."""
        return sorted(p for p in self.folder.glob("*") if p.is_dir())

    def clear(self, batch: Path | None = None) -> None:
        """Throw away a batch, or all that is left here."""
        target = batch if batch is not None else self.folder
        if target.exists():
            shutil.rmtree(target)

    def quarantine(self, batch: Path) -> Path:
        """Keep a batch that was written wrongly, for whoever looks at the disk."""
        target = self._home / QUARANTINE / batch.name
        durable.make_dir(target.parent)
        durable.rename(batch, target)
        return target


def _ulid(milliseconds: int, noise: bytes) -> str:
    value = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(noise, "big")
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))


class Segments:
    """Makes the files of segments."""

    def __init__(
        self, home: Path, *, stage: Stage, rings: Rings, parquet: Parquet, random: Random
    ) -> None:
        self._home = home
        self._stage = stage
        self._rings = rings
        self._parquet = parquet
        self._random = random

    def make(
        self,
        batch: Path,
        manifest: Mapping[str, Any],
        rows: Callable[[], pa.Table],
        schema: Schema,
    ) -> dict[str, Any]:
        """Stage one segment and return its manifest with all that its rows come to.

        Raises:
            Damaged: what was read back differs.
            SealError: no key without collision, or a value that cannot be stored.
        """
        # 1. Stage. A crash leaves a folder without plan, and a wrapped key without segment: both
        #    are dropped at start.
        key, built = self._build(rows, schema)
        parquet, sidecar = self._staged(batch, manifest)
        self._parquet.write(built.table, parquet)
        durable.write_new(sidecar, built.digest.sidecar)
        self._rings.add(files.segment_id(manifest), manifest["start"], key)
        self._store_schema(schema)
        # 2. fsync. After an error here the batch is never tried again on the same files.
        _sync(parquet)
        # 3. Re-read from the disk, not from the cache.
        sha256, size = self._reread(parquet, sidecar, built)
        if self._rings.get(files.segment_id(manifest), manifest["start"]) != key:
            raise Damaged(f"the key of {files.segment_id(manifest)} does not come back")
        digest = built.digest
        return {
            **manifest,
            "event_min": _text(digest.event_min),
            "event_max": _text(digest.event_max),
            "received_max": _text(digest.received_max),
            "rows": digest.rows,
            "groups": len(digest.groups),
            "root": digest.root.hex(),
            "schema": schema.sha256,
            "key_commit": built.key_commit.hex(),
            "tag_alg": "hmac",
            "file": {"name": manifest["file"]["name"], "size": size, "sha256": sha256},
        }

    def plan(self, batch: Path, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write the plan of a batch whose files were all made: from here on it goes forward."""
        durable.write_new(batch / PLAN, rfc8785.dumps({"entries": [dict(e) for e in entries]}))

    def planned(self, batch: Path) -> list[dict[str, Any]] | None:
        """Return the entries of a batch that a crash left, None when it has no whole plan."""
        try:
            entries: list[dict[str, Any]] = json.loads((batch / PLAN).read_bytes())["entries"]
        except (FileNotFoundError, ValueError):
            return None
        return entries

    def name(self, batch: Path, entries: Sequence[Mapping[str, Any]]) -> None:
        """Give the staged files of a batch their names; what has its name already is left."""
        # 4. Name. A crash leaves some with their names and no entry: start names the rest, checks
        #    them all and commits.
        for entry in entries:
            if entry["type"] != "segment":
                continue
            for staged, place in zip(self._staged(batch, entry), files.paths(entry), strict=True):
                if staged.exists():
                    target = self._home / place
                    durable.make_dir(target.parent, READABLE)
                    durable.rename(staged, target)

    def discard(self, entry: Mapping[str, Any]) -> None:
        """Delete a named segment that was never committed, and its key."""
        for place in files.paths(entry):
            durable.remove(self._home / place)
        self._rings.drop(files.segment_id(entry), entry["start"])

    @staticmethod
    def _staged(batch: Path, entry: Mapping[str, Any]) -> tuple[Path, Path]:
        parquet = batch / f"{entry['log']}.{entry['seq']}.parquet"
        return parquet, files.sidecar_of(parquet)

    def _build(self, rows: Callable[[], pa.Table], schema: Schema) -> tuple[bytes, segment.Built]:
        for _ in range(_DRAWS):
            key = self._random(segment.KEY_BYTES)
            try:
                return key, segment.build(rows(), schema, key)
            except segment.TagCollision:
                continue
        raise SealError("every key drawn has two subjects with one tag", hint="is urandom broken?")

    def _store_schema(self, schema: Schema) -> None:
        path = self._home / FOLDER / SCHEMAS / f"{schema.sha256}.json"
        if not path.exists() or path.read_bytes() != schema.text:
            self._stage.put(path, schema.text)

    def _reread(self, parquet: Path, sidecar: Path, built: segment.Built) -> tuple[str, int]:
        for path in (parquet, sidecar):
            _drop_cache(path)
        if sidecar.read_bytes() != built.digest.sidecar:
            raise Damaged(f"{sidecar.name} was read back otherwise than it was written")
        sha256 = files.file_hash(parquet)
        at = 0
        for piece in self._parquet.read(parquet):
            if not same(piece, built.table.slice(at, piece.num_rows)):
                raise Damaged(f"{parquet.name} was read back otherwise than it was written")
            at += piece.num_rows
            del piece  # before the next one is there
        if at != built.digest.rows:
            raise Damaged(f"{parquet.name} was read back with {at} rows, not {built.digest.rows}")
        return sha256, parquet.stat().st_size


def same(found: pa.Table, written: pa.Table) -> bool:
    """Say whether two tables have the same columns and values, however texts are coded."""
    if found.column_names != written.column_names or found.num_rows != written.num_rows:
        return False
    return all(_same_column(found[name], written[name]) for name in written.column_names)


def _same_column(found: pa.ChunkedArray[Any], written: pa.ChunkedArray[Any]) -> bool:
    if not pa.types.is_dictionary(written.type) or not pa.types.is_dictionary(found.type):
        return _plain(found).equals(_plain(written))
    ours, theirs = _coded(written), _coded(found)
    # As written by Arrow, texts come back under their codes.
    if theirs.dictionary.equals(ours.dictionary) and theirs.indices.equals(ours.indices):
        return True
    # Texts are compared once each, then rows by their codes: a fifth of the whole re-reading.
    places = pc.index_in(theirs.dictionary, value_set=ours.dictionary)
    codes = places.take(theirs.indices)
    return bool(codes.equals(ours.indices)) or _plain(found).equals(_plain(written))


def _coded(column: pa.ChunkedArray[Any]) -> Any:  # noqa: ANN401  # a DictionaryArray
    return column.unify_dictionaries().combine_chunks()


def _plain(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    if not pa.types.is_dictionary(column.type):
        return column
    return column.cast(column.type.value_type)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        durable.sync_file(descriptor, path)
    finally:
        os.close(descriptor)
    durable.sync_dir(path.parent)


def _drop_cache(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
