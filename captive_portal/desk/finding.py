"""Finds sessions for whoever asks, and people for whatever names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from captive_portal.errors import PortalError
from captive_portal.people import dates, names
from captive_portal.people.accounts import Account, Who
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Person, Session

TOGETHER = 400
"""So many sessions are gone through at once; who signs in meanwhile waits no longer than that."""
SHORTEST = 6
"""Digits of an id that name a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kicked:
    """What came of ending somebody's session, in words."""

    session: Session
    gate: str
    nas: str


def one_named(rows: Rows, start: str) -> Session:
    """Return the open session whose id begins so.

    Raises:
        PortalError: there is none, or several, or it is over.
    """
    found = rows.named(start) if len(start) >= SHORTEST else []
    if len(found) != 1:
        few = "no session has an id that begins" if not found else "several sessions have ids like"
        raise PortalError(f"{few} {start[:40]!r}", hint="prathu sessions --live shows them")
    if found[0].end is not None:
        when = found[0].end.astimezone(dates.BANGKOK).isoformat(timespec="seconds")
        raise PortalError(f"session {found[0].id} is over since {when}")
    return found[0]


def chunks(sessions: Sequence[Session]) -> Iterator[list[Session]]:
    """Yield some sessions at a time, those of a person together."""
    chunk: list[Session] = []
    by_person = sorted(sessions, key=_whose)
    for _, of_one in groupby(by_person, key=_whose):
        chunk += of_one
        if len(chunk) >= TOGETHER:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _whose(session: Session) -> str:
    return "" if session.person is None else str(session.person.id)


def name_of(heard: Accounting) -> str:
    """Return the name that a packet tells, as accounts have it."""
    return (heard.account or heard.mac)[: names.MAX_ACCOUNT]


def person_of(account: Account | Who) -> Person:
    """Return an account as sessions have it."""
    return Person(
        id=account.id,
        account=account.account,
        full_name=account.full_name,
        proofing=account.proofing,
    )
