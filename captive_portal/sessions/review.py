"""What each minute brings to open sessions: counters, hours, quotas, speeds, idleness. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from captive_portal.sessions import accounting, at_nas, portal
from captive_portal.sessions.admission import Terms, oldest, others, under
from captive_portal.sessions.causes import ENDED_HERE, Cause
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.nas_terms import NasTerms
from captive_portal.sessions.passes import Pass, Passed
from captive_portal.sessions.policy import Reason
from captive_portal.sessions.session import Counters, Ids, Session

SAME = timedelta(seconds=5)
"""An end that moves by less is the same one: what is left of a quota is in whole seconds."""
CAUSES = {Reason.CLOSED: Cause.CLOSED, Reason.HOURS: Cause.HOURS}
"""Of ends by a reason; all others are quotas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The time, and how what is seen at it is told."""

    now: datetime
    interim: timedelta
    """Counters of a session are told no more often."""
    ids: Ids


def pass_of(session: Session) -> Pass | None:
    """Return what lets an open session through the gate; None: it has no part in it."""
    if session.serial is None or not session.open:
        return None
    return Pass(
        serial=session.serial,
        zone=session.zone,
        mac=session.mac,
        addresses=session.addresses,
        up_kbit=session.up_kbit,
        down_kbit=session.down_kbit,
        until=session.expires,
    )


def count(session: Session, passed: Passed, now: datetime) -> Session:
    """Return the session with what the kernel counted; figures that fell have begun anew."""
    read = (passed.bytes_in, passed.bytes_out, passed.packets_in, passed.packets_out)
    before = session.kernel
    if read == before:
        return session
    anew = any(new < old for new, old in zip(read, before, strict=True))
    more = read if anew else tuple(new - old for new, old in zip(read, before, strict=True))
    had, heard = session.counters, bool(more[0] or more[2])
    return replace(
        session,
        kernel=read,
        counters=Counters(
            bytes_in=(had.bytes_in or 0) + more[0],
            bytes_out=(had.bytes_out or 0) + more[1],
            packets_in=(had.packets_in or 0) + more[2],
            packets_out=(had.packets_out or 0) + more[3],
            duration_s=had.duration_s,
        ),
        counted_at=now,
        last_seen=max(session.last_seen, now) if heard else session.last_seen,
    )


def look(draft: Draft, session: Session, terms: Terms | None, review: Review) -> None:
    """End a session that may not go on, or bring it up to date.

    Args:
        draft: Where changes go; a session that stays as it is is not put there.
        session: The session, its counters up to date.
        terms: What its person may do now; None: nothing is known, and it goes on as it is.
        review: The time, and how to tell.
    """
    now, ids = review.now, review.ids
    if not session.open or (session.expires is not None and session.expires <= now):
        return
    if terms is not None and terms.ordered != session.ordered:
        return  # these are from before an order that has come since
    if terms is not None and (reason := terms.grant.refused) is not None:
        if _believed(draft, session):
            portal.end(draft, session, now, CAUSES.get(reason, Cause.QUOTA), ids=ids)
    elif session.method == portal.METHOD and _idle(session, now):
        portal.end(draft, session, now, Cause.IDLE_TIMEOUT, ids=ids)
    elif session.method == portal.METHOD:
        changed = session if terms is None else under(session, terms)
        _bring(draft, session, changed, review)
    elif session.method in accounting.METHODS and terms is not None:
        at_nas.bring(draft, session, terms, now, ids=ids)


def crowd(draft: Draft, sessions: Sequence[Session], terms: Terms, review: Review) -> None:
    """End what somebody has on devices too many: several may have signed in at one time.

    Args:
        draft: Where changes go; looked at already.
        sessions: All of one person.
        terms: The person's.
        review: The time, and how to tell.
    """
    most = terms.devices
    if most is None or most < 1 or terms.at_limit == "reject" or len(sessions) <= most:
        return
    still = [one for one in (draft.get(session.id) for session in sessions) if one and one.open]
    for session in oldest(others(still, "", review.now, terms.seen_within), most):
        portal.end(draft, session, review.now, Cause.DEVICES, ids=review.ids)


def obey(draft: Draft, session: Session, terms: Terms, review: Review) -> None:
    """Bring a session to the terms that an order from outside makes.

    Args:
        draft: Where changes go.
        session: An open one, as it is.
        terms: With the order in them.
        review: The time, and how to tell.
    """
    now, ids = review.now, review.ids
    by = terms.ordered.by if terms.ordered else ""
    if session.method in accounting.METHODS:
        at_nas.bring(draft, session, terms, now, ids=ids, by=by)
        return
    changed = under(session, terms)
    why = f"terms by {by}: {_words(changed)}"
    event_id = ids.make("ordered", session.id, now, why)
    draft.put(changed, changed.event("update", event_id, now, why))


def _bring(draft: Draft, session: Session, changed: Session, review: Review) -> None:
    """Put a session that has changed, with an event if the log has something to say of it."""
    now = review.now
    if _same(session.expires, changed.expires):
        changed = replace(changed, expires=session.expires, ends=session.ends)
    told_at = session.reported_at or session.start
    due = session.serial is not None and told_at + review.interim <= now
    if due:
        lasted = int((now - changed.start).total_seconds())
        changed = replace(changed, counters=replace(changed.counters, duration_s=lasted))
    other = _words(changed) != _words(session) or changed.slow != session.slow
    if due or other:
        changed = replace(changed, reported_at=now)
        event_id = review.ids.make("review", changed.id, now, changed.expires)
        why = f"terms: {_words(changed)}" if other else ""
        draft.put(changed, changed.event("update", event_id, now, why))
    elif changed != session:
        draft.put(changed)


def _words(session: Session) -> str:
    """Return on what terms a session is that the box lets in."""
    return NasTerms(
        group=session.group,
        up_kbit=session.up_kbit,
        down_kbit=session.down_kbit,
        idle_s=session.idle_s,
        until=session.expires,
    ).words()


def _same(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and abs(one - other) < SAME


def _idle(session: Session, now: datetime) -> bool:
    """Say whether nothing came from a device for too long; of others than the gate's none knows."""
    if session.serial is None:
        return False
    heard = max(session.last_seen, session.renewed or session.start)
    return session.idle_s is not None and heard + timedelta(seconds=session.idle_s) <= now


def _believed(draft: Draft, session: Session) -> bool:
    """Say whether ending a session has an effect: not, where a NAS went on in spite of it.

    Such a session goes on as another that begins where the first was ended.
    """
    if session.method == portal.METHOD:
        return True
    if session.method not in accounting.METHODS:
        return False
    before = draft.of_key(session.key)
    ended = [s for s in before if s.end == session.start and not s.stopped]
    return not any(s.cause in ENDED_HERE for s in ended)
