"""Work that takes its time (a password's hash, a directory's answer), off the loop, bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Self, TypeVar

from captive_portal.sign_in.way import Busy

Given = ParamSpec("Given")
Result = TypeVar("Result")


BEHIND = 5
"""How much nicer such threads are than the loop: on a busy box pages go on while hashes wait."""


class Workers:
    """Some threads, and a bound on how many people wait for them."""

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._name = name
        self._threads = threads
        self._most = waiting
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(
            self._threads, thread_name_prefix=self._name, initializer=_step_behind
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    async def run(
        self, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """Run `work` on one of the threads and return what it returns.

        Raises:
            Busy: as many wait as may, or it is not open.
        """
        if self._pool is None or self._waiting >= self._most:
            raise Busy("too many sign in at this moment")
        self._waiting += 1
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._pool, lambda: work(*given, **named))
        # Somebody who goes away leaves the thread at work: it is free when the work is done.
        job.add_done_callback(self._done)
        return await asyncio.shield(job)

    def _done(self, job: asyncio.Future[Result]) -> None:
        self._waiting -= 1
        if not job.cancelled():
            job.exception()  # looked at, also where nobody waits any more


def _step_behind() -> None:
    """Let this thread leave the processor to others of the box; Linux does so by thread."""
    own = threading.get_native_id()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + BEHIND)
