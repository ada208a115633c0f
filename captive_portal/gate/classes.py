"""Classes of speed: the few pairs of limits that all sessions share, a number for each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from captive_portal.errors import GateError

Speed = tuple[int | None, int | None]
"""kbit/s up and down; None: no limit."""
UNLIMITED: Speed = (None, None)
MOST = 254
"""Numbers 1 to 254; 0 is without limit, 255 marks what passes without sign-in."""


class Classes:
    """Which number stands for which speed."""

    def __init__(self, known: Mapping[int, Speed] | None = None) -> None:
        self._speeds: dict[int, Speed] = {0: UNLIMITED, **(known or {})}

    def speed(self, number: int) -> Speed:
        """Return the speed of a class; one that is not known limits nothing."""
        return self._speeds.get(number, UNLIMITED)

    def number(self, speed: Speed) -> int | None:
        """Return the class of a speed, or None: there is none yet."""
        return next((number for number, known in self._speeds.items() if known == speed), None)

    def add(self, speed: Speed, in_use: Iterable[int]) -> int:
        """Return the class of a speed, made if need be of a number that nobody uses.

        Raises:
            GateError: all numbers are in use.
        """
        known = self.number(speed)
        if known is not None:
            return known
        used = set(in_use)
        for number in range(1, MOST + 1):
            if number not in self._speeds:
                self._speeds[number] = speed
                return number
        for number in range(1, MOST + 1):
            if number not in used:
                self._speeds[number] = speed
                return number
        raise GateError(
            f"more than {MOST} different speeds at once", hint="give groups the same ones"
        )

    def limits(self) -> Iterator[tuple[str, int, int]]:
        """Yield `up` or `down`, the number, and kbit/s of each limit."""
        for number, (up, down) in sorted(self._speeds.items()):
            if up is not None:
                yield "up", number, up
            if down is not None:
                yield "down", number, down
