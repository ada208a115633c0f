"""Where sessions change: one thread, and after it the gate and the NAS.

Pages, RADIUS and lines of syslog all come here, one after the other. An event is durable, then in
the database; then the gate is told, outside of the thread, so that many who sign in at a time wait
for it together; and only then is whoever asked answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from captive_portal.desk.claims import holders
from captive_portal.desk.finding import Kicked, name_of, one_named, person_of
from captive_portal.desk.gatekeeper import Gatekeeper, not_ready
from captive_portal.desk.lately import Lately
from captive_portal.desk.metering import Metering
from captive_portal.desk.nas_teller import NasTeller
from captive_portal.desk.rules import RuleBook
from captive_portal.desk.thread import SessionThread
from captive_portal.errors import GateError, PortalError
from captive_portal.people.accounts import Account, People, Who
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.addresses import Neighbour
from captive_portal.sessions.admission import Terms, within
from captive_portal.sessions.at_nas import Noted
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.keeper import Keeper, signed_in
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Person, Session
from captive_portal.sessions.zones import Zones
from captive_portal.troubles import reason
from collector.records import Clock, SignInLine, time_of

_log = logging.getLogger(__name__)


class SessionDesk:
    """The one thread on which sessions change, and the ways to it."""

    def __init__(  # these are what it stands on
        self,
        engine: Engine,
        keeper: Keeper,
        *,
        clock: Clock,
        rules: RuleBook | None = None,
        zones: Zones | None = None,
        gatekeeper: Gatekeeper | None = None,
    ) -> None:
        self.nas = NasTeller(Rows(engine).get, self._note, self._end_there)
        """Who tells NASes of ends and changes."""
        self.addresses_of: Callable[[str], Sequence[str]] = lambda _: ()
        """Where the kernel has seen a device; whoever listens to it puts itself here."""
        self._lately = Lately()
        self.limits_of: Callable[[UUID], Ordered | None] = lambda _: None
        """What a server outside allows somebody whom it has let in; whoever knows it goes here."""
        self._rows = Rows(engine)
        self._people = People(engine)
        self._keeper = keeper
        self._clock = clock
        self._rules = rules
        self._zones = zones or Zones(())
        self._gatekeeper = gatekeeper
        self._thread = SessionThread(keeper)
        self.metering = Metering(
            self._rows,
            keeper,
            self._thread,
            gatekeeper=gatekeeper,
            rules=rules,
            now=self.now,
            settle=self._settle,
        )
        """What is counted and reviewed."""

    def close(self) -> None:
        """Let what is under way end."""
        self._thread.close()

    def now(self) -> datetime:
        """Return the time."""
        return time_of(self._clock)

    def submit(self, work: Callable[[], None]) -> asyncio.Future[None]:
        """Run something on the sessions' thread; the gate hears of it within a tick."""
        return self._thread.submit(work)

    async def sign_in(  # one sign-in is made of these
        self,
        site: str,
        account: Account,
        address: str,
        mac: str,
        *,
        zone: str = "",
        notice: str = "",
    ) -> Session:
        """Begin a session, or go on with the one of that person on that device.

        Args:
            site: Where.
            account: Who.
            address: The device's.
            mac: The device's, where it is known.
            zone: The part of the site; empty: by the address.
            notice: The version of the privacy notice that was shown; empty: none, as at a renewal.

        Raises:
            Denied: that person may not be on now.
            ReportError: the collector cannot be told; nobody was let in.
            GateError: the gate could not let it in; the session is over again.
        """
        found = self._zones.of(address, site)
        zone = zone or (found.id if found else "")
        gated = self._gatekeeper is not None and self._gatekeeper.keeps(zone)
        if gated and self._gatekeeper and not self._gatekeeper.ready:
            raise not_ready()

        def begin() -> tuple[Session, Terms | None]:
            now = self.now()
            terms = self._terms(account, now)
            terms = None if terms is None else within(terms, self.limits_of(account.id))
            begun = self._keeper.sign_in(
                site,
                person_of(account),
                address,
                mac=mac,
                now=now,
                terms=terms,
                zone=zone,
                notice=notice,
                gated=gated,
            )
            return begun, terms

        (session, terms), changes = await self._thread.change(begin)
        if terms is not None:
            self.metering.begun(session, terms.grant)
        try:
            await self._settle(changes)
        except GateError:
            if session.renewed is None:
                await self._end_quietly(session.id, Cause.GATE)
            raise
        return session if session.serial is None else await self._with_all(session)

    async def _with_all(self, session: Session) -> Session:
        """Let a session in on the other addresses too that its device is known to be at."""
        of = self._zones.of  # what it left behind in another zone is of no use in this one
        heard = self.addresses_of(session.mac)
        known = [one for one in heard if (at := of(one)) and at.id == session.zone]
        # One frame claims an address: what another's session holds is for `claims` to look into.
        asked = [(session.site, one) for one in known]
        held = await asyncio.to_thread(holders, self._rows, asked)
        known = [one for one in known if held.get(one, session.mac) == session.mac]
        more = [(one, session.mac) for one in known if ":" in one and one not in session.addresses]
        if all(":" in one for one in session.addresses):
            # The page was called by IPv6; of IPv4 a device has the one address it used last.
            more += [(one, session.mac) for one in known if ":" not in one][-1:]
        if not more:
            return session
        try:
            await self.see(more)
        except PortalError as error:
            _log.warning("a session begins without its other addresses: %s", error)
        return await asyncio.to_thread(self._rows.get, session.id) or session

    def _terms(self, account: Account, now: datetime) -> Terms | None:
        return None if self._rules is None else self._rules.terms(account, now)

    async def sign_out(self, session: Session) -> None:
        """End a session for its person. Raises ReportError; the gate is told until it has it."""
        await self.end(session.id, Cause.USER_REQUEST)

    async def end(self, session: UUID, cause: str) -> Session | None:
        """End a session everywhere, and return it; None: there is no such session.

        Its counters are as of now, if the gate can tell them.

        Raises:
            ReportError: the collector cannot be told; the session goes on.
        """
        known = await asyncio.to_thread(self._rows.get, session)
        await self.metering.count([known] if known else [])
        ended, changes = await self._thread.change(
            lambda: self._keeper.end(session, cause, now=self.now())
        )
        try:
            await self._settle(changes)
        except GateError as error:
            _log.warning("a session has ended, and the gate will be told again: %s", error)
        return ended

    async def kick(self, start: str) -> Kicked:
        """End the session whose id begins so, in the database, at the gate and at the NAS.

        Raises:
            PortalError: there is none, or several; or it is over.
            ReportError: the collector cannot be told; the session goes on.
        """
        session = await asyncio.to_thread(one_named, self._rows, start)
        await self.metering.count([session])
        ended, changes = await self._thread.change(
            lambda: self._keeper.end(session.id, Cause.ADMIN_RESET, now=self.now())
        )
        gate = "" if session.serial is None or self._gatekeeper is None else "shut out"
        try:
            await self._settle(changes, but=session.id)
        except GateError as error:
            gate = f"not reached, tried again until it is: {error}"
        ended = ended or session
        return Kicked(session=ended, gate=gate, nas=await self.nas.now(ended))

    async def at(self, site: str, address: str) -> Session | None:
        """Return the session on an address. Waits for nobody who writes."""
        return await asyncio.to_thread(signed_in, self._rows, site, address, self.now())

    def why_ended(self, site: str, address: str) -> str:
        """Return why a session at an address ended a moment ago; empty: none that is to be told."""
        return self._lately.why(site, address, self.now())

    async def terms(self, account: Account) -> Terms | None:
        """Return on what terms somebody may be on now; None: this desk has no rules."""
        return await asyncio.to_thread(self._terms, account, self.now())

    async def see(self, seen: Iterable[tuple[str, str]]) -> None:
        """Take in addresses and the MACs that the kernel has just seen there.

        Raises:
            ReportError: the collector cannot be told.
            GateError: the gate could not be told; it is as soon as it can.
        """
        neighbours = []
        for address, mac in seen:
            zone = self._zones.of(address)
            if zone is not None:
                here = Neighbour(site=zone.site, zone=zone.id, address=address, mac=mac)
                neighbours.append(here)
        if neighbours:
            _, changes = await self._thread.change(lambda: self._keeper.see(neighbours, self.now()))
            await self._settle(changes)

    def keep(self, heard: Sequence[Accounting]) -> list[Accounting]:
        """Take accounting in; on the sessions' thread. Raises PortalError."""
        try:
            let_in = self._people.these({one.person for one in heard if one.person is not None})
            others = [one for one in heard if one.person not in let_in and name_of(one)]
            known = self._people.named({(one.site, name_of(one)) for one in others})
            return self._keeper.accounting(
                [(one, self._whose(one, let_in, known)) for one in heard]
            )
        except DBAPIError as error:
            # A full disk is nothing about these packets: one line, and the NAS sends them again.
            raise PortalError(f"the database says: {reason(error)}") from error

    def _whose(
        self,
        heard: Accounting,
        let_in: Mapping[UUID, Who],
        known: Mapping[tuple[str, str], Who],
    ) -> Person | None:
        """Return whose packet it is: an account of that site, or a shadow made for the name."""
        name = name_of(heard)
        if heard.person is not None and heard.person in let_in:
            return person_of(let_in[heard.person])
        if not name or heard.status in ("on", "off"):
            return None
        account = known.get((heard.site, name))
        return person_of(account or self._people.shadow(heard.site, name, now=self.now()))

    def keep_lines(self, lines: Sequence[SignInLine]) -> None:
        """Take sign-in lines in; on the sessions' thread. Raises PortalError."""
        try:
            self._keeper.told([(line, self._named(line)) for line in lines])
        except DBAPIError as error:
            raise PortalError(f"the database says: {reason(error)}") from error

    def _named(self, line: SignInLine) -> Person | None:
        """Return whose line it is, as of accounting; who only leaves is not made known by it."""
        if line.event == "stop":
            found = self._people.find(line.site, line.account) if line.account else None
            return None if found is None else person_of(found)
        return person_of(self._people.shadow(line.site, line.account, now=self.now()))

    async def tick(self) -> None:
        """End what has run out, and tell the gate what it was not told yet.

        What fails is as it was, and tried again at the next tick.

        Raises:
            ReportError: the collector cannot be told.
            GateError: the gate cannot be told.
            SQLAlchemyError: the database cannot be read or written.
        """
        over = await asyncio.to_thread(self._rows.run_out, self.now())
        await self.metering.count(over)
        recover = partial(self._keeper.recover, self.now())
        await self._settle(await self._thread.change_and_rest(recover))
        if self._gatekeeper is not None:
            if not self._gatekeeper.ready:
                await self._open_gate(self._gatekeeper)
            await self._gatekeeper.pay()

    async def _open_gate(self, gatekeeper: Gatekeeper) -> None:
        """Give the gate the sessions that go on from before, after what it counted is taken in."""
        known = await gatekeeper.counted()
        passes = await asyncio.to_thread(self._rows.passes)
        # What it does not know it lost, with the machine: it counts from 0 then.
        self.metering.anew = {one.serial for one in passes} - known.passed.keys()
        await gatekeeper.restore(passes)
        await self.metering.watch_all()

    async def minute(self) -> None:
        """Count, charge people, and see who may go on and how fast.

        Raises:
            ReportError: the collector cannot be told.
            GateError: the gate does not tell, or cannot be told.
            SQLAlchemyError: the database cannot be read or written.
        """
        sessions = await self.metering.minute()
        self.nas.again(sessions, asyncio.get_running_loop().time())
        if self._gatekeeper is not None and self._gatekeeper.ready:
            await self._gatekeeper.reconcile(lambda: asyncio.to_thread(self._rows.passes))

    async def open_sessions(self) -> int:
        """Return how many sessions go on."""
        return await asyncio.to_thread(self._rows.count_open)

    async def accounts(self) -> dict[str, int]:
        """Return how many accounts there are of each kind."""
        return await asyncio.to_thread(self._people.counts)

    async def _settle(self, changes: Sequence[Session], *, but: UUID | None = None) -> None:
        """Tell the gate and, but for one session, the NASes. Raises GateError."""
        self.metering.ended(changes)
        self.nas.later(changes, but=but)
        self._lately.note(changes)
        if self._gatekeeper is not None:
            await self._gatekeeper.settle(changes)

    async def _note(self, noted: Sequence[Noted]) -> None:
        """Keep what came of telling NASes."""
        _, changes = await self._thread.change(lambda: self._keeper.noted(noted))
        self.nas.later(one for one in changes if one.open)  # whose terms have changed since

    async def _end_there(self, session: UUID, cause: str) -> Session | None:
        """End a session that a NAS carries, of which the gate has counted nothing."""
        ended, changes = await self._thread.change(
            lambda: self._keeper.end(session, cause, now=self.now())
        )
        await self._settle(changes)
        return ended

    async def order(self, session: UUID, ordered: Ordered) -> Session | None:
        """Follow an order from outside about a session; None: it does not go on.

        Raises:
            Beyond: its group does not allow that.
            PortalError: there is no such group, or this desk has no rules.
            ReportError: the collector cannot be told; the session is as it was.
        """
        done, changes = await self._thread.change(lambda: self._obey(session, ordered))
        try:
            await self._settle(changes)
        except GateError as error:
            _log.warning("a session has other terms, and the gate will be told again: %s", error)
        return done

    def _obey(self, session: UUID, ordered: Ordered) -> Session | None:
        """Do it; on the sessions' thread."""
        known, now = self._rows.get(session), self.now()
        if known is None or not known.open:
            return None
        if self._rules is None:
            raise PortalError("this box has no rules for sessions")
        terms = self._rules.ordered(known, ordered.over(known.ordered), now)
        if terms.grant.until <= now and ordered.until is not None:
            return self._keeper.end(session, Cause.SESSION_TIMEOUT, now=now)
        self._keeper.order(known, terms, now)
        return self._rows.get(session)

    async def _end_quietly(self, session: UUID, cause: str) -> None:
        """End a session that was not let in; where that fails too, its person signs in anew."""
        try:
            await self.end(session, cause)
        except PortalError as error:
            _log.warning("a session that the gate did not let in goes on: %s", error)
