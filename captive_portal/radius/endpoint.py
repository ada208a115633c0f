"""What all RADIUS ports of ours share: who sends, how much of it, copies, and counts.

A datagram is looked at in the receive loop only as far as it takes to believe it; the work waits
in a bounded queue. Nothing that arrives raises.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict
from typing import Any, ClassVar, NamedTuple, Self, cast

from typing_extensions import override

from captive_portal.errors import cannot_listen
from captive_portal.radius import guard
from captive_portal.radius.clients import Client, Clients, canonical
from captive_portal.radius.counters import Counters
from captive_portal.radius.guard import Discard
from collector.records import Clock

REMEMBERED = 8192
"""Answers kept for copies (RFC 5080 2.2.2)."""
REMEMBERED_S = 30
UNKNOWN = "unknown"
"""The count of datagrams from addresses that are nobody's: a device knocks."""
TOO_MANY = "too-many"
"""The count of datagrams past an address's share."""
RECEIVE_BUFFER = 4 << 20
"""Bytes asked of the kernel, which may give less."""
HANDFUL = 256
"""Datagrams read in one turn of the event loop, where so many wait."""
PER_SECOND = 5000
_ADDRESSES = 4096

_log = logging.getLogger(__name__)
Peer = tuple[str, int]
Copy = tuple[str, int, int, int, bytes]
"""Source address and port, code, id, authenticator: what a copy has in common with the first."""


class Arrival(NamedTuple):
    """A datagram that is whole, and who sent it."""

    whole: bytes
    peer: Peer
    address: str
    """The peer's, in canonical text."""
    client: Client
    now: int
    copy: Copy
    """What tells it from everything but a copy of it."""


class Answers:
    """What was answered lately, so that a copy gets the same and is not worked on again."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Copy, tuple[int, bytes]] = OrderedDict()

    def get(self, copy: Copy, now_ns: int) -> bytes | None:
        """Return the answer to the first of these; empty while it is being worked on."""
        found = self._answers.get(copy)
        if found is None or found[0] + REMEMBERED_S * 10**9 < now_ns:
            return None
        return found[1]

    def put(self, copy: Copy, answer: bytes, now_ns: int) -> None:
        """Remember an answer; the oldest one goes."""
        self._answers[copy] = (now_ns, answer)
        self._answers.move_to_end(copy)
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    def forget(self, copy: Copy) -> None:
        """Let the next copy be taken for a new packet."""
        self._answers.pop(copy, None)


class Shares:
    """How many datagrams an address may still send: as many a second, and that many at once."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, address: str, now_ns: int) -> bool:
        """Take one of its share; no when there is none left."""
        left, at = self._left.get(address, (float(self._per_second), now_ns))
        grown = left + max(0, now_ns - at) * self._per_second / 1e9
        left = min(float(self._per_second), grown)
        taken = left >= 1
        self._left[address] = (left - taken, now_ns)
        self._left.move_to_end(address)
        if len(self._left) > _ADDRESSES:
            self._left.popitem(last=False)
        return taken


class Endpoint(asyncio.DatagramProtocol):
    """A UDP port for RADIUS. A kind of port says in `_take` what it does with what came."""

    what: ClassVar[str] = "RADIUS"
    codes: ClassVar[tuple[int, ...]] = ()

    def __init__(self, clients: Clients, *, clock: Clock, per_second: int = PER_SECOND) -> None:
        self.counters = Counters()
        self._clients = clients
        self._clock = clock
        self._shares = Shares(per_second)
        self._answers = Answers()
        self._transport: asyncio.DatagramTransport | None = None
        self._socket: socket.socket | None = None

    async def open(self, host: str, port: int) -> Self:
        """Listen.

        Raises:
            PortalError: the port is taken, or is not ours to open; or pyrad is too old.
        """
        guard.check_library()
        loop = asyncio.get_running_loop()
        try:
            sock = await _bound(host, port)
        except OSError as error:
            raise cannot_listen(self.what, host, port, "[radius]", error) from error
        await loop.create_datagram_endpoint(lambda: self, sock=sock)
        self._socket = sock
        return self

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._transport is None:
            return 0
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Stop listening."""
        self._socket = None
        if self._transport is not None:
            self._transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for answers."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    @override
    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Take a datagram, and those that wait behind it: a turn of the loop for all of them."""
        self._hear(data, addr)
        if self._socket is None:
            return
        try:
            for _ in range(HANDFUL - 1):
                self._hear(*self._socket.recvfrom(guard.LARGEST + 1))
        except OSError:
            return  # there are no more

    def _hear(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Check one datagram and queue what it says; nothing is raised, whatever it holds."""
        peer = (str(addr[0]), int(addr[1]))
        address = canonical(peer[0])
        if self._clients.find(address) is None and not self._clients.shared(address):
            # Silence, and a line in the status: a device knocks.
            self.counters.add(address, UNKNOWN)
            return
        try:
            self._look(data, peer, address)
        except Discard as reason:
            self.counters.add(address, str(reason))
        except Exception:  # noqa: BLE001  # nothing leaves the receive loop
            self.counters.add(address, "error")
            _log.exception("a RADIUS packet from %s was dropped", address)

    def _look(self, data: bytes, peer: Peer, address: str) -> None:
        now = self._clock()
        if not self._shares.take(address, now):
            raise Discard(TOO_MANY)
        whole = guard.shape(data, self.codes)
        named = guard.identifier(whole) if self._clients.shared(address) else ""
        client = self._clients.find(address, named)
        if client is None:
            raise Discard(UNKNOWN)
        copy = (*peer, whole[0], whole[1], whole[4:20])
        self._take(Arrival(whole, peer, address, client, now, copy))

    def _take(self, arrival: Arrival) -> None:
        """Do what this port is for. Raises Discard."""
        raise NotImplementedError

    def _copied(self, arrival: Arrival) -> bool:
        """Answer a copy of what was answered; say whether it was one."""
        answered = self._answers.get(arrival.copy, arrival.now)
        if answered is None:
            return False
        self.counters.add(arrival.address, "copy")
        if answered:
            self._send(answered, arrival.peer)
        return True

    def _answer(self, arrival: Arrival, octets: bytes) -> None:
        """Answer, and remember it for copies."""
        self._answers.put(arrival.copy, octets, self._clock())
        self._send(octets, arrival.peer)

    def _send(self, octets: bytes, peer: Peer) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(octets, peer)


async def _bound(host: str, port: int) -> socket.socket:
    """Return a UDP socket at an address. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock
