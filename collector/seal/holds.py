"""What the ledgers of a site say of its segments: which are kept, which held, which destroyed.

The one account of section 9 of the evidence format. The sealing process plans from it, and the
verifier takes every entry through it, so the one cannot destroy what the other calls unlawful.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from collector.seal import ledger, tiles
from collector.seal.fault import Refused

DAY_US = 86_400_000_000
LEAST_US = 90 * DAY_US
"""So long every row must be kept from its receipt (Computer Crime Act, section 26)."""
MOST_HELD_US = 730 * DAY_US
"""So long an official's order may have data kept; then it must be given anew."""
RENEW_US = 30 * DAY_US
"""So long before its end a hold asks to be renewed or let go."""
TYPES = ("segment", "hold", "release", "destroyed", "lost")
_MARKS = tuple(f'"type":"{kind}"'.encode() for kind in TYPES)
"""How an entry of these types looks: it is RFC 8785, and quotes inside its texts are escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A segment whose files must be there."""

    log: str
    seq: int
    root: str
    start_us: int
    end_us: int
    received_us: int
    """When the last row of it was received; of one without rows, when it ended."""
    event_us: tuple[int, int] | None
    """Least and greatest time of its events; None without rows."""
    rows: int
    size: int
    name: str
    """Of the Parquet file, from `logs/` on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold that was not released."""

    hold: str
    scope: tuple[tuple[str, int, int], ...]
    """Log, first and last segment; empty for a hold on a bundle."""
    bundle: str | None
    """SHA-256 of the bundle that keeps one person."""
    bundle_size: int
    """Its bytes; 0 without."""
    bundle_segments: int
    """Segments that it shows; 0 without."""
    until_us: int | None
    ref_commit: str
    placed_us: int

    def covers(self, log: str, seq: int, time_us: int) -> bool:
        """Say whether a segment may not be destroyed at a time."""
        if self.until_us is not None and time_us >= self.until_us:
            return False
        return any(log == name and low <= seq <= high for name, low, high in self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A segment that was destroyed, and how lawfully."""

    root: str
    time_us: int
    policy: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A segment of which two people said that its file is gone."""

    time_us: int
    cause: str
    approvals: tuple[str, ...]


def bundle_place(hold: str) -> str:
    """Return where the bundle of a hold lies, from the home on."""
    return f"holds/{hold}/bundle.age"


class Account:
    """Segments, holds and destruction of one site, entry after entry."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], Kept] = {}
        self.gone: dict[tuple[str, int], Gone] = {}
        self.lost: dict[tuple[str, int], Lost] = {}
        """Of those that are kept: nobody need find their files, and what is found must be right."""
        self.holds: list[Hold] = []
        self.time_us = 0
        """Of the newest entry taken."""

    def take(self, entry: Mapping[str, Any]) -> None:
        """Take the next entry, whole by itself; those of other types say nothing here.

        Raises:
            Refused: E-02, destruction that was not lawful; what it names counts as destroyed still,
                so that it is told once. Or a loss of what was not there to be lost.
        """
        kind, self.time_us = entry["type"], entry["time"]
        if kind == "segment":
            self.kept[entry["log"], entry["seq"]] = _kept(entry)
        elif kind == "hold":
            self.holds.append(_hold(entry))
        elif kind == "release":
            self.holds = [hold for hold in self.holds if hold.hold != entry["hold"]]
        elif kind == "destroyed":
            faults = list(self._unlawful(entry))
            for log, seq, root in entry["segments"]:
                self.kept.pop((log, seq), None)
                self.lost.pop((log, seq), None)
                self.gone[log, seq] = Gone(
                    root=root, time_us=entry["time"], policy=entry["policy"], actor=entry["actor"]
                )
            _refuse(faults)
        elif kind == "lost":
            _refuse(list(self._lose(entry)))

    def holding(self, log: str, seq: int, time_us: int) -> list[Hold]:
        """Return the holds that keep a segment at a time."""
        return [hold for hold in self.holds if hold.covers(log, seq, time_us)]

    def in_force(self, time_us: int) -> list[Hold]:
        """Return the holds that are in force at a time."""
        return [h for h in self.holds if h.until_us is None or time_us < h.until_us]

    def _lose(self, entry: Mapping[str, Any]) -> Iterator[str]:
        told = Lost(
            time_us=entry["time"], cause=entry["cause"], approvals=tuple(entry["approvals"])
        )
        for log, seq, root in entry["segments"]:
            known = self.kept.get((log, seq))
            if known is None or known.root != root:
                yield f"{log} {seq} was not there to be lost, or has another root"
            else:
                self.lost[log, seq] = told

    def _unlawful(self, entry: Mapping[str, Any]) -> Iterator[str]:
        time_us = entry["time"]
        if entry["actor"] == entry["second"]:
            yield "one person alone destroyed"
        if time_us < entry["due"]:
            yield "destroyed before it was due"
        for log, seq, root in entry["segments"]:
            known = self.kept.get((log, seq))
            if known is None:
                again = "was destroyed before" if (log, seq) in self.gone else "was never sealed"
                yield f"{log} {seq} {again}"
            elif known.root != root:
                yield f"{log} {seq} has another root"
            elif time_us < known.received_us + LEAST_US:
                yield f"{log} {seq} was destroyed within 90 days of its receipt"
            elif held := self.holding(log, seq, time_us):
                yield f"{log} {seq} was destroyed while {held[0].hold} held it"


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise Refused("E-02", f"{faults[0]}{more}")


def _kept(entry: Mapping[str, Any]) -> Kept:
    received, events = entry["received_max"], (entry["event_min"], entry["event_max"])
    return Kept(
        log=entry["log"],
        seq=entry["seq"],
        root=entry["root"],
        start_us=entry["start"],
        end_us=entry["end"],
        received_us=entry["end"] if received is None else int(received),
        event_us=None if None in events else (int(events[0]), int(events[1])),
        rows=entry["rows"],
        size=entry["file"]["size"],
        name=entry["file"]["name"],
    )


def _hold(entry: Mapping[str, Any]) -> Hold:
    return Hold(
        hold=entry["hold"],
        scope=tuple((log, low, high) for log, low, high in entry["scope"] or ()),
        bundle=entry["bundle"] and entry["bundle"]["sha256"],
        bundle_size=entry["bundle"]["size"] if entry["bundle"] else 0,
        bundle_segments=entry["bundle"]["segments"] if entry["bundle"] else 0,
        until_us=entry["until"],
        ref_commit=entry["ref_commit"],
        placed_us=entry["time"],
    )


class Book(Account):
    """The account of a site, read from its ledgers on the disk, and again what is new in them.

    It believes what it reads: who is not sure of the home runs the verifier. Where others may be
    writing, hold the lock on the site's ledger folder meanwhile.
    """

    def __init__(self, home: Path, site: str) -> None:
        super().__init__()
        self._home = home
        self.site = site
        self._read: dict[str, int] = {}
        """By ledger, how many entries were taken."""

    def refresh(self) -> None:
        """Take what was committed since the last time."""
        for folder in ledger.folders(self._home, self.site):
            for data in self._new(folder):
                if any(mark in data for mark in _MARKS):
                    self.take(json.loads(data))

    def _new(self, folder: Path) -> Iterator[bytes]:
        if not (folder / "state").exists():
            return  # it is only being made
        size = ledger.parse_state((folder / "state").read_bytes()).size
        at = self._read.get(folder.name, 0)
        self._read[folder.name] = size
        reader = tiles.Tiles(folder, size)
        for number in range(at // tiles.WIDTH, -(-size // tiles.WIDTH)):
            first = max(at - number * tiles.WIDTH, 0)
            yield from islice(reader.entries(number), first, None)


def newly_destroyed(home: Path, site: str) -> set[tuple[str, int]]:
    """Return log and number of what the two newest ledgers say was destroyed.

    A crash is made good at the next start, which may open the next year's ledger before.
    """
    found: set[tuple[str, int]] = set()
    for folder in ledger.folders(home, site)[-2:]:
        book = Book(home, site)
        for data in book._new(folder):
            if _MARKS[3] in data:
                found |= {(log, seq) for log, seq, _ in json.loads(data)["segments"]}
    return found


def scope(
    kept: Sequence[Kept], *, logs: Sequence[str], from_us: int | None, to_us: int | None
) -> list[list[Any]]:
    """Return the runs of segments that hold anything received or happened in [from_us, to_us).

    A run goes over numbers without segment: intervals without rows.
    """
    runs = []
    for log in sorted(logs):
        seqs = [one.seq for one in kept if one.log == log and _meets(one, from_us, to_us)]
        if seqs:
            runs.append([log, min(seqs), max(seqs)])
    return runs


def _meets(one: Kept, from_us: int | None, to_us: int | None) -> bool:
    spans = [(one.start_us, max(one.end_us, one.received_us))]
    spans += [one.event_us] if one.event_us else []
    return any(
        (from_us is None or high >= from_us) and (to_us is None or low < to_us)
        for low, high in spans
    )
