"""Hands events to the receiving process; they wait, at most so many, while it does not answer."""

from __future__ import annotations

import base64
from collections import Counter, deque
from itertools import islice
from pathlib import Path
from typing import Any

from collector.control import ask
from collector.errors import CollectorError
from collector.records import Clock, CoverageEvent, LeaseEvent, moment

Event = LeaseEvent | CoverageEvent
MOST_WAITING = 600_000
"""Half of it may be one look at a full lease file."""
AT_ONCE = 1000
TRIES = 3


class Door:
    """Events on their way to `run/receive.sock`."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._waiting: deque[Event] = deque()
        self._refused = 0
        self._at_once = AT_ONCE
        self._lost: Counter[str] = Counter()
        """Events given up, by site, not told yet."""

    def put(self, event: Event) -> None:
        """Let an event wait; when too many do, the oldest is lost and counted."""
        self._waiting.append(event)
        if len(self._waiting) > MOST_WAITING:
            self._lost[self._waiting.popleft().site] += 1

    def flush(self) -> str:
        """Send what waits; return what was wrong, empty for nothing."""
        for site, count in self._lost.items():
            now = moment(self._clock() // 1000)
            self._waiting.appendleft(
                CoverageEvent(
                    time=now,
                    end=now,
                    site=site,
                    kind="leases-unread",
                    lost=count,
                    unit="records",
                    note="the receiving process took none",
                )
            )
        self._lost.clear()
        while self._waiting:
            some = list(islice(self._waiting, self._at_once))
            try:
                ask(self._path, {"do": "frames", "frames": [_frame(event) for event in some]})
            except CollectorError as error:
                return self._refusal(str(error), some)
            self._refused, self._at_once = 0, AT_ONCE
            for _ in some:
                self._waiting.popleft()
        return ""

    def _refusal(self, error: str, some: list[Event]) -> str:
        """Keep what nobody took; give up the one that is refused again and again.

        One that is wrong makes all be refused that were sent with it, so fewer are sent next time.
        """
        if "nobody listens" in error:
            return error
        if len(some) > 1:
            self._at_once = len(some) // 2
            return error
        self._refused += 1
        if self._refused < TRIES:
            return error
        self._refused, self._at_once = 0, AT_ONCE
        self._lost[self._waiting.popleft().site] += 1
        return f"an event was given up: {error}"


def _frame(event: Event) -> dict[str, Any]:
    kind = "lease" if isinstance(event, LeaseEvent) else "coverage"
    payload = base64.b64encode(event.to_json()).decode()
    return {"kind": kind, "site": event.site, "payload": payload}
