"""What a batch of accounting will ask of the database, asked at once: four questions for sixty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.draft import Book
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Session


class Ahead:
    """A `Book` for the packets that it was made with.

    A session's id is either given by a packet's Class or made of its key, so that an id which was
    not found ahead is a new one.
    """

    def __init__(self, rows: Rows, requests: Sequence[Accounting]) -> None:
        self._rows: Book = rows
        told = [request for request in requests if request.status not in ("on", "off")]
        self._keys = {request.key for request in told}
        self._places = {(one.site, a) for one in told for a in one.addresses}
        self._of_key: defaultdict[str, list[Session]] = defaultdict(list)
        self._at: defaultdict[tuple[str, str], list[Session]] = defaultdict(list)
        self.ids: dict[UUID, Session] = {s.id: s for s in rows.of_keys(self._keys)}
        """All that was found, by id: no other session is in the database before."""
        wanted = {request.granted for request in told if request.granted is not None}
        wanted |= rows.holders(self._places)
        self.ids |= {s.id: s for s in rows.these(wanted - self.ids.keys())}
        for session in sorted(self.ids.values(), key=_latest_first):
            if session.key in self._keys:
                self._of_key[session.key].append(session)
            for address in session.addresses if session.open else ():
                self._at[session.site, address].append(session)

    def get(self, session: UUID) -> Session | None:
        """Return the session with this id."""
        return self.ids.get(session)

    def of_key(self, key: str) -> Sequence[Session]:
        """Return the open sessions of a NAS's key and the latest others, the latest first."""
        return self._of_key[key] if key in self._keys else self._found(self._rows.of_key(key))

    def open_at(self, site: str, address: str) -> Sequence[Session]:
        """Return the open sessions that hold an address, the latest first."""
        if (site, address) in self._places:
            return self._at[site, address]
        return self._found(self._rows.open_at(site, address))

    def open_at_mac(self, site: str, mac: str) -> Sequence[Session]:
        """Return the open sessions at a device."""
        return self._found(self._rows.open_at_mac(site, mac))

    def open_of(self, site: str, method: str) -> Sequence[Session]:
        """Return the open sessions of a site that are known in this way."""
        return self._found(self._rows.open_of(site, method))

    def open_of_person(self, person: UUID) -> Sequence[Session]:
        """Return the open sessions of somebody, at any site."""
        return self._found(self._rows.open_of_person(person))

    def _found(self, sessions: Sequence[Session]) -> Sequence[Session]:
        self.ids |= {session.id: session for session in sessions}
        return sessions


def _latest_first(session: Session) -> tuple[int, float]:
    return -session.generation, -session.start.timestamp()
