"""A bundle packed: the same order and the same frozen ledger always give the same bytes.

Members are written one behind the other into a working file, hashed once on the way, and copied
into the ZIP at the end: memory does not grow with the rows.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from collector import durable
from collector.errors import SealError
from collector.seal import entries, files, ledger, note, tiles, tree
from collector.seal.bundle import container, documents, history, records
from collector.seal.bundle.container import Heap
from collector.seal.bundle.documents import b64, dumps, origin_hash
from collector.seal.bundle.history import Chapter
from collector.seal.bundle.order import Frozen, Order
from collector.seal.canonical import Schema, parse_schema
from collector.seal.disclose import Disclosed, Sealed, Wanted

MOST_TLOG_PROOFS = 500
"""Of more segments `entries.json` alone proves the entries."""
Keys = Callable[[str, int], bytes]
"""Gives the key of a segment by its id and start, as `Rings.get` does."""
Progress = Callable[[int, int], None]
"""Told segments done and segments in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A bundle that was written."""

    sha256: str
    size: int
    rows: dict[str, int]
    """Rows shown by segment id."""
    levels: dict[str, str]
    destroyed: list[str]
    """Segments of the period that were lawfully destroyed."""
    lost: list[str]
    """Segments of the period whose files are gone, as two people said; not shown."""


def pack(
    home: Path,
    order: Order,
    frozen: Frozen,
    *,
    keys: Keys,
    out: Path,
    tell: Progress = lambda *_: None,
) -> Packed:
    """Write the bundle of an order to `out`, whole or not at all.

    Raises:
        SealError: something cannot be shown, or does not fit.
        Refused: the ledger or a key on the disk is not what it must be.
        StoreError: the file could not be written.
    """
    chapters = history.thaw(home, order, frozen)
    durable.make_dir(out.parent, ledger.READABLE)
    beside = out.with_name(out.name + ".new")
    with Heap(out.with_name(out.name + ".heap")) as heap:
        packer = _Packer(home, order, frozen, chapters, heap)
        packer.run(keys, tell)
        with beside.open("wb") as file:
            container.write(heap, file)
            file.flush()
            os.fsync(file.fileno())
    beside.chmod(durable.FILE_MODE)
    durable.rename(beside, out)
    return packer.packed(out)


class _Packer:
    def __init__(
        self, home: Path, order: Order, frozen: Frozen, chapters: Sequence[Chapter], heap: Heap
    ) -> None:
        self._home = home
        self._order = order
        self._frozen = {each.origin: each for each in frozen.logs}
        self._packed_us = frozen.packed_us
        self._chapters = chapters
        self._heap = heap
        self._schemas: dict[str, Schema] = {}
        self._schemas_shown: set[str] = set()
        self._levels: dict[str, str] = {}
        self._rows: dict[str, int] = {}
        self._withheld: dict[str, list[str]] = {}
        self._destroyed: list[str] = []
        self._lost: list[str] = []

    def run(self, keys: Keys, tell: Progress) -> None:
        """Write all members."""
        self._heap.add(container.MIMETYPE, container.MEDIA_TYPE)
        self._ledgers()
        self._segments(keys, tell)
        self._tlog_proofs()
        for sha256 in sorted(self._schemas_shown):
            self._heap.add(f"schema/{sha256}.json", self._schemas[sha256].text)
        self._heap.add("custody.jsonl", self._custody())
        hashes = {m.name: m.sha256 for m in self._heap.members.values()}
        del hashes[container.MIMETYPE]
        manifest = self._heap.add("manifest.json", dumps(self._manifest(sorted(hashes))))
        asic = documents.asic_manifest({**hashes, manifest.name: manifest.sha256})
        self._heap.add(documents.ASIC_MANIFEST, asic)

    def packed(self, out: Path) -> Packed:
        """Return what was written."""
        return Packed(
            sha256=files.file_hash(out),
            size=out.stat().st_size,
            rows=self._rows,
            levels=self._levels,
            destroyed=self._destroyed,
            lost=self._lost,
        )

    # The ledgers.

    def _ledgers(self) -> None:
        proofs, links = [], []
        for chapter in sorted(self._chapters, key=lambda each: each.origin):
            frozen, folder = self._frozen[chapter.origin], origin_hash(chapter.origin)
            reader = tiles.Tiles(chapter.folder, chapter.size)
            indices = sorted(chapter.raw)
            for index in indices:
                self._heap.add(f"entries/{folder}/{index}.json", chapter.raw[index])
            for size, text in frozen.notes.items():
                self._heap.add(f"checkpoints/{folder}.{size}.note", text.encode())
            for name, token in frozen.tokens.items():
                self._heap.add(f"tst/{folder}.{name}", note.b64(token))
            proof = tree.partial_proof(chapter.size, indices, reader.subtree)
            own = {"origin": chapter.origin, "size": chapter.size, "indices": indices}
            proofs.append({**own, "proof": [*map(b64, proof)]})
            links.append(self._links(chapter, reader, sorted(map(int, frozen.notes))))
        self._heap.add("proofs/entries.json", dumps({"format": documents.ENTRIES, "logs": proofs}))
        self._heap.add(
            "proofs/consistency.json", dumps({"format": documents.CONSISTENCY, "logs": links})
        )

    @staticmethod
    def _links(chapter: Chapter, reader: tiles.Tiles, sizes: list[int]) -> dict[str, Any]:
        """Return the consistency proofs from each note of a ledger to the next."""
        proofs = [tree.consistency_proof(old, new, reader.subtree) for old, new in pairwise(sizes)]
        listed = [[*map(b64, proof)] for proof in proofs]
        return {"origin": chapter.origin, "sizes": sizes, "proofs": listed}

    def _tlog_proofs(self) -> None:
        """Write for each segment shown the C2SP tlog-proof of its manifest entry."""
        if len(self._levels) > MOST_TLOG_PROOFS:
            return
        for chapter in self._chapters:
            reader = tiles.Tiles(chapter.folder, chapter.size)
            signed = self._frozen[chapter.origin].notes[str(chapter.size)].encode()
            for index, entry in chapter.told.items():
                if entry["type"] == "segment" and files.segment_id(entry) in self._levels:
                    path = tree.inclusion_proof(index, chapter.size, reader.subtree)
                    name = f"proofs/{files.segment_id(entry)}.tlog-proof"
                    self._heap.add(name, tlog_proof(index, path, signed))

    # The rows.

    def _segments(self, keys: Keys, tell: Progress) -> None:
        told = [entry for chapter in self._chapters for entry in chapter.told.values()]
        gone = [row[:2] for e in told if e["type"] == "destroyed" for row in e["segments"]]
        asked = [e for e in told if e["type"] == "segment" and e["rows"]]
        asked = sorted((e for e in asked if e["log"] in self._order.levels), key=files.segment_id)
        self._destroyed = [files.segment_id(e) for e in asked if [e["log"], e["seq"]] in gone]
        there = [e for e in asked if [e["log"], e["seq"]] not in gone]
        lost = [row[:2] for e in told if e["type"] == "lost" for row in e["segments"]]
        absent = [e for e in there if [e["log"], e["seq"]] in lost and not self._here(e)]
        self._lost = [files.segment_id(e) for e in absent]
        there = [e for e in there if e not in absent]
        chosen = [entry for entry in there if self._shows(entry, keys)]
        self._check_found({files.segment_id(entry) for entry in chosen})
        columns = records.csv_columns([self._schema(entry) for entry in chosen])
        with tempfile.TemporaryFile(dir=self._heap.folder) as cells:
            cells.write(records.csv_header(columns).encode())
            for number, entry in enumerate(chosen):
                tell(number, len(chosen))
                self._segment(self._disclosed(entry, keys), columns, cells)
            tell(len(chosen), len(chosen))
            cells.seek(0)
            with self._heap.begin("records.csv") as member:
                while piece := cells.read(container.CHUNK):
                    member.write(piece)

    def _here(self, entry: Mapping[str, Any]) -> bool:
        """Say whether the rows of a segment are here; only where people said so may they not be."""
        return (self._home / files.paths(entry)[0]).exists()

    def _shows(self, entry: Mapping[str, Any], keys: Keys) -> bool:
        """Say whether anything of a segment will be shown: at C0 only where something is found."""
        order = self._order
        if order.rows is not None:
            return files.segment_id(entry) in order.rows
        if order.levels[entry["log"]] != "C0":
            return True
        return self._sealed(entry, keys).finds(self._wanted(entry))

    def _check_found(self, chosen: set[str]) -> None:
        odd = sorted((self._order.rows or {}).keys() - chosen)
        if odd:
            raise SealError(f"{odd[0]} is no segment of this period that can be shown")
        if not chosen and "C0" in self._order.levels.values():
            raise SealError("nothing was found, and C0 cannot show that", hint="ask for C1")

    def _schema(self, entry: Mapping[str, Any]) -> Schema:
        sha256 = entry["schema"]
        if sha256 not in self._schemas:
            path = self._home / ledger.FOLDER / ledger.SCHEMAS / f"{sha256}.json"
            text = path.read_bytes()
            if hashlib.sha256(text).hexdigest() != sha256:
                raise SealError(f"{path} is not what its name says", hint="see: prathu verify")
            self._schemas[sha256] = parse_schema(text)
        return self._schemas[sha256]

    def _sealed(self, entry: Mapping[str, Any], keys: Keys) -> Sealed:
        key = keys(files.segment_id(entry), entry["start"])
        return Sealed(self._home, entry, self._schema(entry), key)

    def _wanted(self, entry: Mapping[str, Any]) -> Wanted:
        order, log = self._order, entry["log"]
        rows = None if order.rows is None else order.rows.get(files.segment_id(entry))
        return Wanted(
            level=order.levels[log],
            subject=order.subject,
            rows=None if rows is None else tuple(rows),
            window=order.window,
            withhold=log in order.withhold,
        )

    def _disclosed(self, entry: Mapping[str, Any], keys: Keys) -> Disclosed:
        disclosed = self._sealed(entry, keys).show(self._wanted(entry))
        if disclosed is None:
            raise SealError(f"{files.segment_id(entry)} changed while it was read")
        return disclosed

    def _segment(self, disclosed: Disclosed, columns: Sequence[str], cells: IO[bytes]) -> None:
        """Write rows and proof of one segment."""
        sealed, log = disclosed.sealed, disclosed.sealed.entry["log"]
        self._schemas_shown.add(sealed.entry["schema"])
        proof = dumps(disclosed.proof)
        if len(proof) > documents.MAX_JSON:
            raise SealError(f"{sealed.id} has too many groups to be shown at C2", hint="ask for C1")
        self._heap.add(f"proofs/{sealed.id}.json", proof)
        if disclosed.rows:
            with self._heap.begin(f"records/{sealed.id}.jsonl") as member:
                for shown in disclosed.shown():
                    lines, texts = records.lines(shown, sealed.schema)
                    member.write("".join(lines).encode())
                    told = records.csv_lines(sealed.id, shown, texts, columns)
                    cells.write("".join(told).encode())
        self._levels[sealed.id] = self._order.levels[log]
        self._rows[sealed.id] = disclosed.rows
        if disclosed.withhold and sealed.schema.detail:
            hidden = self._withheld.setdefault(log, [])
            hidden += [name for name, _ in sealed.schema.detail if name not in hidden]

    # What the bundle says of itself.

    def _custody(self) -> bytes:
        told, packed = self._order.told, self._packed_us
        steps = [
            ("asked", told.asked_us, told.recipient),
            ("approved", told.approved_us, told.approver),
            ("ran", packed, told.exporter),
            ("packed", packed, "box"),
        ]
        return b"".join(
            dumps({"index": None, "step": step, "time": time_us, "who": who}) + b"\n"
            for step, time_us, who in steps
        )

    def _manifest(self, names: Sequence[str]) -> dict[str, Any]:
        order, told = self._order, self._order.told
        listed = [n for n in names if not n.startswith("META-INF/")]
        members = [self._heap.members[name] for name in listed]
        return {
            "format": documents.FORMAT,
            "case": order.case,
            "site": order.site,
            "retainedDataHeader": {
                "requestID": {
                    "countryCode": "TH",
                    "authorisedOrganisationID": told.authority,
                    "requestNumber": told.request,
                },
                "cSPID": told.operator_name or order.site,
                "timeStamp": f"{entries.day(self._packed_us):%Y-%m-%dT%H:%M:%SZ}",
            },
            "LDID": told.ldid,
            "legalBasis": told.legal_basis,
            "deliveryDetails": {"recipient": told.recipient},
            "query": {
                **told.query,
                "logs": order.logs,
                "from": order.from_us,
                "to": order.to_us,
            },
            "timezone": "Asia/Bangkok",
            "completeness": self._levels,
            "rowCounts": self._rows,
            "withheld": {log: self._withheld[log] for log in sorted(self._withheld)},
            "operator": told.exporter,
            "approver": told.approver,
            "files": [{"name": m.name, "size": m.size, "sha256": m.sha256} for m in members],
        }


def tlog_proof(index: int, path: Sequence[bytes], signed: bytes) -> bytes:
    """Return a C2SP tlog-proof without extra data."""
    hashes = "".join(f"{b64(part)}\n" for part in path)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n".encode() + signed
