"""Attribution written a second time from its rules: one row, one session, one µs at a time."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from collector.records import SessionEvent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 45
"""No event and no flow of the tests is later than this µs, but for what never ends."""


def at(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def event(kind: str, time: int, **more: Any) -> SessionEvent:
    """Return a session event with µs for times and small numbers for ids."""
    for name in ("session", "person"):
        if more.get(name) is not None:
            more[name] = UUID(int=more[name])
    for name in ("start", "expires"):
        if more.get(name) is not None:
            more[name] = at(more[name])
    fixed = {"event_id": UUID(int=1), "site": "a", "method": "portal", "session": UUID(int=1)}
    return SessionEvent(**{**fixed, **more, "event": kind, "time": at(time)})


@dataclass(frozen=True)
class Hold:
    """One session holds an address at one µs."""

    person: str
    session: str
    method: str


def holds(events: Iterable[SessionEvent], site: str, address: str, moment: int) -> set[Hold]:
    """Return who held the address at one µs."""
    sessions: dict[UUID, list[SessionEvent]] = {}
    for e in events:
        if e.site == site and e.event != "reject":
            sessions.setdefault(e.session, []).append(e)
    found = (_hold(told, address, moment) for told in sessions.values())
    return {hold for hold in found if hold is not None}


def _hold(events: list[SessionEvent], address: str, moment: int) -> Hold | None:
    if not _begin(events) <= moment or not moment < _end(events):
        return None
    naming = [e for e in events if e.addresses]
    knowing = [e for e in events if e.person is not None]
    if not naming or not knowing:
        return None
    if address not in _as_of(naming, moment).addresses:
        return None
    told = _as_of(knowing, moment)
    return Hold(str(told.person), str(told.session), told.method)


def _as_of(events: list[SessionEvent], moment: int) -> SessionEvent:
    """The newest word at that µs, or else the first word ever."""

    def order(e: SessionEvent) -> tuple[object, ...]:
        person = "" if e.person is None else str(e.person)
        return (e.time, person, e.method, tuple(sorted(set(e.addresses))))

    past = [e for e in events if us(e.time) <= moment]
    return max(past, key=order) if past else min(events, key=order)


def _begin(events: list[SessionEvent]) -> int:
    starts = [e for e in events if e.event == "start"] or events
    return min(us(e.start or e.time) for e in starts)


def _end(events: list[SessionEvent]) -> int:
    stops = [us(e.time) for e in events if e.event == "stop"]
    if stops:
        return min(stops)
    told = [(e.time, e.expires) for e in events if e.expires is not None]
    if not told:
        return 1 << 62
    return max(us(max(told)[1]), max(us(e.time) for e in events))


@dataclass(frozen=True)
class Known:
    """What a row says of one end."""

    person: str | None = None
    session: str | None = None
    method: str | None = None
    via: str | None = None
    certainty: str | None = None


@dataclass(frozen=True)
class _Seen:
    known: Known
    inside: bool
    candidates: list[tuple[Any, ...]]


def row(
    events: Sequence[SessionEvent], networks: Sequence[str], site: str, flow: dict[str, Any]
) -> tuple[Known, Known, set[tuple[Any, ...]] | None]:
    """Return what is known of subject and peer of one flow, and the candidates."""
    source = _side(events, networks, site, flow, ("src_ip", "nat_src_ip"))
    target = _side(events, networks, site, flow, ("dst_ip", "nat_dst_ip"))
    subject, peer = source, target
    if target.inside and not source.inside:
        subject, peer = target, source
    outside = not target.inside and not source.inside
    if outside and target.known.certainty and not source.known.certainty:
        subject, peer = target, source
    candidates = {("src", *c) for c in source.candidates} | {("dst", *c) for c in target.candidates}
    return subject.known, peer.known, candidates or None


def _side(
    events: Sequence[SessionEvent],
    networks: Sequence[str],
    site: str,
    flow: dict[str, Any],
    columns: tuple[str, str],
) -> _Seen:
    inside = any(_inside(flow[column], networks) for column in columns)
    for column in columns:
        if flow[column] is None:
            continue
        first, last = flow["time"], max(flow["time"], flow["time_end"] or 0)
        by_us = {t: holds(events, site, flow[column], t) for t in range(first, last + 1)}
        persons = {hold.person for held in by_us.values() for hold in held}
        if len(persons) == 1 and by_us[first]:
            hold = _latest(events, site, flow[column], first)
            return _Seen(Known(hold.person, hold.session, hold.method, column, "sure"), inside, [])
        if persons:
            spans = {
                _span(events, site, flow[column], t, hold)
                for t, held in by_us.items()
                for hold in held
            }
            return _Seen(Known(via=column, certainty="ambiguous"), inside, sorted(spans, key=str))
    return _Seen(Known(certainty="unknown" if inside else None), inside, [])


def _latest(events: Sequence[SessionEvent], site: str, address: str, moment: int) -> Hold:
    held = holds(events, site, address, moment)
    return max(held, key=lambda h: (_span(events, site, address, moment, h)[2], h.session))


def _span(
    events: Sequence[SessionEvent], site: str, address: str, moment: int, hold: Hold
) -> tuple[str, str, int, int | None]:
    first = last = moment
    while first > 0 and hold in holds(events, site, address, first - 1):
        first -= 1
    while last <= LAST and hold in holds(events, site, address, last):
        last += 1
    return hold.person, hold.session, first, None if last > LAST else last


def _inside(address: str | None, networks: Sequence[str]) -> bool:
    if address is None:
        return False
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(n) for n in networks)


def candidates(text: str | None) -> set[tuple[Any, ...]] | None:
    """Return the product's JSON as the oracle has it."""
    if text is None:
        return None
    return {(c["end"], c["person"], c["session"], c["from"], c["to"]) for c in json.loads(text)}
