"""The ledgers in a bundle, checked: notes, what links them, and the entries under them.

Steps 3 to 5 of the order in which a bundle is checked. What comes out is authenticated by the log
keys that were given from outside; what the entries mean is judged in `meaning.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from collector.seal import entries, note, tree, witness
from collector.seal.bundle import documents
from collector.seal.bundle.container import Container
from collector.seal.bundle.documents import MAX_JSON, origin_hash
from collector.seal.bundle.history import logs_of
from collector.seal.fault import Refused
from collector.seal.note import Checkpoint, VKey
from collector.seal.policy import Policy

NOTE = re.compile(r"checkpoints/([0-9a-f]{64})\.(0|[1-9][0-9]{0,15})\.note")
ENTRY = re.compile(r"entries/([0-9a-f]{64})/(0|[1-9][0-9]{0,15})\.json")
_TLOG = "c2sp.org/tlog-proof@v1"
_ORIGIN = re.compile(r"([a-z0-9.-]+)/ledger/([0-9]{4})(?:-([2-9]|[1-9][0-9]+))?")
_MOST_TLOG = note.MAX_BYTES + (1 << 16)


@dataclass(slots=True, kw_only=True)
class Chapter:
    """What a bundle shows of one ledger, authenticated."""

    origin: str
    key: VKey
    """The log key that the policy names."""
    notes: dict[int, Checkpoint] = field(default_factory=dict)
    """By size."""
    told: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """The entries shown, ascending by index."""
    cosigned: dict[int, list[str]] = field(default_factory=dict)
    """Witnesses of the policy that cosigned, by size."""

    @property
    def size(self) -> int:
        """The size to which entries are proven: that of the greatest note."""
        return max(self.notes)

    @property
    def place(self) -> tuple[int, int]:
        """Year and number, by which the ledgers of a site follow one another."""
        found = _ORIGIN.fullmatch(self.origin)
        return (int(found[2]), int(found[3] or 1)) if found else (0, 0)

    def note_name(self, size: int) -> str:
        """Return the member that holds a note."""
        return f"checkpoints/{origin_hash(self.origin)}.{size}.note"


def read_chapters(bundle: Container, site: str, policy: Policy) -> list[Chapter]:
    """Return the ledgers of a bundle, oldest first, each entry under a note that is believed.

    Raises:
        Refused: what does not hold.
    """
    chapters = _notes(bundle, site, policy)
    _consistent(bundle, chapters)
    _entries(bundle, chapters, site)
    for chapter in chapters.values():
        _check_quorum(chapter, policy)
    return sorted(chapters.values(), key=lambda chapter: chapter.place)


# Notes.


def _notes(bundle: Container, site: str, policy: Policy) -> dict[str, Chapter]:
    """Return the ledgers by origin; every note bears a line of the log key."""
    chapters: dict[str, Chapter] = {}
    for name in bundle.members:
        if found := NOTE.fullmatch(name):
            try:
                _take_note(bundle, name, (found[1], int(found[2])), site, policy, chapters)
            except Refused as refused:
                raise Refused(refused.number, f"{name}: {refused}") from None
    if not chapters:
        raise Refused("E-21", "there is no checkpoint")
    return chapters


def _take_note(
    bundle: Container,
    name: str,
    told: tuple[str, int],
    site: str,
    policy: Policy,
    chapters: dict[str, Chapter],
) -> None:
    signed = note.parse(bundle.read(name, note.MAX_BYTES))
    checkpoint = note.parse_checkpoint(signed.text)
    if not 0 < checkpoint.size < 1 << 53:
        raise Refused("E-05", f"a ledger has no size {checkpoint.size}")
    if (origin_hash(checkpoint.origin), checkpoint.size) != told:
        raise Refused("E-25", "origin and size are not those of its name")
    found = _ORIGIN.fullmatch(checkpoint.origin)
    if found is None or found[1] != site:
        raise Refused("E-22", f"{checkpoint.origin!r} is no ledger of {site}")
    keys = [key for key in policy.logs if key.name == checkpoint.origin]
    if all(key.kind == note.ML_DSA_44 for key in keys):
        raise Refused("E-03", f"the policy has no log key of {checkpoint.origin}")
    signers = note.check(signed, keys)
    if any(key.kind == note.ML_DSA_44 and key not in signers for key in keys):
        raise Refused("E-20", "the ML-DSA line that the policy asks for is missing")
    if signers[0] is None or signers[0].kind != note.ED25519:
        raise Refused("E-03", "the first line is not by the log key that the policy names")
    chapter = chapters.setdefault(
        checkpoint.origin, Chapter(origin=checkpoint.origin, key=signers[0])
    )
    if chapter.key != signers[0]:
        raise Refused("E-03", "notes of one ledger by two log keys")
    chapter.notes[checkpoint.size] = checkpoint
    chapter.cosigned[checkpoint.size] = _witnesses(signed, policy)


def _witnesses(signed: note.Note, policy: Policy) -> list[str]:
    """Return the witnesses of the policy whose cosignature is there; a wrong one is refused."""
    known = {(key.name, key.key_id): (name, key) for name, key in policy.witnesses.items()}
    found = []
    for line in signed.lines:
        if (match := known.get((line.name, line.key_id))) is not None:
            witness.check_line(line, match[1], signed.text)
            found.append(match[0])
    return found


def _check_quorum(chapter: Chapter, policy: Policy) -> None:
    """Refuse a ledger of which no note over all intervals shown has the cosignatures asked for.

    The greatest note is often too young: its witnesses are still being asked.
    """
    last = max((index for index, entry in chapter.told.items() if logs_of(entry)), default=-1)
    for size, names in chapter.cosigned.items():
        if size > last and policy.met({policy.witnesses[name].public for name in names}):
            return
    raise Refused("E-19", f"{chapter.origin}: no note has the cosignatures that the policy asks")


# Consistency.


def _consistent(bundle: Container, chapters: Mapping[str, Chapter]) -> None:
    place = "proofs/consistency.json"
    logs = documents.read_logs(bundle.read(place, MAX_JSON), place, documents.CONSISTENCY)
    if [log["origin"] for log in logs] != sorted(chapters):
        raise Refused("E-09", f"{place}: not the ledgers of the notes")
    for log in logs:
        notes = chapters[log["origin"]].notes
        sizes = sorted(notes)
        if log["sizes"] != sizes or len(log["proofs"]) != len(sizes) - 1:
            raise Refused("E-09", f"{place}: not a proof from each note to the next")
        for (old, new), proof in zip(pairwise(sizes), log["proofs"], strict=True):
            _connect(notes[old], notes[new], [note.b64(part) for part in proof])


def _connect(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Refuse two notes that the proof does not connect: E-09 for its length, E-04 for the rest."""
    # A proof of the right length differs from a right one in its hashes alone.
    if len(proof) != len(tree.consistency_proof(old.size, new.size, lambda *_: b"")):
        raise Refused("E-09", f"{old.origin}: the proof from {old.size} to {new.size} is too long")
    try:
        tree.check_consistency(old.size, new.size, proof, old_root=old.root, new_root=new.root)
    except Refused as refused:
        raise Refused("E-04", f"{old.origin}: {refused}") from None


# Entries.


def _entries(bundle: Container, chapters: Mapping[str, Chapter], site: str) -> None:
    place = "proofs/entries.json"
    logs = documents.read_logs(bundle.read(place, MAX_JSON), place, documents.ENTRIES)
    if [log["origin"] for log in logs] != sorted(chapters):
        raise Refused("E-10", f"{place}: not the ledgers of the notes")
    shown: dict[str, list[int]] = {origin_hash(origin): [] for origin in chapters}
    for name in bundle.members:
        if found := ENTRY.fullmatch(name):
            shown.setdefault(found[1], []).append(int(found[2]))
    if len(shown) != len(chapters):
        raise Refused("E-10", f"{place}: entries of a ledger without notes")
    for log in logs:
        chapter = chapters[log["origin"]]
        folder = origin_hash(chapter.origin)
        if log["size"] != chapter.size or log["indices"] != sorted(shown[folder]):
            raise Refused("E-10", f"{place}: other entries or another size than there are")
        _under(bundle, chapter, log)
        for index in log["indices"]:
            chapter.told[index] = _entry(bundle, f"entries/{folder}/{index}.json", index, site)


def _under(bundle: Container, chapter: Chapter, log: Mapping[str, Any]) -> None:
    """Refuse entries that are not under the greatest note."""
    folder = origin_hash(chapter.origin)
    leaves = [
        tree.leaf_hash(bundle.read(f"entries/{folder}/{index}.json", entries.MAX_BYTES))
        for index in log["indices"]
    ]
    proof = [note.b64(part) for part in log["proof"]]
    root = tree.partial_root(chapter.size, log["indices"], leaves, proof)
    if root != chapter.notes[chapter.size].root:
        raise Refused("E-25", f"the entries of {chapter.origin} do not give the root of its note")


def _entry(bundle: Container, name: str, index: int, site: str) -> Mapping[str, Any]:
    try:
        return entries.parse(bundle.read(name, entries.MAX_BYTES), index=index, site=site)
    except Refused as refused:
        raise Refused(refused.number, f"{name}: {refused}") from None


def check_tlog_proof(bundle: Container, name: str, chapter: Chapter, index: int) -> None:
    """Refuse a tlog-proof that does not show an entry under the greatest note of its ledger.

    Raises:
        Refused: E-08.
    """
    data = bundle.read(name, _MOST_TLOG)
    signed = bundle.read(chapter.note_name(chapter.size), note.MAX_BYTES)
    head, gap, carried = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
        proof = [note.b64(line) for line in lines[2:]]
    except (UnicodeDecodeError, Refused) as error:
        raise Refused("E-08", f"{name} has a line that is no hash") from error
    if not gap or lines[:2] != [_TLOG, f"index {index}"] or carried != signed:
        raise Refused("E-08", f"{name} is not of this entry and the greatest note")
    folder = origin_hash(chapter.origin)
    leaf = tree.leaf_hash(bundle.read(f"entries/{folder}/{index}.json", entries.MAX_BYTES))
    root = chapter.notes[chapter.size].root
    try:
        tree.check_inclusion(leaf, index, chapter.size, proof, root=root)
    except Refused as refused:
        raise Refused("E-08", f"{name}: {refused}") from None
