# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""From sightings to records: leases, and alarms about servers, routers and double addresses.

Everything is bounded: the table of addresses, the alarms remembered, and the rows (`crowd.py`).
What goes past a bound is counted and told as a row of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from collector.sniff.crowd import FAST, Crowd
from collector.sniff.pace import Bucket
from collector.sniff.packets import Advert, Asked, Claim, Lent, Sighting, Unreadable, read
from collector.sniff.records import Record, coverage, text

MOST_ADDRESSES = 65_536
MOST_ALARMS = 1024
AGAIN_NS = 600 * 10**9
"""The same alarm is told again after so long at the soonest."""
AGAIN_SEEN_NS = 3600 * 10**9
"""So is an address that is seen where it was."""
BACK_NS = 60 * 10**9
"""An address that goes to another machine and comes back within so long is in use twice."""
KIND_NS = 12 * 3600 * 10**9
"""A machine that asks as another kind so long after has another system by then."""
ALARMS_PER_S, ALARMS_AT_ONCE = 1, 100
TALLY_NS = 10 * 10**9
"""What was left out is told so often."""


@dataclass(slots=True)
class _Place:
    """Where an address was seen."""

    mac: str
    since_ns: int
    told_ns: int
    before: str = ""
    """The machine that had it before, while it was seen there lately."""
    before_ns: int = 0


@dataclass(slots=True)
class _Alarm:
    told_ns: int
    more: int = 0


class Judge:
    """Knows what is allowed on one interface, and what was seen there."""

    def __init__(
        self, site: str, interface: str, *, servers: frozenset[str], routers: frozenset[str]
    ) -> None:
        """Make a judge.

        Args:
            site: Whose network it is.
            interface: Its name, for the records.
            servers: Addresses or MACs of DHCP servers that may lend; none: every one is foreign.
            routers: Addresses or MACs of routers that may advertise themselves.
        """
        self._site = site
        self._interface = interface
        self._servers = servers
        self._routers = routers
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._lent_to: OrderedDict[str, str] = OrderedDict()
        """Whom an address was lent last, where no more than that is known of it."""
        self._kinds: OrderedDict[tuple[str, str], tuple[str, int]] = OrderedDict()
        """In which way a machine asked for an address last, and when."""
        self._alarms: OrderedDict[tuple[str, str, str], _Alarm] = OrderedDict()
        # Alarms have room of their own: many claims must not crowd them out.
        self._alarms_room = Bucket(ALARMS_PER_S, ALARMS_AT_ONCE)
        self._crowd = Crowd()
        self.left_out = 0
        """Rows that were too many, since last told."""
        self.unreadable = 0
        self.dropped = 0
        self._tallied_ns = 0

    def hear(self, packet: bytes, time_ns: int) -> list[Record]:
        """Return what a packet is worth telling; one that cannot be read is counted.

        Args:
            packet: From its link header on.
            time_ns: When it was on the wire.
        """
        try:
            sightings = read(packet)
        except Unreadable:
            self.unreadable += 1
            return []
        return [record for each in sightings for record in self.take(each, time_ns)]

    def take(self, sighting: Sighting, now_ns: int) -> list[Record]:
        """Return what a sighting is worth telling."""
        if isinstance(sighting, Claim):
            found = self._claim(sighting, now_ns)
        elif isinstance(sighting, Lent):
            found = self._lent(sighting, now_ns)
        elif isinstance(sighting, Asked):
            found = self._asked(sighting, now_ns)
        else:
            found = self._advert(sighting, now_ns)
        return list(found)

    def started(self, now_ns: int) -> Record:
        """Return that nothing was seen before."""
        note = f"watching {self._interface} from now on"
        return self._coverage("sniff-restart", now_ns, note=note)

    def tally(self, now_ns: int, *, last: bool = False) -> list[Record]:
        """Return what was left out since last told; at most every ten seconds, and at the end."""
        if now_ns - self._tallied_ns < TALLY_NS and not last:
            return []
        self._crowd.refused[FAST] += self.left_out
        lost = [
            *(("sniff-rows", n, "records", why) for why, n in sorted(self._crowd.refused.items())),
            ("sniff-packets", self.unreadable, "packets", "not what they say they are"),
            ("kernel-drop", self.dropped, "packets", "the sniffing program was too slow"),
        ]
        since, self._tallied_ns = self._tallied_ns or now_ns, now_ns
        self.left_out = self.unreadable = self.dropped = 0
        self._crowd.refused.clear()
        return [
            self._coverage(kind, now_ns, since_ns=since, lost=count, unit=unit, note=note)
            for kind, count, unit, note in lost
            if count
        ]

    def _claim(self, claim: Claim, now_ns: int) -> Iterator[Record]:
        place = self._places.get(claim.ip)
        if place is not None and place.mac == claim.mac:
            self._places.move_to_end(claim.ip)
            self._crowd.seen(claim.mac)
            place.since_ns = now_ns
            late = now_ns - place.told_ns >= AGAIN_SEEN_NS
            if late and self._crowd.takes(claim.mac, now_ns, again=True):
                place.told_ns = now_ns
                yield self._lease(now_ns, claim.how, "seen", ip=claim.ip, mac=claim.mac)
            return
        double = (
            place is not None and place.before == claim.mac and now_ns - place.before_ns <= BACK_NS
        )
        if place is not None and double:
            both = " and ".join(sorted((place.mac, claim.mac)))
            note = f"{claim.ip} is used by two machines: {both}"
            yield from self._alarm("double-address", claim.ip, both, note, now_ns)
        elif self._crowd.takes(claim.mac, now_ns, moved=place is not None):
            yield self._lease(now_ns, claim.how, "seen", ip=claim.ip, mac=claim.mac)
        else:
            return  # it is not known then, and told when it is seen again
        before = (place.mac, place.since_ns) if place is not None else ("", 0)
        self._places[claim.ip] = _Place(claim.mac, now_ns, now_ns, *before)
        self._places.move_to_end(claim.ip)
        if len(self._places) > MOST_ADDRESSES:
            self._places.popitem(last=False)

    def _lent(self, lent: Lent, now_ns: int) -> Iterator[Record]:
        by = {lent.server, lent.server_mac}
        foreign = bool(lent.server_mac) and self._servers.isdisjoint(by)
        if foreign:
            note = f"{lent.server_mac} lends addresses and is not one of dhcp_servers"
            note += f"; it sends clients to the router {lent.router}" if lent.router else ""
            yield from self._alarm("rogue-dhcp", lent.server, lent.server_mac, note, now_ns)
        if lent.word == "decline" and lent.ip:
            note = f"{lent.mac} was lent {lent.ip} and found it in use already"
            yield from self._alarm("double-address", lent.ip, lent.mac, note, now_ns)
        if lent.ip and lent.word in ("ack", "inform", "release"):
            words = {"release": "release", "inform": "seen"}
            how, who = self._how_new(lent), _whose(lent)
            if not self._crowd.takes(who, now_ns, again=how == "renew"):
                return
            self._lent_to[lent.ip] = who
            self._lent_to.move_to_end(lent.ip)
            if len(self._lent_to) > MOST_ADDRESSES:
                self._lent_to.popitem(last=False)
            yield self._lease(
                now_ns,
                lent.how,
                words.get(lent.word) or how,
                ip=lent.ip,
                mac=lent.mac,
                hostname=lent.hostname,
                client_id=lent.client_id,
                server=lent.server,
                **_term(lent, now_ns),
                note="of a server that is not one of dhcp_servers" if foreign else "",
            )

    def _asked(self, asked: Asked, now_ns: int) -> Iterator[Record]:
        """Two kinds of machine with one MAC are most likely two machines."""
        key = (asked.mac, asked.word)
        kind, then_ns = self._kinds.get(key, (asked.kind, now_ns))
        self._kinds[key] = (asked.kind, now_ns)
        self._kinds.move_to_end(key)
        if len(self._kinds) > MOST_ADDRESSES:
            self._kinds.popitem(last=False)
        if kind != asked.kind and now_ns - then_ns <= KIND_NS:
            both = " and as ".join(f"({each})" for each in sorted((kind, asked.kind)))
            note = f"{asked.mac} asks for an address as {both}: two machines may bear one MAC"
            yield from self._alarm("double-mac", asked.mac, both, note, now_ns)

    def _how_new(self, lent: Lent) -> str:
        place = self._places.get(lent.ip)
        seen = place is not None and place.mac == lent.mac
        return "renew" if seen or self._lent_to.get(lent.ip) == _whose(lent) else "add"

    def _advert(self, advert: Advert, now_ns: int) -> Iterator[Record]:
        if not self._routers.isdisjoint((advert.router, advert.mac)):
            return
        prefixes = ", ".join(advert.prefixes[:8]) or "no prefix"
        note = f"{advert.mac} calls itself a router ({prefixes}, lifetime {advert.lifetime_s} s)"
        note += " and is not one of routers"
        yield from self._alarm("rogue-ra", advert.router, advert.mac, note, now_ns)

    def _alarm(self, kind: str, source: str, who: str, note: str, now_ns: int) -> Iterator[Record]:
        """Tell of something wrong, once in a while however often it is seen."""
        known = self._alarms.get((kind, source, who))
        if known is not None and now_ns - known.told_ns < AGAIN_NS:
            known.more += 1
            return
        note += f"; seen {known.more} more times before" if known is not None and known.more else ""
        self._alarms[kind, source, who] = _Alarm(now_ns)
        self._alarms.move_to_end((kind, source, who))
        if len(self._alarms) > MOST_ALARMS:
            self._alarms.popitem(last=False)
        if self._alarms_room.take(now_ns):
            yield self._coverage(kind, now_ns, source=source, note=f"{self._interface}: {note}")
        else:
            self.left_out += 1

    def _lease(self, now_ns: int, kind: str, event: str, **members: object) -> Record:
        told: dict[str, Any] = {
            "time": text(now_ns),
            "site": self._site,
            "kind": kind,
            "event": event,
            "interface": self._interface,
            "source": f"sniff {self._interface}",
        }
        told |= {name: value for name, value in members.items() if value}
        return "lease", told

    def _coverage(
        self, kind: str, now_ns: int, since_ns: int | None = None, **members: object
    ) -> Record:
        return coverage(self._site, self._interface, kind, now_ns, since_ns, **members)


def _whose(lent: Lent) -> str:
    """Return who has a lease: clients of DHCPv6 need not show their machine (RFC 8415, 11)."""
    return lent.mac or lent.client_id or lent.ip


def _term(lent: Lent, now_ns: int) -> dict[str, str]:
    if lent.word != "ack" or lent.lease_s is None:
        return {}
    return {"start": text(now_ns), "expires": text(now_ns + lent.lease_s * 10**9)}
