"""What a batch of events changes, over what was known before: nothing is written here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from captive_portal.sessions.session import Session
from collector.records import SessionEvent


class Book(Protocol):
    """Where the sessions known before are looked up."""

    def get(self, session: UUID) -> Session | None:
        """Return the session with this id."""
        ...

    def of_key(self, key: str) -> Sequence[Session]:
        """Return the open sessions of a NAS's key and the latest others, the latest first."""
        ...

    def open_at(self, site: str, address: str) -> Sequence[Session]:
        """Return the open sessions that hold an address."""
        ...

    def open_at_mac(self, site: str, mac: str) -> Sequence[Session]:
        """Return the open sessions at a device."""
        ...

    def open_of(self, site: str, method: str) -> Sequence[Session]:
        """Return the open sessions of a site that are known in this way."""
        ...

    def open_of_person(self, person: UUID) -> Sequence[Session]:
        """Return the open sessions of somebody, at any site."""
        ...


class Draft:
    """Sessions changed and events to tell, in order. It is a `Book` of both itself and the base."""

    def __init__(self, base: Book) -> None:
        self._base = base
        self.changed: dict[UUID, Session] = {}
        self.events: list[SessionEvent] = []
        self._of_key: defaultdict[str, dict[UUID, None]] = defaultdict(dict)
        self._at: defaultdict[str, dict[UUID, None]] = defaultdict(dict)
        """Of addresses, the changed sessions that hold them, or have held."""

    def put(self, session: Session, *events: SessionEvent) -> Session:
        """Take a changed session and what is to be told of it, once; return the session."""
        for event in events:
            if not session.knows(event.event_id):
                session = session.telling(event.event_id)
                self.events.append(event)
        self.changed[session.id] = session
        if session.key:
            self._of_key[session.key][session.id] = None
        for address in session.addresses:
            self._at[address][session.id] = None
        return session

    def tell(self, event: SessionEvent) -> None:
        """Take an event of a session that remembers it already, or that is not kept."""
        self.events.append(event)

    def get(self, session: UUID) -> Session | None:
        """Return the session with this id."""
        return self.changed.get(session) or self._base.get(session)

    def of_key(self, key: str) -> Sequence[Session]:
        """Return the open sessions of a NAS's key and the latest others, the latest first."""
        before = [s for s in self._base.of_key(key) if s.id not in self.changed]
        ours = [self.changed[one] for one in self._of_key.get(key, ())]
        return sorted([*before, *ours], key=lambda s: -s.generation)

    def open_at(self, site: str, address: str) -> Sequence[Session]:
        """Return the open sessions that hold an address."""
        kept = [s for s in self._base.open_at(site, address) if s.id not in self.changed]
        ours = [self.changed[one] for one in self._at.get(address, ())]
        return [s for s in (*kept, *ours) if s.open and s.site == site and address in s.addresses]

    def open_at_mac(self, site: str, mac: str) -> Sequence[Session]:
        """Return the open sessions at a device."""
        found = self._merged(self._base.open_at_mac(site, mac))
        return [s for s in found if s.site == site and s.mac == mac]

    def open_of(self, site: str, method: str) -> Sequence[Session]:
        """Return the open sessions of a site that are known in this way."""
        found = self._merged(self._base.open_of(site, method))
        return [s for s in found if s.site == site and s.method == method]

    def open_of_person(self, person: UUID) -> Sequence[Session]:
        """Return the open sessions of somebody, at any site."""
        found = self._merged(self._base.open_of_person(person))
        return [s for s in found if s.person is not None and s.person.id == person]

    def _merged(self, before: Iterable[Session]) -> list[Session]:
        kept = [s for s in before if s.id not in self.changed]
        return [s for s in (*kept, *self.changed.values()) if s.open]


class Sighted:
    """A `Book` of sessions that were read before, each by itself: it knows of no others."""

    def __init__(self, sessions: Mapping[UUID, Session]) -> None:
        self._sessions = sessions

    def get(self, session: UUID) -> Session | None:
        """Return the session with this id."""
        return self._sessions.get(session)

    def of_key(self, key: str) -> Sequence[Session]:
        """Return none."""
        del key
        return ()

    def open_at(self, site: str, address: str) -> Sequence[Session]:
        """Return none."""
        del site, address
        return ()

    def open_at_mac(self, site: str, mac: str) -> Sequence[Session]:
        """Return none."""
        del site, mac
        return ()

    def open_of(self, site: str, method: str) -> Sequence[Session]:
        """Return none."""
        del site, method
        return ()

    def open_of_person(self, person: UUID) -> Sequence[Session]:
        """Return none."""
        del person
        return ()
