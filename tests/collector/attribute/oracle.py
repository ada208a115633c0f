"""Attribution written a second time from its rules: one row, one session, one µs at a time."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from collector.records import LeaseEvent, SessionEvent

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


def leased(word: str, time: int, **more: Any) -> LeaseEvent:
    """Return a word about an address and its machine, with µs for times."""
    for name in ("start", "expires"):
        if more.get(name) is not None:
            more[name] = at(more[name])
    fixed = {"site": "a", "kind": "dhcp"}
    return LeaseEvent(**{**fixed, **more, "event": word, "time": at(time)})


@dataclass(frozen=True)
class Told:
    """Everything that was told."""

    events: Sequence[SessionEvent]
    leases: Sequence[LeaseEvent] = ()

    def machine(self, site: str, address: str, moment: int) -> str:
        """Return the MAC that had an address at one µs, by all words up to then."""
        words: list[tuple[int, bool, str, int]] = []
        for e in self.leases:
            if e.site != site or e.ip != address or not e.mac or e.kind not in ("dhcp", "nd"):
                continue
            time = us(e.time)
            if e.event in ("release", "expire"):
                words.append((time, False, e.mac, time))
                continue
            until = time + 1_000_000 if e.expires is None else max(time, us(e.expires))
            words += [(t, True, e.mac, until) for t in {time, min(time, us(e.start or e.time))}]
        mac, until = "", -1
        for time, puts, of_mac, ends in sorted(words):
            if time > moment:
                break
            if puts:
                mac, until = of_mac, ends
            elif of_mac == mac:
                until = time
        return mac if moment < until else ""

    def lent(self, site: str, nat_ip: str, port: int, moment: int, slack: int) -> str:
        """Return the one address that a port can have been lent to at one µs, by blocks."""
        around = range(moment - slack, moment + slack + 1)
        lent = {self._lent(site, nat_ip, port, at) for at in around} - {""}
        return lent.pop() if len(lent) == 1 else ""

    def _lent(self, site: str, nat_ip: str, port: int, moment: int) -> str:
        """Return the same by the NAT's own clock."""
        words = [
            word
            for e in self.leases
            if (e.site, e.kind, e.nat_ip) == (site, "block", nat_ip)
            and (e.port_first or 0) <= port <= (e.port_last or 0)
            for word in _lending(e)
        ]
        ip, until = "", -1
        for time, puts, of_ip, ends in sorted(words):
            if time > moment:
                break
            if puts:
                ip, until = of_ip, ends
            elif of_ip == ip:
                until = time
        return ip if moment < until else ""

    def stranger(self, site: str, address: str, moment: int) -> bool:
        """Say whether a lease put an address elsewhere while a session that names it holds it."""
        mac = self.machine(site, address, moment)
        for hold in holds(self, site, address, moment, prefixes=False) if mac else ():
            own = _mac(
                [e for e in self.events if str(e.session) == hold.session and e.site == site]
            )
            since = moment
            while hold in holds(self, site, address, since - 1, prefixes=False):
                since -= 1
            at_begin = self.machine(site, address, since)
            came = next(
                t for t in range(moment, -1, -1) if self.machine(site, address, t - 1) != mac
            )
            if own and mac not in (own, at_begin) and came > since:
                return True
        return False


@dataclass(frozen=True)
class Hold:
    """One session holds an address at one µs."""

    person: str
    session: str
    method: str


def _lending(e: LeaseEvent) -> list[tuple[int, bool, str, int]]:
    """Return what a word about a block says: when, whether it lends, to whom, until when."""
    time, start, never = us(e.time), min(us(e.time), us(e.start or e.time)), 1 << 40
    if e.event in ("release", "expire"):
        begun = [(start, True, e.ip, never)] if e.start else []
        return [*begun, (time, False, e.ip, time)]
    until = never if e.expires is None else max(time, us(e.expires))
    return [(at, True, e.ip, until) for at in {start, time}]


def holds(told: Told, site: str, address: str, moment: int, *, prefixes: bool = True) -> set[Hold]:
    """Return who held the address at one µs; without `prefixes`, not by what is around it."""
    sessions: dict[UUID, list[SessionEvent]] = {}
    for e in told.events:
        if e.site == site and e.event != "reject":
            sessions.setdefault(e.session, []).append(e)
    machine = told.machine(site, address, moment)
    found = (_hold(of, address, moment, machine, prefixes) for of in sessions.values())
    return {hold for hold in found if hold is not None}


def _hold(
    events: list[SessionEvent], address: str, moment: int, machine: str, prefixes: bool
) -> Hold | None:
    if not _begin(events) <= moment or not moment < _end(events):
        return None
    naming = [e for e in events if e.addresses]
    knowing = [e for e in events if e.person is not None]
    if not knowing:
        return None
    named = _as_of(naming, moment).addresses if naming else ()
    has_v4 = any(":" not in text for text in named)
    by_lease = machine != "" and machine == _mac(events) and (":" in address or not has_v4)
    around = [text for text in named if "/" in text] if prefixes else []
    if not (address in named or by_lease or _inside(address, around)):
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


def _mac(events: Iterable[SessionEvent]) -> str:
    """The newest MAC ever told."""
    told = [(e.time, e.mac) for e in events if e.mac and e.event != "reject"]
    return max(told)[1] if told else ""


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
    device: str | None = None


@dataclass(frozen=True)
class _Seen:
    known: Known
    inside: bool
    candidates: list[tuple[Any, ...]]


def row(
    told: Told, networks: Sequence[str], site: str, flow: dict[str, Any], slack: int = 0
) -> tuple[Known, Known, set[tuple[Any, ...]] | None]:
    """Return what is known of subject and peer of one flow, and the candidates."""
    source = _side(told, networks, site, flow, ("src_ip", "nat_src_ip"), slack)
    target = _side(told, networks, site, flow, ("dst_ip", "nat_dst_ip"), slack)
    subject, peer = source, target
    if target.inside and not source.inside:
        subject, peer = target, source
    outside = not target.inside and not source.inside
    if outside and target.known.certainty and not source.known.certainty:
        subject, peer = target, source
    candidates = {("src", *c) for c in source.candidates} | {("dst", *c) for c in target.candidates}
    return subject.known, peer.known, candidates or None


def _side(
    told: Told,
    networks: Sequence[str],
    site: str,
    flow: dict[str, Any],
    columns: tuple[str, str],
    slack: int,
) -> _Seen:
    inside = any(_inside(flow[column], networks) for column in columns)
    times = range(flow["time"], max(flow["time"], flow["time_end"] or 0) + 1)
    for column in columns:
        address = flow[column]
        if address is None:
            continue
        by_us = {t: holds(told, site, address, t) for t in times}
        persons = {hold.person for held in by_us.values() for hold in held}
        strange = any(told.stranger(site, address, t) for t in times)
        if len(persons) == 1 and by_us[times[0]] and not strange:
            hold = _latest(told, site, address, times[0])
            return _Seen(Known(hold.person, hold.session, hold.method, column, "sure"), inside, [])
        if persons:
            spans = {
                _span(told, site, address, t, hold) for t, held in by_us.items() for hold in held
            }
            return _Seen(Known(via=column, certainty="ambiguous"), inside, sorted(spans, key=str))
        if _inside(address, networks):
            break
    behind, lent_to = _behind(told, site, flow, columns[0].removesuffix("_ip"), slack)
    inside = inside or _inside(lent_to, networks)
    if behind is not None:
        return _Seen(behind[0], inside, behind[1])
    asked = columns[:1] if _inside(flow[columns[0]], networks) else columns
    return _Seen(_nobody(told, site, flow, asked, times) if inside else Known(), inside, [])


class _Port:
    """A port of a public address."""

    def __init__(self, told: Told, site: str, nat_ip: str, port: int, slack: int) -> None:
        self.told, self.site = told, site
        self.lent = cache(lambda moment: told.lent(site, nat_ip, port, moment, slack))
        self.held = cache(self._held)

    def _held(self, moment: int) -> set[tuple[Hold, str]]:
        """Who held the address that it was lent to at one µs, and that address."""
        ip = self.lent(moment)
        return {(hold, ip) for hold in holds(self.told, self.site, ip, moment)} if ip else set()

    def span(self, moment: int, one: tuple[Hold, str]) -> tuple[str, str, int, int | None]:
        first = last = moment
        while first > 0 and one in self.held(first - 1):
            first -= 1
        while last <= LAST and one in self.held(last):
            last += 1
        return one[0].person, one[0].session, first, None if last > LAST else last

    def strange(self, moment: int) -> bool:
        ip = self.lent(moment)
        return bool(ip) and self.told.stranger(self.site, ip, moment)


def _behind(
    told: Told, site: str, flow: dict[str, Any], side: str, slack: int
) -> tuple[tuple[Known, list[tuple[Any, ...]]] | None, str | None]:
    """What blocks of ports tell of an end, and to whom its port was lent when the flow began."""
    if flow[f"{side}_ip"] is None or flow.get(f"{side}_port") is None:
        return None, None
    port = _Port(told, site, flow[f"{side}_ip"], flow[f"{side}_port"], slack)
    times = range(flow["time"], max(flow["time"], flow["time_end"] or 0) + 1)
    held = [(t, one) for t in times for one in port.held(t)]
    at_begin = [one for t, one in held if t == times[0]]
    lent_to, via = port.lent(times[0]) or None, f"{side}_block"
    alone = len({one[0].person for _, one in held}) == 1 and at_begin
    if alone and not any(port.strange(t) for t in times):
        hold, _ = max(
            at_begin,
            key=lambda one: (
                one[0].method != "syslog",
                port.span(times[0], one)[2],
                one[0].session,
            ),
        )
        return (Known(hold.person, hold.session, hold.method, via, "sure"), []), lent_to
    if held:
        spans = sorted({port.span(t, one) for t, one in held}, key=str)
        return (Known(via=via, certainty="ambiguous"), spans), lent_to
    return None, lent_to


def _nobody(
    told: Told, site: str, flow: dict[str, Any], columns: tuple[str, ...], times: range
) -> Known:
    """What is known of an inside end that no session held: perhaps its machine."""
    for column in columns:
        if flow[column] is None:
            continue
        macs = [told.machine(site, flow[column], t) for t in times]
        if len({*macs, ""}) == 2 and macs[0]:
            return Known(method="lease", via=column, certainty="unknown", device=macs[0])
        if any(macs):
            break
    return Known(certainty="unknown")


def _latest(told: Told, site: str, address: str, moment: int) -> Hold:
    held = holds(told, site, address, moment)
    return max(
        held,
        key=lambda h: (
            h.method != "syslog",
            _span(told, site, address, moment, h)[2],
            h.session,
        ),
    )


def _span(
    told: Told, site: str, address: str, moment: int, hold: Hold
) -> tuple[str, str, int, int | None]:
    first = last = moment
    while first > 0 and hold in holds(told, site, address, first - 1):
        first -= 1
    while last <= LAST and hold in holds(told, site, address, last):
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
    found = json.loads(text)
    for candidate in found:
        if candidate["to"] is not None and candidate["to"] > LAST:
            candidate["to"] = None
    return {(c["end"], c["person"], c["session"], c["from"], c["to"]) for c in found}
