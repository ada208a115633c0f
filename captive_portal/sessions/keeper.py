"""Keeps the sessions: decides, tells the collector, writes the database, and only then returns.

A `Keeper` belongs to one thread. The order of writes is: an event is durable in the collector's
spool, then the database has it, then whoever asked is answered. While the collector's disk works,
the rows are put into the transaction, which ends after that. A crash in between leaves an
event that is told again under the same id (RADIUS: the NAS sends again and ids are made from what
it sent; portal: the row `opening`, written before, is closed at the next start).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from sqlalchemy import Connection

from captive_portal.errors import Denied
from captive_portal.sessions import (
    accounting,
    addresses,
    admission,
    at_nas,
    portal,
    review,
    syslog,
)
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.addresses import Neighbour
from captive_portal.sessions.admission import SEEN_WITHIN, Terms
from captive_portal.sessions.ahead import Ahead
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.charging import Meter
from captive_portal.sessions.draft import Draft, Sighted
from captive_portal.sessions.passes import Passed
from captive_portal.sessions.policy import Grant
from captive_portal.sessions.review import Review
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.serials import Serials
from captive_portal.sessions.session import Ids, Person, Session
from captive_portal.sessions.telling import Tell, Told, nothing
from collector.records import SignInLine

Changed = Callable[[Sequence[Session]], None]
"""Told which sessions are in the database as they are now; runs on the sessions' thread."""

LOOK_EVERY = timedelta(minutes=1)
"""So often all open sessions are gone through for NASes that have fallen silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long sessions last."""

    lasts: timedelta
    """From sign-in, or from a NAS's last word, to expiry."""
    silent: timedelta
    """A NAS that sends interim updates and is silent for so long has lost the stop."""
    interim: timedelta = timedelta(minutes=10)
    """The counters of a session that the gate lets in are told so often."""
    seen_within: timedelta = SEEN_WITHIN
    """A device of which nothing was heard for so long does not count."""
    grace: timedelta = timedelta(minutes=10)
    """So long after it was last heard of, a device takes its session to another zone."""


class Keeper:
    """All sessions of a box. Not for more than one thread."""

    def __init__(  # these are what it stands on
        self,
        rows: Rows,
        *,
        tell: Tell,
        ids: Ids,
        times: Times,
        meter: Meter | None = None,
    ) -> None:
        self._rows = rows
        self._tell = tell
        self._ids = ids
        self._times = times
        self._meter = meter
        self.changed: Changed = lambda _: None
        """Whoever must act on changes, the gate's keeper, puts itself here."""
        self._serials = Serials(rows.latest_serial, rows.has_serial)
        self._looked: datetime | None = None

    def recover(self, now: datetime) -> None:
        """Take back what a crash or a silent collector left half told.

        Raises:
            ReportError: the collector cannot be told now; try again later.
        """
        for session in self._rows.opening():
            draft = Draft(self._rows)
            draft.put(session, session.event("start", self._start_id(session), session.start))
            portal.end(draft, session, session.start, Cause.UNANSWERED, ids=self._ids)
            self._keep(draft)
        self.tick(now)

    def sign_in(  # noqa: PLR0913  # one sign-in is made of these
        self,
        site: str,
        person: Person,
        address: str,
        *,
        mac: str,
        now: datetime,
        terms: Terms | None = None,
        zone: str = "",
        notice: str = "",
        gated: bool = False,
    ) -> Session:
        """Begin a session of the sign-in page, or go on with the person's own on that device.

        Args:
            site: Where.
            person: Who signs in.
            address: Of the device.
            mac: Of the device, where it is known.
            now: The time.
            terms: What its person may do; None: anything, for `times.lasts`.
            zone: The part of the site.
            notice: The version of the privacy notice that was shown.
            gated: Whether a gate is to let it in: then it has a serial.

        Raises:
            Denied: the person may not be on; the log has a row `reject`.
            ReportError: the collector cannot be told; nobody was let in.
        """
        terms = terms or Terms(grant=Grant(until=now + self._times.lasts))
        fresh = portal.new(
            uuid4(), site, person, address, mac=mac, now=now, lasts=self._times.lasts
        )
        serial = self._serials.take(now) if gated else None
        fresh = admission.under(replace(fresh, zone=zone, notice=notice, serial=serial), terms)
        draft = Draft(self._rows)
        try:
            session = admission.admit(draft, fresh, terms, ids=self._ids)
        except Denied as error:
            self._deny(fresh, error)
            raise
        if session.id == fresh.id:
            self._rows.write([fresh], opening=True)
        self._keep(draft)
        return session

    def _deny(self, fresh: Session, why: Denied) -> None:
        """Tell who was not let in."""
        denied = replace(fresh, cause=why.reason)
        draft = Draft(self._rows)
        draft.tell(denied.event("reject", self._ids.make("reject", fresh.id), fresh.start))
        self._keep(draft)

    def end(self, session: UUID, cause: str, *, now: datetime) -> Session | None:
        """End a session; return it as it ended, now or before, or None if there is none.

        Raises:
            ReportError: the collector cannot be told; the session goes on.
        """
        draft = Draft(self._rows)
        known = self._rows.get(session)
        if known is None:
            return None
        ended = portal.end(draft, known, now, cause, ids=self._ids)
        self._keep(draft)
        return ended

    def count(
        self,
        ids: Sequence[UUID],
        passed: Mapping[int, Passed],
        now: datetime,
        anew: set[int] | None = None,
    ) -> None:
        """Take in what the gate counted for the open ones of these, and charge their people.

        Args:
            ids: Of sessions, those of a person together.
            passed: By serial.
            now: The time.
            anew: Serials that the gate had forgotten, so that it counts them from 0; those that
                are taken in are taken out.

        Raises:
            ReportError: the collector cannot be told.
        """
        held = self._rows.held(ids)
        draft = Draft(self._rows)
        for one in self._rows.still_open([one.id for one in held if one.serial in passed]):
            found = None if one.serial is None else passed.get(one.serial)
            again = anew is not None and one.serial in anew
            before = replace(one, kernel=(0, 0, 0, 0)) if again else one
            counted = one if found is None else review.count(before, found, now)
            if counted != one:
                draft.put(counted)
        if self._meter:
            self._meter.pass_time(held, now)
        self._keep(draft, self._rows.write_counts)
        if anew:
            anew.difference_update(
                s.serial for s in held if s.serial is not None and s.serial in passed
            )

    def review(self, terms: Mapping[UUID, Terms], ids: Sequence[UUID], now: datetime) -> None:
        """Go through the open ones of these: who may not be on any more, whose speed changes.

        All of a person are to be among them: who is on too many devices is seen by that.

        Raises:
            ReportError: the collector cannot be told; all of them are as they were.
        """
        draft = Draft(self._rows)
        how = Review(now=now, interim=self._times.interim, ids=self._ids)
        self._look(draft, self._rows.still_open(ids), terms, how)
        self._keep(draft)

    def _look(
        self,
        draft: Draft,
        sessions: Sequence[Session],
        terms: Mapping[UUID, Terms],
        how: Review,
    ) -> None:
        of_person: dict[UUID, list[Session]] = {}
        for session in sessions:
            review.look(draft, session, terms.get(session.id), how)
            if session.person is not None and session.id in terms:
                of_person.setdefault(session.person.id, []).append(session)
        for held in of_person.values():
            review.crowd(draft, held, terms[held[0].id], how)

    def due(
        self, terms: Mapping[UUID, Terms], sessions: Sequence[Session], now: datetime
    ) -> list[Session]:
        """Return those of these that a review may change; it looks at them as they are then.

        Most sessions that NASes carry stay as they are, minute by minute. Of a person all are
        returned, or none. From any thread.
        """
        known = {one.id: one for one in sessions}
        draft = Draft(Sighted(known))
        how = Review(now=now, interim=self._times.interim, ids=self._ids)
        self._look(draft, sessions, terms, how)
        due = {one.id for one in sessions if one.method not in accounting.METHODS}
        due.update(draft.changed)
        people = {one.person.id for one in sessions if one.id in due and one.person is not None}
        return [
            one
            for one in sessions
            if one.id in due or (one.person is not None and one.person.id in people)
        ]

    def order(self, session: Session, terms: Terms, now: datetime) -> None:
        """Bring an open session to the terms that an order from outside makes.

        Raises:
            ReportError: the collector cannot be told; the session is as it was.
        """
        draft = Draft(self._rows)
        how = Review(now=now, interim=self._times.interim, ids=self._ids)
        review.obey(draft, session, terms, how)
        self._keep(draft)

    def noted(self, noted: Sequence[at_nas.Noted]) -> None:
        """Take in what came of telling NASes."""
        with self._rows.one_look() as book:
            draft = Draft(book)
            for one in noted:
                at_nas.note(draft, one)
        self._keep(draft)

    def see(self, neighbours: Sequence[Neighbour], now: datetime) -> None:
        """Take in which devices are at which addresses.

        Raises:
            ReportError: the collector cannot be told; sessions are as they were.
        """
        draft = Draft(self._rows)
        for one in neighbours:
            addresses.see(draft, one, now, grace=self._times.grace, ids=self._ids)
        self._keep(draft)

    def accounting(self, requests: Sequence[tuple[Accounting, Person | None]]) -> list[Accounting]:
        """Take packets of NASes in, in their order; they may be answered when this returns.

        Returns:
            Those about sessions that another client reported: they changed nothing.

        Raises:
            ReportError: the collector cannot be told; none of them may be answered.
        """
        with self._rows.one_look() as book:
            ahead = Ahead(book, [request for request, _ in requests])
            draft = Draft(ahead)
            refused = []
            for request, person in requests:
                lasts, ids = self._times.lasts, self._ids
                if request.status in ("on", "off"):
                    accounting.reboot(draft, request, ids=ids)
                elif not accounting.hear(draft, request, person, lasts=lasts, ids=ids):
                    refused.append(request)
        self._keep(draft, partial(self._rows.write, before=ahead.ids))
        return refused

    def told(self, lines: Sequence[tuple[SignInLine, Person | None]]) -> None:
        """Take sign-in lines of syslog in, in their order; that they came may then be noted.

        Raises:
            ReportError: the collector cannot be told; they must be given again.
        """
        with self._rows.one_look() as book:
            draft = Draft(book)
            for line, person in lines:
                syslog.hear(draft, line, person, ids=self._ids)
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
        syslog.presume(draft, over, ids=self._ids)
        signed_in = [s for s in over if s.method != syslog.METHOD]
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

    def _keep(self, draft: Draft, write: Callable[..., None] | None = None) -> None:
        try:
            told = self._tell(draft.events) if draft.events else nothing
            self._write(draft, write or self._rows.write, told)
        finally:
            if self._meter:
                self._meter.drop()  # what is written is noted; what is not is reckoned anew

    def _write(self, draft: Draft, write: Callable[..., None], told: Told) -> None:
        sessions, meter = list(draft.changed.values()), self._meter

        def also(db: Connection) -> None:
            """Do what comes last in the transaction: the events are durable before it ends."""
            if meter:
                meter.write(db)
            told()
            # A crash here: the events are told again, under the same ids, and are stored once.

        if meter:
            sessions = meter.charge(sessions, draft)
        if sessions or (meter and meter.waits):
            write(sessions, also=also)
        else:
            told()
        if meter:
            meter.written()
        if sessions:
            self.changed(sessions)


def signed_in(rows: Rows, site: str, address: str, now: datetime) -> Session | None:
    """Return the sign-in page's session on an address, if one goes on. From any thread."""
    for session in rows.open_at(site, address):
        over = session.expires is not None and session.expires <= now
        if session.method == portal.METHOD and not over:
            return session
    return None
