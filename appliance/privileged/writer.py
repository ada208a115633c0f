"""Lets many callers change the gate at the same time: their changes go in together.

Whoever comes first waits a moment for others, and while one transaction is under way the next
gathers by itself. Everything that touches the kernel goes through here, one after the other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from appliance.privileged.table import Call, GateTable
from captive_portal.errors import GateError

GATHER_S = 0.02
MOST_TOGETHER = 500
MOST_WAITING = 4096
"""Past so many calls, callers are told that the gate is busy."""

Work = Callable[[], Any]
_Entry = tuple[Call | Work, "asyncio.Future[Any]"]


class Writer:
    """The queue in front of a table."""

    def __init__(self, keeper: GateTable) -> None:
        self._keeper = keeper
        self._queue: asyncio.Queue[_Entry] = asyncio.Queue(MOST_WAITING)

    async def apply(self, call: Call) -> None:
        """Do a call, together with others. Raises GateError: nothing of it is in force."""
        await self._put(call)

    async def do(self, work: Work) -> Any:  # noqa: ANN401  # whatever the work returns
        """Do something with the table, alone; raises what it raises."""
        return await self._put(work)

    async def run(self) -> None:
        """Work until cancelled."""
        held: _Entry | None = None
        while True:
            first = held or await self._queue.get()
            held = None
            if not isinstance(first[0], Call):
                await self._work(first[0], first[1])
                continue
            batch = [first]
            until = time.monotonic() + GATHER_S
            while len(batch) < MOST_TOGETHER:
                following = await self._next(until)
                if following is None:
                    break
                if not isinstance(following[0], Call):
                    held = following
                    break
                batch.append(following)
            await self._commit(batch)

    async def _put(self, wish: Call | Work) -> Any:  # noqa: ANN401  # as above
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((wish, answer))
        except asyncio.QueueFull:
            raise GateError("the gate has too much to do", hint="try again") from None
        return await answer

    async def _next(self, until: float) -> _Entry | None:
        try:
            async with asyncio.timeout(max(0, until - time.monotonic())):
                return await self._queue.get()
        except TimeoutError:
            return None

    async def _commit(self, batch: list[_Entry]) -> None:
        calls = [call for call, _ in batch if isinstance(call, Call)]
        began = time.monotonic()
        try:
            results = await asyncio.to_thread(self._keeper.apply, calls)
        except Exception as error:  # noqa: BLE001  # callers must be answered whatever happens
            results = [GateError(f"the gate failed: {error!r}")] * len(calls)
        self._keeper.figures.last_ms = (time.monotonic() - began) * 1000
        for (_, answer), error_of in zip(batch, results, strict=True):
            if answer.done():
                continue  # the caller went away; the change is in force all the same
            if error_of is None:
                answer.set_result(None)
            else:
                answer.set_exception(error_of)

    async def _work(self, work: Work, answer: asyncio.Future[Any]) -> None:
        try:
            result = await asyncio.to_thread(work)
        except Exception as error:  # noqa: BLE001  # it is the caller's
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)
