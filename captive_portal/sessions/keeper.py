"""Keeps the sessions: decides, tells the collector, writes the database, and only then returns.

A `Keeper` belongs to one thread. The order of writes is: an event is durable in the collector's
spool, then the database has it, then whoever asked is answered. A crash after the first leaves an
event that is told again under the same id (RADIUS: the NAS sends again and ids are made from what
it sent; portal: the row `opening`, written before, is closed at the next start).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from captive_portal.sessions import accounting, portal, told
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Ids, Person, Session
from collector.records import SessionEvent, SignInLine

Tell = Callable[[Sequence[SessionEvent]], None]
"""Returns when the collector has all of them on disk.

Raises:
    ReportError: it could not be told.
"""

LOOK_EVERY = timedelta(minutes=1)
"""So often all open sessions are gone through for NASes that have fallen silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long sessions last."""

    lasts: timedelta
    """From sign-in, or from a NAS's last word, to expiry."""
    silent: timedelta
    """A NAS that sends interim updates and is silent for so long has lost the stop."""


class Keeper:
    """All sessions of a box. Not for more than one thread."""

    def __init__(self, rows: Rows, *, tell: Tell, ids: Ids, times: Times) -> None:
        self._rows = rows
        self._tell = tell
        self._ids = ids
        self._times = times
        self._looked: datetime | None = None

    def recover(self, now: datetime) -> None:
        """Take back what a crash or a silent collector left half told.

        Raises:
            ReportError: the collector cannot be told now; try again later.
        """
        for session in self._rows.opening():
            draft = Draft(self._rows)
            draft.put(session, session.event("start", self._start_id(session), session.start))
            portal.end(draft, session, session.start, "unanswered", ids=self._ids)
            self._keep(draft)
        self.tick(now)

    def sign_in(  # one sign-in is made of these
        self, site: str, person: Person, address: str, *, mac: str, now: datetime
    ) -> Session:
        """Begin a session of the sign-in page.

        Raises:
            ReportError: the collector cannot be told; nobody was let in.
        """
        fresh = portal.new(
            uuid4(), site, person, address, mac=mac, now=now, lasts=self._times.lasts
        )
        draft = Draft(self._rows)
        session = portal.sign_in(draft, fresh, ids=self._ids)
        if session.id == fresh.id:
            self._rows.write([fresh], opening=True)
        self._keep(draft)
        return session

    def sign_out(self, session: Session, *, now: datetime) -> None:
        """End a session because its person wishes so.

        Raises:
            ReportError: the collector cannot be told; the session goes on.
        """
        draft = Draft(self._rows)
        portal.end(draft, session, now, "User-Request", ids=self._ids)
        self._keep(draft)

    def accounting(self, requests: Sequence[tuple[Accounting, Person | None]]) -> list[Accounting]:
        """Take packets of NASes in, in their order; they may be answered when this returns.

        Returns:
            Those about sessions that another client reported: they changed nothing.

        Raises:
            ReportError: the collector cannot be told; none of them may be answered.
        """
        with self._rows.one_look() as book:
            draft = Draft(book)
            refused = []
            for request, person in requests:
                lasts, ids = self._times.lasts, self._ids
                if request.status in ("on", "off"):
                    accounting.reboot(draft, request, ids=ids)
                elif not accounting.hear(draft, request, person, lasts=lasts, ids=ids):
                    refused.append(request)
        self._keep(draft)
        return refused

    def told(self, lines: Sequence[tuple[SignInLine, Person | None]]) -> None:
        """Take sign-in lines of syslog in, in their order; that they came may then be noted.

        Raises:
            ReportError: the collector cannot be told; they must be given again.
        """
        with self._rows.one_look() as book:
            draft = Draft(book)
            for line, person in lines:
                told.hear(draft, line, person, ids=self._ids)
        self._keep(draft)

    def add(self, sessions: Sequence[Session]) -> None:
        """Take sessions from elsewhere in; each is told with its start and, if over, its stop.

        Raises:
            ReportError: the collector cannot be told.
        """
        with self._rows.one_look() as book:
            draft = Draft(book)
            for session in sessions:
                if draft.get(session.id) is not None:
                    continue
                events = [session.event("start", self._start_id(session), session.start)]
                if session.end is not None:
                    stop = self._ids.make("stop", session.id, session.cause, session.end)
                    events.append(session.event("stop", stop, session.end))
                draft.put(session, *events)
        self._keep(draft)

    def tick(self, now: datetime) -> None:
        """End what has run out or fallen silent.

        Raises:
            ReportError: the collector cannot be told; the next tick tries again.
        """
        draft = Draft(self._rows)
        over = [s for s in self._rows.run_out(now) if s.method not in accounting.METHODS]
        told.presume(draft, over, ids=self._ids)
        signed_in = [s for s in over if s.method != told.METHOD]
        portal.expire(draft, signed_in, now, ids=self._ids)
        look = self._looked is None or now - self._looked >= LOOK_EVERY
        if look:
            sessions = self._rows.open()
            accounting.presume(draft, sessions, now, silent=self._times.silent, ids=self._ids)
        self._keep(draft)
        if look:
            self._looked = now

    def _start_id(self, session: Session) -> UUID:
        return self._ids.make("start", session.id)

    def _keep(self, draft: Draft) -> None:
        if draft.events:
            self._tell(draft.events)
        # A crash here: the events are told again, under the same ids, and are stored once.
        if draft.changed:
            self._rows.write(draft.changed.values())


def signed_in(rows: Rows, site: str, address: str, now: datetime) -> Session | None:
    """Return the sign-in page's session on an address, if one goes on. From any thread."""
    for session in rows.open_at(site, address):
        over = session.expires is not None and session.expires <= now
        if session.method == portal.METHOD and not over:
            return session
    return None
