"""Why sessions of the gate ended lately, for whoever opens the page next at that address."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta

from captive_portal.sessions import portal
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.session import Session

FOR = timedelta(minutes=10)
MOST = 20_000
"""Addresses that are remembered; the oldest goes."""
TOLD = frozenset(
    (
        *(Cause.DEVICES, Cause.HOURS, Cause.QUOTA, Cause.SESSION_TIMEOUT),
        *(Cause.IDLE_TIMEOUT, Cause.ADMIN_RESET),
    )
)
"""Ends that their person has not made and may not know of."""


class Lately:
    """Keeps the latest ends in memory. For the event loop's thread."""

    def __init__(self) -> None:
        self._ended: OrderedDict[tuple[str, str], tuple[datetime, str]] = OrderedDict()

    def note(self, changes: Iterable[Session]) -> None:
        """Take note of sessions that have ended or begun."""
        for session in changes:
            if session.method != portal.METHOD:
                continue
            for address in session.addresses:
                self._ended.pop((session.site, address), None)
                if session.end is not None and session.cause in TOLD:
                    self._ended[session.site, address] = session.end, session.cause
        while len(self._ended) > MOST:
            self._ended.popitem(last=False)

    def why(self, site: str, address: str, now: datetime) -> str:
        """Return the cause of an end at an address a moment ago; empty: there was none."""
        ended, cause = self._ended.get((site, address), (None, ""))
        return cause if ended is not None and ended + FOR > now else ""
