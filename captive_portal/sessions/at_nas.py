"""What each minute brings to sessions that a NAS carries: their terms, as the NAS is to hold them.

A session has what its NAS holds (`has`) beside what it is to hold (`wants`). Where the two differ
the NAS is told, and what came of it is noted here. Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from captive_portal.sessions import portal
from captive_portal.sessions.admission import Terms
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.nas_side import State
from captive_portal.sessions.nas_terms import NasTerms, times_differ
from captive_portal.sessions.session import Ids, Session

_LESS_IS_LESS = ("up_kbit", "down_kbit", "idle_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What came of telling a NAS."""

    session: Session
    """As it was when its NAS was told."""
    state: str


def bring(
    draft: Draft, session: Session, terms: Terms, now: datetime, *, ids: Ids, by: str = ""
) -> None:
    """Put a session whose terms have changed, with what holds from now on; or end it.

    Args:
        draft: Where changes go.
        session: One that a NAS carries.
        terms: What its person may do now.
        now: The time.
        ids: Makes the event's id.
        by: Whose order it is; empty: the house's own terms.
    """
    if _over(session, now):
        portal.end(draft, session, now, Cause.SESSION_TIMEOUT, ids=ids)
        return
    wants = wanted(session, terms, now)
    if session.wants is not None and session.wants.alike(wants):
        wants = session.wants
    has = session.has or _had(session, wants)
    state = session.nas_state
    if wants != session.wants:
        state = State.WAITING if not has.alike(wants) else ""
    granted = terms.grant
    changed = replace(
        session,
        group=terms.group,
        up_kbit=granted.up_kbit,
        down_kbit=granted.down_kbit,
        slow=granted.slow,
        wants=wants,
        has=has,
        nas_state=state,
        ordered=terms.ordered,
    )
    if changed == session:
        return
    before = session.wants
    same = before is not None and before.words() == wants.words()
    if same or (before is None and not state):
        # What is left of a quota is not for the log: it changes with every octet.
        draft.put(changed)
        return
    why = f"terms{' by ' + by if by else ''}: {wants.words()}"
    event_id = ids.make("terms", session.id, now, wants.words())
    draft.put(changed, changed.event("update", event_id, now, why))


def signed(terms: Terms) -> str:
    """Return the sign of terms that a NAS is told when it lets somebody in."""
    return _terms(terms, terms.grant.until).sign


def _terms(terms: Terms, until: datetime | None, most: int | None = None) -> NasTerms:
    granted = terms.grant
    return NasTerms(
        group=terms.group,
        up_kbit=granted.up_kbit,
        down_kbit=granted.down_kbit,
        idle_s=None if granted.idle is None else int(granted.idle.total_seconds()),
        vlan=terms.vlan,
        until=until,
        most_bytes=most,
    )


def wanted(session: Session, terms: Terms, now: datetime) -> NasTerms:
    """Return what a NAS is to hold of a session by these terms."""
    granted, counters = terms.grant, session.counters
    most = None
    if granted.left_bytes is not None and not granted.slows:
        most = (counters.bytes_in or 0) + (counters.bytes_out or 0) + granted.left_bytes
    until: datetime | None = granted.until
    if granted.until <= now:
        # It goes on beyond its length: its NAS has let the person in anew.
        until = None if session.wants is None else session.wants.until
    return _terms(terms, until, most)


def _had(session: Session, wants: NasTerms) -> NasTerms:
    """Return what a NAS was told when it let somebody in, as far as its Class tells it."""
    return wants if session.signed in ("", wants.sign) else NasTerms(sure=False)


def _over(session: Session, now: datetime) -> bool:
    """Say whether it is at an end that its NAS does not know of."""
    has, wants = session.has, session.wants
    if (
        has is None
        or wants is None
        or wants.until is None
        or not times_differ(has.until, wants.until)
    ):
        return False
    return (has.until is None or wants.until < has.until) and wants.until <= now


def narrower(has: NasTerms, wants: NasTerms, seen: Collection[str]) -> bool:
    """Say whether a NAS that keeps what it has lets somebody do what they may not.

    An end that comes earlier is not among it: the box ends the session itself then.

    Args:
        has: What it has.
        wants: What it is to have.
        seen: The terms that it is told at all, as fields.
    """
    if not has.sure:
        return True
    if any(
        name in seen and getattr(has, name) != getattr(wants, name) for name in ("group", "vlan")
    ):
        return True
    pairs = [(getattr(has, name), getattr(wants, name)) for name in _LESS_IS_LESS if name in seen]
    return any(new is not None and (old is None or new < old) for old, new in pairs)


def note(draft: Draft, noted: Noted) -> None:
    """Put what came of telling a NAS of a session, as the session is by now."""
    session = draft.get(noted.session.id)
    if session is None:
        return
    told = noted.session.wants
    if session.open and told is not None and noted.state in (State.CONFIRMED, ""):
        longer = _longer(session, told) if noted.state else session
        session = replace(longer, has=told)
    later = session.open and session.wants != told
    state = State.WAITING if later else noted.state
    draft.put(replace(session, nas_state=state))


def _longer(session: Session, told: NasTerms) -> Session:
    """Return a session whose NAS has confirmed an end, which may be another one than before."""
    held = session.has.until if session.has else None
    if told.until is None or not times_differ(held, told.until):
        return session
    longest = int((told.until - session.start).total_seconds())
    before = session.longest_s
    limit = None if before is None else session.start + timedelta(seconds=before)
    expires = told.until if limit is not None and session.expires == limit else session.expires
    return replace(session, longest_s=longest, expires=expires)
