"""How many messages of one sender are taken off its connections a second: the rest stays unread.

TCP then holds the sender back, so that nothing is lost; how long that went on is counted. What a
sender may take at once lies in a bucket that holds a few seconds' worth.
"""

from __future__ import annotations

BURST_S = 4
"""A sender that was silent may send so many seconds' worth at once."""
PAUSE_S = 0.05
"""A sender that has to wait is asked again after so long: small portions cost more than they
bring."""
_NOT_HELD = -1.0


class Pace:
    """The bucket of one sender, for all its connections together."""

    __slots__ = ("_filled_s", "_held_s", "_per_second", "_room", "_since_s", "_told_s")

    def __init__(self, per_second: int, now_s: float) -> None:
        self._per_second = per_second
        self._room = float(per_second * BURST_S)
        self._filled_s = now_s
        self._since_s = _NOT_HELD
        self._held_s = 0.0
        self._told_s = 0.0

    @property
    def holds(self) -> bool:
        """Whether the sender is held back now."""
        return self._since_s != _NOT_HELD

    def allowed(self, wanted: int, now_s: float) -> int:
        """Return how many of the messages may be taken now; with fewer than all it is held back."""
        most = self._per_second * BURST_S
        self._room = min(most, self._room + (now_s - self._filled_s) * self._per_second)
        self._filled_s = now_s
        if self._room >= wanted:
            self.release(now_s)
            return wanted
        if not self.holds:
            self._since_s = now_s
        return 0 if self._room < self._per_second * PAUSE_S else int(self._room)

    def took(self, count: int) -> None:
        """Take note of messages that were taken."""
        self._room -= count

    def release(self, now_s: float) -> None:
        """Take note that it is not held back any more."""
        if self.holds:
            self._held_s += now_s - self._since_s
            self._since_s = _NOT_HELD

    def held_s(self, now_s: float) -> float:
        """Return for how long it was held back, in all."""
        return self._held_s + (now_s - self._since_s if self.holds else 0.0)

    def untold_s(self, now_s: float) -> float:
        """Return the same since the last time that this was asked."""
        whole = self.held_s(now_s)
        new, self._told_s = whole - self._told_s, whole
        return new
