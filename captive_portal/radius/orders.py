"""Orders to NASes: Disconnect (RFC 5176), as a dynamic authorization client.

A NAS is asked three times in nine seconds with the same packet. What is not its answer (a wrong
authenticator, another id, a second answer) is passed over.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
from typing import Any

from pyrad import packet as pyrad
from typing_extensions import override

from captive_portal.radius import guard
from captive_portal.radius.clients import Client, Clients, spelt
from captive_portal.radius.counters import Counters
from captive_portal.radius.guard import Discard
from captive_portal.radius.replies import Attribute, cut
from captive_portal.sessions.session import Session
from captive_portal.settings import NasKind
from collector.records import Clock

TRIES, WAIT_S = 3, 3.0
AT_ONCE = 32
"""NASes that are asked at the same time; the others wait."""
CONFIRMED = "the NAS confirmed"
NO_ORDERS = "this NAS takes no such orders; it ends the session by itself"
_ERROR_CAUSE = 101
_DEAF: tuple[NasKind, ...] = ("pfsense", "opnsense")
"""Kinds without dynamic authorization."""
_BY_NAME: tuple[NasKind, ...] = ("mikrotik", "chillispot")
"""Kinds that find a session only with its User-Name."""
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


class NasOrders:
    """Gives orders to the NASes of the settings; `captive_portal.sessions.nas_side.NasSide`."""

    def __init__(self, clients: Clients, *, clock: Clock, wait_s: float = WAIT_S) -> None:
        self.counters = Counters()
        self._clients = clients
        self._clock = clock
        self._wait_s = wait_s
        self._dictionary = guard.dictionary()
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def disconnect(self, session: Session) -> str:
        """Have the NAS end a session that has ended here; tries for some seconds, never raises."""
        client = self._clients.of(session.nas.client)
        if client is None or not session.nas.source:
            return "its NAS is not in the settings any more"
        if client.kind in _DEAF:
            return NO_ORDERS
        where = f"{session.nas.source}:{client.coa_port}"
        try:
            octets, proof = self._request(session, client)
            async with self._turns:
                answer = await self._ask(session.nas.source, client, octets, proof)
        except (OSError, ValueError) as error:
            self.counters.add(session.nas.source, "unreachable")
            return f"ended here, NAS unconfirmed: {where} cannot be reached: {error}"
        return self._words(session.nas.source, where, answer)

    def _words(self, source: str, where: str, answer: bytes | None) -> str:
        if answer is None:
            self.counters.add(source, "no-answer")
            return f"ended here, NAS unconfirmed: no answer from {where}"
        if answer[0] == pyrad.DisconnectACK:
            self.counters.add(source, "ack")
            return CONFIRMED
        cause = next((v for kind, v in guard.attributes(answer) if kind == _ERROR_CAUSE), b"")
        number = int.from_bytes(cause, "big")
        self.counters.add(source, f"nak {number}")
        return f"the NAS refused: {CAUSES.get(number, 'it gave no reason')} ({number})"

    def _request(self, session: Session, client: Client) -> tuple[bytes, bytes]:
        """Return a request and its authenticator."""
        made: Any = pyrad.CoAPacket(
            code=pyrad.DisconnectRequest,
            id=secrets.randbelow(256),
            secret=client.secret,
            dict=self._dictionary,
        )
        made.add_message_authenticator()
        made.AddAttribute("Event-Timestamp", int(self._clock() // 10**9))
        for name, value in _named(session, client):
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


def _named(session: Session, client: Client) -> list[Attribute]:
    """Return what tells the NAS which session is meant: all of it must match there."""
    told: list[Attribute] = []
    if session.acct_session_id:
        told.append(("Acct-Session-Id", cut(session.acct_session_id)))
    if client.kind in _BY_NAME or not told:
        name = session.person.account if session.person else ""
        told += [("User-Name", cut(name))] if name else []
    station = session.calling_station or (
        spelt(session.mac, client.mac_format) if session.mac else ""
    )
    if station:
        told.append(("Calling-Station-Id", cut(station)))
    return told


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
