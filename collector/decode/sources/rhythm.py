"""How often a source is heard, and from when on its silence means something."""

from __future__ import annotations

MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
LEAST_US = 5 * MINUTE_US
MOST_US = DAY_US
NEVER = 1 << 62
REGULAR_MINUTES = 15
"""A source that was heard in so many minutes is a regular one."""
SET_BACK_US = 10 * MINUTE_US
"""What comes so much earlier than what came before: the box's own clock was put right."""
_TIMES = 4
"""Silence is so many times the longest pause."""
_HALF_LIFE_US = 3 * DAY_US
"""A long pause that does not come again is half forgotten after so long."""


class Rhythm:
    """The pauses of one source; only those longer than a minute matter."""

    __slots__ = ("at_us", "longest_at_us", "longest_us", "minute", "minutes", "silent")

    def __init__(self, now_us: int) -> None:
        self.at_us = now_us
        """When it was last heard, or when the box itself began to listen again."""
        self.longest_us = 0
        self.longest_at_us = now_us
        self.minute = now_us // MINUTE_US
        self.minutes = 1
        self.silent = False

    @property
    def regular(self) -> bool:
        """Whether its silence says anything."""
        return self.minutes >= REGULAR_MINUTES

    @property
    def threshold_us(self) -> int:
        """So long a pause is silence: four times the longest one, five minutes to a day."""
        return max(LEAST_US, min(MOST_US, _TIMES * self._longest(self.at_us)))

    @property
    def due_us(self) -> int:
        """When it will be silent; never while nothing is expected of it."""
        return self.at_us + self.threshold_us if self.regular and not self.silent else NEVER

    def hear(self, now_us: int) -> None:
        """Take note that it was heard."""
        pause = now_us - self.at_us
        minute = now_us // MINUTE_US
        if pause > MINUTE_US:
            # A failure of one day teaches little; a pause that comes every night is soon known.
            most = 2 * self.threshold_us
            self.longest_us = max(self._longest(now_us), min(pause, most))
            self.longest_at_us = now_us
        if minute > self.minute:
            self.minute = minute
            self.minutes = min(self.minutes + 1, REGULAR_MINUTES)
        self.at_us = max(self.at_us, now_us)
        self.silent = False

    def excuse(self, now_us: int) -> None:
        """Begin to wait anew: until now the box itself did not listen."""
        if not self.silent:
            self.at_us = max(self.at_us, now_us)

    def _longest(self, now_us: int) -> int:
        age = max(0, now_us - self.longest_at_us)
        return int(self.longest_us * 0.5 ** (age / _HALF_LIFE_US))

    def snapshot(self) -> list[int]:
        """Return the state as integers."""
        return [int(getattr(self, name)) for name in self.__slots__]

    @classmethod
    def restore(cls, state: list[int]) -> Rhythm:
        """Return the rhythm that `snapshot` described."""
        rhythm = cls(0)
        for name, value in zip(cls.__slots__, state, strict=True):
            setattr(rhythm, name, value)
        rhythm.silent = bool(rhythm.silent)
        return rhythm
