"""Tells the gate what sessions may do, and knows what it was told.

Whoever has changed sessions calls `settle`; many wait at the same time, and the gate takes their
changes together. What could not be told is owed, and told with the next `pay`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from captive_portal.errors import GateError
from captive_portal.sessions.passes import Gate, Pass, Passed
from captive_portal.sessions.review import pass_of
from captive_portal.sessions.session import Session


class Listing(NamedTuple):
    """What the gate has counted by serial."""

    number: int
    """Grows: what is in a later listing was counted no earlier."""
    passed: Mapping[int, Passed]


class Gatekeeper:
    """One gate, seen from the sessions. For the event loop's thread."""

    def __init__(self, gate: Gate, zones: Iterable[str]) -> None:
        self.ready = False
        """Whether the gate knows of all sessions since the start."""
        self._gate = gate
        self._zones = frozenset(zones)
        self._in: dict[int, Pass] = {}
        self._unsure: dict[int, Pass] = {}
        """Of serials of which the gate has this pass, another, or none: it failed at them."""
        self._owed: dict[int, Session] = {}
        self._asking = asyncio.Lock()
        self._asked = self._listed = self._number = 0
        self._listing = Listing(0, {})

    def keeps(self, zone: str) -> bool:
        """Say whether devices of a zone need a pass."""
        return zone in self._zones

    async def restore(self, passes: Sequence[Pass]) -> None:
        """Make the gate know the passes of all open sessions, and no others. Raises GateError."""
        await self._gate.restore(passes)
        self._in = {one.serial: one for one in passes}
        self._owed, self._unsure = {}, {}
        self.ready = True

    async def settle(self, sessions: Sequence[Session]) -> None:
        """Let in what is open of these, as it is now, and shut out what is over.

        Raises:
            GateError: it could not be done; it is owed, unless a later change comes first.
        """
        let_in, shut_out = self._differences(sessions)
        if not let_in and not shut_out:
            return
        wanted = {serial: pass_of(session) for serial, session in let_in.items()}
        self._in |= {serial: one for serial, one in wanted.items() if one}
        for serial in shut_out:
            self._in.pop(serial, None)
        tried = {**shut_out, **{serial: one for serial, one in wanted.items() if one}}
        try:
            await self._gate.apply([one for one in wanted.values() if one], list(shut_out.values()))
        except BaseException:  # also of whoever does not wait any more
            self._not_done(tried, {s.serial: s for s in sessions if s.serial is not None})
            raise
        for serial in tried:
            self._unsure.pop(serial, None)

    async def pay(self) -> None:
        """Tell the gate what it could not be told. Raises GateError."""
        owed, self._owed = self._owed, {}
        await self.settle(list(owed.values()))

    async def counted(self, serials: Sequence[int] | None = None) -> Listing:
        """Return the counts as of now or later; one listing of all serves all who wait for it.

        Args:
            serials: Of these alone.

        Raises:
            GateError: there are none.
        """
        self._asked += 1
        ticket = self._asked
        async with self._asking:
            if serials is not None:
                self._number += 1
                return Listing(self._number, await self._gate.counted(serials))
            if self._listed < ticket:
                upto = self._asked
                self._number += 1
                self._listing = Listing(self._number, await self._gate.counted())
                self._listed = upto
            return self._listing

    async def reconcile(self, read: Callable[[], Awaitable[Sequence[Pass]]]) -> None:
        """Mend a gate that lost passes, or has some of nobody. Raises GateError.

        Args:
            read: Returns the passes of all open sessions.
        """
        await self._gate.reconcile(read)

    def _differences(
        self, sessions: Iterable[Session]
    ) -> tuple[dict[int, Session], dict[int, Pass]]:
        let_in: dict[int, Session] = {}
        shut_out: dict[int, Pass] = {}
        for session in sessions:
            serial, wanted = session.serial, pass_of(session)
            if serial is None:
                continue
            self._owed.pop(serial, None)
            had = self._in.get(serial) or self._unsure.get(serial)
            if wanted is None and had is not None:
                shut_out[serial] = had
            elif wanted is not None and (wanted != had or serial in self._unsure):
                let_in[serial] = session
        return let_in, shut_out

    def _not_done(self, tried: Mapping[int, Pass], of: Mapping[int, Session]) -> None:
        """Take back what was noted, but for what somebody has changed since."""
        for serial, one in tried.items():
            if self._in.get(serial) == pass_of(of[serial]):
                self._in.pop(serial, None)
                self._unsure[serial] = one
                self._owed[serial] = of[serial]


def not_ready() -> GateError:
    """Return what to say before the gate knows of the sessions from before."""
    return GateError("the gate does not know of the sessions yet", hint="try again in a moment")
