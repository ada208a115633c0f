"""Fetches what believed senders of syslog say of sign-ins, and has sessions made of it.

The collector keeps each line until the note of what was kept, in a file, says that its session is
on the disk: a crash in between gives some lines twice, which changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from captive_portal import durable
from captive_portal.errors import PortalError, ReportRefused
from captive_portal.report import Reporter
from captive_portal.troubles import Troubles
from collector.records import SignInLine, microseconds

Keep = Callable[[Sequence[SignInLine]], None]
"""Takes lines in and returns when their sessions are durable; runs in a thread. Raises."""
Run = Callable[[Callable[[], None]], "asyncio.Future[None]"]
"""Runs something on the sessions' thread."""
EVERY_S = 1.0
_log = logging.getLogger(__name__)


class SignInLines:
    """One caller of the collector's sealing process."""

    def __init__(self, note: Path, reporter: Reporter, *, keep: Keep, run: Run) -> None:
        self.kept = 0
        """Lines since the start."""
        self.refused = 0
        """Of an account that nobody may bear, or that the collector does not take."""
        self._note = note
        self._reporter = reporter
        self._keep = keep
        self._run = run
        self._have = _read(note)
        """Of each site the position of the newest line that is kept, and the latest receipt, µs."""

    async def follow(self, troubles: Troubles) -> None:
        """Fetch again and again, until cancelled; what fails is tried again a second later."""
        while True:
            try:
                while await self.fetch():
                    pass
            except (PortalError, OSError, ValueError, KeyError, TypeError) as error:
                troubles.note("taking in sign-in lines", error)
            await asyncio.sleep(EVERY_S)

    async def fetch(self) -> int:
        """Take in what is there, up to as much as comes at once; return how many lines that was.

        Raises:
            PortalError: the collector or the database is not there.
        """
        request: dict[str, object] = {"do": "sign-ins", "have": self._have}
        reply = await asyncio.to_thread(self._reporter.ask, request)
        told = reply["sign_ins"]
        if not isinstance(told, list):
            raise ValueError("the collector's answer has no list")  # noqa: TRY004  # one kind
        lines = [SignInLine.from_json(json.dumps(one)) for one in told]
        if lines:
            await self._take(lines)
            for line in lines:
                _, latest_us = self._have.get(line.site, (-1, 0))
                came_us = microseconds(line.received)
                self._have[line.site] = (line.position, max(latest_us, came_us))
            note = json.dumps(self._have).encode()
            await asyncio.to_thread(durable.write, self._note, note, 0o640)
        return len(lines)

    async def _take(self, lines: Sequence[SignInLine]) -> None:
        """Keep lines; where they cannot be kept together, those that can one by one."""
        try:
            await self._run(lambda: self._keep(lines))
        except ReportRefused as error:
            if len(lines) > 1:
                for line in lines:
                    await self._take([line])
                return
            self.refused += 1
            _log.warning("a sign-in line of %s is not kept: %s", lines[0].sender, error)
        else:
            self.kept += len(lines)


def _read(note: Path) -> dict[str, tuple[int, int]]:
    """Return what was kept by the note; nothing, if it is lost or damaged."""
    try:
        told = json.loads(note.read_bytes())
        return {str(site): (int(have[0]), int(have[1])) for site, have in told.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return {}
