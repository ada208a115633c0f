"""The accounting server: datagrams in, answers out once what they say is on disk.

The receive loop only checks and queues. One task takes what has come, batch by batch, to the
sessions' thread, and answers when that returns. What cannot be kept is not answered: the NAS
sends it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, cast

from pyrad import packet
from typing_extensions import override

from captive_portal.errors import PortalError, ReportRefused, cannot_listen
from captive_portal.radius import guard, request
from captive_portal.radius.clients import Client, Clients, parse_address
from captive_portal.radius.counters import Counters
from captive_portal.radius.guard import Discard
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.session import Ids
from collector.records import Clock

Keep = Callable[[Sequence[Accounting]], Sequence[Accounting]]
"""Takes a batch in and returns, when it is durable, those that were not believed; runs in a thread.

Raises:
    PortalError: it could not be kept.
"""
Run = Callable[[Callable[[], None]], "asyncio.Future[None]"]
"""Runs something on the sessions' thread."""

NOT_ITS_SESSION = "not-its-session"
"""The count of packets about a session that another client reported."""
QUEUE = 1024
"""Packets that wait at most; the next ones are not answered, and come again."""
BATCH = 64
REMEMBERED = 8192
"""Answers kept for copies (RFC 5080 2.2.2)."""
REMEMBERED_S = 30
UNKNOWN = "unknown"

_log = logging.getLogger(__name__)
_Copy = tuple[str, int, int, int, bytes]
"""Source address and port, code, id, authenticator: what a copy has in common with the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    copy: _Copy
    packet: packet.AcctPacket
    heard: Accounting
    peer: tuple[str, int]


class Answers:
    """What was answered lately, so that a copy gets the same and is not stored again."""

    def __init__(self) -> None:
        self._answers: OrderedDict[_Copy, tuple[int, bytes]] = OrderedDict()

    def get(self, copy: _Copy, now_ns: int) -> bytes | None:
        """Return the answer to the first of these; empty while it is being worked on."""
        found = self._answers.get(copy)
        if found is None or found[0] + REMEMBERED_S * 10**9 < now_ns:
            return None
        return found[1]

    def put(self, copy: _Copy, answer: bytes, now_ns: int) -> None:
        """Remember an answer; the oldest one goes."""
        self._answers[copy] = (now_ns, answer)
        self._answers.move_to_end(copy)
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    def forget(self, copy: _Copy) -> None:
        """Let the next copy be taken for a new packet."""
        self._answers.pop(copy, None)


class AccountingServer(asyncio.DatagramProtocol):
    """A UDP endpoint for Accounting-Request and Status-Server."""

    def __init__(self, clients: Clients, *, keep: Keep, run: Run, ids: Ids, clock: Clock) -> None:
        self.counters = Counters()
        self._clients = clients
        self._keep = keep
        self._run = run
        self._ids = ids
        self._clock = clock
        self._dictionary = guard.dictionary()
        self._answers = Answers()
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(QUEUE)
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str, port: int) -> Self:
        """Listen.

        Raises:
            PortalError: the port is taken, or is not ours to open.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        except OSError as error:
            raise cannot_listen("RADIUS accounting", host, port, "[radius]", error) from error
        return self

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._transport is None:
            return 0
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for answers."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    @override
    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Check one datagram and queue what it says; nothing is raised, whatever it holds."""
        peer = (str(addr[0]), int(addr[1]))
        address = str(parse_address(peer[0]))
        client = self._clients.find(address)
        if client is None:
            # Silence, and a line in the status: a device knocks.
            self.counters.add(address, UNKNOWN)
            return
        try:
            self._take(data, peer, address, client)
        except Discard as reason:
            self.counters.add(address, str(reason))
        except Exception:  # noqa: BLE001  # nothing leaves the receive loop
            self.counters.add(address, "error")
            _log.exception("a RADIUS packet from %s was dropped", address)

    def _take(self, data: bytes, peer: tuple[str, int], address: str, client: Client) -> None:
        whole = guard.shape(data)
        read = guard.open_packet(whole, client, self._dictionary)
        now = self._clock()
        if whole[0] == guard.STATUS_SERVER:
            self.counters.add(address, "status-server")
            self._send(guard.reply_to(read), peer)
            return
        copy = (*peer, whole[0], whole[1], whole[4:20])
        answered = self._answers.get(copy, now)
        if answered is not None:
            self.counters.add(address, "copy")
            if answered:
                self._send(answered, peer)
            return
        received = datetime.fromtimestamp(now / 1e9, UTC)
        heard = request.read(read, source=address, client=client, received=received, ids=self._ids)
        for fault in heard.faults:
            self.counters.add(address, fault)
        self._enqueue(_Waiting(copy=copy, packet=read, heard=heard.accounting, peer=peer))

    def _enqueue(self, waiting: _Waiting) -> None:
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            raise Discard("busy") from None
        self._answers.put(waiting.copy, b"", self._clock())

    def _send(self, octets: bytes, peer: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(octets, peer)

    async def serve(self) -> None:
        """Take batches in and answer them, until cancelled."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._work(batch)

    async def _work(self, batch: list[_Waiting]) -> None:
        heard = [waiting.heard for waiting in batch]
        refused: list[Accounting] = []
        try:
            await self._run(lambda: refused.extend(self._keep(heard)))
        except PortalError as error:
            if isinstance(error, ReportRefused) and len(batch) > 1:
                await self._one_by_one(batch)
                return
            _log.warning("%d RADIUS packets are not answered: %s", len(batch), error)
            self._give_up(batch, "not-kept")
        except Exception:  # noqa: BLE001  # one packet must not keep the others from answers
            if len(batch) > 1:
                await self._one_by_one(batch)
                return
            _log.exception("a RADIUS packet from %s is not answered", batch[0].copy[0])
            self._give_up(batch, "error")
        else:
            for request in refused:
                self.counters.add(request.nas.source, NOT_ITS_SESSION)
            for waiting in batch:
                self._answer(waiting)

    async def _one_by_one(self, batch: list[_Waiting]) -> None:
        for waiting in batch:
            await self._work([waiting])

    def _give_up(self, batch: list[_Waiting], why: str) -> None:
        for waiting in batch:
            self.counters.add(waiting.copy[0], why)
            self._answers.forget(waiting.copy)

    def _answer(self, waiting: _Waiting) -> None:
        octets = guard.reply_to(waiting.packet)
        self._answers.put(waiting.copy, octets, self._clock())
        self.counters.add(waiting.heard.nas.source, waiting.heard.status)
        self._send(octets, waiting.peer)
