"""What the entries in a bundle say: keys, years, the course of each log, lawful destruction.

Steps 6 and 7 of the order in which a bundle is checked. Only some entries of a ledger are shown, so
what the sealer's `course.py` asks of all is asked here of those that are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from collector.seal import entries, mldsa, note
from collector.seal.bundle.chapters import Chapter
from collector.seal.bundle.container import Container
from collector.seal.bundle.history import logs_of
from collector.seal.fault import Refused
from collector.seal.note import VKey

LEAST_US = 90 * 86_400_000_000
"""No segment may be destroyed sooner after the receipt of its last row."""
Entry = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Meaning:
    """What the entries come to."""

    segments: dict[tuple[str, int], tuple[Chapter, int]] = field(default_factory=dict)
    """Where the manifest of each segment shown stands, by log and number."""
    destroyed: dict[tuple[str, int], int] = field(default_factory=dict)
    """When segments were lawfully destroyed, µs."""
    remarks: list[str] = field(default_factory=list)


def read_meaning(
    bundle: Container, chapters: Sequence[Chapter], query: Mapping[str, Any]
) -> Meaning:
    """Judge the entries of all ledgers of a bundle.

    Raises:
        Refused: what does not hold.
    """
    meaning = Meaning()
    for chapter in chapters:
        _check_keys(bundle, chapter, meaning)
    for chapter in chapters:
        _check_times(chapter)
    for before, after in pairwise(chapters):
        _check_link(before, after, meaning)
    for log in query["logs"]:
        _check_course(chapters, log, query["from"], query["to"])
    for chapter in chapters:
        _check_clock(chapter)
    _check_fates(chapters, meaning)
    return meaning


# Keys.


def _check_keys(bundle: Container, chapter: Chapter, meaning: Meaning) -> None:
    genesis = chapter.told.get(0)
    at_zero = [index for index, e in chapter.told.items() if e["type"] == "genesis"]
    if genesis is None or at_zero != [0]:
        raise Refused("E-22", f"{chapter.origin}: genesis stands at 0 and nowhere else")
    if genesis["log_vkey"] != chapter.key.text:
        raise Refused("E-03", f"{chapter.origin}: genesis names another log key than the policy")
    epochs = _epochs(chapter, genesis)
    first = min((i for i, e in chapter.told.items() if logs_of(e)), default=chapter.size)
    missing = {e.index + 1 for e in epochs if e.index > first} - chapter.notes.keys()
    if missing:
        raise Refused("E-03", f"{chapter.origin}: the hand-over at {min(missing)} is missing")
    quantum = _quantum(chapter, genesis, meaning)
    own = [chapter.key, *(epoch.key for epoch in epochs)]
    for size in sorted(chapter.notes):
        name = chapter.note_name(size)
        signed = note.parse(bundle.read(name, note.MAX_BYTES))
        wanted = [*_signers(chapter, epochs, size), *quantum]
        try:
            found = _signers_of(signed, own, quantum)
        except Refused as refused:
            raise Refused(refused.number, f"{name}: {refused}") from None
        if quantum and quantum[0] not in found:
            raise Refused("E-20", f"{name}: the ML-DSA line that genesis asks for is missing")
        if found[: len(wanted)] != wanted or any(found[len(wanted) :]):
            raise Refused("E-03", f"{name}: not the lines of the keys that sign size {size}")
    meaning.remarks += [
        f"{chapter.origin}: the epoch key was lost at size {epoch.index}: what lies before rests "
        "on witnesses and time-stamps"
        for epoch in epochs
        if epoch.broken
    ]


def _quantum(chapter: Chapter, genesis: Entry, meaning: Meaning) -> list[VKey]:
    """Return the ML-DSA key of a ledger that has one; say so where its lines are not checked."""
    if genesis["mldsa_vkey"] is None:
        return []
    key = note.parse_vkey(genesis["mldsa_vkey"])
    if key.name != chapter.origin or key.kind != note.ML_DSA_44:
        raise Refused("E-22", f"{chapter.origin}: mldsa_vkey is no ML-DSA key of it")
    if not mldsa.AVAILABLE:
        meaning.remarks.append(f"{chapter.origin}: ML-DSA lines were not checked")
    return [key]


def _signers_of(
    signed: note.Note, own: Sequence[VKey], quantum: Sequence[VKey]
) -> list[VKey | None]:
    """Return whose each line is. One that this program cannot check must still be in its place."""
    found = note.check(signed, [*own, *quantum] if mldsa.AVAILABLE else own)
    unchecked = {(key.name, key.key_id): key for key in quantum}
    return [
        key or unchecked.get((line.name, line.key_id))
        for line, key in zip(signed.lines, found, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Epoch:
    index: int
    key: VKey
    broken: bool


def _epochs(chapter: Chapter, genesis: Entry) -> list[_Epoch]:
    """Return the epochs in order, each under a key of its own."""
    found = [_Epoch(0, _key(chapter, genesis["epoch_vkey"]), broken=False)]
    for index, entry in chapter.told.items():
        if entry["type"] != "epoch":
            continue
        key = _key(chapter, entry["vkey"])
        if entry["epoch"] != len(found) or key in [before.key for before in found]:
            raise Refused("E-03", f"{chapter.origin}: epoch {entry['epoch']} does not follow")
        found.append(_Epoch(index, key, entry["broken"]))
    return found


def _key(chapter: Chapter, text: str) -> VKey:
    key = note.parse_vkey(text)
    if key.name != f"{chapter.origin}/epoch" or key.kind != note.ED25519:
        raise Refused("E-22", f"{key.name} is not the name of an epoch key of {chapter.origin}")
    return key


def _signers(chapter: Chapter, epochs: Sequence[_Epoch], size: int) -> Iterator[VKey]:
    """Give the keys whose lines a note must bear, in order."""
    known = [epoch for epoch in epochs if epoch.index < size]
    newest = known[-1]
    yield chapter.key
    if newest.index and newest.index == size - 1 and not newest.broken:
        yield known[-2].key
    yield newest.key


# Times and years.


def _check_times(chapter: Chapter) -> None:
    newest, closed = 0, False
    for index, entry in chapter.told.items():
        if closed:
            raise Refused("E-22", f"{chapter.origin}: entry {index} stands behind close")
        back = entry["type"] == "clock" and entry["step_us"] < 0
        if entry["time"] < newest and not back:
            raise Refused(
                "E-23",
                f"{chapter.origin}: at entry {index} the time goes back, and nothing says so",
            )
        newest, closed = entry["time"], entry["type"] == "close"
    if closed and max(chapter.told) != chapter.size - 1:
        raise Refused("E-22", f"{chapter.origin} goes on behind close")


def _check_link(before: Chapter, after: Chapter, meaning: Meaning) -> None:
    """Refuse a ledger that does not begin where the one before ended."""
    told = after.told[0]["previous"]
    if told is None:
        raise Refused("E-22", f"{after.origin} does not know of {before.origin}")
    signed = note.parse(told.encode())
    if signed.text != before.notes[before.size].text:
        raise Refused("E-22", f"{after.origin}: `previous` is not the last note of {before.origin}")
    if note.check(signed, [before.key])[0] is None:
        raise Refused("E-22", f"{after.origin}: `previous` is not signed by {before.origin}")
    last = before.told.get(before.size - 1, {"type": None})
    if last["type"] == "close":
        if last["next"] != after.origin:
            raise Refused("E-22", f"{before.origin} names {last['next']} as the next")
        return
    year, number = before.place
    if after.place != (year, number + 1) or len(after.told[0]["approvals"]) != 2:
        raise Refused("E-22", f"{after.origin} does not follow {before.origin}")
    meaning.remarks.append(f"{before.origin}: its log key was lost")


# The course of a log.


def _check_course(chapters: Sequence[Chapter], log: str, from_us: int, to_us: int) -> None:
    """Refuse intervals of a log that do not tile the period."""
    end = seq = spool = None
    for chapter, entry in _telling(chapters, log):
        place = f"{chapter.origin}, entry {entry['index']}"
        if end is None and entry["start"] > from_us:
            raise Refused("E-01", f"{place}: {log} is shown from {entry['start']} on only")
        if end is not None and entry["start"] != end:
            raise Refused("E-01", f"{place}: {log} ended at {end}, not at {entry['start']}")
        end = entry["end"]
        if entry["type"] == "gap":
            continue
        number, low, high = _numbers(entry, log)
        if seq is not None and (number, low) != (seq + 1, spool):
            raise Refused("E-01", f"{place}: {log} {number} does not go on from {seq}")
        if entries.day(entry["start"]).year != chapter.place[0]:
            raise Refused("E-01", f"{place}: {log} {number} is of another year")
        seq, spool = number, high
    if end is None or end < to_us:
        raise Refused("E-01", f"{log} is shown until {end} only")


def _telling(chapters: Sequence[Chapter], log: str) -> Iterator[tuple[Chapter, Entry]]:
    for chapter in chapters:
        for entry in chapter.told.values():
            if log in logs_of(entry):
                yield chapter, entry


def _numbers(entry: Entry, log: str) -> tuple[int, int, int]:
    if entry["type"] == "segment":
        return entry["seq"], entry["spool"][0], entry["spool"][1]
    row = next(row for row in entry["logs"] if row[0] == log)
    return row[1], row[2], row[3]


def _check_clock(chapter: Chapter) -> None:
    clock: Entry | None = None
    for index, entry in chapter.told.items():
        if entry["type"] == "clock":
            clock = entry
        elif entry["type"] in ("segment", "empty") and clock is None:
            raise Refused("E-23", f"{chapter.origin}: entry {index} stands before any clock entry")
        elif entry["type"] == "segment" and clock is not None:
            told = entry["clock"]
            if (told["source"], told["stratum"]) != (clock["source"], clock["stratum"]):
                raise Refused("E-23", f"{chapter.origin}: entry {index} has another clock")


# What became of segments.


def _check_fates(chapters: Sequence[Chapter], meaning: Meaning) -> None:
    holds: dict[str, list[Entry]] = {}
    for chapter in chapters:
        for index, entry in chapter.told.items():
            if entry["type"] == "segment":
                meaning.segments[entry["log"], entry["seq"]] = chapter, index
            elif entry["type"] == "hold":
                holds.setdefault(entry["hold"], []).append(entry)
            elif entry["type"] == "release":
                holds.pop(entry["hold"], None)
            elif entry["type"] == "destroyed":
                _destroy(entry, holds, meaning)


def _destroy(entry: Entry, holds: Mapping[str, Sequence[Entry]], meaning: Meaning) -> None:
    if entry["time"] < entry["due"]:
        raise Refused("E-02", f"entry {entry['index']}: destruction before it was due")
    in_force = [hold for of_one_id in holds.values() for hold in of_one_id]
    for log, seq, root in entry["segments"]:
        if (log, seq) not in meaning.segments:
            continue  # one that this bundle does not speak of
        chapter, index = meaning.segments[log, seq]
        known = chapter.told[index]
        wrong = _unlawful(entry, known, root)
        held = [hold for hold in in_force if _holds(hold, log, seq, entry["time"])]
        if wrong or held:
            reason = wrong or f"{held[0]['hold']} held it"
            raise Refused("E-02", f"{log} {seq} was destroyed though {reason}")
        meaning.destroyed[log, seq] = entry["time"]


def _unlawful(entry: Entry, known: Entry, root: str) -> str:
    received = known["end"] if known["received_max"] is None else int(known["received_max"])
    if root != known["root"]:
        return "its root is another"
    return "90 days had not passed" if entry["time"] < received + LEAST_US else ""


def _holds(hold: Entry, log: str, seq: int, time_us: int) -> bool:
    if hold["until"] is not None and time_us >= hold["until"]:
        return False
    return any(log == name and low <= seq <= high for name, low, high in hold["scope"] or ())
