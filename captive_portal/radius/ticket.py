"""Class (RFC 2865 5.25): what an Access-Accept gives along, and accounting brings back.

It names the session and the person and is signed with the home's key, so that accounting finds
who it was although the NAS only knows an outer name, also after a restart, and nobody can make
one up. A NAS sends it back as it is.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from uuid import UUID

from captive_portal.sessions.session import Ids

_MARK = b"PRT1"
_SIZE = len(_MARK) + 3 * 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Who was let in, and the id that the session has if it begins."""

    session: UUID
    person: UUID
    site: str

    def octets(self, ids: Ids) -> bytes:
        """Return the value of Class."""
        return _MARK + self.session.bytes + self.person.bytes + self._proof(ids)

    def _proof(self, ids: Ids) -> bytes:
        return ids.make("class", self.session, self.person, self.site).bytes


def read(octets: bytes, site: str, ids: Ids) -> Ticket | None:
    """Return what a Class of ours says; None for anything else.

    Args:
        octets: The attribute's value.
        site: Of the NAS that sent it; one of another site is nothing.
        ids: The home's.
    """
    if len(octets) != _SIZE or not octets.startswith(_MARK):
        return None
    session, person, proof = (octets[at : at + 16] for at in (4, 20, 36))
    ticket = Ticket(session=UUID(bytes=session), person=UUID(bytes=person), site=site)
    return ticket if hmac.compare_digest(ticket._proof(ids), proof) else None
