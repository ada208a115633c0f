"""Rolls that somebody looks at before taking them in: in memory, for a quarter of an hour."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from captive_portal.people.roll import Roll
from captive_portal.people.taking import Outcome
from collector.records import Clock

LASTS_NS = 15 * 60 * 10**9
MOST = 4


@dataclass(frozen=True, slots=True)
class Preview:
    """A roll as read for one member of staff; what is secret in it was left in the file."""

    seat: str
    name: str
    roll: Roll
    outcome: Outcome
    made_ns: int


class Previews:
    """The latest few."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, Preview] = {}

    def put(self, seat: str, name: str, roll: Roll, outcome: Outcome) -> str:
        """Keep one, and return what it is asked for with; the oldest goes when there are many."""
        token = secrets.token_urlsafe(16)
        while len(self._kept) >= MOST:
            self._kept.pop(next(iter(self._kept)))
        self._kept[token] = Preview(seat, name, roll, outcome, self._clock())
        return token

    def get(self, seat: str, token: str) -> Preview | None:
        """Return one of this member of staff, unless it is old."""
        found = self._kept.get(token)
        if found is None or found.seat != seat or self._clock() - found.made_ns > LASTS_NS:
            return None
        return found

    def drop(self, token: str) -> None:
        """Forget one."""
        self._kept.pop(token, None)
