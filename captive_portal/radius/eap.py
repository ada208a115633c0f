"""EAP, spoken by FreeRADIUS on loopback; this stands between it and the NAS.

A NAS's request goes there under a secret, id and authenticator of our own, and what comes back is
made anew for the NAS: signed, with the keys of the radio link hidden for it, and with what the
group may do. Who it was, FreeRADIUS does not say by name but by the Class that we gave it inside
the tunnel, once the proof was right.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pyrad import packet as pyrad
from typing_extensions import override

from captive_portal.radius import guard, judging, login, ticket
from captive_portal.radius.book import Book, MakeRoom
from captive_portal.radius.encoding import encoded, granted
from captive_portal.radius.endpoint import Arrival
from captive_portal.radius.guard import Discard
from captive_portal.radius.login import Login
from captive_portal.radius.orders import genuine
from captive_portal.radius.received import Received
from captive_portal.sessions.session import Ids

WAIT_S = 14.0
"""Longer than the box's own look at a password; the NAS asks again meanwhile."""
IDS = 256
_CLASS, _STATE, _OPERATOR = 25, 24, 126
_SEND_KEY, _RECV_KEY = (311, 16), (311, 17)
_PASSED = (guard.EAP_MESSAGE, _STATE)
_SUCCESS, _FAILURE = 3, 4
_NOT_FORWARDED = {2, 3, 60, guard.PROXY_STATE, guard.MESSAGE_AUTHENTICATOR, _OPERATOR}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request that FreeRADIUS has."""

    proof: bytes
    answer: asyncio.Future[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """What FreeRADIUS said."""

    octets: bytes
    proof: bytes
    """Authenticator of what it was asked."""
    device: str
    """The MAC of a device of the school that has proven itself by a certificate."""


class Tunnels:
    """Requests that are at FreeRADIUS: which NAS and which outer name each is of."""

    def __init__(self) -> None:
        self._logins: dict[str, Login] = {}
        self._devices: dict[str, str] = {}
        self._people: dict[str, UUID] = {}

    def begin(self, outer: Login) -> str:
        """Return a word that names a request while it is there."""
        word = f"1{secrets.token_hex(12)}"
        self._logins[word] = outer
        return word

    def device(self, word: str, mac: str) -> None:
        """Keep that a device of the school has proven itself by a certificate."""
        if word in self._logins:
            self._devices[word] = mac

    def typed(self, word: str, person: UUID) -> None:
        """Keep whose password was typed inside: two may have one name, here and in a directory."""
        if word in self._logins:
            self._people[word] = person

    def person(self, word: str) -> UUID | None:
        """Return whose password was typed inside, if one was."""
        return self._people.get(word)

    def end(self, word: str) -> str:
        """Forget it; return the device that has proven itself, if one has."""
        self._logins.pop(word, None)
        self._people.pop(word, None)
        return self._devices.pop(word, "")

    def of(self, word: str) -> Login | None:
        """Return the request that FreeRADIUS asks about."""
        return self._logins.get(word)


class EapProxy(asyncio.DatagramProtocol):
    """Asks FreeRADIUS."""

    def __init__(
        self,
        secret: bytes,
        tunnels: Tunnels,
        *,
        book: Book,
        ids: Ids,
        now: Callable[[], datetime],
        wait_s: float = WAIT_S,
    ) -> None:
        self._secret = secret
        self._tunnels = tunnels
        self._book = book
        self._ids = ids
        self._now = now
        self._wait_s = wait_s
        self.make_room: MakeRoom = lambda _: None
        """Ends the sessions that give way to somebody let in; whoever can puts itself here."""
        self._dictionary = guard.dictionary()
        self._asked: dict[int, _Asked] = {}
        self._next = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, port: int) -> None:
        """Make a socket for FreeRADIUS's port on loopback; nothing is sent yet."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, remote_addr=("127.0.0.1", port)
        )
        self._transport = transport

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    @override
    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Take an answer to one of the requests; anything else is passed over."""
        try:
            whole = guard.shape(data, _ANSWERS)
        except Discard:
            return
        asked = self._asked.get(whole[1])
        if asked is None or asked.answer.done():
            return
        if genuine(whole, asked.proof, self._secret):
            asked.answer.set_result(whole)

    @override
    def error_received(self, exc: Exception) -> None:
        """Go on: FreeRADIUS may be starting."""

    async def ask(self, arrival: Arrival, packet: Received) -> bytes | None:
        """Return the answer to the NAS, or None where there is none now.

        Raises:
            Discard: too many requests are there already.
        """
        number = self._free()
        outer = login.read(packet, source=arrival.address, client=arrival.client)
        word = self._tunnels.begin(outer)
        octets = self._forwarded(arrival.whole, number, word)
        loop = asyncio.get_running_loop()
        asked = self._asked[number] = _Asked(proof=octets[4:20], answer=loop.create_future())
        try:
            if self._transport is not None:
                self._transport.sendto(octets)
            answer = await asyncio.wait_for(asked.answer, self._wait_s)
        except TimeoutError:
            return None
        finally:
            del self._asked[number]
            device = self._tunnels.end(word)
        said = _Answered(octets=answer, proof=asked.proof, device=device)
        return await self._for_nas(arrival, packet, outer, said)

    def _free(self) -> int:
        for _ in range(IDS):
            self._next = (self._next + 1) % IDS
            if self._next not in self._asked:
                return self._next
        raise Discard("busy")

    def _forwarded(self, whole: bytes, number: int, word: str) -> bytes:
        """Return the request as FreeRADIUS gets it; its attributes stand as they came."""
        made: Any = pyrad.AuthPacket(secret=self._secret, id=number, dict=self._dictionary)
        made.add_message_authenticator()
        told = [(kind, v) for kind, v in guard.attributes(whole) if kind not in _NOT_FORWARDED]
        for kind, value in (*told, (_OPERATOR, word.encode())):
            made.setdefault(kind, []).append(value)
        octets: bytes = made.RequestPacket()
        return octets

    async def _for_nas(
        self,
        arrival: Arrival,
        packet: Received,
        outer: Login,
        said: _Answered,
    ) -> bytes:
        read: Any = pyrad.AuthPacket(
            secret=self._secret,
            dict=self._dictionary,
            packet=said.octets,
            authenticator=said.proof,
        )
        read.request_authenticator = said.proof
        told = [(key, v) for key in _PASSED for v in read.get(key) or ()]
        if said.octets[0] != pyrad.AccessAccept:
            return encoded(packet, said.octets[0], told)
        found = (ticket.read(v, outer.site, self._ids) for v in read.get(_CLASS) or ())
        proven = next((one for one in found if one is not None), None)
        now = self._now()
        if proven is None:
            return encoded(packet, pyrad.AccessReject, _failed(read))
        account = await asyncio.to_thread(self._book.person, proven.person)
        if account is None:
            return encoded(packet, pyrad.AccessReject, _failed(read))
        standing = await asyncio.to_thread(self._book.standing, account, outer, now)
        proven_as = replace(outer, user=said.device or account.account)
        verdict = judging.allow(proven_as, standing, now)
        if not verdict.accepted:
            return encoded(packet, pyrad.AccessReject, _failed(read))
        keys = [(key, read.SaltDecrypt(v)) for key in (_RECV_KEY, _SEND_KEY) for v in read[key]]
        self.make_room(standing.surplus)
        told += granted(standing, arrival, now, ids=self._ids, session=proven.session)
        return encoded(packet, pyrad.AccessAccept, told, hidden=keys)


_ANSWERS = (pyrad.AccessAccept, pyrad.AccessReject, pyrad.AccessChallenge)


def _failed(read: Any) -> list[tuple[int, bytes]]:  # noqa: ANN401  # pyrad's
    """Return an EAP-Failure in the place of the success that came."""
    came = bytes((read.get(guard.EAP_MESSAGE) or [b"\0\0"])[0])
    return [(guard.EAP_MESSAGE, bytes((_FAILURE, came[1] if len(came) > 1 else 0, 0, 4)))]
