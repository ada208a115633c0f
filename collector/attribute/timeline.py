"""Who held which address of which site, and when.

A `Timeline` is told of sessions by their events and of machines by leases, in any order, late or
more than once, and gives the same answer whatever the order. The rules of one session are in
`session.py`, those of an address and its machines in `lease.py`; `reject` binds nobody.

An address that a session names, but that a lease gives to another machine after that, is held by
that session and by a stranger: an address is not one person's any more because nobody said stop.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Self

import pyarrow as pa

from collector.attribute import lease, overlap
from collector.attribute.change import Change
from collector.attribute.hints import Claim, Hints
from collector.attribute.holders import Holders
from collector.attribute.interned import Interned
from collector.attribute.lease import Lease
from collector.attribute.lent import KIND
from collector.attribute.lent_sites import Lent
from collector.attribute.pieces import Pieces, cut
from collector.attribute.prefixes import Prefixes
from collector.attribute.session import OPEN_US, Session
from collector.records import Binding, LeaseEvent, SessionEvent, moment

METHOD = "lease"
"""Of an address that no session holds, but a machine is known to have."""
MOST_LEASES = 1 << 18
"""The machines of so many addresses of a site are remembered; those of others are refused."""
STUB_US = 24 * 3_600_000_000
"""A session that ended is remembered so much longer than asked: a late update of it must not look
like a session that goes on for ever."""


class Timeline:
    """Sessions of any number of sites; what it holds is bounded by `forget`."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Session] = {}
        self._held: dict[str, dict[str, dict[str, list[Binding]]]] = {}
        """Site, address, session: its bindings."""
        self._prefixes: dict[str, Prefixes] = {}
        self._leases: dict[str, dict[str, Lease]] = {}
        """Site, address."""
        self._at_mac: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
        """Site, MAC: the sessions that name it, and the addresses that leases put there."""
        self._machines: dict[str, Holders] = {}
        self._holders: dict[str, Holders] = {}
        self.lent = Lent(lambda site, ip: self._pieces(site, ip, -OPEN_US).bindings, self._holders)
        self.hints = Hints()
        self.refused = 0
        """Leases that found no room."""
        self._interned: dict[str, Interned] = {}
        self._unlisted: list[Change] = []

    def add(self, event: SessionEvent, frame: int) -> list[Change]:
        """Take in an event; return the bindings that are other than before.

        Args:
            event: Of any age; a repeat changes nothing.
            frame: Its position in the spool, for `Binding.learnt_frame`.
        """
        if event.event == "reject":
            return []
        if event.account and event.person is not None:
            self.hints.learn(event.site, event.account, str(event.person))
        key = (event.site, str(event.session))
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = Session(*key)
        before = session.mac
        session.take(event)
        if session.mac != before:
            self._move(session, before)
            for binding in session.bindings:
                self._touch(session.site, binding.address)
        return self._rebind(session, frame)

    def add_lease(self, event: LeaseEvent, frame: int) -> tuple[list[Change], int | None]:
        """Take in what was learnt of an address and its machine.

        Returns:
            The bindings of sessions that are other than before, and the first time of which
            anything is: also which machine had an address that nobody held.
        """
        if event.kind == KIND:
            return [], self.lent.of(event.site).add(event)
        if not lease.tells(event):
            return [], None
        site, leases = event.site, self._leases.setdefault(event.site, {})
        if event.ip not in leases and len(leases) >= MOST_LEASES:
            self.refused += 1
            return [], None
        told = leases.setdefault(event.ip, Lease())
        old = {span.mac for span in told.spans}
        from_us = told.take(event)
        if from_us is None:
            return [], None
        new = {span.mac for span in told.spans}
        self._put(site, event.ip, old, new)
        self._touch(site, event.ip)
        if site in self._machines:
            self._machines[site].touch(event.ip)
        sessions = {s for mac in old | new for s in self._of_mac(site, mac)[0]}
        changes = [
            change
            for session in sorted(sessions)
            for change in self._rebind(self._sessions[site, session], frame)
        ]
        return changes, from_us

    def add_station(self, site: str, station: Claim) -> int | None:
        """Take in that a flow bore the MAC of the machine at an address.

        Flows say so again and again; what was said a short time ago is not taken in.

        Returns:
            The first time of which it changes anything; what it changed, `take_unlisted` gives.
        """
        told = self._leases.get(site, {}).get(station.address, Lease())
        times = (station.time_us, station.time_us + lease.SEEN_US // 2)
        if all(told.at(time) == station.account for time in times):
            return None
        event = LeaseEvent(
            time=moment(station.time_us),
            site=site,
            kind=lease.WLAN,
            event="seen",
            ip=station.address,
            mac=station.account,
        )
        changes, from_us = self.add_lease(event, -1)
        self._unlisted += changes
        return from_us

    def take_unlisted(self) -> list[Change]:
        """Return and forget the bindings that flows changed, and those of blocks."""
        unlisted, self._unlisted = self._unlisted + self.lent.changes(), []
        return unlisted

    def bindings(self, site: str, address: str, start_us: int, end_us: int) -> list[Binding]:
        """Return who held `address` at any time of [start_us, end_us), by start."""
        found = self._over(site, address, start_us)
        found = [b for b in found if b.start_us < end_us]
        return sorted(found, key=lambda b: (b.start_us, b.session))

    def addresses(self, site: str) -> pa.Array[Any]:
        """Return all addresses and prefixes of the site that anybody held, as text."""
        return pa.array(list(self._held.get(site, {})), pa.string())

    def holders(self, site: str) -> Holders:
        """Return who held the addresses of a site, for looking up many at once."""
        self._unlisted += self.lent.changes()
        found = self._holders.get(site)
        if found is None:
            held: ChainMap[str, Any] = ChainMap(
                self._held.setdefault(site, {}), self.lent.keys(site)
            )
            prefixes = self._prefixes.setdefault(site, Prefixes())
            interned = self.interned(site)
            found = self._holders[site] = Holders(
                held, lambda address, us: self._pieces(site, address, us), prefixes, interned
            )
        return found

    def interned(self, site: str) -> Interned:
        """Return the numbers of the addresses of a site."""
        return self._interned.setdefault(site, Interned())

    def machines(self, site: str) -> Holders | None:
        """Return which machines had the addresses of a site, as `person`; None if none is known."""
        leases = self._leases.get(site)
        if not leases:
            return None
        if site not in self._machines:
            self._machines[site] = Holders(
                leases,
                lambda ip, us: _machines(site, ip, leases.get(ip), us),
                Prefixes(),
                self.interned(site),
            )
        return self._machines[site]

    def _pieces(self, site: str, address: str, from_us: int) -> Pieces:
        if address in self.lent.keys(site):
            return self.lent.of(site).pieces(address, from_us)
        told = self._leases.get(site, {}).get(address)
        strangers = []
        if told is not None:
            held = self._held.get(site, {}).get(address, {})
            named = [b for group in held.values() for b in group]
            macs = {b.session: (self._sessions[site, b.session].mac or (0, ""))[1] for b in named}
            strangers = overlap.strangers(named, macs, told)
        return cut([*self._over(site, address, from_us), *strangers])

    def _over(self, site: str, address: str, from_us: int) -> list[Binding]:
        """Return the bindings of an address, and of prefixes around it, that end later."""
        held = self._held.get(site, {})
        prefixes = self._prefixes.get(site)
        around = [] if prefixes is None else prefixes.around(address)
        texts = [address, *around]
        of_sessions = [group for text in texts for group in held.get(text, {}).values()]
        found = [b for group in of_sessions for b in group if b.end_us > from_us]
        return overlap.joined(found, address) if around else found

    def forget(self, before_us: int) -> None:
        """Let go of what only says something about the time before `before_us`.

        Answers about later times stay as they are, also when events come up to a day late.
        Sessions without end stay, whatever their age.
        """
        self._unlisted += self.lent.changes()
        for key, session in list(self._sessions.items()):
            if session.end() <= before_us - STUB_US:
                self._unbind(session)
                self._of_mac(session.site, (session.mac or (0, ""))[1])[0].discard(session.session)
                del self._sessions[key]
                continue
            old = session.bindings
            session.shorten(before_us)
            if len(old) != len(session.bindings):
                kept, session.bindings = session.bindings, old
                self._unbind(session)
                self._bind(session, kept)
        self.hints.forget(before_us - STUB_US)
        for site, leases in self._leases.items():
            self._forget_leases(site, leases, before_us - STUB_US)
        self._at_mac = {key: both for key, both in self._at_mac.items() if both[0] or both[1]}
        self.lent.forget(before_us)

    def _forget_leases(self, site: str, leases: dict[str, Lease], before_us: int) -> None:
        for ip, told in list(leases.items()):
            old = {span.mac for span in told.spans}
            told.shorten(before_us)
            self._put(site, ip, old, {span.mac for span in told.spans})
            if not told.words:
                del leases[ip]

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON values, for `restore`."""
        return {
            "version": 1,
            "sessions": [s.plain() for s in self._sessions.values()],
            "hints": self.hints.plain(),
            "blocks": self.lent.plain(),
            "leases": {
                site: {ip: told.plain() for ip, told in leases.items()}
                for site, leases in self._leases.items()
            },
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """Return the timeline that `snapshot` described.

        Raises:
            ValueError: not a snapshot of this version.
        """
        if state.get("version") != 1:
            raise ValueError("not a snapshot of this version of the timeline")
        timeline = cls()
        timeline.hints = Hints.from_plain(state["hints"])
        for site, leases in state["leases"].items():
            read = {ip: Lease.from_plain(words) for ip, words in leases.items()}
            timeline._leases[site] = read
            for ip, told in read.items():
                timeline._put(site, ip, set(), {span.mac for span in told.spans})
        for plain in state["sessions"]:
            session = Session.from_plain(plain)
            timeline._sessions[session.site, session.session] = session
            timeline._move(session, None)
            timeline._bind(session, session.bindings)
        timeline.lent.restore(state.get("blocks", {}))
        return timeline

    def _rebind(self, session: Session, frame: int) -> list[Change]:
        old = {(b.address, b.start_us): b for b in session.bindings}
        new = {}
        for address, start, end, person, method in session.bound(self._leased(session)):
            binding = Binding(
                site=session.site,
                address=address,
                start_us=start,
                end_us=end,
                person=person,
                session=session.session,
                method=method,
                learnt_frame=frame,
            )
            before = old.get((address, start))
            same = before is not None and replace(binding, learnt_frame=before.learnt_frame)
            new[address, start] = before if before is not None and same == before else binding
        changes = [
            Change(old=old.get(key), new=new.get(key))
            for key in sorted(old.keys() | new.keys())
            if old.get(key) is not new.get(key)
        ]
        if changes:
            self._unbind(session)
            self._bind(session, [new[key] for key in sorted(new)])
        return changes

    def _bind(self, session: Session, bindings: Sequence[Binding]) -> None:
        session.bindings = list(bindings)
        held = self._held.setdefault(session.site, {})
        for address, group in groupby(session.bindings, key=lambda b: b.address):
            if address not in held:
                self._prefixes.setdefault(session.site, Prefixes()).add(address)
            held.setdefault(address, {})[session.session] = list(group)
            self._touch(session.site, address)

    def _unbind(self, session: Session) -> None:
        held = self._held.get(session.site, {})
        for address in {binding.address for binding in session.bindings}:
            held[address].pop(session.session)
            self._touch(session.site, address)
            if not held[address]:
                del held[address]
                self._prefixes[session.site].discard(address)
        session.bindings = []

    def _leased(self, session: Session) -> list[tuple[str, lease.Span]]:
        """Return when the session's MAC had which address."""
        if session.mac is None or not self._leases.get(session.site):
            return []
        _, addresses = self._of_mac(session.site, session.mac[1])
        return lease.at_mac(self._leases[session.site], addresses, session.mac[1])

    def _of_mac(self, site: str, mac: str) -> tuple[set[str], set[str]]:
        return self._at_mac.setdefault((site, mac), (set(), set()))

    def _move(self, session: Session, before: tuple[int, str] | None) -> None:
        """Note that a session names another MAC than before."""
        if before is not None:
            self._of_mac(session.site, before[1])[0].discard(session.session)
        if session.mac is not None:
            self._of_mac(session.site, session.mac[1])[0].add(session.session)

    def _put(self, site: str, ip: str, old: set[str], new: set[str]) -> None:
        """Note that an address was at other machines than before."""
        for mac in old - new:
            self._of_mac(site, mac)[1].discard(ip)
        for mac in new - old:
            self._of_mac(site, mac)[1].add(ip)

    def _touch(self, site: str, address: str) -> None:
        """Tell the holders that an address, or all that is held in a prefix, is to be cut anew."""
        self.lent.touch(site, address)
        holders = self._holders.get(site)
        if holders is not None:
            holders.touch(address)
            for inner in self._prefixes[site].within(address):
                holders.touch(inner)


def _machines(site: str, ip: str, told: Lease | None, from_us: int) -> Pieces:
    """Return the time of an address, cut where it went to another machine."""
    return cut(
        Binding(
            site=site,
            address=ip,
            start_us=span.start,
            end_us=span.end,
            person=span.mac,
            session="",
            method=METHOD,
        )
        for span in (told.spans if told is not None else ())
        if span.end > from_us
    )
