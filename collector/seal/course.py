"""The course of a ledger: what must follow from the entries before.

Intervals of each log tile the time line, numbers go up by one, epochs follow one another, the
clock is known, and nothing comes behind `close`. The sealer takes every entry through here before
it is signed, the verifier after, so the one cannot write what the other refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Self

from collector.seal import entries
from collector.seal.fault import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Up to where one log is sealed."""

    interval_s: int
    seq: int
    """Of the next interval."""
    start_us: int
    spool: int
    """First position in the spool that is not sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """An epoch and the index from which it counts: checkpoints of a greater size bear its key."""

    number: int
    index: int
    vkey: str
    broken: bool
    time_us: int


@dataclass(slots=True)
class Course:
    """Where a ledger stands after the entries taken so far."""

    origin: str
    size: int = 0
    positions: dict[str, Position] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    genesis: Mapping[str, Any] | None = None
    clock: Mapping[str, Any] | None = None
    time_us: int = 0
    closed: str | None = None
    """Origin of the next ledger, once this one is closed."""

    @property
    def site(self) -> str:
        """The site whose ledger it is."""
        return self.origin.partition("/ledger/")[0]

    @property
    def year(self) -> int:
        """The year, without the number of a second ledger in it."""
        return int(self.origin.rpartition("/")[2].partition("-")[0])

    def copy(self) -> Self:
        """Return a course that goes on by itself."""
        return deepcopy(self)

    def take(self, entry: Mapping[str, Any]) -> None:
        """Take the next entry, already checked by itself.

        Raises:
            Refused: E-01, E-03, E-11, E-22 or E-23; the course may not be used any more.
        """
        if self.closed is not None:
            raise Refused("E-22", "an entry behind close")
        if entry["index"] != self.size or entry["site"] != self.site:
            raise Refused("E-11", f"the entry says {entry['site']} {entry['index']}")
        if (entry["type"] == "genesis") != (self.size == 0):
            raise Refused("E-22", "genesis stands at 0 and nowhere else")
        self._time(entry)
        step = getattr(self, f"_{entry['type']}", None)
        if step is not None:
            step(entry)
        self.size += 1

    def behind(self) -> str | None:
        """Return a log that lies further behind the newest end than twice its interval."""
        newest = max((p.start_us for p in self.positions.values()), default=0)
        for log, position in self.positions.items():
            if newest - position.start_us > 2 * position.interval_s * 1_000_000:
                return log
        return None

    def _time(self, entry: Mapping[str, Any]) -> None:
        back = entry["type"] == "clock" and entry["step_us"] < 0
        if entry["time"] < self.time_us and not back:
            raise Refused("E-23", "the time goes back without a clock entry that says so")
        self.time_us = entry["time"]

    def _genesis(self, entry: Mapping[str, Any]) -> None:
        begun = {row[0]: _position(row) for row in entry["logs"]}
        for log, position in self.positions.items():
            # What another ledger handed on; intervals may change here, places may not.
            if log not in begun or replace(begun[log], interval_s=1) != replace(
                position, interval_s=1
            ):
                raise Refused("E-01", f"genesis: {log} does not stand where it ended")
        self.genesis = entry
        self.positions = begun
        self.epochs = [_epoch(entry, 0, entry["epoch_vkey"], broken=False)]

    def _config(self, entry: Mapping[str, Any]) -> None:
        if entry["logs"] is None:
            return
        told = {row[0]: _position(row) for row in entry["logs"]}
        for log, position in told.items():
            known = self.positions.get(log)
            stands = known and replace(position, interval_s=known.interval_s) == known
            if not stands and (known or position.seq != 0):
                raise Refused("E-01", f"config: {log} does not stand where it is")
        self.positions = told

    def _segment(self, entry: Mapping[str, Any]) -> None:
        self._interval(entry, entry["log"], entry["seq"], *entry["spool"])
        self._known_clock(entry["clock"])

    def _empty(self, entry: Mapping[str, Any]) -> None:
        for row in entry["logs"]:
            self._interval(entry, *row)
        self._known_clock(None)

    def _gap(self, entry: Mapping[str, Any]) -> None:
        for log in entry["logs"]:
            position = self._at(log)
            self._begins(entry, log, position)
            self.positions[log] = replace(position, start_us=entry["end"])

    def _epoch(self, entry: Mapping[str, Any]) -> None:
        last = self.epochs[-1]
        if entry["epoch"] != last.number + 1 or entry["vkey"] == last.vkey:
            raise Refused("E-03", f"epoch {entry['epoch']} does not follow {last.number}")
        if not entry["vkey"].startswith(f"{self.origin}/epoch+"):
            raise Refused("E-22", "the epoch key has another name than the ledger's")
        self.epochs.append(_epoch(entry, entry["epoch"], entry["vkey"], broken=entry["broken"]))

    def _clock(self, entry: Mapping[str, Any]) -> None:
        self.clock = entry

    def _close(self, entry: Mapping[str, Any]) -> None:
        year = re.fullmatch(rf"{re.escape(self.site)}/ledger/([0-9]{{4}})", entry["next"])
        if year is None or int(year[1]) <= self.year:
            raise Refused("E-22", f"close: {entry['next']} does not follow {self.origin}")
        self.closed = entry["next"]

    def _interval(self, entry: Mapping[str, Any], log: str, seq: int, low: int, high: int) -> None:
        position = self._at(log)
        self._begins(entry, log, position)
        if seq != position.seq or low != position.spool:
            raise Refused(
                "E-01",
                f"{log} {seq} from spool position {low}, but {position.seq} from "
                f"{position.spool} is next",
            )
        start, end = entry["start"], entry["end"]
        if entries.day(start).year != self.year or end > entries.year_end_us(start):
            raise Refused("E-01", f"{log} {seq} is not within the year {self.year}")
        self.positions[log] = replace(position, seq=seq + 1, start_us=end, spool=high)

    def _at(self, log: str) -> Position:
        if log not in self.positions:
            raise Refused("E-01", f"the log {log} was not begun")
        return self.positions[log]

    def _begins(self, entry: Mapping[str, Any], log: str, position: Position) -> None:
        if entry["start"] != position.start_us:
            raise Refused(
                "E-01", f"{log} ended at {position.start_us}, and goes on at {entry['start']}"
            )

    def _known_clock(self, told: Mapping[str, Any] | None) -> None:
        if self.clock is None:
            raise Refused("E-23", "an interval before the clock is known")
        for name in ("source", "stratum"):
            if told is not None and told[name] != self.clock[name]:
                raise Refused("E-23", f"the clock's {name} is not that of the last clock entry")


def _position(row: list[Any]) -> Position:
    return Position(interval_s=row[1], seq=row[2], start_us=row[3], spool=row[4])


def _epoch(entry: Mapping[str, Any], number: int, vkey: str, *, broken: bool) -> Epoch:
    return Epoch(
        number=number, index=entry["index"], vkey=vkey, broken=broken, time_us=entry["time"]
    )


def rows(positions: Mapping[str, Position]) -> list[list[Any]]:
    """Return positions as `genesis` and `config` list them."""
    return [[log, p.interval_s, p.seq, p.start_us, p.spool] for log, p in sorted(positions.items())]
