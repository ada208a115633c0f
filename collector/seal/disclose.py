"""Chosen rows of one sealed segment with the salts and proofs that show them to anyone.

Only the sealing process can: it alone has the segment keys. What comes out holds the rows asked
for, their salts, and hashes of everything else; neither the key nor a neighbour's salt leaves here.
Rows are hashed again and compared with what was sealed: nothing is given that proves nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.errors import SealError
from collector.seal import files, hashing, leaves, segment, tree
from collector.seal.bundle.records import Shown
from collector.seal.canonical import Schema, check_types
from collector.seal.encoding import CODED
from collector.seal.fault import Refused
from collector.seal.segment import Groups

FORMAT = "prathu-proof/1"
CHUNK_ROWS = 1 << 13
"""Rows that are written at a time."""
END = "time_end"
"""Where a log has this column, its rows last from `time` until then."""
Range = tuple[int, int]
"""Half open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to show of a segment."""

    level: str
    """`C0`: these rows exist. `C1`: the whole group and both neighbours. `C2`: all group leaves."""
    subject: str | None = None
    """Whose group; None with `rows` None is the group of rows without a person."""
    rows: tuple[Range, ...] | None = None
    """Row numbers in the segment, ascending, not touching; C0 only, instead of a subject."""
    window: Range | None = None
    """C0 only: of the subject's rows those that last into this time, µs."""
    withhold: bool = False
    """Leave the detail columns out."""


class Sealed:
    """One sealed segment, opened with its key.

    Args:
        home: Where its files are.
        entry: Its manifest, authenticated.
        schema: Of its rows.
        key: The segment key.

    Raises:
        SealError: a file is missing, or is not what was sealed.
    """

    def __init__(self, home: Path, entry: Mapping[str, Any], schema: Schema, key: bytes) -> None:
        self.entry = entry
        self.schema = schema
        self._key = key
        self.id = files.segment_id(entry)
        parquet, sidecar = (home / place for place in files.paths(entry))
        try:
            self.groups = segment.read_sidecar(sidecar.read_bytes())
            self._rows = _Rows(parquet, schema)
        except (OSError, pa.ArrowException, Refused) as error:
            raise _unfit(self.id, str(error)) from error
        self._check()
        counts = self.groups["count"].astype(np.int64)
        self._starts = np.cumsum(counts) - counts

    def _check(self) -> None:
        if segment.key_commit(self._key).hex() != self.entry["key_commit"]:
            raise _unfit(self.id, "its key is not that of the ledger")
        if segment.directory_root(self.groups).hex() != self.entry["root"]:
            raise _unfit(self.id, "its groups do not give the root in the ledger")
        if self._rows.count != self.entry["rows"]:
            raise _unfit(self.id, "it has another number of rows than the ledger says")

    def show(self, wanted: Wanted) -> Disclosed | None:
        """Return what was asked for; None when C0 finds nothing.

        Raises:
            SealError: the rows on the disk are not those that were sealed.
        """
        chosen, absent = self._chosen(wanted)
        if not chosen and wanted.level == "C0":
            return None
        parts = [self._part(g, ranges) for g, ranges in chosen]
        proof = _proof(self.id, self.groups, parts, absent, wanted.level)
        return Disclosed(sealed=self, parts=parts, proof=proof, withhold=wanted.withhold)

    def finds(self, wanted: Wanted) -> bool:
        """Say whether there is any row to show, without hashing."""
        return bool(self._chosen(wanted)[0])

    def key_for_expert(self) -> bytes:
        """Return the segment key itself: C3, for a sworn expert on the premises and nobody else.

        With it every tag can be tied to its person and every salt be computed.
        """
        return self._key

    def _chosen(self, wanted: Wanted) -> tuple[list[tuple[int, list[Range]]], list[bytes]]:
        """Return groups with the ranges of them to show, and tags that are not there."""
        if wanted.rows is not None:
            return self._by_number(wanted.rows), []
        subject = None if wanted.subject is None else wanted.subject.encode()
        tag = segment.tag_of(segment.sub_key(self._key, "tag"), subject)
        tags = self.groups["tag"].astype(np.uint64)
        g = int(np.searchsorted(tags, np.uint64(int.from_bytes(tag, "big"))))
        if g == len(tags) or int(tags[g]) != int.from_bytes(tag, "big"):
            return [], [tag]
        count = int(self.groups["count"][g])
        ranges = [(0, count)]
        if wanted.window is not None and wanted.level == "C0":
            ranges = self._within(g, wanted.window)
        return ([(g, ranges)] if ranges else []), []

    def _by_number(self, rows: Sequence[Range]) -> list[tuple[int, list[Range]]]:
        """Sort ranges of the segment into its groups."""
        found: dict[int, list[Range]] = {}
        for start, stop in rows:
            if not 0 <= start < stop <= self.entry["rows"]:
                raise SealError(f"{self.id} has no rows {start} to {stop}")
            while start < stop:
                g = int(np.searchsorted(self._starts, start, side="right")) - 1
                begin = int(self._starts[g])
                end = min(stop, begin + int(self.groups["count"][g]))
                found.setdefault(g, []).append((start - begin, end - begin))
                start = end
        return sorted(found.items())

    def _within(self, g: int, window: Range) -> list[Range]:
        table = self.rows(g, (0, int(self.groups["count"][g])))
        begun = np.asarray(table["time"].cast(pa.int64()).to_numpy())
        ended = begun
        if END in table.column_names:
            told = pc.coalesce(table[END], table["time"]).cast(pa.int64())
            ended = np.maximum(begun, np.asarray(told.to_numpy()))
        return ranges_of(np.flatnonzero((begun < window[1]) & (ended >= window[0])))

    def rows(self, g: int, places: Range) -> pa.Table:
        """Return rows of a group."""
        begin = int(self._starts[g])
        return self._rows.read(begin + places[0], begin + places[1])

    def salts(self, name: str, g: int, places: Range) -> hashing.Matrix:
        """Return the `salt` or `detail` salts of rows of a group."""
        first = int(self._starts[g]) + places[0]
        return leaves.salts(self._key, name, first, places[1] - places[0])

    def commits(self, g: int, places: Range, table: pa.Table) -> hashing.Matrix | None:
        """Return the commitments to the details of rows of a group."""
        if not self.schema.detail:
            return None
        return leaves.detail_commits(table, self.schema, self.salts("detail", g, places))

    def _part(self, g: int, ranges: list[Range]) -> Part:
        """Hash a group again, and prove the ranges of it."""
        count = int(self.groups["count"][g])
        found = []
        for start in range(0, count, CHUNK_ROWS):
            places = start, min(start + CHUNK_ROWS, count)
            table = self.rows(g, places)
            commits = self.commits(g, places, table)
            own = self.salts("salt", g, places)
            found.append(leaves.row_leaves(table, self.schema, own, commits))
        hashes = np.concatenate(found)
        root = tree.group_roots(hashes, np.array([count], dtype=np.int64))[0].tobytes()
        if root != self.groups["root"][g].tobytes():
            raise _unfit(self.id, f"the rows of group {g} are not those that were sealed")
        proof: list[bytes] = []
        if ranges != [(0, count)]:
            places_ = [place for low, high in ranges for place in range(low, high)]
            proof = tree.partial_proof(count, places_, tree.subtree_of([*map(bytes, hashes)]))
        return Part(g=g, count=count, ranges=tuple(ranges), proof=proof)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of one group and the hashes of the rest of it."""

    g: int
    count: int
    ranges: tuple[Range, ...]
    proof: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """What is shown of a segment."""

    sealed: Sealed
    parts: list[Part]
    proof: dict[str, Any]
    """`prathu-proof/1`."""
    withhold: bool

    @property
    def rows(self) -> int:
        """How many rows are shown."""
        return sum(high - low for part in self.parts for low, high in part.ranges)

    def shown(self) -> Iterator[Shown]:
        """Give the rows with their salts, some thousands at a time."""
        for part in self.parts:
            for low, high in part.ranges:
                for start in range(low, high, CHUNK_ROWS):
                    yield self._chunk(part.g, (start, min(start + CHUNK_ROWS, high)))

    def _chunk(self, g: int, places: Range) -> Shown:
        sealed = self.sealed
        table = sealed.rows(g, places)
        detail = None
        if sealed.schema.detail:
            withheld = sealed.commits(g, places, table) if self.withhold else None
            detail = sealed.salts("detail", g, places) if withheld is None else withheld
        return Shown(
            table=table,
            groups=[g] * table.num_rows,
            places=range(*places),
            salts=sealed.salts("salt", g, places),
            detail=detail,
            withheld=self.withhold,
        )


class _Rows:
    """Runs of rows of a Parquet file, read a row group at a time."""

    def __init__(self, path: Path, schema: Schema) -> None:
        texts = [name for name, kind in schema.columns if kind in CODED and kind != "bytes"]
        self._path = path
        self._schema = schema
        self._file = pq.ParquetFile(path, read_dictionary=texts)
        metadata = self._file.metadata
        sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        self._starts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        self.count = int(self._starts[-1])
        self._held: tuple[int, pa.Table] | None = None

    def read(self, start: int, stop: int) -> pa.Table:
        pieces = []
        while start < stop:
            number = int(np.searchsorted(self._starts, start, side="right")) - 1
            begin, end = int(self._starts[number]), int(self._starts[number + 1])
            pieces.append(self._group(number).slice(start - begin, min(stop, end) - start))
            start = min(stop, end)
        return _own_words(pa.concat_tables(pieces))

    def _group(self, number: int) -> pa.Table:
        if self._held is None or self._held[0] != number:
            self._held = None  # before the next one is there
            try:
                table = self._file.read_row_group(number).replace_schema_metadata(None)
                check_types(table, self._schema)
            except (OSError, pa.ArrowException, Refused) as error:
                raise _unfit(str(self._path), str(error)) from error
            self._held = number, table
        return self._held[1]


def _own_words(table: pa.Table) -> pa.Table:
    """Return rows whose dictionaries hold their own texts alone, not those of the row group."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table.column(place).cast(field.type.value_type)
            table = table.set_column(place, field.name, pc.dictionary_encode(plain))
    return table


def ranges_of(places: npt.NDArray[np.int64]) -> list[Range]:
    """Return ascending numbers as ranges that do not touch."""
    if not len(places):
        return []
    cuts = np.flatnonzero(np.diff(places) > 1) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(places, cuts)]


def _proof(
    name: str, groups: Groups, parts: Sequence[Part], absent: Sequence[bytes], level: str
) -> dict[str, Any]:
    """Return the proof document of a segment."""
    plain = segment.directory_leaves(groups)
    shown = {part.g for part in parts}
    beside = _neighbours(groups, shown, absent, level)
    given = sorted(shown | beside)
    hashes = [*map(bytes, hashing.hash_rows(plain))]
    directory = tree.partial_proof(len(groups), given, tree.subtree_of(hashes))
    document: dict[str, Any] = {
        "format": FORMAT,
        "segment": name,
        "groups": len(groups),
        "disclosed": [
            {
                "g": part.g,
                "tag": plain[part.g, 1:9].tobytes().hex(),
                "count": part.count,
                "rows": [list(each) for each in part.ranges],
                "proof": [*map(_b64, part.proof)],
            }
            for part in parts
        ],
        "neighbours": [
            {"g": g, "tag": plain[g, 1:9].tobytes().hex(), "body": plain[g, 9:].tobytes().hex()}
            for g in sorted(beside)
        ],
        "directory": [*map(_b64, directory)],
    }
    if absent:
        document["absent"] = sorted(tag.hex() for tag in absent)
    return document


def _neighbours(groups: Groups, shown: set[int], absent: Sequence[bytes], level: str) -> set[int]:
    if level == "C0":
        return set()
    if level == "C2":
        return set(range(len(groups))) - shown
    tags = groups["tag"].astype(np.uint64)
    places = {place for g in shown for place in (g - 1, g + 1)}
    for tag in absent:
        g = int(np.searchsorted(tags, np.uint64(int.from_bytes(tag, "big"))))
        places |= {g - 1, g}
    return {g for g in places if 0 <= g < len(groups)} - shown


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unfit(name: str, why: str) -> SealError:
    return SealError(f"{name} cannot be shown: {why}", hint="prathu verify --deep tells more")
