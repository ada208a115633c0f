"""What a start has to say in the ledger: gaps since the last ends, other settings or logs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from collector.seal import course
from collector.seal.batch import Entry, Start
from collector.seal.course import Position
from collector.seal.vault import Random


def gaps(positions: Mapping[str, Position], cause: str, now_us: int) -> Iterator[Entry]:
    """Give a `gap` entry for each end at which logs stand, up to now."""
    ends: dict[int, list[str]] = {}
    for log, position in sorted(positions.items()):
        if position.start_us < now_us:
            ends.setdefault(position.start_us, []).append(log)
    for end, logs in sorted(ends.items()):
        yield {"type": "gap", "start": end, "end": now_us, "logs": logs, "cause": cause}


def config(
    told: Start,
    known: Mapping[str, Position],
    wanted: Mapping[str, int],
    *,
    now_us: int,
    random: Random,
) -> Iterator[Entry]:
    """Give the entry for other settings, or for logs that are new, have ended or changed.

    Args:
        told: At start.
        known: Logs of the ledger.
        wanted: Interval in seconds of each log from now on.
        now_us: Where new logs begin.
        random: Hides settings that nobody told.
    """
    logs = _changed(told, known, wanted, now_us)
    if logs is None and told.settings is None:
        return
    unsaid = [hashlib.sha256(random(16)).hexdigest() for _ in range(2)]
    before, after = told.settings or unsaid
    yield {"type": "config", "before": before, "after": after, "actor": "box", "logs": logs}


def _changed(
    told: Start, known: Mapping[str, Position], wanted: Mapping[str, int], now_us: int
) -> list[list[Any]] | None:
    if {log: p.interval_s for log, p in known.items()} == wanted:
        return None
    after = {}
    for log, interval_s in wanted.items():
        begun = known.get(log, Position(interval_s=0, seq=0, start_us=now_us, spool=told.spool))
        start = max(begun.start_us, now_us)
        after[log] = replace(begun, interval_s=interval_s, start_us=start)
    return course.rows(after)
