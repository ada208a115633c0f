"""Tells NASes what the box has ended or changed: each NAS at its own pace, ends first.

A NAS that does not answer keeps no other waiting: it is left alone for a while, with what waits
for it, and then tried with one order. Only ids wait here: what is told is as of the moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from captive_portal.errors import PortalError
from captive_portal.sessions import accounting
from captive_portal.sessions.at_nas import Noted
from captive_portal.sessions.causes import ENDED_HERE, Cause
from captive_portal.sessions.nas_side import UNTOLD, Answer, NasSide, State
from captive_portal.sessions.session import Session

MOST_WAITING = 50_000
"""Orders that wait at most, for all NASes together."""
AT_ONCE = 4
"""Orders under way to one NAS."""
PACE_S = 0.05
"""Between two orders to one NAS: 20 a second."""
MUTE_AFTER = 3
"""Orders in a row without an answer, after which a NAS is left alone."""
MUTE_S = 60.0
AGAIN_S = 300.0
"""A change that was not confirmed is told again after so long."""
STILL = timedelta(hours=6)
"""So long after an end its NAS is told of it after a start; past it, its own limits have come."""
TOGETHER = 100
"""Results that are noted in one transaction."""

_log = logging.getLogger(__name__)

Read = Callable[[UUID], Session | None]
"""Returns a session as it is now; blocks."""
Note = Callable[[Sequence[Noted]], Awaitable[None]]
"""Keeps what came of telling."""
End = Callable[[UUID, str], Awaitable[Session | None]]
"""Ends a session everywhere."""


class Ends(Protocol):
    """Where it is kept which NAS does not know of an end yet."""

    def untold(self, since: datetime, most: int) -> Sequence[Session]:
        """Return the latest that ended here since then and of which a NAS may not know."""
        ...

    def give_up_untold(self, before: datetime) -> int:
        """Let NASes be that were not told of ends before then; return how many ends that were."""
        ...


@dataclass(slots=True)
class _Line:
    """What one NAS is to be told."""

    ends: OrderedDict[UUID, None] = field(default_factory=OrderedDict)
    changes: OrderedDict[UUID, None] = field(default_factory=OrderedDict)
    busy: set[UUID] = field(default_factory=set)
    """Sessions of which the NAS is being told: two orders about one must not pass each other."""
    silent: int = 0
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return len(self.ends) + len(self.changes)

    def take(self) -> UUID | None:
        """Take out what is to be told next; None: of all that waits something is being told."""
        for which in (self.ends, self.changes):
            found = next((one for one in which if one not in self.busy), None)
            if found is not None:
                del which[found]
                self.busy.add(found)
                return found
        return None


class NasTeller:
    """The queues in front of dynamic authorization. For the event loop's thread."""

    def __init__(self, read: Read, note: Note, end: End) -> None:
        self.side: NasSide | None = None
        """Whoever speaks to NASes puts itself here."""
        self.untold = 0
        """Orders that no NAS was told: too many waited, or something failed here."""
        self.taken_up = 0
        """Ends from before the start that NASes are told of after it."""
        self.pace_s, self.mute_s = PACE_S, MUTE_S
        self._read, self._note, self._end = read, note, end
        self._lines: dict[str, _Line] = {}
        self._asked_at: OrderedDict[UUID, float] = OrderedDict()
        self._noted: list[Noted] = []
        self._news, self._more_noted = asyncio.Event(), asyncio.Event()

    async def take_up(self, ends: Ends, now: datetime) -> None:
        """Have NASes told of what ended before the start without their knowing; of changes `again`.

        Raises:
            SQLAlchemyError: the database cannot be read or written.
        """
        if self.side is None:
            return
        self.untold += await asyncio.to_thread(ends.give_up_untold, now - STILL)
        ended = await asyncio.to_thread(ends.untold, now - STILL, MOST_WAITING)
        self.taken_up += len(ended)
        self.later(ended)

    def later(self, changes: Iterable[Session], *, but: UUID | None = None) -> None:
        """Have NASes told of those sessions that the box has ended, or whose terms have changed."""
        if self.side is None:
            return
        for session in changes:
            if session.method not in accounting.METHODS or session.id == but:
                continue
            changed = session.open and session.nas_state == State.WAITING
            ended = not session.open and not session.stopped and session.cause in ENDED_HERE
            if changed or ended:
                self._put(session)

    def again(self, sessions: Iterable[Session], now_s: float) -> None:
        """Have those told that no NAS has confirmed, after a start too; each now and then.

        Args:
            sessions: All open ones.
            now_s: The loop's time.
        """
        for session in sessions:
            if session.nas_state not in UNTOLD or self.side is None:
                continue
            if self._asked_at.get(session.id, now_s - AGAIN_S) + AGAIN_S <= now_s:
                self._put(session)

    async def now(self, session: Session) -> str:
        """Have a NAS told of an end, and return what came of it; empty: no NAS carries it."""
        if session.method not in accounting.METHODS:
            return ""
        if self.side is None:
            return "this box tells no NAS; it ends there by itself"
        answer = await self.side.disconnect(session)
        self._take(session, answer)
        return answer.words

    def standing(self) -> dict[str, dict[str, object]]:
        """Return, by NAS, how much waits to be told, and whether it is mute."""
        return {
            nas: {"waiting": len(line), "mute": line.silent >= MUTE_AFTER}
            for nas, line in self._lines.items()
            if len(line) or line.silent >= MUTE_AFTER
        }

    async def follow(self) -> None:
        """Tell what waits, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep())
            served: set[str] = set()
            while True:
                for nas in self._lines.keys() - served:
                    served.add(nas)
                    tasks.create_task(self._serve(self._lines[nas]))
                self._news.clear()
                await self._news.wait()

    def _put(self, session: Session) -> None:
        nas = session.nas.source
        line = self._lines.get(nas)
        if line is None:
            line = self._lines[nas] = _Line()
            self._news.set()
        waiting = session.id in line.changes or session.id in line.ends
        if not waiting and sum(map(len, self._lines.values())) >= MOST_WAITING:
            self.untold += 1
            return
        if session.open:
            line.changes[session.id] = None
        else:
            line.changes.pop(session.id, None)
            line.ends[session.id] = None
        line.more.set()

    async def _serve(self, line: _Line) -> None:
        """Tell one NAS, until cancelled."""
        places = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                if not len(line):
                    line.more.clear()
                    await line.more.wait()
                if line.silent >= MUTE_AFTER:
                    await asyncio.sleep(self.mute_s)
                    await self._tell(line, asyncio.Semaphore())
                    continue
                await places.acquire()
                tasks.create_task(self._tell(line, places))
                await asyncio.sleep(self.pace_s)

    async def _tell(self, line: _Line, places: asyncio.Semaphore) -> None:
        """Tell what waits first in a line, and give the place back; nothing is raised."""
        try:
            wanted = line.take()
            if wanted is None:
                return
            self._mark(wanted)
            try:
                session = await asyncio.to_thread(self._read, wanted)
                if session is not None:
                    await self._ask(line, session)
            finally:
                line.busy.discard(wanted)
        except Exception:  # noqa: BLE001  # one order must not keep the others from their NAS
            self.untold += 1
            _log.exception("a NAS was not told of a session")
        finally:
            places.release()

    async def _ask(self, line: _Line, session: Session) -> None:
        if self.side is None or (session.open and session.nas_state not in UNTOLD):
            return
        if session.open:
            answer = await self.side.change(session)
        else:
            answer = await self.side.disconnect(session)
        if answer.state:
            line.silent = line.silent + 1 if answer.state == State.SILENT else 0
        if answer.state == State.END:
            _log.info("session %s: %s", session.id, answer.words)
            await self._end(session.id, Cause.TERMS)
            return
        self._take(session, answer)

    def _mark(self, session: UUID) -> None:
        self._asked_at[session] = asyncio.get_running_loop().time()
        self._asked_at.move_to_end(session)
        while len(self._asked_at) > MOST_WAITING:
            self._asked_at.popitem(last=False)

    def _take(self, session: Session, answer: Answer) -> None:
        self._noted.append(Noted(session=session, state=answer.state))
        self._more_noted.set()

    async def _keep(self) -> None:
        """Keep what came of telling, many together; what cannot be kept now is kept later."""
        while True:
            await self._more_noted.wait()
            self._more_noted.clear()
            while self._noted:
                noted, self._noted = self._noted[:TOGETHER], self._noted[TOGETHER:]
                try:
                    await self._note(noted)
                except (PortalError, SQLAlchemyError) as error:
                    # Those sessions wait on, as far as is known, and are told again.
                    _log.warning("what %d NAS orders came to is not kept: %s", len(noted), error)
