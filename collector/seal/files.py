"""The files of one sealed segment, checked against its manifest and key."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from collector.errors import StoreError
from collector.seal import bounded, segment
from collector.seal.canonical import Schema, check_types
from collector.seal.fault import Refused

LOGS = "logs"
MISSING = "the file is missing"
"""What is said of a file that is not here, as against one that is wrong."""
Reader = Callable[[Path], Iterable[pa.Table]]
"""Gives the rows of a Parquet file in order, in tables of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not hold: its number in the format, the file, and what is wrong."""

    number: str
    place: str
    """Path from the home on."""
    text: str


def sidecar_of(parquet: Path) -> Path:
    """Return the path of the sidecar beside a segment."""
    return parquet.with_suffix(".groups")


def segment_id(entry: Mapping[str, Any]) -> str:
    """Return the id of the segment in a manifest."""
    return f"{entry['site']}/{entry['log']}/{entry['seq']}"


def paths(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the paths of segment and sidecar from the home on."""
    parquet = f"{LOGS}/{entry['file']['name']}"
    return parquet, str(sidecar_of(Path(parquet)))


def sizes(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many bytes segment and sidecar have."""
    return entry["file"]["size"], entry["groups"] * segment.GROUP.itemsize


def check_sizes(home: Path, entry: Mapping[str, Any]) -> Iterator[Finding]:
    """Give what is missing or of another size."""
    for place, size in zip(paths(entry), sizes(entry), strict=True):
        try:
            told = (home / place).stat()
        except FileNotFoundError:
            yield Finding(number="E-02", place=place, text=MISSING)
            continue
        except OSError as error:
            text = f"cannot be read: {error.strerror}"
            yield Finding(number="E-25", place=place, text=text)
            continue
        if not stat.S_ISREG(told.st_mode):
            yield Finding(number="E-25", place=place, text="is no plain file")
            continue
        found = told.st_size
        if found != size:
            text = f"the file has {found} bytes, the ledger says {size}"
            yield Finding(number="E-25", place=place, text=text)


def check_rows(
    home: Path, entry: Mapping[str, Any], schema: Schema, key: bytes, *, read: Reader
) -> Iterator[Finding]:
    """Give what is wrong with the bytes and rows of a segment whose files are there."""
    parquet, sidecar = paths(entry)
    if segment.key_commit(key).hex() != entry["key_commit"]:
        yield Finding(number="E-24", place=parquet, text="its key is not that of the manifest")
        return
    groups = None
    try:
        groups = _sidecar(home / sidecar, entry)
    except Refused as refused:
        yield Finding(number=refused.number, place=sidecar, text=str(refused))
    if file_hash(home / parquet) != entry["file"]["sha256"]:
        text = "the bytes are not those that were sealed (SHA-256 of the file differs)"
        yield Finding(number="E-25", place=parquet, text=text)
        return
    try:
        with bounded.memory():
            digest = _digest(home / parquet, entry, schema, key, read)
        _compare(digest, entry, groups)
    except Refused as refused:
        yield Finding(number=refused.number, place=parquet, text=str(refused))
    except segment.TagCollision:
        yield Finding(number="E-15", place=parquet, text="two subjects with one tag")
    except MemoryError:
        text = "cannot be read: it takes more memory than a segment can"
        yield Finding(number="E-25", place=parquet, text=text)
    except (pa.ArrowException, OSError, UnicodeDecodeError, StoreError) as error:
        text = f"cannot be read: {' '.join(str(error).split())}"
        yield Finding(number="E-25", place=parquet, text=text)


def odd(path: Path, most: int) -> str:
    """Return why a file is not one to be read: no plain file, or too long; empty where it is.

    What somebody put in the place of a file may keep a reader waiting for ever, or fill its memory.
    """
    try:
        found = path.stat()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "is no plain file"
    return (
        f"has {found.st_size} bytes, more than such a file may have" if found.st_size > most else ""
    )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sidecar(path: Path, entry: Mapping[str, Any]) -> segment.Groups:
    groups = segment.read_sidecar(path.read_bytes())
    if segment.directory_root(groups).hex() != entry["root"]:
        raise Refused("E-25", "the groups do not give the root in the ledger")
    if int(groups["count"].sum()) != entry["rows"]:
        raise Refused("E-17", "the groups have another number of rows than the ledger says")
    return groups


def _digest(
    path: Path, entry: Mapping[str, Any], schema: Schema, key: bytes, read: Reader
) -> segment.Digest:
    hasher, rows = segment.Hasher(schema, key), 0
    for table in read(path):
        rows += table.num_rows
        if rows > entry["rows"]:  # a few bytes may stand for rows without end
            raise Refused("E-17", f"more rows than the {entry['rows']} that the ledger says")
        check_types(table, schema)
        hasher.add(table)
    return hasher.finish()


def _compare(
    digest: segment.Digest, entry: Mapping[str, Any], groups: segment.Groups | None
) -> None:
    for name in ("rows", "event_min", "event_max", "received_max"):
        found, told = getattr(digest, name), entry[name]
        if found != (told if told is None or type(told) is int else int(told)):
            raise Refused("E-17", f"{name} is {found}, the ledger says {told}")
    if digest.root.hex() != entry["root"]:
        raise Refused(
            "E-24", f"the rows do not give the root in the ledger{_where(digest, groups)}"
        )
    if len(digest.groups) != entry["groups"]:
        raise Refused("E-17", f"{len(digest.groups)} groups, the ledger says {entry['groups']}")


def _where(digest: segment.Digest, groups: segment.Groups | None) -> str:
    """Name the rows of the first group that differs."""
    if groups is None:
        return ""
    shared = min(len(groups), len(digest.groups))
    differs = np.flatnonzero(digest.groups[:shared] != groups[:shared])
    group = int(differs[0]) if len(differs) else shared
    first = int(groups["count"][:group].sum())
    last = first + int(groups["count"][group]) - 1 if group < len(groups) else first
    return f": group {group}, rows {first} to {last}"
