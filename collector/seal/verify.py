"""A whole home, checked: ledgers, checkpoints, continuity, files and, deep, every byte and row.

Nothing is believed but the log key: given from outside or, for want of one, that of `genesis`,
which is then said. What cannot be checked is a finding, never silence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.seal import files, keys, ledger, note
from collector.seal.canonical import Schema, parse_schema
from collector.seal.chain import flock
from collector.seal.fault import Refused
from collector.seal.files import Finding
from collector.seal.note import VKey
from collector.seal.verify_ledger import LedgerResult, Snapshot, snapshot, verify_ledger
from collector.seal.verify_outside import Believed, Proven, verify_outside
from collector.seal.verify_segments import (
    Destroyed,
    Each,
    LostSegments,
    Progress,
    Task,
    bundles,
    check,
    destroyed,
    judge,
    lost,
    meanwhile,
    no_key,
    presence,
    ring_keys,
    to_come,
)

_MAX_SCHEMA = 1 << 20


def _unknown(_: Mapping[str, Any]) -> bool:
    return False


def _forget(_: Mapping[str, Any]) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to check, and what to believe."""

    deep: bool = False
    from_us: int | None = None
    to_us: int | None = None
    """Time of receipt: only segments of intervals that meet it are opened."""
    vkeys: tuple[VKey, ...] = ()
    """Log keys from outside; without any, those of `genesis` are believed."""
    believed: Believed = field(default_factory=Believed)
    """Witnesses and time-stamp authorities, from outside."""
    kek: bytes | None = None
    """The ring key, needed to check rows."""
    each: Each = map
    """Opens segments one after the other, or several at a time."""
    known: Callable[[Mapping[str, Any]], bool] = _unknown
    """Says of a segment that it was opened before and need not be again."""
    opened: Callable[[Mapping[str, Any]], None] = _forget
    """Told of each segment that was found whole."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What was found."""

    findings: list[Finding] = field(default_factory=list)
    """In the order of checking; empty when all is whole."""
    believed: list[tuple[str, str]] = field(default_factory=list)
    """Log keys, each with why it was believed: `given`, `linked` or `genesis`."""
    notes: list[str] = field(default_factory=list)
    proven: list[Proven] = field(default_factory=list)
    """What authorities and witnesses who are believed have seen."""
    ledgers: int = 0
    entries: int = 0
    checkpoints: int = 0
    segments: int = 0
    opened: int = 0
    """Segments whose every byte and row was checked."""
    rows: int = 0
    """In the opened segments."""
    known: int = 0
    """Segments that were opened in an earlier run, as the question says."""
    destroyed: list[Destroyed] = field(default_factory=list)
    """What the ledgers say was destroyed; lawfully, where no finding speaks against it."""
    lost: list[LostSegments] = field(default_factory=list)
    """What is not here, and two people said why: nothing is proven of it any more."""

    @property
    def whole(self) -> bool:
        """Say whether nothing was found."""
        return not self.findings


def verify(
    home: Path, question: Question, *, read: files.Reader, progress: Progress | None = None
) -> Report:
    """Check a home.

    Args:
        home: At rest or running; on a running one the sealer waits while files are listed.
        question: What to check, and what to believe.
        read: Gives the rows of a Parquet file.
        progress: Told how far it is.
    """
    return _Verifier(home, question, read, progress or (lambda *_: None)).run()


class _Verifier:
    def __init__(
        self, home: Path, question: Question, read: files.Reader, progress: Progress
    ) -> None:
        self._home = home
        self._question = question
        self._read = read
        self._progress = progress
        self._report = Report()
        self._schemas: dict[str, Schema] = {}

    def run(self) -> Report:
        """Check all sites, then the schemas."""
        sites = _folders(self._home / ledger.FOLDER) - {ledger.SCHEMAS}
        if not sites:
            self._find("E-25", ledger.FOLDER, "there is no ledger")
        for place in (files.LOGS, keys.RINGS):
            for odd in sorted(_folders(self._home / place) - sites):
                self._find("E-02", f"{place}/{odd}", "no ledger speaks of this site")
        self._read_schemas()
        for site in sorted(sites):
            self._site(site)
        return self._report

    def _find(self, number: str, place: str, text: str) -> None:
        self._report.findings.append(Finding(number=number, place=place, text=text))

    # One site.

    def _site(self, site: str) -> None:
        # The lock keeps names and state together; what is checked later was settled here.
        with flock(self._home / ledger.FOLDER / site):
            folders = ledger.folders(self._home, site)
            snapshots = [snapshot(folder) for folder in folders]
            listed = _files(self._home / files.LOGS / site, self._home)
            rings = _files(self._home / keys.RINGS / site, self._home)
        for odd in sorted(set((self._home / ledger.FOLDER / site).iterdir()) - set(folders)):
            self._find("E-25", str(odd.relative_to(self._home)), "an unknown file")
        results = self._ledgers(site, snapshots)
        found, before = self._report.findings, len(self._report.findings)
        account = judge(site, results, found)
        told = [entry for result in results for entry in result.segments]
        segments = [entry for entry in told if (entry["log"], entry["seq"]) in account.kept]
        gone = [entry for entry in told if (entry["log"], entry["seq"]) in account.gone]
        self._report.destroyed += destroyed(site, results)
        self._report.segments += len(segments)
        found += bundles(self._home, account)
        self._report.lost += lost(self._home, site, account)
        found += presence(self._home, segments, gone, listed, self._schemas, account.lost.keys())
        if self._question.deep:
            self._deep(site, segments, rings, results)
        if found[before:]:
            found[before:] = meanwhile(self._home, site, account, segments, found[before:])

    def _ledgers(self, site: str, snapshots: Sequence[Snapshot]) -> list[LedgerResult]:
        results: list[LedgerResult] = []
        for number, found in enumerate(snapshots):
            origin = f"{site}/ledger/{found.folder.name}"
            before = results[-1].course.positions if results and results[-1].course else {}
            said = self._teller(f"ledger {origin}", number, len(snapshots))
            result = verify_ledger(found, origin, before, said)
            results.append(result)
            self._report.findings += result.findings
            self._count(result)
        if not results:
            self._find("E-22", f"{ledger.FOLDER}/{site}", "the site has no ledger")
        self._links(results)
        self._trust(results)
        outcome = verify_outside(self._home, snapshots, results, self._question.believed)
        self._report.findings += outcome.findings
        self._report.proven += outcome.proven
        self._report.notes += outcome.notes
        return results

    def _teller(self, what: str, done: int, of: int) -> Callable[[], None]:
        return lambda: self._progress(what, done, of)

    def _count(self, result: LedgerResult) -> None:
        report = self._report
        report.ledgers += 1
        report.entries += result.size
        report.checkpoints += result.checkpoints
        report.notes += [
            f"{result.origin}: the epoch key was lost at size {size}: what lies before rests on "
            "copies of checkpoints outside the box"
            for size in result.broken
        ]

    def _links(self, results: Sequence[LedgerResult]) -> None:
        """Check that every ledger begins where the one before ended."""
        before: LedgerResult | None = None
        for result in results:
            place = _place(result.origin)
            genesis = result.genesis or {}
            told = genesis.get("previous")
            if told != (None if before is None else before.checkpoint.decode("utf-8", "replace")):
                self._find("E-22", place, "`previous` is not the last checkpoint before")
            if before is not None:
                self._follows(before, result)
            elif genesis.get("approvals"):
                self._find("E-22", place, "a first ledger has approvals")
            before = result
        if before is not None and before.course is not None and before.course.closed:
            self._find("E-22", _place(before.origin), f"{before.course.closed} is not there")

    def _follows(self, before: LedgerResult, result: LedgerResult) -> None:
        course, place = before.course, _place(result.origin)
        if course is None or course.closed == result.origin:
            return
        name, _, number = before.origin.rpartition("/")[2].partition("-")
        second = f"{before.origin.rpartition('/')[0]}/{name}-{int(number or 1) + 1}"
        approved = len((result.genesis or {}).get("approvals", ())) == 2
        if course.closed is not None or result.origin != second or not approved:
            self._find("E-22", place, f"it does not follow {before.origin}")
        else:
            self._report.notes.append(f"{before.origin}: its log key was lost")

    def _trust(self, results: Sequence[LedgerResult]) -> None:
        """Say for each ledger why its log key is believed, from the newest on backwards."""
        linked = False
        for result in reversed(results):
            if result.genesis is None:
                continue
            vkey = str(result.genesis["log_vkey"])
            theirs = [key for key in self._question.vkeys if key.name == result.origin]
            given = [key for key in theirs if key.kind == note.ED25519]
            self._check_quantum(result, {key.text for key in theirs if key not in given})
            if not self._question.vkeys:
                why = "genesis"
            elif given:
                why = "given"
                if vkey not in [key.text for key in given]:
                    self._find("E-03", f"{_place(result.origin)}/checkpoint", "another log key")
            elif linked:
                why = "linked"
            else:
                self._find("E-03", f"{_place(result.origin)}/checkpoint", "no key given for it")
                continue
            linked = True
            self._report.believed.append((vkey, why))

    def _check_quantum(self, result: LedgerResult, given: set[str]) -> None:
        """Compare the ML-DSA key from outside with that of genesis, which all lines were of."""
        told = (result.genesis or {}).get("mldsa_vkey")
        if given and given != {told}:
            self._find("E-20", f"{_place(result.origin)}/checkpoint", "another ML-DSA key, or none")

    # Files.

    def _read_schemas(self) -> None:
        folder = self._home / ledger.FOLDER / ledger.SCHEMAS
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            place = str(path.relative_to(self._home))
            if not re.fullmatch(r"[0-9a-f]{64}\.json", path.name) or not path.is_file():
                self._find("E-25", place, "an unknown file")
                continue
            if why := files.odd(path, _MAX_SCHEMA):
                self._find("E-25", place, f"the file {why}")
                continue
            text = path.read_bytes()
            if hashlib.sha256(text).hexdigest() != path.stem:
                self._find("E-25", place, "the bytes are not those that its name is the hash of")
                continue
            try:
                self._schemas[path.stem] = parse_schema(text)
            except Refused as refused:
                self._find(refused.number, place, str(refused))

    # Deep.

    def _deep(
        self,
        site: str,
        segments: Sequence[Mapping[str, Any]],
        rings: Sequence[str],
        results: Sequence[LedgerResult],
    ) -> None:
        kek = self._question.kek
        if kek is None:
            place = f"{keys.SECRETS}/{keys.KEK}"
            self._find("E-24", place, "without the ring key no row can be checked")
            return
        held = ring_keys(
            self._home,
            rings,
            segments,
            to_come=lambda name: to_come(name, site, results),
            kek=kek,
            found=self._report.findings,
        )
        asked = [entry for entry in segments if self._asked(entry)]
        total = sum(entry["file"]["size"] for entry in asked)
        done = 0
        ready = [entry for entry in asked if self._openable(entry, held)]
        tasks = (self._task(entry, held) for entry in ready)
        for entry, wrong in zip(ready, self._question.each(check, tasks), strict=True):
            self._report.findings += wrong
            self._report.opened += 1
            self._report.rows += entry["rows"]
            done += entry["file"]["size"]
            self._progress(files.segment_id(entry), done, total)
            if not wrong:
                self._question.opened(entry)
        self._progress(site, total, total)

    def _asked(self, entry: Mapping[str, Any]) -> bool:
        low, high = self._question.from_us, self._question.to_us
        meets = (low is None or entry["end"] >= low) and (high is None or entry["start"] < high)
        if meets and self._question.known(entry):
            self._report.known += 1
            return False
        return meets

    def _openable(self, entry: Mapping[str, Any], held: Mapping[str, bytes]) -> bool:
        """Say whether a segment can be opened; why not is told."""
        if entry["schema"] not in self._schemas:
            return False  # told already, as is what follows
        if not self._at_hand(entry):
            return False
        if files.segment_id(entry) not in held:
            self._report.findings.append(no_key(entry))
            return False
        return True

    def _at_hand(self, entry: Mapping[str, Any]) -> bool:
        """Say whether the files of a segment are there, as long as they must be; told already."""
        for place, size in zip(files.paths(entry), files.sizes(entry), strict=True):
            path = self._home / place
            if files.odd(path, size) or path.stat().st_size != size:
                return False
        return True

    def _task(self, entry: Mapping[str, Any], held: Mapping[str, bytes]) -> Task:
        return Task(
            home=self._home,
            entry=entry,
            schema=self._schemas[entry["schema"]],
            key=held[files.segment_id(entry)],
            read=self._read,
        )


def _place(origin: str) -> str:
    site, _, year = origin.partition("/ledger/")
    return f"{ledger.FOLDER}/{site}/{year}"


def _folders(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()


def _files(folder: Path, home: Path) -> list[str]:
    return sorted(str(p.relative_to(home)) for p in folder.rglob("*") if not p.is_dir())
