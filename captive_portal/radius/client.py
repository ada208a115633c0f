"""Asking RADIUS servers of somebody else (RFC 2865, 2866, 3579, 5080, 5997).

Every request that the answer's forging could hurt is signed, the signature first, and an answer
without one is not believed unless the settings say so (CVE-2024-3596). A request keeps its id and
its octets when it is sent again. Servers that were mute are tried with Status-Server, not with
somebody's sign-in. What is not believed is counted and the wait goes on: a forger must not end it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from typing_extensions import override

from captive_portal.errors import PortalError

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE = 1, 2, 3, 11
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, STATUS_SERVER = 4, 5, 12
HEADER, LARGEST = 20, 4096
PROXY_STATE, MESSAGE_AUTHENTICATOR, VENDOR_SPECIFIC, NAS_IDENTIFIER = 33, 80, 26, 32
WAITS_S = (1.0, 1.0, 1.5)
"""How long an answer is waited for after each sending."""
PROBE_S = 5.0
"""So often a mute server is asked for its status."""
DOWN_S = 60.0
"""A server that answers no Status-Server is tried with somebody's sign-in after so long."""
SOCKETS = 8
"""Ports to each server at most; 256 requests may be on their way from each."""

Attribute = tuple[int, bytes]
_Answers = {
    ACCESS_REQUEST: (ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE),
    ACCOUNTING_REQUEST: (ACCOUNTING_RESPONSE,),
    STATUS_SERVER: (ACCESS_ACCEPT, ACCOUNTING_RESPONSE),
}


class Mute(PortalError):
    """No server answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is believed."""

    code: int
    attributes: tuple[Attribute, ...]

    def all(self, kind: int) -> list[bytes]:
        """Return all values of an attribute."""
        return [value for one, value in self.attributes if one == kind]

    def vendor(self, vendor: int, kind: int) -> bytes | None:
        """Return a value of a vendor's attribute (RFC 2865 5.26), or None."""
        head = vendor.to_bytes(4, "big")
        for value in self.all(VENDOR_SPECIFIC):
            rest = value[4:] if value[:4] == head else b""
            while len(rest) >= 2 and 2 <= rest[1] <= len(rest):
                if rest[0] == kind:
                    return rest[2 : rest[1]]
                rest = rest[rest[1] :]
        return None


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
        self._nas = (NAS_IDENTIFIER, nas_identifier.encode())
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
                with suppress(Mute):
                    await self._exchange(server, STATUS_SERVER, lambda _: (), (PROBE_S,))
                    server.down_until = 0.0
                    return
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
        for socket in server.sockets:
            if socket.free and not socket.closed:
                return socket, socket.free.pop(0)
        server.sockets = [socket for socket in server.sockets if not socket.closed]
        if len(server.sockets) >= SOCKETS:
            raise Mute(f"{256 * SOCKETS} requests wait for {server.name}")
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
        accounting = code == ACCOUNTING_REQUEST
        authenticator = bytes(16) if accounting else os.urandom(16)
        rest = encoded([self._nas, *asking(authenticator)])
        signed = b"" if accounting else bytes((MESSAGE_AUTHENTICATOR, 18)) + bytes(16)
        size = HEADER + len(signed) + len(rest)
        if size > LARGEST:
            raise Mute(f"a request of {size} octets is too long")
        head = bytes((code, number)) + size.to_bytes(2, "big")
        if accounting:
            whole = head + authenticator + rest
            return head + _md5(whole + self._secret) + rest
        signature = hmac.digest(self._secret, head + authenticator + signed + rest, "md5")
        return head + authenticator + signed[:2] + signature + rest

    def _believed(self, request: _Request, datagram: bytes) -> Reply | None:
        """Return the answer to a request, or None where it is not one and wait on."""
        try:
            return checked(
                datagram, request.code, request.authenticator, self._secret, legacy=self._legacy
            )
        except Unbelieved as reason:
            self.counts[str(reason)] += 1
            return None


class Unbelieved(PortalError):
    """An answer that counts for nothing; the message is the reason."""


def checked(
    datagram: bytes, code: int, authenticator: bytes, secret: bytes, *, legacy: bool
) -> Reply:
    """Return what an answer says.

    Args:
        datagram: What came, of any length.
        code: Of the request.
        authenticator: Of the request.
        secret: Shared with the server.
        legacy: Whether it may come without Message-Authenticator.

    Raises:
        Unbelieved: it is cut, forged, of another kind, or says what nobody asked for.
    """
    if len(datagram) < HEADER:
        raise Unbelieved("short")
    size = int.from_bytes(datagram[2:4], "big")
    if not HEADER <= size <= min(LARGEST, len(datagram)):
        raise Unbelieved("bad length")
    whole = datagram[:size]
    if whole[0] not in _Answers.get(code, ()):
        raise Unbelieved("bad code")
    made = _md5(whole[:4] + authenticator + whole[HEADER:] + secret)
    if not hmac.compare_digest(made, whole[4:20]):
        raise Unbelieved("wrong authenticator")
    attributes = tuple(_walk(whole))
    signed = _signed(whole, attributes, authenticator, secret)
    if code == ACCESS_REQUEST and not signed and not legacy:
        raise Unbelieved("no message-authenticator")
    if any(kind == PROXY_STATE for kind, _ in attributes):
        # We send none: it is room for a collision (CVE-2024-3596).
        raise Unbelieved("proxy-state")
    return Reply(code=whole[0], attributes=attributes)


def encoded(attributes: Iterable[Attribute]) -> bytes:
    """Return attributes as octets (RFC 2865 section 5). Raises PortalError: one is too long."""
    pieces = []
    for kind, value in attributes:
        if not 0 < len(value) <= 253:
            raise PortalError(f"attribute {kind} cannot have {len(value)} octets")
        pieces.append(bytes((kind, len(value) + 2)) + value)
    return b"".join(pieces)


def hidden(password: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """Return User-Password as it goes over the wire (RFC 2865 5.2); at most 128 octets."""
    padded = password.ljust(-(-max(len(password), 1) // 16) * 16, b"\0")
    out, last = b"", authenticator
    for at in range(0, len(padded), 16):
        mask = _md5(secret + last)
        last = bytes(a ^ b for a, b in zip(padded[at : at + 16], mask, strict=True))
        out += last
    return out


def _walk(whole: bytes) -> Iterable[Attribute]:
    at = HEADER
    while at < len(whole):
        size = whole[at + 1] if at + 1 < len(whole) else 0
        if size < 2 or at + size > len(whole):
            raise Unbelieved("bad attribute")
        yield whole[at], whole[at + 2 : at + size]
        at += size


def _signed(
    whole: bytes, attributes: Sequence[Attribute], authenticator: bytes, secret: bytes
) -> bool:
    """Say whether there is a true Message-Authenticator (RFC 3579 3.2). Raises Unbelieved."""
    told = [value for kind, value in attributes if kind == MESSAGE_AUTHENTICATOR]
    if not told:
        return False
    if len(told) > 1 or len(told[0]) != 16:
        raise Unbelieved("bad message-authenticator")
    at = HEADER
    while whole[at] != MESSAGE_AUTHENTICATOR:
        at += whole[at + 1]
    blank = whole[:4] + authenticator + whole[HEADER : at + 2] + bytes(16) + whole[at + 18 :]
    if not hmac.compare_digest(hmac.digest(secret, blank, "md5"), told[0]):
        raise Unbelieved("wrong message-authenticator")
    return True


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()


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
