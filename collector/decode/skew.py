"""How far an exporter's clock is off, from many datagrams."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import numpy as np
import numpy.typing as npt

Micros = npt.NDArray[np.int64]

_KEPT = 127
_STANDS_US = 60_000_000
"""An exporter that says the same time for so long, more than once, has a clock that stands."""
STOPPED = 1 << 60
"""In the place of an offset: there is none, the time of sending says nothing."""


class Skew:
    """The median of (time on the wire - time of sending) over an exporter's last datagrams.

    The median does not move for the few datagrams that were held up on the way.
    """

    __slots__ = ("_order", "_sent_us", "_since_us", "_sorted", "_wire_us")

    def __init__(self, state: list[int] | None = None) -> None:
        self._sent_us, self._since_us, self._wire_us, *differences = state or [-1, 0, 0]
        self._order = deque(differences)
        self._sorted = sorted(differences)

    def learn(self, sent_us: int, wire_us: int) -> int:
        """Take one datagram's times; return the median difference, µs, or STOPPED."""
        if sent_us != self._sent_us:
            self._sent_us, self._since_us = sent_us, wire_us
        before_us, self._wire_us = self._wire_us, wire_us
        if min(before_us, wire_us) - self._since_us > _STANDS_US:
            return STOPPED
        return self._learn(wire_us - sent_us)

    def _learn(self, difference_us: int) -> int:
        order, ranked = self._order, self._sorted
        order.append(difference_us)
        insort(ranked, difference_us)
        if len(order) > _KEPT:
            del ranked[bisect_left(ranked, order.popleft())]
        return ranked[len(ranked) // 2]

    def learn_all(self, sent: Micros, wire: Micros, within_us: int) -> list[int]:
        """Take many datagrams; return for each the median then, 0 for one within `within_us`."""
        stopped = self._stopped(sent, wire)
        differences_us = (wire - sent).tolist()
        known = [*self._sorted[:1], *self._sorted[-1:], min(differences_us), max(differences_us)]
        if not stopped.any() and min(known) >= -within_us and max(known) <= within_us:
            # No median can be outside of what all values are inside.
            self._order = deque([*self._order, *differences_us[-_KEPT:]][-_KEPT:])
            self._sorted = sorted(self._order)
            return [0] * len(differences_us)
        medians = [
            STOPPED if stands else self._learn(difference)
            for stands, difference in zip(stopped.tolist(), differences_us, strict=True)
        ]
        return [0 if abs(median) <= within_us else median for median in medians]

    def _stopped(self, sent: Micros, wire: Micros) -> npt.NDArray[np.bool_]:
        """Tell for each datagram whether its exporter's clock stands."""
        new = np.ones(len(sent), np.bool_)
        new[0], new[1:] = sent[0] != self._sent_us, sent[1:] != sent[:-1]
        newest = np.maximum.accumulate(np.where(new, np.arange(len(sent)), -1))
        since = np.where(newest < 0, self._since_us, wire[newest])
        before = np.concatenate(([self._wire_us], wire[:-1]))
        self._sent_us, self._since_us = int(sent[-1]), int(since[-1])
        self._wire_us = int(wire[-1])
        stands: npt.NDArray[np.bool_] = np.minimum(before, wire) - since > _STANDS_US
        return stands

    @property
    def median_us(self) -> int:
        """The offset as of now; 0 before the first datagram."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else 0

    def snapshot(self) -> list[int]:
        """Return the last time of sending, when it was first and last told, the differences."""
        return [self._sent_us, self._since_us, self._wire_us, *self._order]
