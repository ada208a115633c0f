"""The segments of one site, checked: which must be there, which may not, and every byte and row.

What a ledger calls destroyed is judged by the same account that the sealing process plans with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from collector.seal import files, holds, keys, ledger, tiles
from collector.seal.canonical import Schema
from collector.seal.chain import flock
from collector.seal.fault import Refused
from collector.seal.files import Finding
from collector.seal.holds import Account
from collector.seal.verify_ledger import LedgerResult

MOST_FINDINGS = 100
"""Of one kind of place; what is wholly broken is not listed to the end."""
_MAX_RING = 64 << 20
Entry = Mapping[str, Any]
Progress = Callable[[str, int, int], None]
"""Called with what is being checked, bytes done and bytes in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """Segments of a log that one entry says were destroyed, lawfully unless a finding says else."""

    site: str
    log: str
    first: int
    last: int
    segments: int
    time_us: int
    policy: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LostSegments:
    """Segments of a log of which one entry says that their files are gone, and they are."""

    site: str
    log: str
    first: int
    last: int
    segments: int
    rows: int
    time_us: int
    cause: str
    approvals: tuple[str, ...]


class Task(NamedTuple):
    """One segment to be checked to the last row, also by another process."""

    home: Path
    entry: Entry
    schema: Schema
    key: bytes
    read: files.Reader


Each = Callable[[Callable[[Task], list[Finding]], Iterable[Task]], Iterable[list[Finding]]]
"""Does every task and gives the results in order: `map`, or that of a pool of processes."""


def check(task: Task) -> list[Finding]:
    """Return what is wrong with the bytes and rows of one segment."""
    found = files.check_rows(task.home, task.entry, task.schema, task.key, read=task.read)
    try:
        return list(found)
    except FileNotFoundError:
        text = "the file went while it was read"
        return [Finding(number="E-02", place=files.paths(task.entry)[0], text=text)]


def judge(site: str, results: Sequence[LedgerResult], found: list[Finding]) -> Account:
    """Return the account of a site's ledgers, adding to `found` what was not lawful."""
    account = Account()
    for result in results:
        for entry in result.account:
            try:
                account.take(entry)
            except Refused as refused:
                place = _place(site, result, entry["index"])
                text = f"entry {entry['index']}: {refused}"
                found.append(Finding(number=refused.number, place=place, text=text))
    return account


def _place(site: str, result: LedgerResult, index: int) -> str:
    number = index // tiles.WIDTH
    width = min(result.size - number * tiles.WIDTH, tiles.WIDTH)
    name = tiles.path(tiles.ENTRIES, number, width % tiles.WIDTH)
    return f"{ledger.FOLDER}/{site}/{result.origin.rpartition('/')[2]}/{name}"


def destroyed(site: str, results: Sequence[LedgerResult]) -> Iterator[Destroyed]:
    """Give what was destroyed, by entry and log."""
    told = (entry for result in results for entry in result.account)
    for entry in (one for one in told if one["type"] == "destroyed"):
        for log, rows in groupby(sorted(entry["segments"]), key=lambda row: row[0]):
            seqs = [row[1] for row in rows]
            yield Destroyed(
                site=site,
                log=log,
                first=min(seqs),
                last=max(seqs),
                segments=len(seqs),
                time_us=entry["time"],
                policy=entry["policy"],
                actor=entry["actor"],
            )


def lost(home: Path, site: str, account: Account) -> Iterator[LostSegments]:
    """Give what people said is lost and is not here, by entry and log."""
    gone = [
        (told.time_us, log, told.cause, told.approvals, account.kept[log, seq])
        for (log, seq), told in sorted(account.lost.items())
        if not (home / files.LOGS / account.kept[log, seq].name).exists()
    ]
    gone.sort(key=lambda row: row[:4])
    for (time_us, log, cause, approvals), rows in groupby(gone, key=lambda row: row[:4]):
        kept = [row[4] for row in rows]
        yield LostSegments(
            site=site,
            log=log,
            first=min(one.seq for one in kept),
            last=max(one.seq for one in kept),
            segments=len(kept),
            rows=sum(one.rows for one in kept),
            time_us=time_us,
            cause=cause,
            approvals=approvals,
        )


def bundles(home: Path, account: Account) -> Iterator[Finding]:
    """Give bundles of holds in force that are missing, or not as the ledger says."""
    for hold in account.in_force(account.time_us):
        place = holds.bundle_place(hold.hold)
        if hold.bundle is None:
            continue
        if not (home / place).is_file():
            yield Finding(number="E-25", place=place, text="the bundle of a hold is missing")
        elif files.file_hash(home / place) != hold.bundle:
            yield Finding(number="E-25", place=place, text="not the bundle that is held")


def presence(
    home: Path,
    segments: Sequence[Entry],
    gone: Sequence[Entry],
    listed: Sequence[str],
    schemas: Mapping[str, Schema],
    lost: Set[tuple[str, int]],
) -> Iterator[Finding]:
    """Give files that are missing, of another size, without entry, or that should be destroyed.

    A file that people said is lost need not be there; one that is there must be right.
    """
    known = {place for entry in segments for place in files.paths(entry)}
    dead = {place for entry in gone for place in files.paths(entry)}
    for odd in [name for name in listed if name not in known][:MOST_FINDINGS]:
        why = "is still there after its destruction" if odd in dead else "has no entry"
        yield Finding(number="E-02", place=odd, text=f"the file {why} in the ledger")
    for entry in segments:
        declared = (entry["log"], entry["seq"]) in lost
        if not declared or (home / files.paths(entry)[0]).exists():
            yield from files.check_sizes(home, entry)
        if entry["schema"] not in schemas:
            place = f"{ledger.FOLDER}/{ledger.SCHEMAS}/{entry['schema']}.json"
            if not (home / place).exists():
                text = f"the schema of {files.segment_id(entry)} is missing"
                yield Finding(number="E-12", place=place, text=text)


def ring_keys(
    home: Path,
    rings: Sequence[str],
    segments: Sequence[Entry],
    *,
    to_come: Callable[[str], bool],
    kek: bytes,
    found: list[Finding],
) -> dict[str, bytes]:
    """Return all segment keys of a site; every line of every ring must open.

    Args:
        home: The home.
        rings: Ring files, from the home on.
        segments: Whose keys must be in them.
        to_come: Says whether a segment is one that a running sealer may just be making.
        kek: The ring key.
        found: Takes what is wrong.
    """
    wanted = {files.segment_id(e): keys.ring_path(e["site"], e["start"]) for e in segments}
    held: dict[str, bytes] = {}
    for place in rings:
        for name, key in _opened(home, place, AESGCM(kek), found).items():
            if wanted.get(name) == place:
                held[name] = key
            elif not to_come(name):
                text = f"a key of {name}, which is no segment of that day"
                found.append(Finding(number="E-24", place=place, text=text))
    for odd in sorted(set(rings) - set(wanted.values())):
        if not re.fullmatch(r".*/[0-9]{4}-[0-9]{2}-[0-9]{2}\.ring", odd):
            found.append(Finding(number="E-25", place=odd, text="an unknown file"))
    return held


def _opened(home: Path, place: str, cipher: AESGCM, found: list[Finding]) -> dict[str, bytes]:
    why = files.odd(home / place, _MAX_RING) if os.path.lexists(home / place) else ""
    if why:
        found.append(Finding(number="E-25", place=place, text=f"the file {why}"))
        return {}
    try:
        return keys.read_ring((home / place).read_bytes(), cipher)
    except FileNotFoundError:
        return {}  # destroyed meanwhile, or else its segments miss it
    except Refused as refused:
        found.append(Finding(number=refused.number, place=place, text=str(refused)))
        return {}


def to_come(name: str, site: str, results: Sequence[LedgerResult]) -> bool:
    """Say whether a segment is one that a running sealer may just be making."""
    place, _, seq = name.rpartition("/")
    owner, _, log = place.partition("/")
    course = results[-1].course if results else None
    known = course.positions.get(log) if course is not None else None
    return owner == site and seq.isdecimal() and known is not None and int(seq) >= known.seq


def no_key(entry: Entry) -> Finding:
    """Return the finding for a segment whose key is in no ring."""
    place = keys.ring_path(entry["site"], entry["start"])
    return Finding(number="E-24", place=place, text=f"no key of {files.segment_id(entry)}")


def meanwhile(
    home: Path, site: str, account: Account, segments: Sequence[Entry], found: list[Finding]
) -> list[Finding]:
    """Return the findings that stay when what was destroyed since the ledger was read is known."""
    try:
        with flock(home / ledger.FOLDER / site):
            later = holds.newly_destroyed(home, site) - account.gone.keys()
    except (Refused, OSError):
        return found  # what is wrong with the ledger is told
    lately = [entry for entry in segments if (entry["log"], entry["seq"]) in later]
    excused = {place for entry in lately for place in files.paths(entry)}
    keyless = {no_key(entry) for entry in lately}
    return [one for one in found if one.place not in excused and one not in keyless]
