"""The last day of one source as bars: what came, and below what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BARS = 48
WIDTH, HEIGHT = 480, 40
_DAY_S = 86_400
_LEAST = 3.0
"""A single loss beside a million records is still to be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One half hour: places in the view box, and the figures."""

    start_us: int
    x: float
    width: float
    came: float
    """Height of what came, 0 to HEIGHT."""
    lost: float
    """Height of what is missing in any way, 0 to HEIGHT."""
    counts: dict[str, int]


def columns(history: Mapping[str, Any], now_us: int) -> list[Column]:
    """Return the half hours of the last day, empty ones too."""
    step_s = _DAY_S // BARS
    end_s = now_us // 1_000_000 // step_s * step_s + step_s
    begin_s = end_s - _DAY_S
    names = history["columns"][1:]
    sums = [dict.fromkeys(names, 0) for _ in range(BARS)]
    for start_s, *counts in history["steps"]:
        place = (start_s - begin_s) // step_s
        if 0 <= place < BARS:
            for name, count in zip(names, counts, strict=True):
                sums[place][name] += count
    most = max(max(_came(one), _lost(one)) for one in sums)
    width = WIDTH / BARS
    return [
        Column(
            start_us=(begin_s + i * step_s) * 1_000_000,
            x=round(i * width, 2),
            width=round(width - 2, 2),
            came=_height(_came(one), most),
            lost=_height(_lost(one), most),
            counts=one,
        )
        for i, one in enumerate(sums)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One way to be missing, by itself: places of its bars."""

    name: str
    total: int
    bars: list[tuple[float, float, float]]
    """Left, width and height of each half hour with any."""


def parts(found: Sequence[Column]) -> list[Part]:
    """Return the ways in which something was missing within the day, each to its own scale."""
    shown = []
    for name in ("exporter", "own", "unread"):
        most = max(one.counts[name] for one in found)
        bars = [
            (one.x, one.width, _height(one.counts[name], most)) for one in found if one.counts[name]
        ]
        if bars:
            total = sum(one.counts[name] for one in found)
            shown.append(Part(name=name, total=total, bars=bars))
    return shown


def _came(counts: Mapping[str, int]) -> int:
    # Senders whose datagrams are no records yet (templates that wait) did come.
    return max(counts["records"], counts["datagrams"])


def _lost(counts: Mapping[str, int]) -> int:
    return counts["exporter"] + counts["own"] + counts["unread"]


def _height(count: int, most: int) -> float:
    return round(max(_LEAST, HEIGHT * count / most), 2) if count else 0.0
