"""What could not be kept, until it can be written down as coverage."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from collector.errors import SpoolFull
from collector.records import Clock, CoverageEvent, Frame, FrameKind, moment

_SOURCES = 4096
"""Sources told apart per flush; what more there are share one row without source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class What:
    """One kind of loss at one source."""

    site: str
    kind: str
    source: str
    unit: str
    note: str = ""


@dataclass(slots=True)
class _Sum:
    first_ns: int
    last_ns: int
    lost: int


class Losses:
    """Adds up losses, from any thread, and writes each as one coverage frame when there is room."""

    def __init__(self, append: Callable[[Frame], int], *, clock: Clock) -> None:
        self._append = append
        self._clock = clock
        self._lock = threading.Lock()
        self._sums: dict[What, _Sum] = {}
        self._told: deque[CoverageEvent] = deque(maxlen=_SOURCES)

    def add(self, what: What, lost: int, *, since_ns: int | None = None) -> None:
        """Count `lost` more, as of now, or of the time since `since_ns`."""
        now = self._clock()
        with self._lock:
            if what not in self._sums and len(self._sums) >= _SOURCES:
                what = What(
                    site=what.site, kind=what.kind, source="", unit=what.unit, note="many sources"
                )
            known = self._sums.setdefault(what, _Sum(since_ns or now, now, 0))
            known.last_ns = now
            known.lost += lost

    def tell(self, what: What, lasted_s: float) -> None:
        """Have something written that lasted so long until now, and lost nothing."""
        now_us = self._clock() // 1000
        total = _Sum(1000 * (now_us - round(lasted_s * 1e6)), 1000 * now_us, 0)
        self._told.append(replace(_event(what, total), lost=None))

    def flush(self) -> None:
        """Write what was counted; what the spool does not take now waits for the next time.

        Raises:
            SpoolError: the spool has failed.
        """
        while self._told:
            try:
                self._append(coverage(self._told[0], received_ns=self._clock()))
            except SpoolFull:
                break
            self._told.popleft()
        for what, total in self._taken():
            try:
                self._append(coverage(_event(what, total), received_ns=self._clock()))
            except SpoolFull:
                self._put_back(what, total)

    def _taken(self) -> Iterator[tuple[What, _Sum]]:
        with self._lock:
            taken, self._sums = self._sums, {}
        yield from taken.items()

    def _put_back(self, what: What, total: _Sum) -> None:
        with self._lock:
            newer = self._sums.get(what)
            if newer is None:
                self._sums[what] = total
            else:
                newer.first_ns = total.first_ns
                newer.lost += total.lost


def coverage(event: CoverageEvent, *, received_ns: int) -> Frame:
    """Return the frame of a coverage event of the box itself."""
    return Frame(
        kind=FrameKind.COVERAGE,
        site=event.site,
        received_ns=received_ns,
        wire_ns=received_ns,
        transport="local",
        payload=event.to_json(),
    )


def _event(what: What, total: _Sum) -> CoverageEvent:
    return CoverageEvent(
        time=moment(total.first_ns // 1000),
        end=moment(total.last_ns // 1000),
        site=what.site,
        kind=what.kind,
        source=what.source,
        lost=total.lost,
        unit=what.unit,
        note=what.note,
    )
