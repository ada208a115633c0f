"""Cosignatures, tokens and anchors of a site's ledgers, checked by what was given from outside.

A cosignature counts by a witness of the policy, a token by a root that was given; what lies in the
home is believed for nothing. What cannot be checked for want of either is counted and said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from collector.seal import ledger, note, outside, policy, timestamp, witness
from collector.seal.fault import Refused
from collector.seal.files import Finding
from collector.seal.note import VKey
from collector.seal.outside import Kept
from collector.seal.policy import Policy
from collector.seal.verify_ledger import LedgerResult, Snapshot

_BESIDE = {"tsr": "pem", "pem": "tsr"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Whom to believe beside the log keys; never taken from what is checked."""

    policy: Policy | None = None
    tsa_roots: tuple[timestamp.Certificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Up to where a ledger is proven to have been as it is at a time."""

    origin: str
    size: int
    time_us: int
    by: str
    """The authority's certificate, or the witnesses."""


@dataclass(slots=True)
class Outcome:
    """What was found outside."""

    findings: list[Finding] = field(default_factory=list)
    proven: list[Proven] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify_outside(
    home: Path, snapshots: Sequence[Snapshot], results: Sequence[LedgerResult], believed: Believed
) -> Outcome:
    """Check what came from outside for the ledgers of one site, oldest first."""
    checks = [
        _Ledger(found, result, believed) for found, result in zip(snapshots, results, strict=True)
    ]
    outcome = Outcome()
    for check in checks:
        check.run()
        outcome.findings += check.findings
        outcome.proven += check.proven()
        outcome.notes += check.notes()
    outcome.findings += _Anchors(home, checks).run()
    asked = believed.policy is not None and believed.policy.quorum != policy.NONE
    if asked and checks and not any(check.quorate() for check in checks):
        place = f"{checks[-1].place}/{outside.COSIGNATURES}"
        text = "no checkpoint bears the cosignatures that the policy asks for"
        outcome.findings.append(Finding(number="E-19", place=place, text=text))
    return outcome


class _Ledger:
    """One ledger's cosignatures and tokens."""

    def __init__(self, found: Snapshot, result: LedgerResult, believed: Believed) -> None:
        self.found = found
        self.result = result
        self.findings: list[Finding] = []
        self._believed = believed
        site, _, year = result.origin.partition("/ledger/")
        self.place = f"{ledger.FOLDER}/{site}/{year}"
        self.kept = [kept for name in found.names if (kept := outside.parse_name(name))]
        self._clocks = outside.Clocks(found.folder, result.size)
        self._cosigned: dict[int, dict[bytes, tuple[int, str]]] = {}
        """By size, the public keys of witnesses of the policy, each with time in s and name."""
        self._stamped: dict[int, tuple[int, str]] = {}
        """By size, the earliest time and its authority."""
        self._unchecked = {"cosignatures": 0, "time-stamps": 0}

    def run(self) -> None:
        """Check every file."""
        names = set(self.kept)
        for kept in self.kept:
            if kept.kind in _BESIDE and kept._replace(kind=_BESIDE[kept.kind]) not in names:
                self.find("E-25", kept.name, "a token without its chain, or a chain without token")
                continue
            try:
                if kept.kind == outside.COSIGNATURES:
                    self._cosignature(kept)
                elif kept.kind == "tsr":
                    self._token(kept)
            except Refused as refused:
                self.find(refused.number, kept.name, str(refused))

    def find(self, number: str, name: str, text: str) -> None:
        """Write down what does not hold."""
        self.findings.append(Finding(number=number, place=f"{self.place}/{name}", text=text))

    def text(self, size: int) -> bytes:
        """Return the text of a checkpoint, which was compared with the entries already.

        Raises:
            Refused: somebody outside knows more than there is, or the checkpoint is gone.
        """
        if size > self.result.size:
            raise Refused("E-04", f"size {size} is known outside: the ledger's tail is cut")
        data = self.found.read(f"checkpoints/{size}")
        if data is None:
            raise Refused("E-25", f"the checkpoint of size {size} is missing")
        return note.parse(data).text

    def _cosignature(self, kept: Kept) -> None:
        data = self.found.read(kept.name) or b""
        try:
            told = data.decode()
        except UnicodeDecodeError as error:
            raise Refused("E-05", "the cosignature is not UTF-8") from error
        if told.count("\n") != 1 or not told.endswith("\n"):
            raise Refused("E-05", "not one signature line")
        line, text = note.parse_line(told[:-1]), self.text(kept.size)
        if line.key_id.hex() != kept.by:
            raise Refused("E-19", f"the line is by the key {line.key_id.hex()}")
        witness.time_of(line)
        key = self._witness(line)
        if key is None:
            self._unchecked["cosignatures"] += 1
            return
        time_s = witness.check_line(line, key, text)
        self._cosigned.setdefault(kept.size, {})[key.public] = (time_s, key.name)

    def _witness(self, line: note.Line) -> VKey | None:
        known = self._believed.policy.witnesses.values() if self._believed.policy else ()
        for key in known:
            if (key.name, key.key_id) == (line.name, line.key_id):
                return key
        return None

    def _token(self, kept: Kept) -> None:
        data = self.found.read(kept.name) or b""
        text = self.text(kept.size)
        chain = self._chain(kept, data)
        if not self._believed.tsa_roots:
            self._unchecked["time-stamps"] += 1
            return
        stamp = timestamp.check(
            data,
            text,
            trusted=self._believed.tsa_roots,
            chain=chain,
            covers_us=self._clocks.covered_us(kept.size),
        )
        before = self._stamped.get(kept.size)
        if before is None or stamp.time_us < before[0]:
            self._stamped[kept.size] = (stamp.time_us, stamp.signer)

    def _chain(self, kept: Kept, token: bytes) -> tuple[timestamp.Certificate, ...]:
        """Return the chain beside a token; what is wrong with it is told of its own file."""
        name = kept._replace(kind="pem").name
        timestamp.time_of(token)
        try:
            return timestamp.check_chain(token, self.found.read(name) or b"")
        except Refused as refused:
            self.find(refused.number, name, str(refused))
            return ()

    def quorate(self) -> int:
        """Return the largest size that bears the cosignatures that the policy asks for, or 0."""
        asked = self._believed.policy
        if asked is None:
            return 0
        met = (size for size, by in self._cosigned.items() if asked.met(by.keys()))
        return max(met, default=0)

    def proven(self) -> Iterator[Proven]:
        """Give the newest checkpoint that an authority, and that enough witnesses, have seen."""
        if self._stamped:
            size = max(self._stamped)
            time_us, by = self._stamped[size]
            yield Proven(origin=self.result.origin, size=size, time_us=time_us, by=by)
        size = self.quorate()
        if size and size in self._cosigned:
            time_s, names = self._met_at(size)
            by = ", ".join(names)
            yield Proven(origin=self.result.origin, size=size, time_us=time_s * 10**6, by=by)

    def _met_at(self, size: int) -> tuple[int, list[str]]:
        """Return when enough witnesses had seen a checkpoint, and their names."""
        asked, counted, names = self._believed.policy or Policy(), list[bytes](), list[str]()
        time_s = 0
        for public, (when, name) in sorted(self._cosigned[size].items(), key=lambda x: x[1]):
            counted.append(public)
            names.append(name)
            time_s = when
            if asked.met(counted):
                break
        return time_s, names

    def notes(self) -> Iterator[str]:
        """Give what was proven, and what could not be checked, as lines."""
        for one in self.proven():
            when = datetime.fromtimestamp(one.time_us // 10**6, UTC).isoformat()
            rest = "" if one.size == self.result.size else f" of {self.result.size}"
            yield f"{one.origin}: size {one.size}{rest} was there not after {when}, by {one.by}"
        for what, count in self._unchecked.items():
            if count:
                option = "--policy" if what == "cosignatures" else "--tsa-roots"
                yield f"{self.result.origin}: {count} {what} were not checked: give {option}"


class _Anchors:
    """What the ledgers pinned of what came from outside."""

    def __init__(self, home: Path, checks: Sequence[_Ledger]) -> None:
        self._home = home
        self._checks = {check.result.origin: check for check in checks}
        self._pinned: set[str] = set()

    def run(self) -> Iterator[Finding]:
        """Give what does not hold; a ledger that cannot be read was told of already."""
        for check in self._checks.values():
            before = len(check.findings)
            try:
                for entry in outside.anchors_of(check.found.folder, check.result.size):
                    self._one(check, entry)
            except (Refused, OSError, KeyError, TypeError, ValueError):
                pass
            yield from check.findings[before:]

    def _one(self, check: _Ledger, entry: outside.Entry) -> None:
        of, name = self._checks.get(entry["origin"]), f"entry {entry['index']}"
        if of is None:
            check.find("E-25", "tile/entries", f"{name} anchors {entry['origin']}, not there")
            return
        try:
            text = of.text(entry["size"])
        except Refused as refused:
            of.find(refused.number, f"checkpoints/{entry['size']}", f"{name}: {refused}")
            return
        if hashlib.sha256(text).hexdigest() != entry["text_sha256"]:
            check.find("E-04", "tile/entries", f"{name} anchors another size {entry['size']}")
        self._proofs(of, entry)
        if entry["renewal"] is not None:
            found = outside.renewal(self._home, entry["origin"], entry["size"], self._pinned)
            if found != entry["renewal"]:
                text_ = f"{name}: the renewed hash is not that of checkpoints and tokens"
                check.find("E-25", "tile/entries", text_)
        self._pinned.update(entry["proofs"])

    def _proofs(self, of: _Ledger, entry: outside.Entry) -> None:
        """Find each pinned file by its hash; name the one that it can no longer be."""
        here = {
            hashlib.sha256(of.found.read(kept.name) or b"").hexdigest(): kept
            for kept in of.kept
            if kept.size == entry["size"] and kept.kind != "pem"
        }
        lost = [proof for proof in entry["proofs"] if proof not in here]
        changed = [kept for proof, kept in here.items() if proof not in entry["proofs"]]
        # Tokens are all pinned in the end, cosignatures only those that were there by then.
        others = [kept.name for kept in sorted(changed, key=lambda k: k.kind != "tsr")]
        for number, _ in enumerate(lost):
            name = others[number] if number < len(others) else f"{outside.TOKENS}/{entry['size']}"
            text = f"entry {entry['index']} pinned a token or cosignature that is gone or changed"
            of.find("E-25", name, text)
