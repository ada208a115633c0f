"""The accounting server: datagrams in, answers out once what they say is on disk.

The receive loop only checks and queues. One task takes what has come, batch by batch, to the
sessions' thread, and answers when that returns. What cannot be kept is not answered: the NAS
sends it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from typing_extensions import override

from captive_portal.errors import PortalError, ReportRefused
from captive_portal.radius import guard, request
from captive_portal.radius.clients import Clients
from captive_portal.radius.endpoint import PER_SECOND, Arrival, Endpoint
from captive_portal.radius.guard import Discard
from captive_portal.radius.received import Received
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
BATCH = 96
"""Taken in together: one wait for the disk for all of them, while the next ones are read."""

_log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    arrival: Arrival
    packet: Received
    heard: Accounting


class AccountingServer(Endpoint):
    """A UDP endpoint for Accounting-Request and Status-Server."""

    what = "RADIUS accounting"
    codes = (guard.ACCOUNTING_REQUEST, guard.STATUS_SERVER)

    def __init__(
        self,
        clients: Clients,
        *,
        keep: Keep,
        run: Run,
        ids: Ids,
        clock: Clock,
        per_second: int = PER_SECOND,
    ) -> None:
        super().__init__(clients, clock=clock, per_second=per_second)
        self._keep = keep
        self._run = run
        self._ids = ids
        self._queue: list[_Waiting] = []
        self._come = asyncio.Event()

    @override
    def _take(self, arrival: Arrival) -> None:
        read = guard.open_packet(arrival.whole, arrival.client)
        if arrival.whole[0] == guard.STATUS_SERVER:
            self.counters.add(arrival.address, "status-server")
            self._send(guard.reply_to(read), arrival.peer)
            return
        if self._copied(arrival):
            return
        heard = request.read(
            read,
            source=arrival.address,
            client=arrival.client,
            received=datetime.fromtimestamp(arrival.now / 1e9, UTC),
            ids=self._ids,
        )
        for fault in heard.faults:
            self.counters.add(arrival.address, fault)
        self._enqueue(_Waiting(arrival=arrival, packet=read, heard=heard.accounting))

    def _enqueue(self, waiting: _Waiting) -> None:
        if len(self._queue) >= QUEUE:
            raise Discard("busy")
        self._queue.append(waiting)
        self._come.set()
        self._answers.put(waiting.arrival.copy, b"", self._clock())

    async def serve(self) -> None:
        """Take batches in and answer them, until cancelled."""
        while True:
            await self._come.wait()
            batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            if not self._queue:
                self._come.clear()
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
            _log.exception("a RADIUS packet from %s is not answered", batch[0].arrival.address)
            self._give_up(batch, "error")
        else:
            for one in refused:
                self.counters.add(one.nas.source, NOT_ITS_SESSION)
            for waiting in batch:
                self._acknowledge(waiting)

    async def _one_by_one(self, batch: list[_Waiting]) -> None:
        for waiting in batch:
            await self._work([waiting])

    def _give_up(self, batch: list[_Waiting], why: str) -> None:
        for waiting in batch:
            self.counters.add(waiting.arrival.address, why)
            self._answers.forget(waiting.arrival.copy)

    def _acknowledge(self, waiting: _Waiting) -> None:
        self.counters.add(waiting.heard.nas.source, waiting.heard.status)
        self._answer(waiting.arrival, guard.reply_to(waiting.packet))
