"""Sessions that lines of syslog tell of, from senders that the settings believe. Pure.

A line names an account on an address, at a device, or both. A further line of the same sender, of
that person there, prolongs the session. It ends with the line that says so, or when a sender puts
somebody else there; where neither comes, so long after the last word as the settings say. It never
ends a session of the sign-in page or of a NAS: beside one of another person the address is
ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from captive_portal.sessions.accounting import PRESUMED
from captive_portal.sessions.addresses import together
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.session import Ids, Nas, Person, Session
from collector.records import SignInLine

METHOD = "syslog"
SIGNED_OUT = "sign-out line"


def hear(draft: Draft, line: SignInLine, person: Person | None, *, ids: Ids) -> None:
    """Take one line in; the same line again changes nothing.

    Args:
        draft: What is known, and where the change goes.
        line: What was said.
        person: Whose account it names; of a line that says that somebody left, if it is known.
        ids: Makes the ids of session and event.
    """
    if line.event == "stop":
        for session in _leaving(draft, line, person):
            _end(draft, session, line.time, SIGNED_OUT, ids=ids)
    elif person is not None:
        _come(draft, line, person, ids=ids)


def presume(draft: Draft, sessions: Iterable[Session], *, ids: Ids) -> None:
    """End these, whose expiry has come, at that time: nothing was heard of them for too long."""
    for session in sessions:
        if session.method == METHOD and session.open and session.expires is not None:
            _end(draft, session, session.expires, PRESUMED, ids=ids)


def _come(draft: Draft, line: SignInLine, person: Person, *, ids: Ids) -> None:
    session_id = ids.make("told", line.site, line.sender, person.id, line.mac, *_when(line))
    if draft.get(session_id) is not None:
        return
    there = _there(draft, line)
    for held in there:
        if _is(held, person) and held.nas.source == line.sender and held.start <= line.time:
            _go_on(draft, held, line, ids=ids)
            _displace(draft, there, person, line.time, ids=ids)
            return
    begun = Session(
        id=session_id,
        site=line.site,
        method=METHOD,
        person=person,
        start=line.time,
        last_seen=line.time,
        expires=line.time + timedelta(seconds=line.lasts_s),
        addresses=(line.address,) if line.address else (),
        mac=line.mac,
        nas=Nas(source=line.sender),
    )
    _displace(draft, there, person, line.time, ids=ids)
    draft.put(begun, begun.event("start", _event_id(line, session_id, ids=ids), line.time))
    if later := [s.start for s in there if not _is(s, person) and s.start > line.time]:
        # The line came late.
        _end(draft, draft.get(session_id) or begun, min(later), Cause.REPLACED, ids=ids)


def _there(draft: Draft, line: SignInLine) -> list[Session]:
    """Return the open sessions on the address of a line, and of its sender those at its device.

    A MAC with two addresses may be that of a router in between, so that those at other addresses
    are other devices, but for the same account.
    """
    on_address = draft.open_at(line.site, line.address) if line.address else ()
    at_mac = draft.open_at_mac(line.site, line.mac) if line.mac else ()
    found = {s.id: s for s in on_address if s.method == METHOD}
    for session in at_mac:
        ours = session.method == METHOD and session.nas.source == line.sender
        if ours and (_could_be_one(session, line) or _named(session, line)):
            found.setdefault(session.id, session)
    return list(found.values())


def _could_be_one(session: Session, line: SignInLine) -> bool:
    """Say whether a session at the MAC of a line is at its device as well."""
    return not (line.address and session.addresses) or line.address in session.addresses


def _named(session: Session, line: SignInLine) -> bool:
    """Say whether a line bears the account of a session, as that is spelt."""
    whose = session.person
    return whose is not None and whose.account.casefold() == line.account.casefold()


def _go_on(draft: Draft, known: Session, line: SignInLine, *, ids: Ids) -> None:
    event_id = _event_id(line, known.id, ids=ids)
    if known.knows(event_id) or line.time < known.last_seen:
        return
    longer = replace(
        known,
        last_seen=line.time,
        expires=line.time + timedelta(seconds=line.lasts_s),
        addresses=together(known.addresses, line.address),
        mac=line.mac or known.mac,
    )
    draft.put(longer, longer.event("update", event_id, line.time))


def _displace(
    draft: Draft, there: Iterable[Session], person: Person, time: datetime, *, ids: Ids
) -> None:
    """End other people's sessions of this kind: an address is one person's at a time."""
    for held in there:
        if not _is(held, person) and held.start <= time:
            _end(draft, held, time, Cause.REPLACED, ids=ids)


def _leaving(draft: Draft, line: SignInLine, person: Person | None) -> list[Session]:
    """Return whose end a line tells: by address and device, or else by account alone."""
    if line.address or line.mac:
        found = _there(draft, line)
    elif person is not None:
        found = [s for s in draft.open_of(line.site, METHOD) if _is(s, person)]
    else:
        found = []
    named = [s for s in found if not line.account or (person is not None and _is(s, person))]
    return [s for s in named if s.nas.source == line.sender and s.start <= line.time]


def _is(session: Session, person: Person) -> bool:
    return session.person is not None and session.person.id == person.id


def _end(draft: Draft, session: Session, time: datetime, cause: str, *, ids: Ids) -> None:
    time = max(time, session.start)
    over = replace(session, end=time, cause=str(cause), stopped=cause == SIGNED_OUT)
    draft.put(over, over.event("stop", ids.make("told-end", session.id, cause, time), time))


def _when(line: SignInLine) -> tuple[object, object]:
    return line.address, line.time


def _event_id(line: SignInLine, session: UUID, *, ids: Ids) -> UUID:
    return ids.make("told-event", session, line.event, *_when(line))
