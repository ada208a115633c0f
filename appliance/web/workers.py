"""A small pool of threads for questions: so many run, so many wait, the next is told to come back.

A question may read gigabytes; without a bound a few browser tabs would take the box away from
everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from appliance.errors import BoxError

Answer = TypeVar("Answer")


class TooBusy(BoxError):
    """All workers are taken and the queue is full."""


class Workers:
    """Runs blocking work in at most `threads` threads, with `waiting` callers behind them."""

    def __init__(self, *, threads: int = 2, waiting: int = 16) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="question")
        self._most = threads + waiting
        self._taken = 0
        self.refused = 0
        """How many calls were turned away since the start."""

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Run `work` in a thread and return its answer.

        A caller that goes away leaves the work to end by its own time limit; its place is taken
        until then, so that the bound is that of real work.

        Raises:
            TooBusy: too many wait already.
        """
        if self._taken >= self._most:
            self.refused += 1
            raise TooBusy("too many questions at once", hint="try again in a few seconds")
        self._taken += 1
        loop = asyncio.get_running_loop()
        future = self._pool.submit(work)
        future.add_done_callback(lambda _: self._done(loop))
        return await asyncio.wrap_future(future)

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        # Called in the worker; the count belongs to the loop, which may be gone at the end.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._give_back)

    def _give_back(self) -> None:
        self._taken -= 1

    def close(self) -> None:
        """Take no more work, drop what waits, and do not wait for what runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
