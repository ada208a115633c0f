"""Orders to NASes: Disconnect and CoA (RFC 5176), as a dynamic authorization client.

A NAS is asked three times in nine seconds with the same packet. What is not its answer (a wrong
authenticator, another id, a second answer) is passed over.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from pyrad import packet as pyrad
from typing_extensions import override

from captive_portal.radius import guard, replies
from captive_portal.radius.clients import Client, Clients, spelt
from captive_portal.radius.counters import Counters
from captive_portal.radius.guard import Discard
from captive_portal.radius.kinds import BY_ADDRESS, BY_NAME, SEES
from captive_portal.radius.replies import Attribute, cut
from captive_portal.sessions.at_nas import narrower
from captive_portal.sessions.nas_side import Answer, State
from captive_portal.sessions.session import Session
from collector.records import Clock

TRIES, WAIT_S = 3, 3.0
AT_ONCE = 128
"""Requests that are under way at the same time; the others wait."""
CONFIRMED = "the NAS confirmed"
NO_ORDERS = "this NAS takes no such orders; it ends the session by itself"
GONE = "its NAS is not in the settings any more"
OVER_THERE = "over there too: the NAS says that it has no such session (503)"
_NO_SESSION = 503
_ERROR_CAUSE = 101
_NAME_IN_KEY = 3
CAUSES = {
    201: "residual context removed",
    202: "invalid EAP packet",
    401: "unsupported attribute",
    402: "missing attribute",
    403: "NAS identification mismatch",
    404: "invalid request",
    405: "unsupported service",
    406: "unsupported extension",
    407: "invalid attribute value",
    501: "administratively prohibited",
    502: "request not routable",
    503: "it knows no such session any more",
    504: "session context not removable",
    505: "proxy processing error",
    506: "resources unavailable",
    507: "request initiated",
    508: "more than one session would be meant",
}
"""Error-Cause (RFC 5176 3.6)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a NAS said: nothing, yes, or no with the number of its cause."""

    where: str
    heard: bool = False
    refused: int | None = None
    fault: str = ""


class NasOrders:
    """Gives orders to the NASes of the settings; `captive_portal.sessions.nas_side.NasSide`."""

    def __init__(self, clients: Clients, *, clock: Clock, wait_s: float = WAIT_S) -> None:
        self.counters = Counters()
        self._clients = clients
        self._clock = clock
        self._wait_s = wait_s
        self._dictionary = guard.dictionary()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def disconnect(self, session: Session) -> Answer:
        """Have the NAS end a session that has ended here; tries for some seconds, never raises."""
        client = self._clients.of(session.nas.client, session.nas.identifier)
        if client is None or not session.nas.source:
            return Answer(state=State.DEAF, words=GONE)
        if client.takes == "none":
            return Answer(state=State.DEAF, words=NO_ORDERS)
        said = await self._order(pyrad.DisconnectRequest, session, client, ())
        if not said.heard:
            why = said.fault or "no answer"
            told = f"ended here, NAS unconfirmed: {why} from {said.where}"
            return Answer(state=State.SILENT, words=told)
        over = said.refused == _NO_SESSION
        return _heard(said, OVER_THERE if over else f"the NAS refused: {_cause(said.refused)}")

    async def change(self, session: Session) -> Answer:
        """Have the NAS hold what `session.wants` says; tries for some seconds, never raises.

        Where it cannot, and what it holds lets the person do what they may not, the answer is that
        the session is to end.
        """
        client = self._clients.of(session.nas.client, session.nas.identifier)
        has, wants = session.has, session.wants
        if client is None or not session.nas.source or has is None or wants is None:
            return Answer(state=State.DEAF, words=GONE)
        less = narrower(has, wants, SEES[client.kind])
        attributes = replies.changes(client.kind, has, wants, start=session.start)
        moved = has.vlan != wants.vlan if has.sure else wants.vlan is not None
        if not moved:
            if not attributes:
                return Answer(state="", words="its NAS is told nothing of what has changed")
            if client.takes == "coa":
                return await self._change(session, client, attributes, less=less)
            return _untold(client, "this NAS takes no changes", less=less)
        # The device needs another address too: it must sign in anew.
        return _untold(client, "the VLAN changes", less=True)

    async def _change(
        self, session: Session, client: Client, attributes: Sequence[Attribute], *, less: bool
    ) -> Answer:
        said = await self._order(pyrad.CoARequest, session, client, attributes)
        if not said.heard:
            why = said.fault or "no answer"
            told = f"changed here, NAS unconfirmed: {why} from {said.where}"
            return Answer(state=State.SILENT, words=told)
        refusal = f"the NAS refused the change: {_cause(said.refused)}"
        if said.refused is not None and said.refused != _NO_SESSION and less:
            return Answer(state=State.END, words=f"{refusal}; the session ends")
        return _heard(said, refusal)

    async def _order(
        self, code: int, session: Session, client: Client, attributes: Sequence[Attribute]
    ) -> _Said:
        source = session.nas.source
        where = f"{source}:{client.coa_port}"
        what = "coa-" if code == pyrad.CoARequest else ""
        try:
            octets, proof = self._request(code, session, client, attributes)
            async with self._turns:
                answer = await self._ask(source, client, octets, proof)
        except (OSError, ValueError) as error:
            self.counters.add(source, f"{what}unreachable")
            return _Said(where, fault=f"it cannot be reached ({error}), nothing")
        if answer is None:
            self.counters.add(source, f"{what}no-answer")
            return _Said(where)
        if answer[0] == code + 1:
            self.counters.add(source, f"{what}ack")
            return _Said(where, heard=True)
        cause = next((v for kind, v in guard.attributes(answer) if kind == _ERROR_CAUSE), b"")
        number = int.from_bytes(cause[:4], "big")
        self.counters.add(source, f"{what}nak {number}")
        return _Said(where, heard=True, refused=number)

    def _request(
        self, code: int, session: Session, client: Client, attributes: Sequence[Attribute]
    ) -> tuple[bytes, bytes]:
        """Return a request and its authenticator."""
        made: Any = pyrad.CoAPacket(
            code=code,
            id=secrets.randbelow(256),
            secret=client.secret,
            dict=self._dictionary,
        )
        made.add_message_authenticator()
        made.AddAttribute("Event-Timestamp", int(self._clock() // 10**9))
        for name, value in (*_named(session, client), *attributes):
            made.AddAttribute(name, value)
        octets: bytes = made.RequestPacket()
        return octets, octets[4:20]

    async def _ask(self, source: str, client: Client, octets: bytes, proof: bytes) -> bytes | None:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(octets, proof, client.secret, loop.create_future())
        transport, _ = await loop.create_datagram_endpoint(
            lambda: waiting, remote_addr=(source, client.coa_port)
        )
        try:
            for _ in range(TRIES):
                transport.sendto(octets)
                done, _ = await asyncio.wait([waiting.answer], timeout=self._wait_s)
                if done:
                    return waiting.answer.result()
            return None
        finally:
            transport.close()


def _heard(said: _Said, refusal: str) -> Answer:
    if said.refused is None:
        return Answer(state=State.CONFIRMED, words=CONFIRMED)
    return Answer(state=f"{State.REFUSED} {said.refused}", words=refusal)


def _cause(number: int | None) -> str:
    return f"{CAUSES.get(number or 0, 'it gave no reason')} ({number or 0})"


def _untold(client: Client, why: str, *, less: bool) -> Answer:
    """Return what becomes of a change that a NAS is not told."""
    if less and client.takes != "none":
        return Answer(state=State.END, words=f"{why}: the session ends, its person signs in anew")
    return Answer(state=State.DEAF, words=f"{why}: it holds from the next sign-in on")


def _named(session: Session, client: Client) -> list[Attribute]:
    """Return what tells the NAS which session is meant: all of it must match there.

    What the NAS has said itself is said back as it was; a name that it has not said is told only
    to makers that need one.
    """
    told: list[Attribute] = []
    if session.acct_session_id:
        told.append(("Acct-Session-Id", cut(session.acct_session_id)))
    name = _name_there(session)
    if not name and (client.kind in BY_NAME or not told) and session.person:
        name = session.person.account
    if name and (name.isascii() or client.kind in BY_NAME or not told):
        # An old NAS may have told it in another character set: it would not know it again.
        told.append(("User-Name", cut(name)))
    if client.kind in BY_ADDRESS:
        return [*told, *_address(session)]
    station = session.calling_station or (
        spelt(session.mac, client.mac_format) if session.mac else ""
    )
    if station:
        told.append(("Calling-Station-Id", cut(station)))
    return [*told, *_nas(session)]


def _name_there(session: Session) -> str:
    """Return the name by which the NAS has reported a session, from the session's key."""
    parts = session.key.split("\x1f")
    return parts[_NAME_IN_KEY] if len(parts) > _NAME_IN_KEY else ""


def _nas(session: Session) -> list[Attribute]:
    """Return how the NAS names itself."""
    told: list[Attribute] = []
    if session.nas.identifier:
        told.append(("NAS-Identifier", cut(session.nas.identifier)))
    if session.nas.address:
        version = "NAS-IPv6-Address" if ":" in session.nas.address else "NAS-IP-Address"
        told.append((version, session.nas.address))
    return told


def _address(session: Session) -> list[Attribute]:
    hosts = [ip_network(one) for one in session.addresses]
    old = [str(one.network_address) for one in hosts if one.version == 4 and one.num_addresses == 1]
    return [("Framed-IP-Address", one) for one in old[:1]]


class _Waiting(asyncio.DatagramProtocol):
    """Waits for the one answer to a request."""

    def __init__(
        self, request: bytes, proof: bytes, secret: bytes, answer: asyncio.Future[bytes]
    ) -> None:
        self.answer = answer
        self._request = request
        self._proof = proof
        self._secret = secret

    @override
    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Take the answer, if it is one and the first."""
        if self.answer.done():
            return
        try:
            whole = guard.shape(data, (self._request[0] + 1, self._request[0] + 2))
        except Discard as reason:
            _log.debug("an answer of %s is passed over: %s", addr[0], reason)
            return
        if whole[1] == self._request[1] and genuine(whole, self._proof, self._secret):
            self.answer.set_result(whole)

    @override
    def error_received(self, exc: Exception) -> None:
        """Go on: a port that is closed now may open until the next try."""


def genuine(whole: bytes, proof: bytes, secret: bytes) -> bool:
    """Say whether a reply is to the request of this authenticator, and signed right if signed.

    Args:
        whole: A reply that `guard.shape` let through.
        proof: The request's authenticator.
        secret: Shared with who answered.
    """
    made = hashlib.md5(whole[:4] + proof + whole[20:] + secret).digest()  # noqa: S324  # RFC 2865 3
    if not hmac.compare_digest(made, whole[4:20]):
        return False
    at = guard.HEADER
    while at < len(whole):
        if whole[at] == guard.MESSAGE_AUTHENTICATOR:
            blank = whole[: at + 2] + bytes(16) + whole[at + 18 :]
            blank = blank[:4] + proof + blank[20:]
            signed = hmac.new(secret, blank, hashlib.md5).digest()
            return hmac.compare_digest(signed, whole[at + 2 : at + 18])
        at += whole[at + 1]
    return True
