"""Orders from NASes and servers: Disconnect and CoA (RFC 5176), as a dynamic authorization server.

Whoever is listed may end and change the sessions that it reported itself; who has `orders`, all
of its site. Everything in a request that names a session must match, and what a change asks for
is done as a whole or not at all. Refusals always tell an Error-Cause.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from pyrad import packet as pyrad
from typing_extensions import override

from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.radius import asked, guard, request, ticket
from captive_portal.radius.clients import Client, Clients, parse_address
from captive_portal.radius.endpoint import PER_SECOND, Arrival, Endpoint
from captive_portal.radius.guard import Discard
from captive_portal.radius.received import Received, octets_of
from captive_portal.sessions import portal
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sessions.obeyed import Beyond, NoGroup
from captive_portal.sessions.session import Ids, Nas, Session
from collector.records import Clock

REPLAY_S = 300
"""An order with a time further from ours is an old one sent again (RFC 5176 6.3)."""
PAST = 65536
"""Orders kept whose octets must not come again: changes, and ends that tell no time and bear no
Class of ours."""
QUEUE = 256
NAS_MISMATCH, PROHIBITED, NO_SESSION, NO_RESOURCES, SEVERAL = 403, 501, 503, 506, 508
_CLASS = 25
_OUR_ID = 32
"""Digits of a session's id where this box is the NAS."""
_NAMING = {"User-Name": 1, "Framed-IP-Address": 8, "Calling-Station-Id": 31, "Acct-Session-Id": 44}
_NAMING |= {"Framed-IPv6-Address": 168, "Class": _CLASS}
_NAS = {"NAS-IP-Address": 4, "NAS-Identifier": 32, "NAS-IPv6-Address": 95}
_BESIDE = {33, 55, 80}
"""Proxy-State, Event-Timestamp, Message-Authenticator."""
_EVENT_TIMESTAMP = 55
_ONCE = frozenset({_CLASS, _EVENT_TIMESTAMP})
"""With one of these an order that is sent again later ends nothing more. A NAS's own number does
not do: who starts anew counts from the beginning."""

_log = logging.getLogger(__name__)

End = Callable[[UUID, str], Awaitable[Session | None]]
"""Ends a session everywhere; None: there is no such session. Raises PortalError."""
Change = Callable[[UUID, Ordered], Awaitable[Session | None]]
"""Changes a session everywhere; None: it does not go on. Raises Beyond, NoGroup, PortalError."""


class Sessions(Protocol):
    """Where sessions are looked up."""

    def get(self, session: UUID) -> Session | None:
        """Return the session with this id."""
        ...

    def open(self) -> Sequence[Session]:
        """Return all open sessions."""
        ...

    def open_at(self, site: str, address: str) -> Sequence[Session]:
        """Return the open sessions that hold an address."""
        ...

    def open_at_mac(self, site: str, mac: str) -> Sequence[Session]:
        """Return the open sessions at a device."""
        ...


class Refusal(PortalError):
    """An order that is not followed; `cause` is the Error-Cause."""

    def __init__(self, cause: int) -> None:
        super().__init__(f"Error-Cause {cause}")
        self.cause = cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A verified request: which session is meant, as it says."""

    client: Client
    nas: Nas
    by: str = ""
    """The address of who orders."""
    user: str = ""
    acct_session_id: str = ""
    mac: str = ""
    station: str = ""
    addresses: tuple[str, ...] = ()
    granted: UUID | None = None
    """The session that a Class of ours names."""

    def means(self, session: Session) -> bool:
        """Say whether all that is given matches a session."""
        person = session.person.account if session.person else ""
        given = (
            (self.user, names.folded(self.user) == names.folded(person)),
            (self.acct_session_id, self.acct_session_id in _ids(session)),
            (self.mac, self.mac == session.mac),
            (self.station and not self.mac, self.station == session.calling_station),
            (self.addresses, set(self.addresses) <= set(session.addresses)),
            (self.granted, self.granted == session.id),
        )
        return session.open and all(matches for told, matches in given if told)


class DynamicServer(Endpoint):
    """A UDP endpoint for Disconnect-Request and CoA-Request."""

    what = "RADIUS orders"
    codes = (pyrad.DisconnectRequest, pyrad.CoARequest)

    def __init__(  # noqa: PLR0913  # its parts
        self,
        clients: Clients,
        *,
        sessions: Sessions,
        end: End,
        change: Change,
        ids: Ids,
        clock: Clock,
        named: Collection[str] = (),
        per_second: int = PER_SECOND,
    ) -> None:
        super().__init__(clients, clock=clock, per_second=per_second)
        self._sessions = sessions
        self._end = end
        self._change = change
        self._named = frozenset(named)
        """What this box is called where it is the NAS itself."""
        self._ids = ids
        self._queue: asyncio.Queue[tuple[Arrival, Received]] = asyncio.Queue(QUEUE)
        self._past: OrderedDict[bytes, None] = OrderedDict()

    @override
    def _take(self, arrival: Arrival) -> None:
        # Made as an Accounting-Request is: the same proof (RFC 5176 3.3).
        read = guard.open_packet(arrival.whole, arrival.client)
        self._timely(arrival)
        if self._copied(arrival):
            return
        once = arrival.whole[0] == pyrad.DisconnectRequest and _once(arrival.whole)
        # A change is never done twice: another may have come in between.
        seen = None if once else hashlib.sha256(arrival.whole).digest()
        if seen in self._past:
            raise Discard("replay")
        try:
            self._queue.put_nowait((arrival, read))
        except asyncio.QueueFull:
            raise Discard("busy") from None
        self._answers.put(arrival.copy, b"", arrival.now)
        if seen is not None:
            self._past[seen] = None
            while len(self._past) > PAST:
                self._past.popitem(last=False)

    def _timely(self, arrival: Arrival) -> None:
        for kind, value in guard.attributes(arrival.whole):
            if kind != _EVENT_TIMESTAMP:
                continue
            off = abs(arrival.now // 10**9 - int.from_bytes(value, "big"))
            if len(value) != 4 or off > REPLAY_S:
                raise Discard("replay")

    async def serve(self) -> None:
        """Follow orders, one after the other, until cancelled."""
        while True:
            arrival, read = await self._queue.get()
            cause = 0
            try:
                await self._follow(arrival, read)
            except (Refusal, asked.Unfit) as refusal:
                cause = refusal.cause
            except PortalError as error:
                _log.warning("an order of %s is not followed: %s", arrival.address, error)
                cause = NO_RESOURCES
            except Exception:  # noqa: BLE001  # nothing stops the server
                _log.exception("an order of %s is not followed", arrival.address)
                cause = NO_RESOURCES
            self.counters.add(arrival.address, f"refused {cause}" if cause else "done")
            self._answer(arrival, _encoded(read, cause))

    async def _follow(self, arrival: Arrival, read: Received) -> None:
        """Do what an order says. Raises Refusal."""
        order = read_order(arrival, read, self._ids)
        session = await asyncio.to_thread(self._meant, order)
        if arrival.whole[0] == pyrad.DisconnectRequest:
            done = await self._end(session.id, Cause.ADMIN_RESET)
        else:
            done = await self._changed(arrival, session)
        if done is None:
            raise Refusal(NO_SESSION)

    async def _changed(self, arrival: Arrival, session: Session) -> Session | None:
        """Change a session as a CoA-Request says. Raises Refusal."""
        told = asked.read(arrival.whole, by=arrival.address, start=session.start)
        if told.group and not arrival.client.orders:
            raise Refusal(PROHIBITED)
        try:
            return await self._change(session.id, told)
        except Beyond:
            raise Refusal(PROHIBITED) from None
        except NoGroup:
            raise Refusal(asked.BAD_VALUE) from None

    def _meant(self, order: Order) -> Session:
        """Return the one session that is meant. Raises Refusal."""
        may = [s for s in self._candidates(order) if _may(order.client, s) and order.means(s)]
        if not may:
            raise Refusal(NO_SESSION)
        if order.nas != Nas():
            may = [s for s in may if _of_nas(order.nas, s) or self._ours(order, s)]
            if not may:
                raise Refusal(NAS_MISMATCH)
        if len(may) > 1:
            raise Refusal(SEVERAL)
        return may[0]

    def _ours(self, order: Order, session: Session) -> bool:
        """Say whether it is this box that an order names, and the box that carries a session."""
        nas = order.nas
        if session.method != portal.METHOD or (
            nas.identifier and nas.identifier not in self._named
        ):
            return False
        return not nas.address or nas.address == _own_address(order.by)

    def _candidates(self, order: Order) -> Sequence[Session]:
        site, found = order.client.site, self._sessions
        if order.granted is not None:
            one = found.get(order.granted)
            return [] if one is None else [one]
        if order.addresses:
            return found.open_at(site, order.addresses[0])
        if len(order.acct_session_id) == _OUR_ID:
            # As other servers are told of the sessions of this box (`forward`).
            with contextlib.suppress(ValueError):
                one = found.get(UUID(hex=order.acct_session_id))
                if one is not None:
                    return [one]
        return found.open_at_mac(site, order.mac) if order.mac else found.open()


def read_order(arrival: Arrival, read: Received, ids: Ids) -> Order:
    """Return which session a verified request names.

    Raises:
        Refusal: it names none, or has something in it that is not understood.
    """
    _known(arrival.whole)
    values, client = request.Values(read), arrival.client
    classes = [v for kind, v in guard.attributes(arrival.whole) if kind == _CLASS]
    tickets = [ticket.read(octets, client.site, ids) for octets in classes]
    if classes and not all(tickets):
        raise Refusal(NO_SESSION)
    station = values.text("Calling-Station-Id")
    order = Order(
        client=client,
        by=arrival.address,
        nas=Nas(
            identifier=values.text("NAS-Identifier"),
            address=values.text("NAS-IP-Address") or values.text("NAS-IPv6-Address"),
        ),
        user=names.clean(values.text("User-Name")),
        acct_session_id=values.text("Acct-Session-Id"),
        mac=names.mac(station),
        station=station,
        addresses=tuple(
            told
            for told in (values.text("Framed-IP-Address"), values.text("Framed-IPv6-Address"))
            if told
        ),
        granted=next((one.session for one in tickets if one), None),
    )
    if order == Order(client=client, nas=order.nas, by=order.by):
        raise Refusal(asked.MISSING_ATTRIBUTE)
    return order


def _known(whole: bytes) -> None:
    """Refuse what is not understood: it could have named another session."""
    known = {*_NAMING.values(), *_NAS.values(), *_BESIDE}
    if whole[0] == pyrad.CoARequest:
        known |= asked.KNOWN
    if any(kind not in known for kind, _ in guard.attributes(whole)):
        raise Refusal(asked.UNSUPPORTED_ATTRIBUTE)


def _ids(session: Session) -> tuple[str, str]:
    """Return what a session is called by its NAS, and by this box where it is the NAS."""
    return session.acct_session_id, session.id.hex


def _once(whole: bytes) -> bool:
    """Say whether an order can end no other session when somebody sends it again."""
    return any(kind in _ONCE for kind, _ in guard.attributes(whole))


def _may(client: Client, session: Session) -> bool:
    """Say whether somebody may give orders about a session."""
    if session.site != client.site:
        return False
    ours = not client.identifier or client.identifier == session.nas.identifier
    return client.orders or (ours and session.nas.client == str(client.network))


def _of_nas(told: Nas, session: Session) -> bool:
    """Say whether a session is of the NAS that is named; the sign-in page's are of none."""
    nas = session.nas
    names_it = not told.identifier or told.identifier == nas.identifier
    return names_it and (not told.address or told.address in (nas.address, nas.source))


def _own_address(peer: str) -> str:
    """Return the address from which this box speaks to somebody: the one that they know."""
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, 9))  # nothing is sent
        return str(parse_address(probe.getsockname()[0]))
    return ""


def _encoded(read: Received, cause: int) -> bytes:
    """Return the answer; Message-Authenticator where one was sent."""
    disconnect = read.code == pyrad.DisconnectRequest
    code = pyrad.DisconnectACK if disconnect else pyrad.CoAACK
    if not cause:
        return read.reply(code, sign=read.signed)
    return read.reply(code + 1, octets_of("Error-Cause", cause), sign=read.signed)
