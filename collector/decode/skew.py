"""How far an exporter's clock is off, from many datagrams."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

_KEPT = 127


class Skew:
    """The median of (time on the wire - time of sending) over an exporter's last datagrams.

    The median does not move for the few datagrams that were held up on the way.
    """

    __slots__ = ("_order", "_sorted")

    def __init__(self, differences_us: list[int] | None = None) -> None:
        self._order = deque(differences_us or [])
        self._sorted = sorted(self._order)

    def learn(self, difference_us: int) -> int:
        """Take one datagram's difference and return the median, µs."""
        order, ranked = self._order, self._sorted
        order.append(difference_us)
        insort(ranked, difference_us)
        if len(order) > _KEPT:
            del ranked[bisect_left(ranked, order.popleft())]
        return ranked[len(ranked) // 2]

    @property
    def median_us(self) -> int:
        """The offset as of now; 0 before the first datagram."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else 0

    def snapshot(self) -> list[int]:
        """Return the differences, oldest first."""
        return list(self._order)
