"""Sessions that a NAS reports by RADIUS accounting (RFC 2866). Pure.

Packets come late, twice and in any order. Whatever the order, the session ends up the same: its
start is that of the Start packet, else reckoned; its end that of the Stop; its addresses and
counters those of the latest packet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from captive_portal.sessions import portal
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.nas_side import CARRIED, State
from captive_portal.sessions.session import NOTHING_COUNTED, Counters, Ids, Nas, Person, Session

METHOD = "accounting"
METHOD_802_1X = "802.1X"
METHODS = CARRIED
"""Of sessions that a NAS reports: it does not always say how it knows the user."""
SLACK = timedelta(seconds=60)
"""Two packets of one session may disagree so much on when it began."""
PRESUMED = "presumed"
"""The cause of an end that no NAS has told."""
PRESUMED_TIMEOUT = "presumed: Session-Timeout"
"""The same, at the time at which the NAS had said that it would end the session."""

REBOOT = "NAS-Reboot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """One Accounting-Request, its attributes already text and numbers."""

    event_id: UUID
    """Made from the packet, without what changes when it is sent again."""
    status: str
    """`start`, `update`, `stop`, `on` or `off`."""
    time: datetime
    """When it happened."""
    site: str
    nas: Nas
    account: str = ""
    acct_session_id: str = ""
    calling_station: str = ""
    called_station: str = ""
    mac: str = ""
    ssid: str = ""
    nas_port: str = ""
    addresses: tuple[str, ...] = ()
    """Addresses, and IPv6 prefixes with their length."""
    method: str = METHOD
    longest: timedelta | None = None
    """Session-Timeout: the NAS ends the session so long after its start."""
    counters: Counters = NOTHING_COUNTED
    cause: str = ""
    granted: UUID | None = None
    """The id that the session was given when its user was let in, where this box did that."""
    person: UUID | None = None
    """Who was let in then, whatever name the NAS tells."""
    signed: str = ""
    """The sign of the terms that the NAS was told then (`nas_terms.NasTerms.sign`)."""
    notice: str = ""
    """The version of the privacy notice that our page showed before."""

    @property
    def key(self) -> str:
        """What all packets of a session have in common (and a later session may have as well)."""
        parts = (self.site, self.nas.name, self.acct_session_id, self.account)
        return "\x1f".join((*parts, self.mac or self.calling_station))

    @property
    def began(self) -> datetime | None:
        """When the session began, by this packet alone."""
        if self.status == "start":
            return self.time
        lasted = self.counters.duration_s
        return None if lasted is None else self.time - timedelta(seconds=lasted)


def hear(
    draft: Draft, request: Accounting, person: Person | None, *, lasts: timedelta, ids: Ids
) -> bool:
    """Take one Start, Interim-Update or Stop in; return whether it was believed.

    Who has one client's secret is not believed about the sessions that another reported.

    Args:
        draft: What is known, and where the change goes.
        request: The packet.
        person: Whose account it names.
        lasts: A session of which nothing more is heard ends so long after the last packet.
        ids: Makes the ids of session and event.
    """
    alike = draft.of_key(key := request.key)
    known = next((s for s in alike if s.nas.proven(request.nas)), None)
    generation = 1 + max((s.generation for s in alike), default=-1)
    if known is None and request.status != "start" and any(session.open for session in alike):
        return False
    if known is None:
        known = _begin(draft, request, person, key, generation, ids=ids)
    elif not _belongs(known, request):
        if known.open:
            portal.end(draft, known, known.last_seen, PRESUMED, ids=ids)
        known = _begin(draft, request, person, key, generation, ids=ids)
    elif _lives_on(known, request):
        known = _resume(known, generation, ids=ids)
    event_id = ids.make("heard", request.event_id, known.id)
    if not known.knows(event_id):
        _take(draft, request, _merge(known, request, person, lasts, event_id), ids=ids)
    return True


def _take(draft: Draft, request: Accounting, session: Session, *, ids: Ids) -> None:
    """Put a session as it is by a packet, whose event it remembers as the latest."""
    if request.status == "start":
        _displace(draft, session, ids=ids)
    event = session.event(request.status, session.told[-1], request.time)
    known = draft.get(session.id)
    if known is not None and request.time < known.last_seen:
        # What it says of addresses is of then, and the later ones are not.
        event = replace(event, addresses=request.addresses)
    draft.tell(event)
    draft.put(session)


def _lives_on(known: Session, request: Accounting) -> bool:
    """Say whether a packet comes from after an end that was only presumed."""
    return known.end is not None and not known.stopped and request.time > known.end


def _resume(known: Session, generation: int, *, ids: Ids) -> Session:
    """Return a session that goes on where one was presumed to end.

    It has another id, because what was told of an end stays: its begin is that end, so that the
    two together are the whole. One that was ended because its NAS could not be told of other terms
    is not ended for them again.
    """
    start = known.end or known.last_seen
    in_vain = known.cause == Cause.TERMS
    return replace(
        known,
        id=ids.make("session", known.key, generation),
        generation=generation,
        start=start,
        last_seen=start,
        end=None,
        cause="",
        started=True,
        told=(),
        has=known.wants if in_vain else known.has,
        nas_state=State.DEAF if in_vain else known.nas_state,
    )


def _belongs(known: Session, request: Accounting) -> bool:
    """Say whether a packet is of this session, not of a later one with the same ids.

    The key has person and device in it, so that in doubt (a packet came late and does not say so)
    it is the same one.
    """
    if request.status == "start":
        slack = SLACK if known.open or not known.started else timedelta()
        return request.time <= known.last_seen + slack
    if not known.stopped:
        return True
    return (request.began or request.time) <= known.last_seen + SLACK


def _begin(
    draft: Draft,
    request: Accounting,
    person: Person | None,
    key: str,
    generation: int,
    *,
    ids: Ids,
) -> Session:
    began = request.began or request.time
    granted = request.granted
    if granted is None or draft.get(granted) is not None:
        # A device that roams tells one Class in several sessions: the first has its id.
        granted = ids.make("session", key, generation)
    return Session(
        id=granted,
        site=request.site,
        method=request.method,
        person=person,
        start=began,
        last_seen=began,
        nas=request.nas,
        acct_session_id=request.acct_session_id,
        key=key,
        generation=generation,
        started=False,
        signed=request.signed,
    )


def _merge(
    known: Session, request: Accounting, person: Person | None, lasts: timedelta, event_id: UUID
) -> Session:
    start = _start(known, request)
    seen, longest = max(known.last_seen, request.time), _longest(known, request)
    end, stopped, cause = _end(known, request, start)
    addresses, addressed_at = _addresses(known, request)
    counters, counted_at = _counted(known, request)
    return known.but(
        person=known.person or person,
        method=METHOD_802_1X if METHOD_802_1X in (known.method, request.method) else METHOD,
        start=start,
        started=known.started or request.status == "start",
        longest_s=longest,
        last_seen=seen,
        expires=_expires(start, seen, longest, lasts),
        end=end,
        stopped=stopped,
        cause=cause,
        addresses=addresses,
        addressed_at=addressed_at,
        mac=request.mac or known.mac,
        ssid=request.ssid or known.ssid,
        nas_port=request.nas_port or known.nas_port,
        called_station=request.called_station or known.called_station,
        calling_station=request.calling_station or known.calling_station,
        counters=counters,
        counted_at=counted_at,
        interims=known.interims + (request.status == "update"),
        notice=request.notice or known.notice,
        told=known.told_with(event_id),
        **_let_in_anew(known, request),
    )


def _let_in_anew(known: Session, request: Accounting) -> dict[str, Any]:
    """Return what is not known any more of a NAS that has let its person in on other terms."""
    if not request.signed or request.signed == known.signed:
        return {}
    return {"signed": request.signed, "has": None, "wants": None}


def _longest(known: Session, request: Accounting) -> int | None:
    """Return the longest time that any packet allowed: CoA may have prolonged it."""
    told = None if request.longest is None else int(request.longest.total_seconds())
    return max((s for s in (known.longest_s, told) if s is not None), default=None)


def _expires(start: datetime, seen: datetime, longest_s: int | None, lasts: timedelta) -> datetime:
    """Return when a session is over if nothing more is heard of it."""
    silent = seen + lasts
    if longest_s is None:
        return silent
    return max(seen, min(silent, start + timedelta(seconds=longest_s)))


def _start(known: Session, request: Accounting) -> datetime:
    began = request.began or request.time
    if request.status == "start":
        if known.end is not None and began > known.end:
            # It was sent again, and came after the stop: its time is not that of the start.
            began = known.start
        return min(known.start, began) if known.started else began
    return known.start if known.started else min(known.start, began)


_Times = tuple[datetime | None, datetime | None]


def _addresses(known: Session, request: Accounting) -> tuple[tuple[str, ...], _Times]:
    """Take the addresses of each family from the latest packet that tells any."""
    if not request.addresses:
        return known.addresses, known.addressed_at
    families: list[tuple[str, ...]] = []
    times: list[datetime | None] = []
    for version, told_at in zip((4, 6), known.addressed_at, strict=True):
        held, told = _of(version, known.addresses), _of(version, request.addresses)
        if told and (told_at is None or request.time >= told_at):
            both = (*held, *told) if request.time == told_at else told
            held, told_at = tuple(sorted(set(both))), request.time
        families.append(held)
        times.append(told_at)
    return (*families[0], *families[1]), (times[0], times[1])


def _of(version: int, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of one family; IPv6 alone is written with colons."""
    return tuple(one for one in addresses if (":" in one) == (version == 6))


def _counted(known: Session, request: Accounting) -> tuple[Counters, datetime | None]:
    at, counters = known.counted_at, request.counters
    if not counters.known() or (at is not None and request.time < at):
        return known.counters, at
    if at == request.time:
        counters = counters.merged(known.counters)
    return counters, request.time


def _end(known: Session, request: Accounting, start: datetime) -> tuple[datetime | None, bool, str]:
    """Return when a session ended, whether its stop was heard, and why it ended."""
    if request.status != "stop":
        return known.end, known.stopped, known.cause
    if known.stopped and known.end is not None and known.end <= request.time:
        return known.end, True, known.cause
    return max(request.time, start), True, request.cause or known.cause


def _displace(draft: Draft, session: Session, *, ids: Ids) -> None:
    """End other people's sessions on an address that the NAS has given to this one.

    Their stop was lost: an address is one person's at a time. What another client reported goes
    on: the address is then of either, and a NAS cannot take it away by claiming it.
    """
    for address in session.addresses:
        for held in draft.open_at(session.site, address):
            if held.method not in METHODS or held.id == session.id or _one_person(held, session):
                continue
            if held.last_seen < session.start and held.nas.proven(session.nas):
                portal.end(draft, held, session.start, "replaced", ids=ids)


def _one_person(one: Session, other: Session) -> bool:
    return one.person is not None and other.person is not None and one.person.id == other.person.id


def reboot(draft: Draft, request: Accounting, *, ids: Ids) -> None:
    """Take Accounting-On or -Off in: all sessions of that NAS have ended (RFC 2866 5.1)."""
    for session in [s for method in METHODS for s in draft.open_of(request.site, method)]:
        if session.nas.same(request.nas) and session.start <= request.time:
            event_id = ids.make("heard", request.event_id, session.id)
            if not session.knows(event_id):
                portal.end(draft, session, request.time, REBOOT, ids=ids, event_id=event_id)


def presume(
    draft: Draft, sessions: Iterable[Session], now: datetime, *, silent: timedelta, ids: Ids
) -> None:
    """End the sessions whose stop must have been lost, at the time they were last heard of.

    A NAS that sends no interim updates at all is silent by nature: its sessions run until their
    expiry.
    """
    sessions = [s for s in sessions if s.method in METHODS and s.open]
    chatty = {s.nas for s in sessions if s.interims}
    for session in sessions:
        if session.nas in chatty and session.last_seen + silent <= now:
            portal.end(draft, session, session.last_seen, PRESUMED, ids=ids)
        elif session.expires is not None and session.expires <= now:
            portal.end(draft, session, session.expires, _why(session), ids=ids)


def _why(session: Session) -> str:
    """Return the cause of an expiry: the NAS's own limit, or ours for silence."""
    if session.longest_s is None:
        return PRESUMED
    limit = session.start + timedelta(seconds=session.longest_s)
    return PRESUMED_TIMEOUT if session.expires == limit else PRESUMED
