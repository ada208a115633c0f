"""Who may come to the end of a quota of bytes before the next minute. Pure.

Nobody has used more than all that has passed the box, nor more than their class of speed lets
through. While neither can have reached what somebody had left when last looked at, there is nothing
to look at; as soon as both can, somebody looks, and it begins anew with what is left then.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from captive_portal.sessions.session import Session

MOST = 500
"""People who are looked at together; the others are the first of the next time."""
BURST_BYTES = 65_536
"""A class of speed has up to two seconds' worth in hand, or a second's and this, each way."""
NEVER = float("-inf")


class Now(NamedTuple):
    """When somebody is looked at."""

    at: float
    """Seconds of a clock that never goes back."""
    total: int | None
    """Bytes that have passed the box by then, before counts are read; None: nobody knows."""


@dataclass(slots=True)
class _Watched:
    left: int
    """Bytes, when the sessions had counted `base`."""
    base: dict[int, int]
    """Bytes by serial."""
    speeds: dict[int, int | None]
    """Bytes a second by serial, both ways; None: no limit."""
    remains: int
    """Bytes, when last looked at."""
    looked: Now
    turn: int = 0
    """Of its place in a queue; what stands there with another one is old."""


class Watch:
    """People with a quota that has an end, and open sessions. For one thread."""

    def __init__(self) -> None:
        self._people: dict[UUID, _Watched] = {}
        self.turn = 0
        """Grows with each person who is watched, or watched on."""
        self._total: int | None = None
        self._by_total: list[tuple[int, int, UUID]] = []
        """Until so much has passed the box."""
        self._by_time: list[tuple[float, int, UUID]] = []
        """Until their speed lets so much through; enough has passed the box already."""

    def __len__(self) -> int:
        """Return how many are watched."""
        return len(self._people)

    def know(
        self,
        person: UUID,
        left: int | None,
        sessions: Iterable[Session],
        *,
        counted: Mapping[int, int],
        now: Now,
    ) -> None:
        """Take note of what somebody has left.

        Args:
            person: Who.
            left: Bytes; None: there is no end, and nothing to watch.
            sessions: Open ones of theirs.
            counted: What these had counted then, by serial; one that is not there had `kernel`.
            now: When, as before the counts were read.
        """
        known = self._people.pop(person, None)
        gated = [one for one in sessions if one.serial is not None]
        if left is None or not gated:
            return
        # A session that began meanwhile is in no list yet, and goes on to be watched.
        base, speeds = (dict(known.base), dict(known.speeds)) if known else ({}, {})
        watched = _Watched(left=left, base=base, speeds=speeds, remains=left, looked=now)
        self._people[person] = watched
        for one in gated:
            self._add(watched, one, counted)
        self._arm(person, watched)

    def begin(self, session: Session, left: int | None) -> None:
        """Take note of a session that has begun, or goes on with another speed."""
        if session.person is None or session.serial is None or left is None:
            return
        watched = self._people.get(session.person.id)
        if watched is None:
            self.know(session.person.id, left, [session], counted={}, now=Now(NEVER, None))
            return
        self._add(watched, session, {})
        self.again([session.person.id])

    def end(self, sessions: Iterable[Session]) -> None:
        """Take note of sessions that are over, with what they had counted last."""
        for one in sessions:
            if one.open or one.person is None or one.serial is None:
                continue
            watched = self._people.get(one.person.id)
            if watched is None or one.serial not in watched.base:
                continue
            watched.left -= max(0, sum(one.kernel[:2]) - watched.base.pop(one.serial))
            del watched.speeds[one.serial]
            if not watched.base:
                del self._people[one.person.id]

    def tidy(self, people: Collection[UUID], turn: int) -> None:
        """Watch no others than these any more, but for who came or was looked at since a turn."""
        for person, watched in list(self._people.items()):
            if person not in people and watched.turn <= turn:
                del self._people[person]
        turns = {watched.turn for watched in self._people.values()}
        self._by_total = [entry for entry in self._by_total if entry[1] in turns]
        self._by_time = [entry for entry in self._by_time if entry[1] in turns]
        heapq.heapify(self._by_total)
        heapq.heapify(self._by_time)

    def due(self, now: Now) -> list[UUID]:
        """Return who may have used up what was left, and is looked at now."""
        total = now.total
        if total is None or (self._total is not None and total < self._total):
            # Nobody knows how much has passed: an interface is gone, or a new one.
            total = max((entry[0] for entry in self._by_total), default=0)
        self._total = now.total
        while self._by_total and self._by_total[0][0] <= total:
            _, turn, person = heapq.heappop(self._by_total)
            watched = self._people.get(person)
            if watched is not None and watched.turn == turn:
                heapq.heappush(self._by_time, (_reached(watched), turn, person))
        found: list[UUID] = []
        while self._by_time and self._by_time[0][0] <= now.at and len(found) < MOST:
            _, turn, person = heapq.heappop(self._by_time)
            watched = self._people.get(person)
            if watched is not None and watched.turn == turn:
                found.append(person)
        return found

    def serials(self, people: Iterable[UUID]) -> list[int]:
        """Return the sessions whose counts tell of these people."""
        return [s for person in people if person in self._people for s in self._people[person].base]

    def over(self, people: Sequence[UUID], counted: Mapping[int, int], now: Now) -> list[UUID]:
        """Return who has used up what was left; the others are looked at again in time.

        Args:
            people: Who was looked at.
            counted: Bytes by serial.
            now: When, as before the counts were read.
        """
        found = []
        for person in people:
            watched = self._people.get(person)
            if watched is None:
                continue
            used = sum(max(0, counted.get(s, had) - had) for s, had in watched.base.items())
            watched.remains, watched.looked = watched.left - used, now
            if watched.remains <= 0:
                found.append(person)
            self._arm(person, watched)
        return found

    def again(self, people: Iterable[UUID]) -> None:
        """Look at these anew: what was asked for did not come."""
        for person in people:
            if watched := self._people.get(person):
                watched.looked = Now(NEVER, None)
                self._arm(person, watched)

    def _add(self, watched: _Watched, session: Session, read: Mapping[int, int]) -> None:
        serial = session.serial
        if serial is None:
            return
        if serial in read or serial not in watched.base:
            watched.base[serial] = read.get(serial, sum(session.kernel[:2]))
        up, down = session.up_kbit, session.down_kbit
        watched.speeds[serial] = None if up is None or down is None else (up + down) * 125

    def _arm(self, person: UUID, watched: _Watched) -> None:
        self.turn += 1
        watched.turn = self.turn
        total = watched.looked.total
        reached = 0 if total is None else total + max(0, watched.remains)
        heapq.heappush(self._by_total, (reached, self.turn, person))


def _reached(watched: _Watched) -> float:
    """Return when somebody's speed may have let through what remained."""
    speed = in_hand = 0
    for one in watched.speeds.values():
        if one is None:
            return NEVER
        speed += one
        in_hand += 2 * (one + BURST_BYTES)
    return watched.looked.at + max(0, watched.remains - in_hand) / max(1, speed)
