"""What the catalogue tells of growth, and what it forgets once no row needs it.

Names and account links are kept as long as any row that they explain, and 90 days after the last
session (Computer Crime Act, section 26, second paragraph).
"""

from __future__ import annotations

import shutil
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from collector.store.catalog import Catalog, FileEntry

DAY_US = 86_400_000_000
AFTER_US = 90 * DAY_US
"""So long after the last session a name stays."""
AROUND_US = 2 * DAY_US
"""A session explains flows that were told up to so long before and after it."""
GROWTH_DAYS = 7
"""The growth of these last days is what the forecast goes by."""
FAR_DAYS = 3650
ALARMS = (5, 10, 20)
"""Per cent of the disk that are still free, the worst first."""
_LEAST_US = DAY_US // 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How long the disk lasts."""

    stored_bytes: int
    daily_bytes: int
    """By the growth of the last days."""
    days_left: int | None
    """Until the disk is full, destruction of what gets due counted in; None: ten years or more."""
    oldest_us: int | None
    """When the oldest row was received."""


def forecast(
    files: Sequence[FileEntry], *, now_us: int, free_bytes: int, due_us: Mapping[str, int]
) -> Forecast:
    """Return how long the disk lasts at the rate of the last days.

    Args:
        files: All segments.
        now_us: The time.
        free_bytes: Of the disk.
        due_us: By path, when a segment is destroyed; what is not named here stays.
    """
    oldest = min((file.received_min for file in files), default=None)
    daily = _daily(files, now_us)
    freed: dict[int, int] = defaultdict(int)
    for file in files:
        if file.path in due_us:
            freed[max(0, (due_us[file.path] - now_us) // DAY_US)] += file.size
    days_left, left = None, free_bytes
    for day in range(FAR_DAYS if daily else 0):
        left += freed[day] - daily
        if left < 0:
            days_left = day
            break
    return Forecast(
        stored_bytes=sum(file.size for file in files),
        daily_bytes=daily,
        days_left=days_left,
        oldest_us=oldest,
    )


def _daily(files: Sequence[FileEntry], now_us: int) -> int:
    """Return bytes a day over the last days, or over as many as there are."""
    since = now_us - GROWTH_DAYS * DAY_US
    recent = [file for file in files if file.received_max >= since]
    if not recent:
        return 0
    begun = max(since, min(file.received_min for file in recent))
    return sum(file.size for file in recent) * DAY_US // max(now_us - begun, _LEAST_US)


class Disk(NamedTuple):
    """The room of a disk, in bytes."""

    free: int
    total: int
    """Of what is ours to fill: as df(1) reckons, without what is kept for root or by a quota."""


def disk_of(path: Path) -> Disk:
    """Return the room where a path lies. Raises OSError."""
    usage = shutil.disk_usage(path)
    return Disk(usage.free, usage.used + usage.free)


def disk_alarm(free_bytes: int, total_bytes: int) -> int | None:
    """Return the worst alarm that a disk is past, per cent free; None while there is room."""
    share = 100 * free_bytes / max(total_bytes, 1)
    return next((alarm for alarm in ALARMS if share < alarm), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How much was forgotten."""

    names: int
    bindings: int
    mentions: int


def forget(catalog: Catalog, logs: Iterable[str], now_us: int) -> Forgotten:
    """Forget names, late bindings and mentions that no stored row needs any more."""
    spans = _spans(catalog, logs)
    before = now_us - AFTER_US
    names = [
        one
        for one in catalog.persons()
        if one.last_us < before and not _needed(spans[one.site], one.first_us, one.last_us)
    ]
    bindings = [
        one
        for one in catalog.late_bindings(end_us=before)
        if one.end_us < before and not _needed(spans[one.site], one.start_us, one.end_us)
    ]
    mentions = [
        one
        for one in catalog.mentions_before(before)
        if not _needed(spans[one.site], one.first_us, one.last_us)
    ]
    catalog.forget(names, bindings, mentions)
    return Forgotten(names=len(names), bindings=len(bindings), mentions=len(mentions))


Spans = list[tuple[int, int]]


def _spans(catalog: Catalog, logs: Iterable[str]) -> Mapping[str, Spans]:
    """Return for each site the stretches of time of which rows are stored, ascending."""
    found: dict[str, Spans] = defaultdict(list)
    files = [file for log in logs for file in catalog.files(log)]
    for file in sorted(files, key=lambda file: file.event_min):
        spans = found[file.site]
        if spans and file.event_min <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(spans[-1][1], file.event_max))
        else:
            spans.append((file.event_min, file.event_max))
    return found


def _needed(spans: Spans, first_us: int, last_us: int) -> bool:
    """Say whether a stretch of stored rows meets a time, or lies beside it."""
    at = bisect_left(spans, first_us - AROUND_US, key=lambda span: span[1])
    return at < len(spans) and spans[at][0] <= last_us + AROUND_US
