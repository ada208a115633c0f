"""Sessions that begin on the sign-in page. Pure: the time and new ids are arguments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from captive_portal.sessions.draft import Draft
from captive_portal.sessions.session import Ids, Person, Session

METHOD = "portal"


def sign_in(draft: Draft, fresh: Session, *, ids: Ids) -> Session:
    """Begin `fresh`, which ends whatever the sign-in page began on its addresses before.

    The same person on the same address goes on with the session that is there, until the new
    expiry; anybody else's is ended first, cause `replaced`.
    """
    now = fresh.start
    for address in fresh.addresses:
        for held in draft.open_at(fresh.site, address):
            if held.method != METHOD or held.id == fresh.id:
                continue
            if _same_person(held, fresh) and (held.expires is None or held.expires > now):
                return _prolong(draft, held, fresh, ids=ids)
            end(draft, held, _within(held, now), "replaced", ids=ids)
    return draft.put(fresh, fresh.event("start", ids.make("start", fresh.id), now))


def _same_person(one: Session, other: Session) -> bool:
    return one.person is not None and other.person is not None and one.person.id == other.person.id


def _prolong(draft: Draft, held: Session, fresh: Session, *, ids: Ids) -> Session:
    now = fresh.start
    longer = replace(held, last_seen=now, expires=fresh.expires, mac=fresh.mac or held.mac)
    return draft.put(longer, longer.event("update", ids.make("prolong", held.id, now), now))


def _within(held: Session, now: datetime) -> datetime:
    """Return when a session ends that another takes the place of: never after its expiry."""
    return now if held.expires is None else min(now, held.expires)


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
