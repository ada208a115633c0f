"""Who may begin a session on one device more, and what ends for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from captive_portal.errors import Denied
from captive_portal.sessions import portal
from captive_portal.sessions.addresses import together
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.charging import COUNTED
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sessions.policy import Grant, Reason
from captive_portal.sessions.session import Ids, Session

SEEN_WITHIN = timedelta(minutes=10)
"""A device that was silent for this long does not count against the group's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms somebody is let in."""

    grant: Grant
    group: str = ""
    devices: int | None = None
    """At most so many at once; None: any number."""
    at_limit: str = "end-oldest"
    """Or `reject`."""
    roams: bool = True
    seen_within: timedelta = SEEN_WITHIN
    vlan: int | None = None
    ordered: Ordered | None = None
    """The order from outside that is in these terms already."""


def under(session: Session, terms: Terms) -> Session:
    """Return a session as it is on these terms, from its start or its renewal on."""
    granted, until = terms.grant, terms.grant.until
    return replace(
        session,
        expires=until,
        ends=granted.ends,
        group=terms.group,
        up_kbit=granted.up_kbit,
        down_kbit=granted.down_kbit,
        slow=granted.slow,
        idle_s=None if granted.idle is None else int(granted.idle.total_seconds()),
        roams=terms.roams,
        ordered=terms.ordered,
    )


def within(terms: Terms, ordered: Ordered | None) -> Terms:
    """Return terms with an order from outside in them: of each limit the tighter one.

    Args:
        terms: Of the group.
        ordered: The order; None: there is none.
    """
    if ordered is None:
        return terms
    granted = terms.grant
    idle = None if granted.idle is None else int(granted.idle.total_seconds())
    least = _least(idle, ordered.idle_s)
    until, ends = granted.until, granted.ends
    if ordered.until is not None and ordered.until < until:
        until, ends = ordered.until, Cause.SESSION_TIMEOUT
    narrowed = replace(
        granted,
        until=until,
        ends=ends,
        up_kbit=_least(granted.up_kbit, ordered.up_kbit or None),
        down_kbit=_least(granted.down_kbit, ordered.down_kbit or None),
        idle=None if least is None else timedelta(seconds=least),
    )
    return replace(terms, grant=narrowed, ordered=ordered)


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def admit(draft: Draft, fresh: Session, terms: Terms, *, ids: Ids) -> Session:
    """Begin `fresh`, or go on with the session that its person has on that device.

    Whatever else the sign-in page began at the device or on its addresses ends.

    Raises:
        Denied: the grant refuses, or there are too many devices; the draft is of no use then.
    """
    now = fresh.start
    if terms.grant.refused is not None:
        raise Denied(terms.grant.refused, terms.grant.opens)
    there = _there(draft, fresh)
    own = next((s for s in there if _goes_on(s, fresh, now)), None)
    _make_room(draft, fresh, terms, ids=ids)
    for held in there:
        if held is not own:
            portal.end(draft, held, _within(held, now), _cause(held, fresh), ids=ids)
    if own is None:
        return draft.put(fresh, fresh.event("start", ids.make("start", fresh.id), now))
    if terms.ordered is None and own.ordered is not None:
        terms = within(terms, own.ordered)  # who goes on is not rid of it by that
    longer = replace(own, last_seen=now, renewed=now, mac=fresh.mac or own.mac)
    longer = under(replace(longer, notice=fresh.notice or own.notice), terms)
    longer = _moved(longer, fresh)
    # After what was told before: who comes back to an address in the same moment is told again.
    event_id = ids.make("prolong", own.id, now, longer.addresses, longer.expires, own.told[-1:])
    return draft.put(longer, longer.event("update", event_id, now))


def others(
    sessions: Iterable[Session], mac: str, now: datetime, within: timedelta
) -> list[Session]:
    """Return of somebody's open sessions those at other devices that count, the oldest first.

    A session that something tells of (the gate, interim updates) counts while it was heard of;
    of others nobody knows better than that they have not ended.
    """
    counted = [s for s in sessions if s.method in COUNTED]
    elsewhere = [s for s in counted if not (mac and s.mac == mac)]
    told_of = [s for s in elsewhere if _lives(s, now, within)]
    return sorted(told_of, key=lambda s: (s.start, str(s.id)))


def oldest(held: Sequence[Session], most: int) -> list[Session]:
    """Return the sessions of the devices that are too many, those that began first.

    Args:
        held: What `others` returned.
        most: So many devices may stay on.
    """
    devices = list(dict.fromkeys(device(session) for session in held))
    gone = set(devices[: max(0, len(devices) - max(0, most))])
    return [session for session in held if device(session) in gone]


def device(session: Session) -> str:
    """Return what tells a session's device from others."""
    return session.mac or str(session.id)


def _lives(session: Session, now: datetime, within: timedelta) -> bool:
    if session.expires is not None and session.expires <= now:
        return False
    told_of = session.serial is not None or session.interims > 0
    return not told_of or session.last_seen + within > now


def _make_room(draft: Draft, fresh: Session, terms: Terms, *, ids: Ids) -> None:
    if terms.devices is None or fresh.person is None:
        return
    now = fresh.start
    held = others(draft.open_of_person(fresh.person.id), fresh.mac, now, terms.seen_within)
    held = [s for s in held if not _on_one_address(s, fresh)]
    most = terms.devices - 1
    surplus = oldest(held, most)
    if most < 0 or (surplus and terms.at_limit == "reject"):
        raise Denied(Reason.DEVICES)
    for session in surplus:
        portal.end(draft, session, now, Cause.DEVICES, ids=ids)


def _there(draft: Draft, fresh: Session) -> Sequence[Session]:
    """Return the sign-in page's sessions at the device or on its addresses."""
    found = [s for address in fresh.addresses for s in draft.open_at(fresh.site, address)]
    if fresh.mac:
        found += draft.open_at_mac(fresh.site, fresh.mac)
    one_each = {s.id: s for s in found if s.method == portal.METHOD and s.id != fresh.id}
    return list(one_each.values())


def _goes_on(held: Session, fresh: Session, now: datetime) -> bool:
    one = held.person is not None and fresh.person is not None and held.person.id == fresh.person.id
    over = held.expires is not None and held.expires <= now
    other_device = bool(held.mac and fresh.mac and held.mac != fresh.mac)
    as_gated = (held.serial is None) == (fresh.serial is None)
    return one and not over and not other_device and as_gated and _may_move(held, fresh)


def _may_move(held: Session, fresh: Session) -> bool:
    return held.zone == fresh.zone or held.roams


def _moved(session: Session, fresh: Session) -> Session:
    """Return the session at the addresses and in the zone where its person now signed in."""
    if session.zone != fresh.zone:
        return replace(session, zone=fresh.zone, addresses=fresh.addresses)
    addresses = session.addresses
    for address in fresh.addresses:
        addresses = together(addresses, address)
    return replace(session, addresses=addresses)


def _on_one_address(held: Session, fresh: Session) -> bool:
    return held.site == fresh.site and bool(set(held.addresses) & set(fresh.addresses))


def _within(held: Session, now: datetime) -> datetime:
    """Return when a session ends that another takes the place of: never after its expiry."""
    return now if held.expires is None else min(now, held.expires)


def _cause(held: Session, fresh: Session) -> str:
    other_device = held.mac and fresh.mac and held.mac != fresh.mac
    return Cause.OTHER_MAC if other_device else Cause.REPLACED
