"""A bundle checked without the box: steps 1 to 9, the first failure is the result.

Nothing is believed but the policy that is given. Memory stays bounded by the largest document, not
by the rows; what cannot be checked here is named in the result.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.seal import timestamp
from collector.seal.bundle import documents, records
from collector.seal.bundle.chapters import (
    ENTRY,
    NOTE,
    Chapter,
    check_tlog_proof,
    read_chapters,
)
from collector.seal.bundle.container import MIMETYPE, Container
from collector.seal.bundle.documents import ASIC_MANIFEST, MAX_JSON, TIMESTAMP
from collector.seal.bundle.history import meets
from collector.seal.bundle.meaning import Meaning, read_meaning
from collector.seal.bundle.pack import MOST_TLOG_PROOFS
from collector.seal.bundle.shown import Claim, check_segment
from collector.seal.bundle.tokens import Stamps, check_tokens
from collector.seal.canonical import Schema, parse_schema
from collector.seal.fault import Refused
from collector.seal.policy import Policy

Progress = Callable[[int, int], None]
"""Told bytes of rows checked and bytes in all."""
REPORTS = ("report_en.pdf", "report_th.pdf")
_FIXED = (
    *("manifest.json", "proofs/entries.json", "proofs/consistency.json"),
    *("records.csv", "custody.jsonl", ASIC_MANIFEST),
)
_SCHEMA = re.compile(r"schema/([0-9a-f]{64})\.json")
_TOKEN = re.compile(r"tst/([0-9a-f]{64})\.(0|[1-9][0-9]{0,15})\.([a-z0-9-]+)\.(tsr|pem)")
_MAX_SCHEMA = 1 << 20
_MAX_ASIC = 32 << 20
_MAX_CUSTODY = 1 << 16
"""Of one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What is believed, from outside of the bundle."""

    policy: Policy | None
    """None: nothing can be valid."""
    roots: Sequence[timestamp.Certificate] = ()
    """Of time-stamp authorities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResult:
    """What is known of one segment of the period."""

    id: str
    state: str
    """`valid`, `destroyed`, `empty` or `not shown`."""
    level: str | None = None
    rows: int = 0
    proven_us: int | None = None
    """It was there not later than this, by the word of `proven_by`; of a destroyed one, when."""
    proven_by: str | None = None


@dataclass(slots=True, kw_only=True)
class Result:
    """What a check found."""

    number: str | None = None
    """Of the first failure, `E-01` and so on; None when all is valid."""
    failure: str | None = None
    """What is wrong, and where."""
    case: str | None = None
    site: str | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    segments: list[SegmentResult] = field(default_factory=list)
    """Only of a valid bundle."""
    cosigned: list[str] = field(default_factory=list)
    """Witnesses of the policy that cosigned any note."""
    not_checked: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Say whether everything holds."""
        return self.number is None


def check(path: Path, trust: Trust, *, tell: Progress = lambda *_: None) -> Result:
    """Check a bundle.

    Raises:
        OSError: the file cannot be read.
    """
    checking = _Check(trust, tell)
    try:
        with Container(path) as bundle:
            checking.run(bundle)
    except Refused as refused:
        checking.result.number = refused.number
        checking.result.failure = str(refused)
        checking.result.segments = []
    return checking.result


class _Check:
    def __init__(self, trust: Trust, tell: Progress) -> None:
        self._trust = trust
        self._tell = tell
        self._schemas: dict[str, Schema] = {}
        self._withheld: dict[str, list[str]] = {}
        self.result = Result()

    def run(self, bundle: Container) -> None:
        """Check an open bundle; what is found stands in `result`."""
        manifest = self._bytes(bundle)
        result = self.result
        result.case, result.site = manifest["case"], manifest["site"]
        result.query = manifest["query"]
        if self._trust.policy is None:
            raise Refused("E-06", "no policy was given: whose key this is, the bundle cannot say")
        chapters = read_chapters(bundle, manifest["site"], self._trust.policy)
        meaning = read_meaning(bundle, chapters, manifest["query"])
        result.remarks += meaning.remarks
        result.cosigned = sorted({w for c in chapters for by in c.cosigned.values() for w in by})
        self._tlog_proofs(bundle, manifest, meaning)
        self._rows(bundle, manifest, meaning)
        self._custody(bundle)
        stamps = self._tokens(bundle, chapters)
        result.rows = sum(manifest["rowCounts"].values())
        result.segments = list(_states(manifest, meaning, stamps))

    # Bytes and members.

    def _bytes(self, bundle: Container) -> dict[str, Any]:
        """Check that every byte is the one listed, and no member odd; return the manifest."""
        found = {name: bundle.hashes(name) for name in bundle.members}
        hashes = {n: h for n, (h, _) in found.items() if n != MIMETYPE}
        listed = {n: h for n, h in hashes.items() if not n.startswith("META-INF/")}
        asic = bundle.read(ASIC_MANIFEST, _MAX_ASIC)
        if asic != documents.asic_manifest(listed):
            raise Refused("E-25", _which_differs(asic, listed))
        manifest = documents.read_manifest(bundle.read("manifest.json", MAX_JSON))
        del listed["manifest.json"]
        names = [each["name"] for each in manifest["files"]]
        if names != sorted(listed):
            odd = sorted(set(names) ^ listed.keys()) or ["their order"]
            raise Refused("E-21", f"`files` does not list the members that are there: {odd[0]}")
        for each in manifest["files"]:
            member = bundle.members[each["name"]]
            if (each["sha256"], each["size"]) != (listed[member.name], member.size):
                raise Refused("E-25", f"{member.name} is not the one that manifest.json lists")
        for name, (_, crc) in found.items():
            if crc != bundle.members[name].crc:
                raise Refused("E-21", f"{name} has another checksum than its header says")
        _check_members(bundle, manifest)
        return manifest

    def _tlog_proofs(
        self, bundle: Container, manifest: Mapping[str, Any], meaning: Meaning
    ) -> None:
        if len(manifest["completeness"]) > MOST_TLOG_PROOFS:
            return
        for name in sorted(manifest["completeness"]):
            chapter, index = _found(name, manifest, meaning)
            check_tlog_proof(bundle, f"proofs/{name}.tlog-proof", chapter, index)

    # Rows.

    def _rows(self, bundle: Container, manifest: Mapping[str, Any], meaning: Meaning) -> None:
        claims = [
            self._claim(bundle, name, manifest, meaning)
            for name in sorted(manifest["completeness"])
        ]
        self._check_withheld(manifest, claims)
        unread = {m[0] for n in bundle.members if (m := _SCHEMA.fullmatch(n))}
        unread -= {f"schema/{sha256}.json" for sha256 in self._schemas}
        if unread:
            raise Refused("E-21", f"{min(unread)} is the schema of nothing that is shown")
        columns = records.csv_columns([claim.schema for claim in claims])
        csv = _Same(bundle, "records.csv")
        csv.expect(records.csv_header(columns).encode())
        total = sum(m.size for n, m in bundle.members.items() if n.startswith("records/"))
        done = 0
        for claim in claims:
            for shown, cells in check_segment(bundle, claim):
                csv.expect("".join(records.csv_lines(claim.id, shown, cells, columns)).encode())
            if claim.rows:
                done += bundle.members[f"records/{claim.id}.jsonl"].size
            self._tell(done, total)
        csv.end()

    def _claim(
        self, bundle: Container, name: str, manifest: Mapping[str, Any], meaning: Meaning
    ) -> Claim:
        """Return what is claimed of a segment, its place and schema checked."""
        chapter, index = _found(name, manifest, meaning)
        entry, query, log = chapter.told[index], manifest["query"], name.split("/")[1]
        if log not in query["logs"] or not meets(entry, query["from"], query["to"]):
            raise Refused("E-01", f"{name} is not of the logs and the period asked for")
        level = manifest["completeness"][name]
        if level == "C3" or not entry["rows"]:
            raise Refused("E-16", f"{name}: {level} cannot be shown in a bundle")
        return Claim(
            id=name,
            level=level,
            entry=entry,
            schema=self._schema(bundle, entry),
            withheld=log in manifest["withheld"],
            rows=manifest["rowCounts"][name],
        )

    def _schema(self, bundle: Container, entry: Mapping[str, Any]) -> Schema:
        sha256 = entry["schema"]
        if sha256 not in self._schemas:
            place = f"schema/{sha256}.json"
            text = bundle.read(place, _MAX_SCHEMA)
            if hashlib.sha256(text).hexdigest() != sha256:
                raise Refused("E-12", f"{place} is not the schema that its name says")
            self._schemas[sha256] = parse_schema(text)
        schema = self._schemas[sha256]
        if schema.log != entry["log"]:
            raise Refused("E-12", f"the schema of {entry['log']} {entry['seq']} is of {schema.log}")
        return schema

    def _check_withheld(self, manifest: Mapping[str, Any], claims: Sequence[Claim]) -> None:
        expected: dict[str, dict[str, None]] = {}
        for claim in claims:
            if claim.withheld and claim.schema.detail:
                hidden = expected.setdefault(claim.entry["log"], {})
                hidden |= dict.fromkeys(name for name, _ in claim.schema.detail)
        if {log: list(hidden) for log, hidden in expected.items()} != manifest["withheld"]:
            raise Refused("E-13", "`withheld` does not name the detail columns of what is shown")

    # What stands beside.

    def _custody(self, bundle: Container) -> None:
        for line in bundle.lines("custody.jsonl", _MAX_CUSTODY):
            found = documents.parse(line[:-1], "custody.jsonl")
            documents.check(found, documents.CUSTODY, "custody.jsonl")

    def _tokens(self, bundle: Container, chapters: Sequence[Chapter]) -> Stamps:
        tokens = sorted(n for n in bundle.members if n.endswith(".tsr"))
        if TIMESTAMP in bundle.members:
            tokens.append(TIMESTAMP)
        if tokens and not self._trust.roots:
            self.result.not_checked += [f"{name}: no --tsa-roots were given" for name in tokens]
            return {}
        return check_tokens(bundle, chapters, tokens, self._trust.roots)


class _Same:
    """Compares a member with what it must be, as it is told piece by piece; says so at the end.

    The rows come first: one that is not what was sealed is the fault, not that the copy differs.
    """

    def __init__(self, bundle: Container, name: str) -> None:
        self._pieces = bundle.pieces(name)
        self._name = name
        self._rest = b""
        self._same = True

    def expect(self, data: bytes) -> None:
        while self._same and len(self._rest) < len(data):
            piece = next(self._pieces, b"")
            self._same = bool(piece)
            self._rest += piece
        self._same = self._same and self._rest.startswith(data)
        self._rest = self._rest[len(data) :] if self._same else b""

    def end(self) -> None:
        if not self._same or self._rest or next(self._pieces, b""):
            raise Refused("E-21", f"{self._name} does not have the rows of records/, all of them")


def _which_differs(asic: bytes, listed: Mapping[str, str]) -> str:
    told = documents.asic_digests(asic)
    for name, sha256 in sorted(listed.items()):
        if name in told and told[name] != documents.b64(bytes.fromhex(sha256)):
            return f"{name} is not the one that {ASIC_MANIFEST} lists"
    return f"{ASIC_MANIFEST} is not of the members that are there"


def _check_members(bundle: Container, manifest: Mapping[str, Any]) -> None:
    """Refuse a member that nothing refers to, and miss none.

    Raises:
        Refused: E-21.
    """
    expected = {*_FIXED, MIMETYPE}
    shown = manifest["completeness"]
    expected |= {f"proofs/{name}.json" for name in shown}
    expected |= {f"records/{name}.jsonl" for name in shown if manifest["rowCounts"][name]}
    if len(shown) <= MOST_TLOG_PROOFS:
        expected |= {f"proofs/{name}.tlog-proof" for name in shown}
    missing = expected - bundle.members.keys()
    if missing:
        raise Refused("E-21", f"{min(missing)} is missing")
    for name in bundle.members:
        known = name in expected or name in (*REPORTS, TIMESTAMP)
        if not known and not any(p.fullmatch(name) for p in (NOTE, ENTRY, _SCHEMA)):
            _check_token_name(bundle, name)


def _check_token_name(bundle: Container, name: str) -> None:
    """Refuse a member that is no token of a note that is there, nor the chain of such a one."""
    found = _TOKEN.fullmatch(name)
    if found is None or f"checkpoints/{found[1]}.{found[2]}.note" not in bundle.members:
        raise Refused("E-21", f"nothing refers to {name}")
    if found[4] == "pem" and name.removesuffix("pem") + "tsr" not in bundle.members:
        raise Refused("E-21", f"{name} is the chain of no token")


def _found(name: str, manifest: Mapping[str, Any], meaning: Meaning) -> tuple[Chapter, int]:
    """Return where the manifest of a segment that is shown stands."""
    site, log, seq = name.split("/")
    known = meaning.segments.get((log, int(seq)))
    if known is None or site != manifest["site"] or (log, int(seq)) in meaning.destroyed:
        raise Refused("E-02", f"{name} has no entry in what is shown of the ledger, or is gone")
    return known


def _states(
    manifest: Mapping[str, Any], meaning: Meaning, stamps: Stamps
) -> Iterator[SegmentResult]:
    """Give what is known of each segment of the period, in the order of log and number."""
    for (log, seq), (chapter, index) in sorted(meaning.segments.items()):
        name = f"{manifest['site']}/{log}/{seq}"
        level = manifest["completeness"].get(name)
        covering = [s for size, s in stamps.get(chapter.origin, ()) if size > index]
        first = min(covering, key=lambda stamp: stamp.time_us, default=None)
        proven_us = None if first is None else first.time_us
        state = "valid" if level else "not shown"
        if (log, seq) in meaning.destroyed:
            state, proven_us, first = "destroyed", meaning.destroyed[log, seq], None
        elif not chapter.told[index]["rows"]:
            state = "empty"
        yield SegmentResult(
            id=name,
            state=state,
            level=level,
            rows=manifest["rowCounts"].get(name, 0),
            proven_us=proven_us,
            proven_by=None if first is None else first.signer,
        )
