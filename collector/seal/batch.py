"""What goes into the sealer and comes out: intervals, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from collector.seal import files

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One closed interval of one log; it goes on where `Sealer.position` says."""

    log: str
    start_us: int
    end_us: int
    spool_from: int
    spool_to: int
    rows: Callable[[], pa.Table] | None = None
    """Gives the rows in the order of arrival, again if asked again; None when there were none."""
    document: Mapping[str, Any] | None = None
    """The schema document of the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What became of an interval."""

    log: str
    seq: int
    rows: int
    path: str | None
    """The Parquet file from the home on; None without rows."""
    manifest: Mapping[str, Any] | None
    """The `segment` entry; None without rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a sealer is told when it starts."""

    cause: str = "stopped"
    """Of the gap since the last sealed end: `stopped`, `power`, `disk-full`, `unknown`."""
    begin_us: int | None = None
    """Where a new site begins; now when None."""
    spool: int = 0
    """First position in the spool that a log takes which is new."""
    approvals: tuple[str, ...] = ()
    """Two ids of people, needed only to go on after a lost log or epoch key."""
    lost: tuple[Mapping[str, Any], ...] = ()
    """Entries by which two people say that segments are lost, to go on without them."""
    settings: tuple[str, str] | None = None
    """Commitments to the settings before and after, when they changed since the last start."""


def numbers(planned: Sequence[Entry]) -> Iterator[tuple[str, int]]:
    """Give log and number of every interval in a plan."""
    for entry in planned:
        if entry["type"] == "segment":
            yield entry["log"], entry["seq"]
        elif entry["type"] == "empty":
            yield from ((row[0], row[1]) for row in entry["logs"])


def access_entry(
    batch: Sequence[Interval], told: Sequence[Entry], counts: Mapping[str, int]
) -> Entry:
    """Return the `access` entry of a batch, beside the entries of its intervals."""
    audit = [e["seq"] for e in told if e["type"] == "segment" and e["log"] == "audit"]
    return {
        "type": "access",
        "start": min(interval.start_us for interval in batch),
        "end": max(interval.end_us for interval in batch),
        **{name: counts.get(name, 0) for name in ("searches", "views", "exports", "signins")},
        "audit_seq": audit[0] if audit else None,
    }


def sealed(interval: Interval, committed: Sequence[Entry]) -> Sealed:
    """Return what became of an interval."""
    for entry in committed:
        if entry["type"] == "segment" and entry["log"] == interval.log:
            path = files.paths(entry)[0]
            return Sealed(
                log=interval.log, seq=entry["seq"], rows=entry["rows"], path=path, manifest=entry
            )
    seq = next(seq for log, seq in numbers(committed) if log == interval.log)
    return Sealed(log=interval.log, seq=seq, rows=0, path=None, manifest=None)
