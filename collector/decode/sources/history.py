"""Counts over the last day, in steps of five minutes; and as of now."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

STEP_S = 300
STEPS = 288
TOLD_S = 1800
"""What is told of them is in half hours."""
_TOGETHER = TOLD_S // STEP_S
_STEP_US = STEP_S * 1_000_000
_MINUTE_US = 60_000_000
_SET_BACK = 12
"""Slots so far ahead are of a clock that was wrong."""
COUNTS = ("datagrams", "records", "exporter", "own", "unread")
"""What is counted: what came, and three ways to be missing. `exporter` is in records that sequence
numbers say never came; `own` are datagrams and messages that the box could not keep; `unread` are
datagrams and sets that could not be decoded."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What came per second, over some time."""

    datagrams: float
    records: float


class History:
    """What came of one source, and what is missing."""

    __slots__ = ("_recent", "_steps", "totals")

    def __init__(self) -> None:
        self.totals = [0] * len(COUNTS)
        self._steps: deque[list[int]] = deque(maxlen=STEPS)
        """Number of the step since the epoch, then the counts; empty steps are left out."""
        self._recent: deque[list[int]] = deque(maxlen=2)
        """The same of the last two minutes, datagrams and records alone."""

    def add(self, now_us: int, count: int, amount: int) -> None:
        """Add to one count, by its place in COUNTS."""
        self.totals[count] += amount
        _slot(self._steps, now_us // _STEP_US, len(COUNTS))[count + 1] += amount
        if count < 2:  # datagrams and records
            _slot(self._recent, now_us // _MINUTE_US, 2)[count + 1] += amount

    def sums(self, now_us: int, span_s: int) -> list[int]:
        """Return the counts of the last `span_s` seconds, to the step."""
        since = (now_us - span_s * 1_000_000) // _STEP_US
        found = [step for step in self._steps if step[0] > since]
        return [sum(step[1 + i] for step in found) for i in range(len(COUNTS))]

    def now(self, now_us: int) -> Rate:
        """Return the rate since the beginning of the last full minute."""
        minute = now_us // _MINUTE_US
        found = [one for one in self._recent if minute - 1 <= one[0] <= minute]
        seconds = 60 + now_us % _MINUTE_US / 1e6
        return Rate(sum(x[1] for x in found) / seconds, sum(x[2] for x in found) / seconds)

    def over(self, now_us: int, span_s: int, first_us: int) -> Rate:
        """Return the mean rate of the last `span_s` seconds, or since the source is known."""
        sums = self.sums(now_us, span_s)
        seconds = max(60.0, min(span_s, (now_us - first_us) / 1e6))
        return Rate(sums[0] / seconds, sums[1] / seconds)

    def steps(self, now_us: int) -> list[list[int]]:
        """Return [seconds since the epoch, counts…] of each half hour of the last day with any."""
        since = (now_us // _STEP_US - STEPS) // _TOGETHER
        sums: dict[int, list[int]] = {}
        for number, *counts in self._steps:
            found = sums.setdefault(number // _TOGETHER, [0] * len(COUNTS))
            for place, count in enumerate(counts):
                found[place] += count
        return [[n * TOLD_S, *counts] for n, counts in sorted(sums.items()) if n > since]

    def snapshot(self) -> list[list[list[int]]]:
        """Return the state as JSON values."""
        return [[self.totals], list(self._steps), list(self._recent)]

    @classmethod
    def restore(cls, state: list[list[list[int]]]) -> History:
        """Return the history that `snapshot` described."""
        history = cls()
        (history.totals,), steps, recent = state
        history._steps.extend(steps)
        history._recent.extend(recent)
        return history


def _slot(slots: deque[list[int]], number: int, width: int) -> list[int]:
    """Return the slot of a number; what is late goes into the last one."""
    if slots and slots[-1][0] > number + _SET_BACK:
        slots.clear()  # stamped by a clock since put right
    if not slots or slots[-1][0] < number:
        slots.append([number, *([0] * width)])
    return slots[-1]
