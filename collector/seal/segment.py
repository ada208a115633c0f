"""A segment's keys, order, groups and root.

Rows of one subject form a group, a subtree that proves its own row count; groups ascend by a tag
that only the segment's key can tie to the subject. The key is drawn for one segment and never
used again, so salts and tags of one segment say nothing about another.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from collector import columns
from collector.seal import hashing, tree
from collector.seal.canonical import YEAR_2400_US, Schema, check_types
from collector.seal.encoding import Encoder, coded
from collector.seal.fault import Refused

KEY_BYTES = 32
SALT_BYTES = 16
CHUNK_ROWS = 1 << 13
"""Rows written and hashed by turns: 7 MB, which stay in the processor's cache in between. With four
times as many a row costs a fifteenth more, with half as many a twentieth, for twice the queries."""
_BITS = 64
GROUP = np.dtype([("tag", ">u8"), ("count", ">u4"), ("root", "V32")])
"""One group in a sidecar: 44 bytes."""

Groups = npt.NDArray[Any]
"""Records of `GROUP`, in order."""


class TagCollision(Exception):
    """Two subjects have one tag under this key: draw another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a segment's rows come to."""

    rows: int
    groups: Groups
    root: bytes
    event_min: int | None
    event_max: int | None
    received_max: int | None
    """Microseconds; None without rows."""

    @property
    def sidecar(self) -> bytes:
        """The bytes of `<segment>.groups`."""
        return self.groups.tobytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A segment worked out: its rows in order, and what they come to."""

    table: pa.Table
    order: npt.NDArray[np.int64]
    digest: Digest
    key_commit: bytes


def sub_key(key: bytes, name: str) -> bytes:
    """Return the sub-key `salt`, `detail` or `tag` of a segment key."""
    return hmac.digest(key, b"prathu-evidence/1 " + name.encode(), "sha256")


def key_commit(key: bytes) -> bytes:
    """Return the commitment to a segment key that stands in the manifest."""
    return hashlib.sha256(b"prathu-evidence/1 key\x00" + key).digest()


def tag_of(tag_key: bytes, subject: bytes | None) -> bytes:
    """Return the 8 bytes that stand for a subject in one segment; None is the null subject."""
    message = b"\x00" if subject is None else b"\x01" + subject
    return hmac.digest(tag_key, message, "sha256")[:8]


def build(table: pa.Table, schema: Schema, key: bytes) -> Built:
    """Sort a table of rows in the order of arrival and work out its groups and root.

    Raises:
        TagCollision: draw another key and begin again.
        Refused: E-12, a value that cannot be stored.
    """
    check_types(table, schema)
    tags = Tags(schema, key)
    order = arrange(table, tags)
    in_place = _in_place(order)
    arranged = columns.one_chunk_each(table) if in_place else columns.taken(table, order)
    del table  # nobody else holds it: the rows are in memory once
    hasher = Hasher(schema, key, tags)
    hasher.add(arranged)
    return Built(table=arranged, order=order, digest=hasher.finish(), key_commit=key_commit(key))


def _in_place(order: npt.NDArray[np.int64]) -> bool:
    """Say whether the rows lie in their order as they came: the lines of one sender mostly do."""
    return bool((order[1:] > order[:-1]).all())


def arrange(table: pa.Table, tags: Tags) -> npt.NDArray[np.int64]:
    """Return the order of rows by tag, then time, then arrival.

    Raises:
        TagCollision: two subjects with one tag.
    """
    times = _times(table, "time")
    all_tags, codes = tags.coded(table)
    distinct, ranks = np.unique(all_tags, return_inverse=True)
    rows = len(times)
    if not rows:
        return np.zeros(0, np.int64)
    least = int(times.min())
    time_bits, row_bits = (int(times.max()) - least).bit_length(), rows.bit_length()
    if len(distinct).bit_length() + time_bits + row_bits < _BITS:
        # All in one number: sorting values is ten times as fast as sorting places by them.
        order: npt.NDArray[np.int64] = ranks[codes].astype(np.int64) << time_bits | times - least
        order = order << row_bits | np.arange(rows)
        order.sort()
        order &= (1 << row_bits) - 1
        return order
    by_time = np.argsort(times, kind="stable")
    return by_time[np.argsort(ranks[codes[by_time]], kind="stable")]


class Tags:
    """Tags of rows, computed once per subject, with an eye on collisions over all tables."""

    def __init__(self, schema: Schema, key: bytes) -> None:
        self._subject = schema.subject
        self._key = sub_key(key, "tag")
        self._known: dict[bytes, bytes | None] = {tag_of(self._key, None): None}
        self._made: dict[bytes, bytes] = {}

    def coded(self, table: pa.Table) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.integer[Any]]]:
        """Return the tags of all subjects, that of null last, and for each row which it has."""
        null = np.frombuffer(tag_of(self._key, None), dtype=">u8").astype(np.uint64)
        if self._subject is None:
            return null, np.zeros(table.num_rows, dtype=np.int32)
        column = coded(self._subject, "str", table[self._subject])
        tags = b"".join(self._tag(subject) for subject in column.distinct)
        all_tags = np.concatenate([np.frombuffer(tags, dtype=">u8").astype(np.uint64), null])
        return all_tags, column.codes(0, table.num_rows)

    def of(self, table: pa.Table) -> npt.NDArray[np.uint64]:
        """Return the tag of each row."""
        tags, codes = self.coded(table)
        taken: npt.NDArray[np.uint64] = tags[codes]
        return taken

    def _tag(self, subject: bytes) -> bytes:
        if subject in self._made:
            return self._made[subject]
        tag = tag_of(self._key, subject)
        if self._known.setdefault(tag, subject) != subject:
            raise TagCollision
        self._made[subject] = tag
        return tag


class Hasher:
    """Works out groups and root of a segment from tables that hold its rows in order."""

    def __init__(self, schema: Schema, key: bytes, tags: Tags | None = None) -> None:
        """Make one for no rows yet; `tags` are those of `schema` and `key`, if some were made."""
        self._tags = tags or Tags(schema, key)
        self._core, self._detail = Encoder(schema.core), Encoder(schema.detail)
        self._salts = _Stream(sub_key(key, "salt"))
        self._detail_salts = _Stream(sub_key(key, "detail"))
        self._leaves: list[hashing.Matrix] = []
        self._group_tags: list[int] = []
        self._group_counts: list[int] = []
        self._last: tuple[int, int] | None = None
        self._extremes: list[tuple[int, int, int]] = []
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Take the next rows.

        Raises:
            Refused: E-12, a value that cannot be; E-15, rows out of order.
            TagCollision: two subjects with one tag.
        """
        if not table.num_rows:
            return
        times, tags = _times(table, "time"), self._tags.of(table)
        received = _times(table, "received")
        self._check_order(tags, times)
        self._count(tags)
        extremes = (int(times.min()), int(times.max()), int(received.max()))
        if max(extremes) >= YEAR_2400_US:
            raise Refused("E-12", "a time lies behind the year 2400")
        self._extremes.append(extremes)
        self._leaves.append(self._hash(table))
        self.rows += table.num_rows

    def finish(self) -> Digest:
        """Return what all rows come to."""
        groups = np.zeros(len(self._group_tags), dtype=GROUP)
        if self.rows:
            counts = np.array(self._group_counts, dtype=np.int64)
            leaves = self._leaves[0] if len(self._leaves) == 1 else np.concatenate(self._leaves)
            roots = tree.group_roots(leaves, counts)
            groups["tag"] = np.array(self._group_tags, dtype=np.uint64)
            groups["count"] = counts
            groups["root"] = np.ascontiguousarray(roots).view("V32")[:, 0]
        least, most, received = zip(*self._extremes, strict=True) if self.rows else ((), (), ())
        return Digest(
            rows=self.rows,
            groups=groups,
            root=directory_root(groups),
            event_min=min(least, default=None),
            event_max=max(most, default=None),
            received_max=max(received, default=None),
        )

    def _check_order(self, tags: npt.NDArray[np.uint64], times: npt.NDArray[np.int64]) -> None:
        same = tags[1:] == tags[:-1]
        wrong = (tags[1:] < tags[:-1]) | (same & (times[1:] < times[:-1]))
        if wrong.any():
            raise Refused("E-15", f"row {self.rows + 1 + int(wrong.argmax())} is out of order")
        if self._last is not None and (int(tags[0]), int(times[0])) < self._last:
            raise Refused("E-15", f"row {self.rows} is out of order")
        self._last = int(tags[-1]), int(times[-1])

    def _count(self, tags: npt.NDArray[np.uint64]) -> None:
        edges = np.flatnonzero(np.concatenate(([True], tags[1:] != tags[:-1])))
        counts = np.diff(np.append(edges, len(tags)))
        for tag, count in zip(tags[edges].tolist(), counts.tolist(), strict=True):
            if self._group_tags and self._group_tags[-1] == tag:
                self._group_counts[-1] += count
            else:
                self._group_tags.append(tag)
                self._group_counts.append(count)

    def _hash(self, table: pa.Table) -> hashing.Matrix:
        """Return the leaf hashes, made by way of a bounded matrix."""
        core, detail = self._core.prepare(table), self._detail.prepare(table)
        with_detail = bool(self._detail.columns)
        head = 1 + SALT_BYTES
        width = head + self._core.width + (32 if with_detail else 0)
        # Written over again and again: memory that is new for each run costs its page faults.
        many = min(CHUNK_ROWS, table.num_rows)
        found = _matrix(table.num_rows, hashing.HASH_BYTES)
        all_leaves, all_held = _matrix(many, width), _matrix(many, head + self._detail.width)
        all_leaves[:, 0], all_held[:, 0] = 0, 3
        core.lay_out(all_leaves, head)
        detail.lay_out(all_held, head)
        for start in range(0, table.num_rows, CHUNK_ROWS):
            rows = min(CHUNK_ROWS, table.num_rows - start)
            leaves, held = all_leaves[:rows], all_held[:rows]
            leaves[:, 1:head] = self._salts(rows)
            core.fill(leaves, head, start)
            if with_detail:
                held[:, 1:head] = self._detail_salts(rows)
                detail.fill(held, head, start)
                leaves[:, head + self._core.width :] = hashing.hash_rows(held)
            found[start : start + rows] = hashing.hash_rows(leaves)
        return found


def _matrix(rows: int, width: int) -> hashing.Matrix:
    return columns.empty(rows * width, np.dtype(np.uint8)).reshape(rows, width)


class _Stream:
    """The AES-256-CTR key stream, 16 bytes a row."""

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()

    def __call__(self, rows: int) -> hashing.Matrix:
        salts = self._encryptor.update(bytes(SALT_BYTES * rows))
        return np.frombuffer(salts, dtype=np.uint8).reshape(rows, SALT_BYTES)


def salts(key: bytes, rows: int) -> tuple[hashing.Matrix, hashing.Matrix]:
    """Return the salts and detail salts of the first `rows` rows, 16 bytes each."""
    return _Stream(sub_key(key, "salt"))(rows), _Stream(sub_key(key, "detail"))(rows)


def directory_root(groups: Groups) -> bytes:
    """Return the segment root over the groups; H("") without any."""
    if not len(groups):
        return tree.EMPTY
    return tree.root([*map(bytes, hashing.hash_rows(directory_leaves(groups)))])


def directory_leaves(groups: Groups) -> hashing.Matrix:
    """Return 0x00 and the 40 bytes of each group leaf: what is hashed for the directory."""
    plain = np.ascontiguousarray(groups).view(np.uint8).reshape(-1, GROUP.itemsize)
    body = np.empty((len(groups), 37), dtype=np.uint8)
    body[:, 0] = 2
    body[:, 1:] = plain[:, 8:]
    leaves = np.empty((len(groups), 41), dtype=np.uint8)
    leaves[:, 0] = 0
    leaves[:, 1:9] = plain[:, :8]
    leaves[:, 9:] = hashing.hash_rows(body)
    return leaves


def read_sidecar(data: bytes) -> Groups:
    """Return the groups in the bytes of a sidecar.

    Raises:
        Refused: E-15, a group without rows, or tags that do not ascend; E-25, cut off.
    """
    if len(data) % GROUP.itemsize:
        raise Refused("E-25", f"{len(data)} bytes are not whole groups of {GROUP.itemsize}")
    groups = np.frombuffer(data, dtype=GROUP)
    tags = groups["tag"].astype(np.uint64)
    if (groups["count"] == 0).any() or (tags[1:] <= tags[:-1]).any():
        raise Refused("E-15", "a group without rows, or tags that do not ascend")
    return groups


def _times(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    column = table[name]
    if column.null_count:
        raise Refused("E-12", f"column {name} has a null")
    return np.asarray(column.cast(pa.int64()).to_numpy())
