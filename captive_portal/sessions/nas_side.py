"""Sessions that a NAS carries are changed and ended there too; what that needs of RADIUS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from captive_portal.sessions.session import Session

CARRIED = ("accounting", "802.1X")
"""The methods of sessions that a NAS carries."""


class State(StrEnum):
    """How it stands with telling a NAS. A refusal is followed by its number: `refused 503`."""

    WAITING = "waiting"
    """It is to be told."""
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    SILENT = "silent"
    """It does not answer, or cannot be reached; it is asked again."""
    DEAF = "deaf"
    """It takes no such orders: what it has holds until the next sign-in."""
    END = "end"
    """It cannot be told, and what it has must not hold on: the session is to end."""


UNTOLD = (State.WAITING, State.SILENT)
"""States in which a NAS may not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an order."""

    state: str
    """A word of `State`, a refusal with its number; empty: there was nothing to tell."""
    words: str
    """The same for an admin."""


class NasSide(Protocol):
    """Dynamic authorization towards NASes (RFC 5176)."""

    async def disconnect(self, session: Session) -> Answer:
        """Have the NAS end a session that has ended here; tries for some seconds, never raises."""
        ...

    async def change(self, session: Session) -> Answer:
        """Have the NAS hold what `session.wants` says; tries for some seconds, never raises."""
        ...
