"""Tells NASes of the sessions that the box has ended, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID

from captive_portal.sessions import accounting
from captive_portal.sessions.causes import ENDED_HERE
from captive_portal.sessions.nas_side import NasSide
from captive_portal.sessions.session import Session

MOST_WAITING = 1000


class NasTeller:
    """A queue in front of dynamic authorization."""

    def __init__(self) -> None:
        self.side: NasSide | None = None
        """Whoever speaks to NASes puts itself here."""
        self.untold = 0
        """Ends of which no NAS was told, because too many waited."""
        self._queue: asyncio.Queue[Session] = asyncio.Queue(MOST_WAITING)

    def later(self, changes: Iterable[Session], *, but: UUID | None = None) -> None:
        """Have those of the changed sessions told that the box has ended at a NAS."""
        if self.side is None:
            return
        for session in changes:
            ended_here = session.method in accounting.METHODS and session.cause in ENDED_HERE
            if ended_here and session.id != but:
                try:
                    self._queue.put_nowait(session)
                except asyncio.QueueFull:
                    self.untold += 1

    async def now(self, session: Session) -> str:
        """Have a NAS told, and return what came of it; empty: no NAS carries the session."""
        if session.method not in accounting.METHODS:
            return ""
        if self.side is None:
            return "this box tells no NAS; it ends there by itself"
        return await self.side.disconnect(session)

    async def follow(self) -> None:
        """Tell what waits, until cancelled."""
        while True:
            session = await self._queue.get()
            await self.now(session)
