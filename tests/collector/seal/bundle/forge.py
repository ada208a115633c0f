"""A bundle taken apart, changed at will, and put together again: listed, hashed and signed anew.

The forger has the keys of every ledger, so a changed ledger is signed like a true one and fails for
what it says alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import rfc8785

from collector.seal import ledger, tiles, tree
from collector.seal.bundle import documents
from collector.seal.bundle.documents import b64, origin_hash
from collector.seal.bundle.pack import tlog_proof
from collector.seal.note import Checkpoint, Signer, SigningKey
from tests.collector.seal.school import SITE

Entry = dict[str, Any]


@dataclass(slots=True)
class Book:
    """One ledger, whole, and which of it is shown."""

    origin: str
    entries: list[Entry]
    shown: list[int]
    sizes: list[int]
    raw: dict[int, bytes] = field(default_factory=dict)
    """Bytes that stand in place of an entry's own."""
    log_key: SigningKey = field(init=False)
    epoch_keys: list[SigningKey] = field(init=False)
    keeps_previous: bool = False
    roots: dict[int, bytes] = field(default_factory=dict)
    """Roots to sign in place of the true ones."""
    signers: dict[int, Callable[[Book], Sequence[Signer]]] = field(default_factory=dict)
    """Who signs a size in place of those who must."""

    def __post_init__(self) -> None:
        self.log_key = SigningKey(self.origin, hashlib.sha256(self.origin.encode()).digest())
        count = 1 + sum(entry["type"] == "epoch" for entry in self.entries)
        name = f"{self.origin}/epoch"
        self.epoch_keys = [SigningKey(name, bytes([2, n]) * 16) for n in range(count)]
        self.entries[0]["log_vkey"] = self.log_key.vkey.text
        self.entries[0]["epoch_vkey"] = self.epoch_keys[0].vkey.text
        for key, entry in zip(self.epoch_keys[1:], self.of("epoch"), strict=True):
            entry["vkey"] = key.vkey.text

    def of(self, kind: str) -> list[Entry]:
        """Return the entries of a type."""
        return [entry for entry in self.entries if entry["type"] == kind]

    def add(self, entry: Entry) -> Entry:
        """Append an entry and show it; the greatest note moves with it."""
        last = self.entries[-1]
        whole = {**{n: last[n] for n in ("v", "site", "time", "boot")}, **entry}
        whole["index"] = len(self.entries)
        self.entries.append(whole)
        self.shown.append(whole["index"])
        self.sizes[-1] = len(self.entries)
        return whole

    def data(self, index: int) -> bytes:
        return self.raw.get(index, rfc8785.dumps(self.entries[index]))

    def keys(self, size: int) -> Sequence[Signer]:
        """Return who must sign a size, in order."""
        begun = [0, *(entry["index"] for entry in self.of("epoch"))]
        number = max(n for n, index in enumerate(begun) if index < size or n == 0)
        handed = [self.epoch_keys[number - 1]] if number and begun[number] == size - 1 else []
        return [self.log_key, *handed, self.epoch_keys[number]]

    def note(self, size: int) -> bytes:
        leaves = [tree.leaf_hash(self.data(index)) for index in range(size)]
        root = self.roots.get(size, tree.root(leaves))
        text = Checkpoint(self.origin, size, root).text
        keys = self.signers[size](self) if size in self.signers else self.keys(size)
        return text + b"\n" + b"".join(key.sign(text) for key in keys)

    def subtree(self) -> tree.Subtree:
        return tree.subtree_of([tree.leaf_hash(self.data(i)) for i in range(len(self.entries))])


class Forge:
    """A bundle in parts: change `members`, `manifest` or `books`, then `write` it."""

    def __init__(self, home: Path, bundle: Path) -> None:
        with zipfile.ZipFile(bundle) as file:
            self.members = {name: file.read(name) for name in file.namelist()}
        self.books = [
            self._book(folder) for folder in ledger.folders(home, SITE) if self._has(folder)
        ]
        self.resign()

    @property
    def book(self) -> Book:
        """The first ledger."""
        return self.books[0]

    def _has(self, folder: Path) -> bool:
        return f"entries/{origin_hash(f'{SITE}/ledger/{folder.name}')}/0.json" in self.members

    def _book(self, folder: Path) -> Book:
        origin = f"{SITE}/ledger/{folder.name}"
        prefix = f"entries/{origin_hash(origin)}/"
        shown = sorted(int(n[len(prefix) : -5]) for n in self.members if n.startswith(prefix))
        notes = f"checkpoints/{origin_hash(origin)}."
        sizes = sorted(int(n[len(notes) : -5]) for n in self.members if n.startswith(notes))
        reader = tiles.Tiles(folder, sizes[-1])
        entries = [
            json.loads(data)
            for number in range(-(-sizes[-1] // tiles.WIDTH))
            for data in reader.entries(number)
        ]
        return Book(origin, entries, shown, sizes)

    @property
    def policy(self) -> str:
        """The policy that believes the forger's keys."""
        logs = "".join(f"log {book.log_key.vkey.text}\n" for book in self.books)
        return f"{logs}quorum none\n"

    def resign(self) -> None:
        """Write all members that follow from the ledgers."""
        for name in [n for n in self.members if n.startswith(("entries/", "checkpoints/"))]:
            del self.members[name]
        proofs, links = [], []
        previous = None
        for book in self.books:
            if previous is not None and not book.keeps_previous:
                book.entries[0]["previous"] = previous
            folder, subtree = origin_hash(book.origin), book.subtree()
            for index in book.shown:
                self.members[f"entries/{folder}/{index}.json"] = book.data(index)
            for size in book.sizes:
                self.members[f"checkpoints/{folder}.{size}.note"] = book.note(size)
            # As it is there: another ML-DSA signature would have other bytes.
            greatest = self.members[f"checkpoints/{folder}.{book.sizes[-1]}.note"]
            previous = greatest.decode()
            proofs.append(
                {
                    "origin": book.origin,
                    "size": book.sizes[-1],
                    "indices": book.shown,
                    "proof": [*map(b64, tree.partial_proof(book.sizes[-1], book.shown, subtree))],
                }
            )
            links.append(
                {
                    "origin": book.origin,
                    "sizes": book.sizes,
                    "proofs": [
                        [*map(b64, tree.consistency_proof(old, new, subtree))]
                        for old, new in pairwise(book.sizes)
                    ],
                }
            )
            for index in book.shown:
                entry = book.entries[index]
                name = f"proofs/{SITE}/{entry.get('log')}/{entry.get('seq')}.tlog-proof"
                if entry["type"] == "segment" and name in self.members:
                    path = tree.inclusion_proof(index, book.sizes[-1], subtree)
                    self.members[name] = tlog_proof(index, path, greatest)
        self.put("proofs/entries.json", {"format": documents.ENTRIES, "logs": proofs})
        self.put("proofs/consistency.json", {"format": documents.CONSISTENCY, "logs": links})

    def get(self, name: str) -> Any:
        """Return a JSON member."""
        return json.loads(self.members[name])

    def put(self, name: str, document: Any) -> None:
        """Write a JSON member in its canonical form."""
        self.members[name] = rfc8785.dumps(document)

    def change(self, name: str, act: Callable[[Any], object]) -> None:
        """Change a JSON member."""
        document = self.get(name)
        act(document)
        self.put(name, document)

    def rows(self, name: str) -> list[Any]:
        """Return the rows of a segment."""
        return [
            json.loads(line) for line in self.members[f"records/{SITE}/{name}.jsonl"].splitlines()
        ]

    def put_rows(self, name: str, rows: list[Any]) -> None:
        lines = b"".join(rfc8785.dumps(row) + b"\n" for row in rows)
        self.members[f"records/{SITE}/{name}.jsonl"] = lines

    def relist(self) -> None:
        """Make `manifest.json` and the ASiC manifest list what is there."""
        listed = sorted(
            name
            for name in self.members
            if name not in ("mimetype", "manifest.json") and not name.startswith("META-INF/")
        )
        with suppress(ValueError):  # a manifest that was broken on purpose stays so
            manifest = self.get("manifest.json")
            hashes = {name: _sha256(self.members[name]) for name in listed}
            manifest["files"] = [
                {"name": name, "sha256": hashes[name], "size": len(self.members[name])}
                for name in listed
            ]
            self.put("manifest.json", manifest)
        self.relist_asic()

    def relist_asic(self) -> None:
        names = [n for n in self.members if n != "mimetype" and not n.startswith("META-INF/")]
        hashes = {name: _sha256(self.members[name]) for name in names}
        self.members[documents.ASIC_MANIFEST] = documents.asic_manifest(hashes)

    def zip(self) -> bytes:
        """Return the bundle."""
        names = sorted(self.members, key=lambda name: (name != "mimetype", name))
        return zipped([(name, self.members[name]) for name in names])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def zipped(members: list[tuple[str, bytes]], **lies: Any) -> bytes:
    """Return a ZIP of a bundle's form; `lies` change one of its fields in the last member."""
    parts, central = [], []
    at = 0
    for number, (name, data) in enumerate(members):
        last = lies if number == len(members) - 1 else {}
        raw, extra = name.encode(), last.get("extra", b"")
        body = _deflated(data) if last.get("method") else data
        fields = (
            *(20, last.get("flags", 0), last.get("method", 0), last.get("time", 0), 0x21),
            *(last.get("crc", zlib.crc32(data)), len(body), len(data), len(raw)),
        )
        local = struct.pack("<IHHHHHIIIH", 0x04034B50, *fields) + struct.pack("<H", len(extra))
        parts.append(last.get("gap", b"") + local + raw + extra + body)
        told = (last.get("central_crc", fields[5]), *fields[6:8])
        central.append(
            struct.pack("<IHHHHHH", 0x02014B50, 0x0314, *fields[:5])
            + struct.pack("<III", *told)
            + struct.pack("<HHHHHII", len(raw), 0, last.get("comment", 0), 0, 0, 0x01800000, at)
            + last.get("central_name", raw)
        )
        at += len(parts[-1])
    listed = b"".join(central)
    count = len(members)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(listed), at, 0)
    return b"".join(parts) + listed + end


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def with_s_plus_order(note_bytes: bytes) -> bytes:
    """Return a note whose first signature has S + L in place of S: the same to a lax reader."""
    text, _, lines = note_bytes.rpartition(b"\n\n")
    first, *rest = lines.split(b"\n")
    head, _, encoded = first.rpartition(b" ")
    signature = bytearray(base64.b64decode(encoded))
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[36:], "little") + order
    signature[36:] = s.to_bytes(32, "little")
    changed = head + b" " + base64.b64encode(bytes(signature))
    return text + b"\n\n" + b"\n".join([changed, *rest])


def names_of(forge: Forge, prefix: str) -> Iterator[str]:
    """Give the members that begin so."""
    return iter(sorted(name for name in forge.members if name.startswith(prefix)))
