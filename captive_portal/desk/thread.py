"""The one thread on which sessions change, and what each piece of work has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from captive_portal.sessions.keeper import Keeper
from captive_portal.sessions.session import Session

T = TypeVar("T")


class SessionThread:
    """Runs work of a keeper, one piece after the other."""

    def __init__(self, keeper: Keeper) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions")
        self._changes: list[Session] = []
        self._left: dict[int, list[Session]] = {}
        self._works = 0
        keeper.changed = self._note

    def close(self) -> None:
        """Let what is under way end."""
        self._thread.shutdown(cancel_futures=True)

    def submit(self, work: Callable[[], None]) -> asyncio.Future[None]:
        """Run work; what it changes is left over."""
        _, changes = self._begin()
        run = partial(self._run, work, changes)
        return asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def change(self, work: Callable[[], T]) -> tuple[T, list[Session]]:
        """Run work; return what it returns and which sessions it changed.

        If it fails half-way, or nobody waits for it any more, what it changed is left over.
        """
        number, changes = self._begin()
        loop = asyncio.get_running_loop()
        done = await loop.run_in_executor(self._thread, partial(self._run, work, changes))
        self._left.pop(number, None)
        return done, changes

    async def change_and_rest(self, work: Callable[[], None]) -> list[Session]:
        """Run work; return which sessions it changed, after those that were left over before it."""
        before = list(self._left)
        _, changes = await self.change(work)
        # What came to the thread before this work has ended there before it.
        left = [self._left.pop(number, []) for number in before]
        return [session for one in (*left, changes) for session in one]

    def _begin(self) -> tuple[int, list[Session]]:
        self._works += 1
        changes = self._left[self._works] = []
        return self._works, changes

    def _run(self, work: Callable[[], T], changes: list[Session]) -> T:
        self._changes = changes
        return work()

    def _note(self, sessions: Sequence[Session]) -> None:
        """Take in what the keeper has written; on the thread."""
        self._changes += sessions
