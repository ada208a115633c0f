"""An authentication server on a real database, asked by datagrams that are handed in."""

import asyncio
import hashlib
import hmac
import ipaddress
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pyrad import packet
from sqlalchemy import Engine
from sqlalchemy.orm import Session as Database

from captive_portal.people.accounts import Account, People
from captive_portal.people.devices import DeviceKind, DeviceRow
from captive_portal.people.groups import Groups
from captive_portal.people.nt_hashes import NtHashes
from captive_portal.people.usage import Used
from captive_portal.radius import guard
from captive_portal.radius.authentication import AuthenticationServer, EapSide, Rules
from captive_portal.radius.book import Book
from captive_portal.radius.clients import Client, Clients
from captive_portal.radius.endpoint import PER_SECOND
from captive_portal.radius.signing import Signing
from captive_portal.sessions.admission import Terms
from captive_portal.sessions.policy import Reason, grant
from captive_portal.sessions.session import Ids, Session
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.local import LocalWay
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.radius.test_guard import attribute
from tests.captive_portal.radius.test_server import Wire

SECRET = b"prathu-test"
NAS = ("192.0.2.1", 50_000)
IDS = Ids(b"k" * 32)
DICTIONARY = guard.dictionary()
BANGKOK = ZoneInfo("Asia/Bangkok")


def nas(**more: Any) -> Client:
    network = ipaddress.ip_network("192.0.2.0/24")
    return replace(Client(network=network, site=SITE, secret=SECRET), **more)


def hidden(password: bytes, authenticator: bytes, secret: bytes = SECRET) -> bytes:
    """Return a User-Password as RFC 2865 5.2 hides it."""
    padded = password.ljust(max(16, -(-len(password) // 16) * 16), b"\0")
    out, last = b"", authenticator
    for at in range(0, len(padded), 16):
        mask = hashlib.md5(secret + last).digest()
        last = bytes(a ^ b for a, b in zip(padded[at : at + 16], mask, strict=True))
        out += last
    return out


@dataclass
class Ask:
    """Makes Access-Requests, each with an id and authenticator of its own."""

    secret: bytes = SECRET
    number: int = 0
    more: bytes = b""
    signed: bool = True
    sent: dict[int, bytes] = field(default_factory=dict)

    def request(self, attributes: bytes, *, code: int = 1) -> bytes:
        head = self._head()
        blank = (attribute(80, bytes(16)) if self.signed else b"") + attributes + self.more
        head = bytes((code, head[0])) + (20 + len(blank)).to_bytes(2, "big") + head[1:]
        if not self.signed:
            return head + blank
        mac = hmac.new(self.secret, head + blank, hashlib.md5).digest()
        return head + attribute(80, mac) + blank[18:]

    def pap(self, user: str | bytes, password: str | bytes, more: bytes = b"") -> bytes:
        name = user.encode() if isinstance(user, str) else user
        word = password.encode() if isinstance(password, str) else password
        authenticator = self._next()[1:]
        return self.request(attribute(1, name) + attribute(2, hidden(word, authenticator)) + more)

    def mac(self, spelling: str, more: bytes = b"") -> bytes:
        told = attribute(31, b"00-00-5E-00-53-0A")
        return self.pap(spelling, spelling, told + more)

    def _head(self) -> bytes:
        head = self._next()
        self.number += 1
        return head

    def _next(self) -> bytes:
        number = self.number % 256
        return bytes((number,)) + hashlib.md5(str(self.number).encode()).digest()


class Asked:
    """A server without a network."""

    def __init__(
        self,
        engine: Engine,
        *clients: Client,
        nt: NtHashes | None = None,
        rules: Rules | None = None,
        eap: EapSide | None = None,
        per_second: int = PER_SECOND,
        now: datetime = NOW,
    ) -> None:
        self.wire = Wire()
        self.now = int(now.timestamp() * 1e9)
        self.engine = engine
        self.sessions: list[Session] = []
        self.checks = 0
        self.people = People(engine, clock=lambda: self.now)
        self.chain = Chain(LocalWay(self.people), {}, tries_per_minute=1000, clock=lambda: self.now)
        self.server = AuthenticationServer(
            Clients(clients or [nas()]),
            book=Book(engine, terms=self._terms, sessions=self, nt=nt),
            check=self._check,
            signing=Signing(engine),
            ids=IDS,
            clock=lambda: self.now,
            rules=rules or Rules(),
            eap=eap,
            per_second=per_second,
        )
        self.server.connection_made(self.wire)
        self.chain.__enter__()
        self._runner = asyncio.Runner()
        self._serving: asyncio.Task[None] | None = None

    async def _check(self, attempt: Any) -> Account:
        self.checks += 1
        return await self.chain.check(attempt)

    def _terms(self, account: Account, now: datetime) -> Terms:
        group = Groups(self.engine).of(account.site, account.group, account.kind)
        if account.disabled_at is not None:
            closed = grant(group, {}, Used(), now=now, since=now, longest=HOUR, zone=BANGKOK)
            return Terms(grant=replace(closed, refused=Reason.CLOSED))
        given = grant(group, {}, Used(), now=now, since=now, longest=HOUR, zone=BANGKOK)
        return Terms(grant=given, devices=group.devices, at_limit=group.at_limit)

    def open_of_person(self, person: Any) -> Sequence[Session]:
        return [one for one in self.sessions if one.person and one.person.id == person]

    def send(
        self, *datagrams: bytes, peer: tuple[str, int] = NAS, answers: int | None = None
    ) -> list[bytes]:
        """Hand datagrams in and return the answers: as many as are waited for, or all at rest."""

        before = len(self.wire.sent)
        wanted = before + (len(datagrams) if answers is None else answers)

        async def work() -> None:
            for datagram in datagrams:
                self.server.datagram_received(datagram, peer)
            deadline = time.monotonic() + 20
            while len(self.wire.sent) < wanted and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            if answers is not None:
                await asyncio.sleep(0.05)

        self.run(work())
        return [data for data, _ in self.wire.sent[before:]]

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something on the loop that the server is served on."""
        if self._serving is None:
            self._serving = self._runner.get_loop().create_task(self.server.serve())
        self._runner.run(work)
        assert not self._serving.done()

    def close(self) -> None:
        self._runner.close()
        self.chain.__exit__()

    def counted(self, address: str = NAS[0]) -> dict[str, int]:
        return self.server.counters.of(address)

    def device(self, mac: str, owner: str = "somchai", **more: Any) -> None:
        person = self.people.find(SITE, owner)
        assert person is not None
        row = DeviceRow(site=SITE, mac=mac, person=person.id, kind=DeviceKind.OWNED, name="x")
        row.since = row.seen_at = NOW
        row.until = more.get("until")
        with Database(self.engine) as db, db.begin():
            db.add(row)


HOUR = timedelta(hours=1)


def opened(reply: bytes, request: bytes, secret: bytes = SECRET) -> Any:
    """Return a reply whose authenticator and Message-Authenticator are right, and that is first."""
    asked = packet.AuthPacket(secret=secret, dict=DICTIONARY, packet=request)
    told = asked.CreateReply(packet=reply)
    assert asked.VerifyReply(told, reply, enforce_ma=True)
    assert reply[20] == 80
    return told


def at(hour: int, minute: int = 0) -> datetime:
    """Return a time of Monday the 23rd, Bangkok's."""
    return datetime(2026, 11, 23, hour, minute, tzinfo=BANGKOK).astimezone(UTC)
