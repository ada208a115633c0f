"""The rows of one segment in a bundle, checked against its manifest entry: step 8 of the order.

Rows are read some thousands at a time, encoded again as the sealer did, and hashed up to the root
that the ledger has; the line of JSON they came in must be the one that a packer writes.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from collector.seal import hashing, leaves, note, segment, tree
from collector.seal.bundle import documents, records, values
from collector.seal.bundle.container import Container
from collector.seal.bundle.documents import MAX_JSON, MAX_LINE
from collector.seal.bundle.records import Shown
from collector.seal.canonical import YEAR_2400_US, Schema
from collector.seal.fault import Refused

CHUNK_ROWS = 1 << 12
CHUNK_BYTES = 16 << 20
Entry = Mapping[str, Any]
Place = tuple[int, int]
"""Group and place in it."""


@dataclass(slots=True, kw_only=True)
class Claim:
    """What a bundle claims to show of a segment."""

    id: str
    level: str
    entry: Entry
    """Its manifest, authenticated."""
    schema: Schema
    withheld: bool
    rows: int
    """As `rowCounts` tells."""


def check_segment(bundle: Container, claim: Claim) -> Iterator[tuple[Shown, dict[str, list[str]]]]:
    """Check a segment; give its rows with their CSV cells as they are read.

    Raises:
        Refused: what does not hold; only when all was taken, the rows are proven.
    """
    place = f"proofs/{claim.id}.json"
    proof = documents.read_proof(bundle.read(place, MAX_JSON), place)
    try:
        _check_proof(proof, claim)
    except Refused as refused:
        raise Refused(refused.number, f"{place}: {refused}") from None
    reader = _Reader(bundle, claim, proof)
    yield from reader.read()
    try:
        _check_root(proof, claim, reader.hashes)
    except Refused as refused:
        raise Refused(refused.number, f"{place}: {refused}") from None


# The proof by itself.


def _check_proof(proof: Mapping[str, Any], claim: Claim) -> None:
    entry, shown, beside = claim.entry, proof["disclosed"], proof["neighbours"]
    if proof["segment"] != claim.id:
        raise Refused("E-11", f"it is of {proof['segment']}")
    if proof["groups"] != entry["groups"]:
        raise Refused("E-10", f"{proof['groups']} groups, the ledger says {entry['groups']}")
    for listed in (shown, beside):
        places = [each["g"] for each in listed]
        if any(a >= b for a, b in pairwise(places)) or any(g >= proof["groups"] for g in places):
            raise Refused("E-10", "groups do not ascend, or are outside")
    if {each["g"] for each in shown} & {each["g"] for each in beside}:
        raise Refused("E-10", "a group is disclosed and a neighbour")
    for each in shown:
        _check_ranges(each)
    _check_counts(shown)
    _check_tags(proof)
    _check_level(proof, claim.level)
    total = sum(high - low for each in shown for low, high in each["rows"])
    if sum(each["count"] for each in shown) > entry["rows"] or total != claim.rows:
        raise Refused("E-17", f"{total} rows, rowCounts and the ledger say otherwise")


def _check_ranges(each: Mapping[str, Any]) -> None:
    ranges = each["rows"]
    ascending = all(low < high for low, high in ranges)
    apart = all(a[1] < b[0] for a, b in pairwise(ranges))
    if ranges and (not ascending or not apart or ranges[-1][1] > each["count"]):
        raise Refused("E-10", f"the ranges of group {each['g']} are not in order")


def _check_counts(shown: Sequence[Mapping[str, Any]]) -> None:
    for each in shown:
        if not 0 < each["count"] < 1 << 32 or not each["rows"]:
            raise Refused("E-15", f"group {each['g']} of {each['count']} rows shows none of them")


def _check_tags(proof: Mapping[str, Any]) -> None:
    listed = sorted(chain(proof["disclosed"], proof["neighbours"]), key=lambda each: each["g"])
    tags = [each["tag"] for each in listed]
    for some in (tags, proof.get("absent", [])):
        if not all(map(documents.text("[0-9a-f]{16}"), some)):
            raise Refused("E-15", "a tag is not 8 bytes")
        if any(a >= b for a, b in pairwise(some)):
            raise Refused("E-15", "the tags do not ascend")


def _check_level(proof: Mapping[str, Any], level: str) -> None:
    shown = {each["g"] for each in proof["disclosed"]}
    beside = {each["g"]: each["tag"] for each in proof["neighbours"]}
    absent = proof.get("absent", [])
    if level == "C0":
        if not shown or absent or beside:
            raise Refused("E-16", "C0 shows rows and nothing else")
        return
    if any(each["rows"] != [[0, each["count"]]] for each in proof["disclosed"]):
        raise Refused("E-16", f"{level} is claimed, but only part of a group is shown")
    if level == "C2" and len(shown) + len(beside) != proof["groups"]:
        raise Refused("E-16", "C2 is claimed, but not all groups are shown")
    if not shown and not absent:
        raise Refused("E-16", f"{level} is claimed, but nobody is shown, nor shown to be absent")
    wanted = {g for one in shown for g in (one - 1, one + 1)}
    wanted |= set(_around(proof, absent))
    wanted = {g for g in wanted if 0 <= g < proof["groups"]} - shown
    if not wanted <= beside.keys() or (level == "C1" and wanted != beside.keys()):
        raise Refused("E-15", "neighbours are missing, or are beside nothing that is shown")


def _around(proof: Mapping[str, Any], absent: Sequence[str]) -> Iterator[int]:
    """Give the two groups between which each tag is missing; -1 and `groups` are the edges."""
    listed = sorted((e["g"], e["tag"]) for e in chain(proof["disclosed"], proof["neighbours"]))
    tags = [tag for _, tag in listed]  # they ascend as the groups do
    places = [-1, *(g for g, _ in listed), proof["groups"]]
    for tag in absent:
        at = bisect_left(tags, tag)
        if tag in tags[at : at + 1]:
            raise Refused("E-15", f"the tag {tag} is claimed to be absent, but is there")
        if places[at + 1] != places[at] + 1:
            raise Refused("E-15", f"the tag {tag} is not between two adjacent groups")
        yield from places[at : at + 2]


# The rows.


@dataclass(slots=True)
class _Order:
    """What a row must follow."""

    place: Place = (-1, -1)
    time_us: int = 0
    subject: bytes | None = None
    subjects: set[bytes | None] = field(default_factory=set)


class _Reader:
    """Reads the rows of a segment and hashes them."""

    def __init__(self, bundle: Container, claim: Claim, proof: Mapping[str, Any]) -> None:
        self._bundle = bundle
        self._claim = claim
        self._name = f"records/{claim.id}.jsonl"
        self._expected = _places(proof)
        self._order = _Order()
        self._salts: list[hashing.Matrix] = []
        self._detail_salts: list[hashing.Matrix] = []
        self.hashes: list[hashing.Matrix] = []
        detail = bool(claim.schema.detail)
        self._members = {"g", "r", "row", "salt"}
        if detail:
            self._members |= {"detail_commit"} if claim.withheld else {"detail", "detail_salt"}

    def read(self) -> Iterator[tuple[Shown, dict[str, list[str]]]]:
        """Give the rows in chunks."""
        try:
            if self._claim.rows:
                for lines in _chunks(self._bundle.lines(self._name, MAX_LINE)):
                    yield self._take(lines)
            self._check_end()
        except Refused as refused:
            raise Refused(refused.number, f"{self._name}: {refused}") from None

    def _check_end(self) -> None:
        if next(self._expected, None) is not None:
            raise Refused("E-10", "rows are missing")
        _check_salts([*self._salts, *self._detail_salts])

    def _take(self, lines: list[bytes]) -> tuple[Shown, dict[str, list[str]]]:
        schema = self._claim.schema
        found = [self._parsed(line) for line in lines]
        core = values.read_columns([one["row"] for one in found], schema.core, "row")
        own = _salts(found, "salt")
        table, beside = self._details(found, core)
        shown = Shown(
            table=table,
            groups=[one["g"] for one in found],
            places=[one["r"] for one in found],
            salts=own,
            detail=beside,
            withheld=self._claim.withheld,
        )
        for g, r in zip(shown.groups, shown.places, strict=True):
            if next(self._expected, None) != (g, r):
                raise Refused("E-10", f"row {r} of group {g} is not one that the proof shows")
        commits = beside
        if beside is not None and not self._claim.withheld:
            commits = leaves.detail_commits(table, schema, beside)
            self._detail_salts.append(beside)
        self.hashes.append(leaves.row_leaves(table, schema, own, commits))
        self._salts.append(own)
        self._check_order(shown)
        written, cells = records.lines(shown, schema)
        if [line.encode() for line in written] != lines:
            raise Refused("E-11", "a line is not in its canonical form")
        return shown, cells

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise Refused("E-11", f"a line is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise Refused("E-11", "a line is not an object")
        odd = found.keys() ^ self._members
        if odd & {"detail", "detail_salt", "detail_commit"}:
            raise Refused(
                "E-13", f"{', '.join(sorted(odd))}: shown or left out otherwise than told"
            )
        if odd or not documents.natural(found["g"]) or not documents.natural(found["r"]):
            raise Refused("E-11", "a line has members missing or unknown, or no place")
        return found

    def _details(
        self, found: Sequence[Mapping[str, Any]], core: pa.Table
    ) -> tuple[pa.Table, hashing.Matrix | None]:
        """Return the rows with their details, and detail salts or commitments."""
        schema = self._claim.schema
        if not schema.detail:
            return core, None
        if self._claim.withheld:
            return core, _bytes(found, "detail_commit", 32, "E-13")
        detail = values.read_columns([one["detail"] for one in found], schema.detail, "detail")
        for name in detail.column_names:
            core = core.append_column(name, detail[name])
        return core, _salts(found, "detail_salt")

    def _check_order(self, shown: Shown) -> None:
        """Refuse two subjects in a group, one in two, and times that go back within a group."""
        subjects = values.subjects(shown.table, self._claim.schema)
        times = values.times(shown.table, "time")
        received = values.times(shown.table, "received")
        if len(times) and max(int(times.max()), int(received.max())) >= YEAR_2400_US:
            raise Refused("E-12", "a time lies behind the year 2400")
        order = self._order
        for g, subject, time_us in zip(shown.groups, subjects, times.tolist(), strict=True):
            if g != order.place[0]:
                if subject in order.subjects:
                    raise Refused("E-15", f"the subject of group {g} has another group too")
                order.subjects.add(subject)
                order.place, order.subject = (g, 0), subject
            elif subject != order.subject or time_us < order.time_us:
                raise Refused("E-15", f"group {g}: two subjects, or times that go back")
            order.time_us = time_us


def _places(proof: Mapping[str, Any]) -> Iterator[Place]:
    for each in proof["disclosed"]:
        for low, high in each["rows"]:
            for r in range(low, high):
                yield each["g"], r


def _chunks(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    found: list[bytes] = []
    size = 0
    for line in lines:
        found.append(line)
        size += len(line)
        if len(found) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield found
            found, size = [], 0
    if found:
        yield found


def _salts(found: Sequence[Mapping[str, Any]], name: str) -> hashing.Matrix:
    return _bytes(found, name, segment.SALT_BYTES, "E-14")


def _bytes(found: Sequence[Mapping[str, Any]], name: str, size: int, number: str) -> hashing.Matrix:
    """Return base64 members of one length as a matrix."""
    try:
        parts = [note.b64(one[name]) for one in found]
    except (Refused, TypeError) as error:
        raise Refused(number, f"{name} is not base64") from error
    if any(len(part) != size for part in parts):
        raise Refused(number, f"{name} is not {size} bytes")
    return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(-1, size)


def _check_salts(salts: Sequence[hashing.Matrix]) -> None:
    if not salts:
        return
    every = np.ascontiguousarray(np.concatenate(salts)).view(f"V{segment.SALT_BYTES}")[:, 0]
    if len(np.unique(every)) != len(every):
        raise Refused("E-14", "one salt stands there twice")


# Up to the root.


def _check_root(proof: Mapping[str, Any], claim: Claim, hashes: Sequence[hashing.Matrix]) -> None:
    empty = np.empty((0, hashing.HASH_BYTES), dtype=np.uint8)
    rows = np.concatenate([empty, *hashes])
    data: dict[int, bytes] = {}
    at = 0
    for each in proof["disclosed"]:
        many = sum(high - low for low, high in each["rows"])
        root = _group_root(each, rows[at : at + many])
        body = hashlib.sha256(b"\x02" + each["count"].to_bytes(4, "big") + root).digest()
        data[each["g"]] = bytes.fromhex(each["tag"]) + body
        at += many
    for each in proof["neighbours"]:
        data[each["g"]] = bytes.fromhex(each["tag"] + each["body"])
    places = sorted(data)
    listed = [tree.leaf_hash(data[g]) for g in places]
    root = tree.partial_root(proof["groups"], places, listed, _hashes(proof["directory"]))
    if root.hex() != claim.entry["root"]:
        raise Refused("E-25", "what is shown does not give the root in the ledger")


def _group_root(each: Mapping[str, Any], rows: hashing.Matrix) -> bytes:
    proof, count = _hashes(each["proof"]), each["count"]
    if each["rows"] == [[0, count]]:
        if proof:
            raise Refused("E-10", f"group {each['g']} is whole, and has hashes left over")
        return bytes(tree.group_roots(rows, np.array([count], dtype=np.int64))[0])
    places = [r for low, high in each["rows"] for r in range(low, high)]
    return tree.partial_root(count, places, [*map(bytes, rows)], proof)


def _hashes(listed: Sequence[str]) -> list[bytes]:
    try:
        return [note.b64(text) for text in listed]
    except Refused as refused:
        raise Refused("E-10", str(refused)) from None
