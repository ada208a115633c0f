"""Class (RFC 2865 5.25): what an Access-Accept gives along, and accounting brings back.

It names the session, the person, the terms and the privacy notice, and is signed with the home's
key, so that accounting finds who it was although the NAS only knows an outer name, also after a
restart, and nobody can make one up. A NAS sends it back as it is.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from uuid import UUID

from captive_portal.sessions.session import Ids

_MARK = b"PRT3"
_TERMS = _NOTICE = 8
_PROOF = 12
"""Octets of the proof: 96 bits, so that the whole has 64."""
_SIZE = len(_MARK) + 2 * 16 + _TERMS + _NOTICE + _PROOF


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Who was let in, and the id that the session has if it begins."""

    session: UUID
    person: UUID
    site: str
    terms: str = "0" * 2 * _TERMS
    """The sign of what the NAS is told with it (`nas_terms.NasTerms.sign`)."""
    notice: str = ""
    """The version of the notice that our page showed (`notices.version_of`); empty: none."""

    def octets(self, ids: Ids) -> bytes:
        """Return the value of Class."""
        told = self.session.bytes + self.person.bytes + bytes.fromhex(self.terms)
        told += bytes.fromhex(self.notice) or bytes(_NOTICE)
        return _MARK + told + self._proof(ids)

    def _proof(self, ids: Ids) -> bytes:
        made = ids.make("class", self.session, self.person, self.site, self.terms, self.notice)
        return made.bytes[:_PROOF]


def read(octets: bytes, site: str, ids: Ids) -> Ticket | None:
    """Return what a Class of ours says; None for anything else.

    Args:
        octets: The attribute's value.
        site: Of the NAS that sent it; one of another site is nothing.
        ids: The home's.
    """
    if len(octets) != _SIZE or not octets.startswith(_MARK):
        return None
    session, person, terms, notice = octets[4:20], octets[20:36], octets[36:44], octets[44:52]
    ticket = Ticket(
        session=UUID(bytes=session),
        person=UUID(bytes=person),
        site=site,
        terms=terms.hex(),
        notice=notice.hex() if any(notice) else "",
    )
    return ticket if hmac.compare_digest(ticket._proof(ids), octets[52:]) else None
