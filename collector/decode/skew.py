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

    def learn_all(self, differences_us: list[int], within_us: int) -> list[int]:
        """Take many differences; return for each the median then, 0 for one within `within_us`."""
        known = [*self._sorted[:1], *self._sorted[-1:], min(differences_us), max(differences_us)]
        if min(known) >= -within_us and max(known) <= within_us:
            # No median can be outside of what all values are inside.
            self._order = deque([*self._order, *differences_us[-_KEPT:]][-_KEPT:])
            self._sorted = sorted(self._order)
            return [0] * len(differences_us)
        medians = [self.learn(difference) for difference in differences_us]
        return [0 if abs(median) <= within_us else median for median in medians]

    @property
    def median_us(self) -> int:
        """The offset as of now; 0 before the first datagram."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else 0

    def snapshot(self) -> list[int]:
        """Return the differences, oldest first."""
        return list(self._order)
