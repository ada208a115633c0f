"""Sessions of the sign-in page as they begin, and how a session of any kind ends here. Pure.

Who may begin one, and what it takes the place of, is in `admission.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from captive_portal.sessions.causes import ENDED_HERE
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.nas_side import CARRIED, State
from captive_portal.sessions.session import Ids, Person, Session

METHOD = "portal"


def end(
    draft: Draft,
    session: Session,
    time: datetime,
    cause: str,
    *,
    ids: Ids,
    event_id: UUID | None = None,
) -> Session:
    """End an open session at `time`; a closed one stays as it is."""
    if not session.open:
        return session
    time = max(time, session.start)
    ended = replace(session, end=time, cause=str(cause), stopped=session.method == METHOD)
    if session.method in CARRIED and cause in ENDED_HERE:
        ended = replace(ended, nas_state=State.WAITING)
    if session.serial is not None:
        lasted = int((time - session.start).total_seconds())
        ended = replace(ended, counters=replace(session.counters, duration_s=lasted))
    event_id = event_id or ids.make("stop", session.id, cause, time)
    return draft.put(ended, ended.event("stop", event_id, time))


def expire(draft: Draft, sessions: Iterable[Session], now: datetime, *, ids: Ids) -> None:
    """End what has run out, at the time at which it ran out, however late that is seen."""
    for session in sessions:
        if session.open and session.expires is not None and session.expires <= now:
            end(draft, session, session.expires, session.ends, ids=ids)


def new(  # noqa: PLR0913  # a session is made of these
    session: UUID,
    site: str,
    person: Person,
    address: str,
    *,
    mac: str,
    now: datetime,
    lasts: timedelta,
) -> Session:
    """Return a session that begins now."""
    return Session(
        id=session,
        site=site,
        method=METHOD,
        person=person,
        start=now,
        last_seen=now,
        expires=now + lasts,
        addresses=(address,),
        mac=mac,
    )
