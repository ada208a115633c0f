"""A `Book` for tests that begin with no session."""

from collections.abc import Sequence
from uuid import UUID

from captive_portal.sessions.session import Session


class Empty:
    """A book with nothing in it."""

    def get(self, session: UUID) -> Session | None:  # as `Book`
        """Return nothing."""
        return None

    def of_key(self, key: str) -> Sequence[Session]:  # as `Book`
        """Return nothing."""
        return ()

    def open_at(self, site: str, address: str) -> Sequence[Session]:  # as `Book`
        """Return nothing."""
        return ()

    def open_at_mac(self, site: str, mac: str) -> Sequence[Session]:  # as `Book`
        """Return nothing."""
        return ()

    def open_of(self, site: str, method: str) -> Sequence[Session]:  # as `Book`
        """Return nothing."""
        return ()

    def open_of_person(self, person: UUID) -> Sequence[Session]:  # as `Book`
        """Return nothing."""
        return ()
