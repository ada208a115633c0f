"""Sessions that a NAS carries are ended there too; what the sessions need of RADIUS for that."""

from __future__ import annotations

from typing import Protocol

from captive_portal.sessions.session import Session


class NasSide(Protocol):
    """Dynamic authorization towards NASes (RFC 5176)."""

    async def disconnect(self, session: Session) -> str:
        """Have the NAS end a session that has ended here; tries for some seconds, never raises.

        Returns:
            What came of it, in words for an admin: that the NAS confirmed, refused and why, does
            not answer, or that it is none that takes such requests.
        """
        ...
