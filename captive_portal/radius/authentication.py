"""The authentication server: Access-Requests in, verdicts out (RFC 2865).

The receive loop only checks and queues. One task looks a batch up in a thread; a password as typed
is looked at by the ways of sign-in, whose queue is bounded. Who cannot be looked at now gets no
answer: the NAS asks again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pyrad import packet as pyrad
from typing_extensions import override

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Account
from captive_portal.radius import guard, judging, login, one_time, texts
from captive_portal.radius.book import Book, MakeRoom, Standing
from captive_portal.radius.clients import Clients
from captive_portal.radius.encoding import Told, eap_failure, encoded, granted
from captive_portal.radius.endpoint import PER_SECOND, Arrival, Endpoint
from captive_portal.radius.guard import Discard
from captive_portal.radius.judging import Verdict
from captive_portal.radius.login import Login
from captive_portal.radius.received import Received
from captive_portal.radius.signing import Signing
from captive_portal.sessions.session import Ids
from captive_portal.sign_in.one_time import OneTime
from captive_portal.sign_in.way import Attempt, Busy, NotNow, TooOften
from collector.records import Clock, time_of

Check = Callable[[Attempt], Awaitable[Account]]
"""Returns whose account and password it is, as `sign_in.chain.Chain.check`."""
QUEUE = 2048
"""Requests that wait at most; the next ones are not answered, and come again."""
PER_NAS = 1024
"""Of them, those of one address: one NAS must not keep the others waiting."""
BATCH = 128
PASSWORDS, PASSWORDS_PER_NAS = 48, 32
"""Passwords as typed that are looked at or wait for it; pages have their share of that queue."""
RECENT = 200
"""Refusals that the status shows."""
_MICROSOFT_SUCCESS, _MICROSOFT_ERROR = (311, 26), (311, 2)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say of it."""

    language: str = "th"
    random_macs: bool = False


class EapSide(Protocol):
    """Who speaks EAP with phones; this server stands before it."""

    async def ask(self, arrival: Arrival, packet: Received) -> bytes | None:
        """Return the answer to the NAS, or None where there is none now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    arrival: Arrival
    packet: Received
    login: Login


class AuthenticationServer(Endpoint):
    """A UDP endpoint for Access-Request and Status-Server."""

    what = "RADIUS authentication"
    codes = (guard.ACCESS_REQUEST, guard.STATUS_SERVER)

    def __init__(  # noqa: PLR0913  # its parts
        self,
        clients: Clients,
        *,
        book: Book,
        check: Check,
        signing: Signing,
        ids: Ids,
        clock: Clock,
        rules: Rules = Rules(),  # frozen
        eap: EapSide | None = None,
        per_second: int = PER_SECOND,
    ) -> None:
        super().__init__(clients, clock=clock, per_second=per_second)
        self._book = book
        self._check = check
        self._signing = signing
        self._ids = ids
        self._rules = rules
        self.eap = eap
        self.make_room: MakeRoom = lambda _: None
        """Ends the sessions that give way to somebody let in; whoever can puts itself here."""
        self.one_time: OneTime | None = None
        """Passwords that pages gave for other makers' gateways."""
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(QUEUE)
        self._held: Counter[str] = Counter()
        self._passwords: Counter[str] = Counter()
        self.recent: deque[dict[str, object]] = deque(maxlen=RECENT)
        """The latest refusals of people and devices that are known."""

    @override
    def _take(self, arrival: Arrival) -> None:
        read = self._open(arrival)
        if arrival.whole[0] == guard.STATUS_SERVER:
            self.counters.add(arrival.address, "status-server")
            self._send(encoded(read, pyrad.AccessAccept, ()), arrival.peer)
            return
        if self._copied(arrival):
            return
        tried = login.read(read, source=arrival.address, client=arrival.client)
        if self._held[arrival.address] >= PER_NAS:
            raise Discard("busy")
        try:
            self._queue.put_nowait(_Waiting(arrival=arrival, packet=read, login=tried))
        except asyncio.QueueFull:
            raise Discard("busy") from None
        self._held[arrival.address] += 1
        self._answers.put(arrival.copy, b"", arrival.now)

    def _open(self, arrival: Arrival) -> Received:
        """Return the packet if the NAS's policy takes it; learn that it signs."""
        client, address = arrival.client, arrival.address
        policy = client.message_authenticator
        must = policy == "require" or (
            policy == "learning" and self._signing.must(client.name, address)
        )
        read = guard.open_access(arrival.whole, client, must_sign=must)
        if read.signed:
            if policy == "learning":
                self._signing.saw(client.name, address)
        else:
            self.counters.add(address, "unsigned")
        return read

    async def serve(self) -> None:
        """Look at requests and answer them, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                batch = [await self._queue.get()]
                while len(batch) < BATCH and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                self._held.subtract(one.arrival.address for one in batch)
                self._held = +self._held
                at_once = [one for one in batch if not self._begun(tasks, one)]
                await self._work(at_once)

    def _begun(self, tasks: asyncio.TaskGroup, waiting: _Waiting) -> bool:
        """Begin what takes its time beside the others; say whether it does."""
        once = self.one_time and one_time.taken(self.one_time, waiting.login)
        if waiting.login.eap:
            tasks.create_task(self._tunnel(waiting))
        elif once:
            tasks.create_task(self._prove(waiting, self._by_one_time(waiting.login, once)))
        elif judging.needs_password(waiting.login):
            self._begin_password(tasks, waiting)
        else:
            return False
        return True

    def _begin_password(self, tasks: asyncio.TaskGroup, waiting: _Waiting) -> None:
        address = waiting.arrival.address
        if self._passwords.total() >= PASSWORDS or self._passwords[address] >= PASSWORDS_PER_NAS:
            self._give_up(waiting, "busy")
            return
        self._passwords[address] += 1
        tasks.create_task(self._prove_password(waiting))

    async def _work(self, batch: Sequence[_Waiting]) -> None:
        fresh = list(self._signing.fresh())
        if not batch and not fresh:
            return
        now = self._now()

        def look() -> list[Standing | None]:
            if fresh:
                self._signing.write(fresh, now)
            return self._book.look([one.login for one in batch], now)

        try:
            standings = await asyncio.to_thread(look)
        except Exception:  # noqa: BLE001  # as below: nothing stops the server
            _log.exception("%d RADIUS requests are not answered", len(batch))
            for one in batch:
                self._give_up(one, "error")
            return
        for one, standing in zip(batch, standings, strict=True):
            self._judge(one, standing, now)

    def _judge(self, waiting: _Waiting, standing: Standing | None, now: datetime) -> None:
        try:
            verdict = judging.judge(
                waiting.login, standing, now, random_macs=self._rules.random_macs
            )
            self._tell(waiting, verdict, now)
        except Exception:  # noqa: BLE001  # one request must not keep the others from answers
            _log.exception("a RADIUS request from %s is not answered", waiting.arrival.address)
            self._give_up(waiting, "error")

    async def _prove_password(self, waiting: _Waiting) -> None:
        """Have a password as typed looked at; nothing is raised."""
        try:
            await self._prove(waiting, self._verdict(waiting.login))
        finally:
            self._passwords[waiting.arrival.address] -= 1
            self._passwords = +self._passwords

    async def _by_one_time(self, tried: Login, once: one_time.Taken) -> Verdict:
        """Return the verdict on somebody who was let in on our page a moment ago."""
        now = self._now()
        account = await asyncio.to_thread(self._book.person, once.person)
        if account is None:
            return judging.refused(judging.NOBODY)
        standing = await asyncio.to_thread(self._book.standing, account, tried, now)
        verdict = judging.allow(tried, standing, now, success=once.success)
        return replace(verdict, notice=once.notice)

    async def _prove(self, waiting: _Waiting, judged: Awaitable[Verdict]) -> None:
        """Answer by a verdict that takes its time; nothing is raised."""
        try:
            verdict = await judged
            self._tell(waiting, verdict, self._now())
        except Busy:
            self._give_up(waiting, "busy")
        except NotNow:
            self._give_up(waiting, "not-now")
        except Exception:  # noqa: BLE001  # one request must not keep the others from answers
            _log.exception("a RADIUS request from %s is not answered", waiting.arrival.address)
            self._give_up(waiting, "error")

    async def _verdict(self, tried: Login) -> Verdict:
        try:
            account = await self._check(tried.attempt)
        except TooOften:
            return judging.refused("too-often")
        except Refused:
            return await self._refused(tried)
        now = self._now()
        standing = await asyncio.to_thread(self._book.standing, account, tried, now)
        return judging.allow(tried, standing, now)

    async def _refused(self, tried: Login) -> Verdict:
        """Return why, for the log alone."""
        account = await asyncio.to_thread(self._book.account, tried.site, tried.user)
        if account is None:
            return judging.refused(judging.NOBODY)
        closed = account.closed(self._now())
        self._note(tried, account, "account-closed" if closed else judging.WRONG)
        return judging.refused("account-closed" if closed else judging.WRONG)

    async def _tunnel(self, waiting: _Waiting) -> None:
        """Let FreeRADIUS speak EAP; nothing is raised."""
        arrival = waiting.arrival
        try:
            if self.eap is None:
                self._answer(arrival, eap_failure(waiting.packet))
                self.counters.add(arrival.address, "eap-off")
                return
            octets = await self.eap.ask(arrival, waiting.packet)
        except PortalError as error:
            self._give_up(waiting, str(error))
        except Exception:  # noqa: BLE001  # one request must not keep the others from answers
            _log.exception("a RADIUS request from %s is not answered", arrival.address)
            self._give_up(waiting, "error")
        else:
            if octets is None:
                self._give_up(waiting, "eap-silent")
                return
            self.counters.add(arrival.address, f"eap-{_CODES.get(octets[0], 'other')}")
            self._answer(arrival, octets)

    def _tell(self, waiting: _Waiting, verdict: Verdict, now: datetime) -> None:
        arrival, standing = waiting.arrival, verdict.standing
        if verdict.accepted and standing is not None:
            told = granted(standing, arrival, now, ids=self._ids, notice=verdict.notice)
            if verdict.success:
                told.append((_MICROSOFT_SUCCESS, verdict.success))
            if standing.surplus:
                told.append(("Reply-Message", texts.reply(texts.OLDEST, self._rules.language)))
                self.make_room(standing.surplus)
            self.counters.add(arrival.address, "accept")
            self._answer(arrival, encoded(waiting.packet, pyrad.AccessAccept, told))
            return
        self.note(waiting.login, standing, verdict.reason)
        self.counters.add(arrival.address, f"reject {verdict.reason}")
        sentence = texts.reply(verdict.sentence, self._rules.language)
        refusal: list[Told] = [("Reply-Message", sentence)]
        if isinstance(waiting.login.credential, login.MsChap2):
            number = bytes((waiting.login.credential.id,))
            refusal.append((_MICROSOFT_ERROR, number + b"E=691 R=0 V=3"))
        self._answer(arrival, encoded(waiting.packet, pyrad.AccessReject, refusal))

    def note(self, tried: Login, standing: Standing | None, reason: str) -> None:
        """Keep a refusal of somebody known."""
        if standing is not None:
            self._note(tried, standing.account, reason)

    def _note(self, tried: Login, account: Account, reason: str) -> None:
        """Keep a refusal of somebody known: other names may be passwords, and are kept nowhere."""
        told = {"at_ns": self._clock(), "account": account.account, "site": tried.site}
        self.recent.append({**told, "nas": tried.nas.name, "mac": tried.mac, "reason": reason})
        _log.info("%s is refused at %s: %s", account.account, tried.nas.name, reason)

    def _give_up(self, waiting: _Waiting, why: str) -> None:
        self.counters.add(waiting.arrival.address, why)
        self._answers.forget(waiting.arrival.copy)

    def _now(self) -> datetime:
        return time_of(self._clock)


_CODES = {
    pyrad.AccessAccept: "accept",
    pyrad.AccessReject: "reject",
    pyrad.AccessChallenge: "challenge",
}
