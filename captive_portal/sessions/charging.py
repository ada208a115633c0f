"""What sessions used, by person and day of the school's own time. Pure.

Bytes go to the days between the last figure and this one, in proportion. Time is counted once for
a person, on however many devices at a time, in whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import Connection

from captive_portal.people.usage import Charge
from captive_portal.sessions import accounting, portal
from captive_portal.sessions.draft import Book
from captive_portal.sessions.session import Session

MOST = 1 << 44
"""Bytes that are charged at once: a NAS that says more is wrong."""
COUNTED = (portal.METHOD, *accounting.METHODS)
"""Of sessions that the box or a NAS carries; of others nobody counts what passes."""


class Held(NamedTuple):
    """An open session, as far as its person's time goes."""

    id: UUID
    person: UUID | None
    method: str
    start: datetime
    expires: datetime | None
    serial: int | None


class Usage(Protocol):
    """Where charges go (`captive_portal.people.usage`)."""

    def untils(self, people: Sequence[UUID]) -> dict[UUID, datetime]:
        """Return up to when people's time is counted, of those of whom it is."""
        ...

    def add(self, db: Connection, charges: Sequence[Charge]) -> None:
        """Add charges within a transaction."""
        ...


class Meter:
    """Keeps what each person is still to be charged with. For the sessions' thread."""

    def __init__(self, usage: Usage, zone: tzinfo) -> None:
        self._usage = usage
        self._zone = zone
        self._until: dict[UUID, datetime] = {}
        """Of people whose time is counted up to a moment that is written."""
        self._charges: list[Charge] = []
        self._upto: dict[UUID, datetime] = {}
        """The same once the charges are written."""

    @property
    def waits(self) -> bool:
        """Whether there is something to be written."""
        return bool(self._charges)

    def pass_time(self, sessions: Iterable[Held], now: datetime) -> None:
        """Charge the people of open sessions with the time up to now."""
        spans: dict[UUID, list[tuple[datetime, datetime]]] = {}
        for session in sessions:
            if session.person is not None and session.method in COUNTED:
                span = session.start, min(now, session.expires or now)
                spans.setdefault(session.person, []).append(span)
        new = [person for person in spans if person not in self._until]
        self._until |= self._usage.untils(new) if new else {}
        for person, held in spans.items():
            self._time(person, held)

    def charge(self, sessions: Sequence[Session], book: Book) -> list[Session]:
        """Charge what these sessions have used; return them as they are then."""
        for session in sessions:
            if session.end is not None and session.method in COUNTED and session.person:
                self._time(session.person.id, _spans(session, session.end, book))
        return [self._bytes(session) for session in sessions]

    def write(self, db: Connection) -> None:
        """Write the charges, in the transaction of their sessions."""
        if self._charges:
            self._usage.add(db, self._charges)

    def written(self) -> None:
        """Take note that the transaction is through."""
        self._until |= self._upto
        self.drop()

    def drop(self) -> None:
        """Forget what could not be written: it is reckoned anew from what is in the database."""
        self._charges, self._upto = [], {}

    def _bytes(self, session: Session) -> Session:
        counters = session.counters
        if session.method not in COUNTED or not counters.known():
            return session
        at = session.end or session.counted_at or session.last_seen
        since = session.charged_at or session.start
        self._charges += of_bytes(session, min(since, at), at, self._zone)
        had = session.charged
        held = max(counters.bytes_in or 0, had[0]), max(counters.bytes_out or 0, had[1])
        return session.but(charged=held, charged_at=at)

    def _time(self, person: UUID, spans: Iterable[tuple[datetime, datetime]]) -> None:
        if person not in self._upto and person not in self._until:
            self._until |= self._usage.untils([person])
        since = self._upto.get(person) or self._until.get(person)
        charges = list(of_time(person, spans, since, self._zone))
        if charges and charges[-1].until:
            self._upto[person] = charges[-1].until
        self._charges += charges


def _spans(session: Session, end: datetime, book: Book) -> list[tuple[datetime, datetime]]:
    spans = [(session.start, end)]
    if session.method == portal.METHOD and session.person is not None:
        # Those of NASes are many, and a minute of another device is all that is missed there.
        beside = book.open_of_person(session.person.id)
        spans += [(s.start, min(end, s.expires or end)) for s in beside if s.method in COUNTED]
    return spans


def of_bytes(session: Session, since: datetime, until: datetime, zone: tzinfo) -> Iterator[Charge]:
    """Yield what a session has counted and its person was not charged with yet."""
    counters, (had_in, had_out) = session.counters, session.charged
    more = _more(counters.bytes_in, had_in), _more(counters.bytes_out, had_out)
    if session.person is None or not any(more):
        return
    days = list(by_day(since, until, zone)) or [(_day(until, zone), 1)]
    whole, left, passed = sum(width for _, width in days), list(more), 0
    for day, width in days:
        passed += width
        # What is left after the share up to the end of the day: nothing is lost to rounding.
        rest = [share - share * passed // whole for share in more]
        spent = [was - now for was, now in zip(left, rest, strict=True)]
        left = rest
        yield Charge(person=session.person.id, day=day, bytes_in=spent[0], bytes_out=spent[1])


def _more(now: int | None, had: int) -> int:
    return min(max(0, (now or 0) - had), MOST)


def of_time(
    person: UUID, spans: Iterable[tuple[datetime, datetime]], since: datetime | None, zone: tzinfo
) -> Iterator[Charge]:
    """Yield the seconds in which at least one of the spans held, and that come after `since`."""
    at = since
    for start, end in sorted(spans):
        begin = start if at is None else max(start, at)
        if begin < end:
            for day, seconds in by_day(begin, end, zone):
                yield Charge(person=person, day=day, seconds=seconds, until=end)
        at = end if at is None else max(at, end)


def by_day(start: datetime, end: datetime, zone: tzinfo) -> Iterator[tuple[date, int]]:
    """Yield each day between two times with its whole seconds; they add up whatever the cuts."""
    at = start
    while at < end:
        day = _day(at, zone)
        following = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
        upto = min(following, end)
        if seconds := int(upto.timestamp()) - int(at.timestamp()):
            yield day, seconds
        at = upto


def _day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()
