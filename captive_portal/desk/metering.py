"""Takes in what the gate counts, and sees who may go on: each minute, and before a quota ends.

Counts are read in one order and may be taken in in another: older ones than those that a session
has already are left out, for a figure that fell would mean that the kernel had begun anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from captive_portal.desk.finding import chunks
from captive_portal.desk.gatekeeper import Gatekeeper, Listing
from captive_portal.desk.rules import RuleBook
from captive_portal.desk.thread import SessionThread
from captive_portal.desk.watch import NEVER, Now, Watch
from captive_portal.errors import GateError
from captive_portal.sessions.admission import Terms
from captive_portal.sessions.keeper import Keeper
from captive_portal.sessions.passes import Passed
from captive_portal.sessions.policy import Grant
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Session

Settle = Callable[[Sequence[Session]], Awaitable[None]]
"""Tells gate and NASes of changes. Raises GateError."""


class Metering:
    """What is counted and reviewed. For the event loop's thread."""

    def __init__(  # noqa: PLR0913  # these are what it stands on
        self,
        rows: Rows,
        keeper: Keeper,
        thread: SessionThread,
        *,
        gatekeeper: Gatekeeper | None,
        rules: RuleBook | None,
        now: Callable[[], datetime],
        settle: Settle,
    ) -> None:
        self.traffic: Callable[[], int | None] = lambda: None
        """How many bytes have passed the box; None: nobody knows."""
        self.anew: set[int] = set()
        """Serials that the gate counts from 0 since this began, until that is taken in."""
        self._rows = rows
        self._keeper = keeper
        self._thread = thread
        self._gatekeeper = gatekeeper
        self._rules = rules
        self._now = now
        self._settle = settle
        self._watch = Watch()
        self._taken: dict[int, int] = {}
        """The listing that a session's counts are of, by serial. For the sessions' thread."""

    def begun(self, session: Session, grant: Grant) -> None:
        """Watch a session that has begun, or goes on."""
        self._watch.begin(session, _watched(grant))

    def ended(self, changes: Sequence[Session]) -> None:
        """Take note of what is over among these."""
        self._watch.end(changes)

    async def watch_all(self) -> None:
        """Watch who goes on from before. Raises SQLAlchemyError."""
        if self._rules is not None:
            sessions = await asyncio.to_thread(self._rows.open)
            terms = await asyncio.to_thread(self._rules.terms_of, sessions, self._now())
            self._note(sessions, terms, dict.fromkeys(self.anew, 0), Now(NEVER, None))

    async def minute(self) -> Sequence[Session]:
        """Go through all open sessions; return them. Raises as `SessionDesk.minute`."""
        now, turn = self._clock(), self._watch.turn
        sessions = await asyncio.to_thread(self._rows.open)
        ready = self._gatekeeper is not None and self._gatekeeper.ready
        listing = await self._gatekeeper.counted() if ready and self._gatekeeper else Listing(0, {})
        await self._go_through(sessions, listing, now)
        self._watch.tidy({one.person.id for one in sessions if one.person is not None}, turn)
        await self._thread.change(partial(self._forget, sessions, listing.number))
        return sessions

    async def sooner(self) -> None:
        """Look at those who may have come to the end of a quota since they were looked at.

        Raises as `SessionDesk.minute`.
        """
        now = self._clock()
        due = self._watch.due(now)
        if not due or self._gatekeeper is None:
            return
        try:
            listing = await self._gatekeeper.counted(self._watch.serials(due))
        except BaseException:
            self._watch.again(due)
            raise
        over = self._watch.over(due, _bytes(listing.passed), now)
        if over:
            sessions = await asyncio.to_thread(self._rows.open_of_people, over)
            await self._go_through(sessions, listing, now)

    async def count(self, sessions: Sequence[Session]) -> None:
        """Take in the counts of some sessions, if the gate tells any."""
        gated = {one.serial: one for one in sessions if one.serial is not None}
        if self._gatekeeper is None or not gated:
            return
        try:
            listing = await self._gatekeeper.counted(list(gated))
        except GateError:
            return  # those of the last minute stand
        await self._count(list(gated.values()), listing)

    async def _go_through(self, sessions: Sequence[Session], listing: Listing, now: Now) -> None:
        """Count, charge people, and see who may go on and how fast."""
        await self._count(sessions, listing)
        if self._rules is None:
            return
        terms = await asyncio.to_thread(self._rules.terms_of, sessions, self._now())
        self._note(sessions, terms, _bytes(listing.passed), now)
        due = await asyncio.to_thread(self._keeper.due, terms, sessions, self._now())
        for some in chunks(due):
            ids = [one.id for one in some]
            review = partial(self._keeper.review, terms, ids, self._now())
            _, changes = await self._thread.change(review)
            await self._settle(changes)

    async def _count(self, sessions: Sequence[Session], listing: Listing) -> None:
        for some in chunks(sessions):
            await self._thread.change(partial(self._take, some, listing))

    def _take(self, sessions: Sequence[Session], listing: Listing) -> None:
        """Take in a listing; on the sessions' thread."""
        serials = [one.serial for one in sessions if one.serial is not None]
        fresh = {
            serial: listing.passed[serial]
            for serial in serials
            if serial in listing.passed and self._taken.get(serial, 0) < listing.number
        }
        ids = [one.id for one in sessions]
        self._keeper.count(ids, fresh, self._now(), self.anew)
        self._taken |= dict.fromkeys(fresh, listing.number)

    def _forget(self, sessions: Sequence[Session], listed: int) -> None:
        """Forget of whom counts were taken in, but for these and newer ones; on that thread."""
        known = {one.serial for one in sessions}
        self._taken = {s: n for s, n in self._taken.items() if s in known or n > listed}

    def _note(
        self,
        sessions: Sequence[Session],
        terms: Mapping[UUID, Terms],
        counted: Mapping[int, int],
        now: Now,
    ) -> None:
        """Have everybody watched who has a quota that has an end."""
        of: dict[UUID, list[Session]] = {}
        for one in sessions:
            if one.person is not None and one.serial is not None and one.id in terms:
                of.setdefault(one.person.id, []).append(one)
        for person, held in of.items():
            left = _watched(terms[held[0].id].grant)
            self._watch.know(person, left, held, counted=counted, now=now)

    def _clock(self) -> Now:
        return Now(time.monotonic(), self.traffic())


def _watched(grant: Grant) -> int | None:
    """Return the bytes whose end is to be watched for; None: none, or it has come already."""
    return None if grant.slow or grant.refused is not None else grant.left_bytes


def _bytes(passed: Mapping[int, Passed]) -> dict[int, int]:
    return {serial: one.bytes_in + one.bytes_out for serial, one in passed.items()}
