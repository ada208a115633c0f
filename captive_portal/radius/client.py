"""Asking RADIUS servers of somebody else (RFC 2865, 2866, 3579, 5080, 5997).

Every request that the answer's forging could hurt is signed, the signature first, and an answer
without one is not believed unless the settings say so (CVE-2024-3596). A request keeps its id and
its octets when it is sent again. Servers that were mute are tried with Status-Server, not with
somebody's sign-in. What is not believed is counted and the wait goes on: a forger must not end it.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from typing_extensions import override

from captive_portal.errors import PortalError
from captive_portal.radius import wire
from captive_portal.radius.wire import Attribute, Reply, Unbelieved

WAITS_S = (1.0, 1.0, 1.5)
"""How long an answer is waited for after each sending."""
PROBE_S = 5.0
"""So often a mute server is asked for its status."""
DOWN_S = 15.0
"""A server that answers no Status-Server is tried with somebody's sign-in after so long."""
SOCKETS = 8
"""Ports to each server at most; 256 requests may be on their way from each."""


class Mute(PortalError):
    """No server answered."""


class Full(Mute):
    """As many requests wait for a server as may; it has done nothing wrong."""


class Asking(Protocol):
    """What makes the attributes of a request that need its authenticator."""

    def __call__(self, authenticator: bytes) -> Sequence[Attribute]:
        """Return them; `authenticator` is the request's (RFC 2865 section 3)."""
        ...


@dataclass(slots=True)
class _Request:
    """One request on its way."""

    code: int
    octets: bytes
    answer: asyncio.Future[Reply]

    @property
    def authenticator(self) -> bytes:
        return self.octets[4:20]


@dataclass(slots=True)
class _Server:
    """What is known of one server."""

    host: str
    port: int
    sockets: list[_Socket] = field(default_factory=list)
    down_until: float = 0.0
    """By the loop's clock; 0: it answers."""
    probing: bool = False
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


class Servers:
    """Servers of one kind, tried in their order. Used from one event loop.

    Args:
        addresses: `host:port` of each.
        secret: Shared with all of them.
        nas_identifier: What we are called there.
        legacy: Believe answers without Message-Authenticator.
    """

    def __init__(
        self, addresses: Iterable[str], secret: bytes, *, nas_identifier: str, legacy: bool = False
    ) -> None:
        self.counts: Counter[str] = Counter()
        """What was not believed, by reason; and how often each server was mute."""
        self._secret = secret
        self._legacy = legacy
        self._nas = (wire.NAS_IDENTIFIER, nas_identifier.encode())
        self._servers = [_server(address) for address in addresses]
        self._probes: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Close all ports; whoever waits hears that nobody answered."""
        for probe in self._probes:
            probe.cancel()
        for server in self._servers:
            for socket in server.sockets:
                socket.close()
            server.sockets.clear()

    def down(self) -> list[str]:
        """Return the servers that were mute lately."""
        return [server.name for server in self._servers if server.down_until]

    async def ask(self, code: int, asking: Asking) -> Reply:
        """Ask the first server that answers.

        Args:
            code: Of the request.
            asking: What makes its attributes; the box's name and the signature are added.

        Raises:
            Mute: none answered.
        """
        now = asyncio.get_running_loop().time()
        for server in self._servers:
            if server.down_until > now:
                continue
            try:
                reply = await self._exchange(server, code, asking, WAITS_S)
            except Full:
                self.counts[f"full {server.name}"] += 1
            except Mute:
                self.counts[f"mute {server.name}"] += 1
                self._doubt(server)
            else:
                server.down_until = 0.0
                return reply
        raise Mute(f"no answer from {', '.join(server.name for server in self._servers)}")

    def _doubt(self, server: _Server) -> None:
        """Leave a server out until it answers, or has been left out for long."""
        server.down_until = asyncio.get_running_loop().time() + DOWN_S
        if not server.probing:
            server.probing = True
            probe = asyncio.get_running_loop().create_task(self._probe(server))
            self._probes.add(probe)
            probe.add_done_callback(self._probes.discard)

    async def _probe(self, server: _Server) -> None:
        """Ask for its status until it answers or is tried anyway (RFC 5997 section 4.3)."""
        loop = asyncio.get_running_loop()
        try:
            while server.down_until > loop.time():
                next_s = loop.time() + PROBE_S
                with suppress(Mute):
                    await self._exchange(server, wire.STATUS_SERVER, lambda _: (), (PROBE_S,))
                    server.down_until = 0.0
                    return
                # Where there was no place for it the answer came at once.
                await asyncio.sleep(next_s - loop.time())
        finally:
            server.probing = False

    async def _exchange(
        self, server: _Server, code: int, asking: Asking, waits_s: Sequence[float]
    ) -> Reply:
        socket, number = await self._place(server)
        try:
            octets = self._packet(code, number, asking)
            answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            socket.waiting[number] = _Request(code, octets, answer)
            for wait_s in waits_s:
                socket.send(octets)
                done, _ = await asyncio.wait([answer], timeout=wait_s)
                if done:
                    return answer.result()
            raise Mute(f"no answer from {server.name}")
        finally:
            socket.waiting.pop(number, None)
            socket.free.append(number)

    async def _place(self, server: _Server) -> tuple[_Socket, int]:
        """Return a port and an id on it that no other request has."""
        async with server.opening:
            for socket in server.sockets:
                if socket.free and not socket.closed:
                    return socket, socket.free.pop(0)
            return await self._opened(server)

    async def _opened(self, server: _Server) -> tuple[_Socket, int]:
        server.sockets = [socket for socket in server.sockets if not socket.closed]
        if len(server.sockets) >= SOCKETS:
            raise Full(f"{256 * SOCKETS} requests wait for {server.name}")
        loop = asyncio.get_running_loop()
        try:
            _, socket = await loop.create_datagram_endpoint(
                lambda: _Socket(self._believed), remote_addr=(server.host, server.port)
            )
        except OSError as error:
            raise Mute(f"{server.name} cannot be reached: {error}") from error
        server.sockets.append(socket)
        return socket, socket.free.pop(0)

    def _packet(self, code: int, number: int, asking: Asking) -> bytes:
        """Return the octets of a request (RFC 2865 section 3, RFC 2866 section 3)."""
        accounting = code == wire.ACCOUNTING_REQUEST
        authenticator = bytes(16) if accounting else os.urandom(16)
        rest = wire.encoded([self._nas, *asking(authenticator)])
        signed = b"" if accounting else bytes((wire.MESSAGE_AUTHENTICATOR, 18)) + bytes(16)
        size = wire.HEADER + len(signed) + len(rest)
        if size > wire.LARGEST:
            raise Mute(f"a request of {size} octets is too long")
        head = bytes((code, number)) + size.to_bytes(2, "big")
        if accounting:
            whole = head + authenticator + rest
            return head + wire.md5(whole + self._secret) + rest
        signature = hmac.digest(self._secret, head + authenticator + signed + rest, "md5")
        return head + authenticator + signed[:2] + signature + rest

    def _believed(self, request: _Request, datagram: bytes) -> Reply | None:
        """Return the answer to a request, or None where it is not one and wait on."""
        try:
            return wire.checked(
                datagram, request.code, request.authenticator, self._secret, legacy=self._legacy
            )
        except Unbelieved as reason:
            self.counts[str(reason)] += 1
            return None


def _server(address: str) -> _Server:
    host, _, port = address.rpartition(":")
    return _Server(host=host.strip("[]"), port=int(port))


class _Socket(asyncio.DatagramProtocol):
    """One port of ours, connected to one server: the kernel drops what others send."""

    def __init__(self, believed: Callable[[_Request, bytes], Reply | None]) -> None:
        self.waiting: dict[int, _Request] = {}
        # The id that was used longest ago comes next: a late answer meets nobody.
        self.free = list(range(256))
        self.closed = False
        self._believed = believed
        self._transport: asyncio.DatagramTransport | None = None

    def send(self, octets: bytes) -> None:
        """Send a request, or send it again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(octets)

    def close(self) -> None:
        """Close the port."""
        self.closed = True
        for request in self.waiting.values():
            if not request.answer.done():
                request.answer.set_exception(Mute("closed"))
        if self._transport is not None:
            self._transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    @override
    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Give an answer to whoever waits for it."""
        request = self.waiting.get(data[1]) if len(data) > 1 else None
        if request is None or request.answer.done():
            return
        reply = self._believed(request, data)
        if reply is not None:
            request.answer.set_result(reply)

    @override
    def error_received(self, exc: Exception) -> None:
        """Wait on: anybody on the way can say that a port is closed."""
