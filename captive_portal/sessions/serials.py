"""Serials: what names a session in the 24 bits that a packet's mark has for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

MOST = (1 << 24) - 1
"""0 is nobody."""


class Serials:
    """Gives one serial after the other; a restart goes on after the latest session's.

    Sixteen million sessions pass before one comes again, and one that a kept session bears does
    not come at all. A box that remembers no session begins at a number made of the time, so that
    it does not give at once what it gave before.
    """

    def __init__(self, latest: Callable[[], int | None], taken: Callable[[int], bool]) -> None:
        self._latest = latest
        self._taken = taken
        self._last: int | None = None

    def take(self, now: datetime) -> int:
        """Return the next serial that no kept session bears."""
        if self._last is None:
            latest = self._latest()
            self._last = int(now.timestamp()) // 60 % MOST if latest is None else latest
        serial = self._last
        for _ in range(MOST):
            serial = serial % MOST + 1
            if not self._taken(serial):
                break
        self._last = serial
        return serial
