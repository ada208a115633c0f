"""Geometry of the histogram and of the strip of gaps: numbers in, SVG places out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.web.asking import Bucket, Gap

WIDTH, HEIGHT = 1000, 100
LEAST_GAP = 4.0
"""A gap is drawn at least so wide: a minute must be seen in a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar, in units of the view box."""

    x: float
    y: float
    width: float
    height: float
    bucket: Bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One stretch of the strip."""

    x: float
    width: float


def bars(buckets: Sequence[Bucket]) -> list[Bar]:
    """Return a bar for each bucket that has matches."""
    if not buckets:
        return []
    start, end = buckets[0].start_us, buckets[-1].end_us
    most = max(bucket.count for bucket in buckets)
    scale = WIDTH / max(1, end - start)
    return [
        Bar(
            x=round((bucket.start_us - start) * scale, 2),
            y=round(HEIGHT - _height(bucket.count, most), 2),
            width=round(max(1.0, (bucket.end_us - bucket.start_us) * scale - 1.5), 2),
            height=round(_height(bucket.count, most), 2),
            bucket=bucket,
        )
        for bucket in buckets
        if bucket.count
    ]


def spans(gaps: Sequence[Gap], start_us: int, end_us: int) -> list[Span]:
    """Return where gaps lie in [start_us, end_us), clipped to it."""
    scale = WIDTH / max(1, end_us - start_us)
    found = []
    for gap in gaps:
        left = (max(gap.start_us, start_us) - start_us) * scale
        right = (min(max(gap.end_us, gap.start_us), end_us) - start_us) * scale
        width = max(LEAST_GAP, right - left)
        found.append(Span(x=round(min(left, WIDTH - width), 2), width=round(width, 2)))
    return found


def _height(count: int, most: int) -> float:
    # A single match beside a million is still to be seen.
    return max(2.0, HEIGHT * count / max(1, most)) if count else 0.0
