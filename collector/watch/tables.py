"""ARP and ND as the kernel knows them: which machine has which address, told when it changes."""

from __future__ import annotations

import socket
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator

from collector.decode.neighbours import RTM_GETNEIGH, Messages, Neighbour
from collector.errors import Malformed
from collector.records import CoverageEvent, LeaseEvent, moment
from collector.settings import Neighbours
from collector.watch import kernel

MOST_ADDRESSES = 65_536
AGAIN_NS = 3600 * 10**9
"""What stays as it is is told again after so long."""
DUMP_NS = 60 * 10**9
TALLY_NS = 60 * 10**9
ROWS_PER_S, ROWS_AT_ONCE = 50, 4000
"""Of addresses that are new; as many again of those that were told before."""
NEW_PER_S, NEW_AT_ONCE = 1.0, 40_000
"""Addresses that were never seen, of one interface in the long run: with what is told again every
hour they leave room for in MOST_ADDRESSES, so that none that is still there is forgotten."""
MOST_EACH = 256
"""Rows of one machine a minute: it may make up addresses as fast as it likes."""


class NeighbourWatch:
    """The neighbour tables of some interfaces."""

    def __init__(self, settings: Iterable[Neighbours]) -> None:
        self._sites = {each.interface: each.site for each in settings}
        self._known: OrderedDict[tuple[str, str], tuple[str, int]] = OrderedDict()
        """By interface and address: the machine, and when it was last told."""
        self._room = {new: _Bucket(ROWS_PER_S, ROWS_AT_ONCE) for new in (True, False)}
        self._new = {name: _Bucket(NEW_PER_S, NEW_AT_ONCE) for name in self._sites}
        self._told_of: Counter[str] = Counter()
        """Rows of each machine since the last tally."""
        self._listener: kernel.Listener | None = None
        self._dumped_ns = self._tallied_ns = 0
        self._left_out: Counter[tuple[str, str]] = Counter()
        """Rows by site and reason, not told yet."""

    def look(self, now_ns: int) -> Iterator[LeaseEvent | CoverageEvent]:
        """Give what changed since last looked."""
        self._listener = self._listener or kernel.Listener()
        try:
            for messages in self._listener.heard():
                yield from self._take(messages, now_ns)
        except kernel.Overrun:
            self._dumped_ns = 0
            yield from self._unheard(now_ns)
        if abs(now_ns - self._dumped_ns) >= DUMP_NS:
            self._dumped_ns = now_ns
            yield from self._whole(now_ns)
        yield from self._tally(now_ns)

    def _whole(self, now_ns: int) -> Iterator[LeaseEvent | CoverageEvent]:
        """Look at the whole table: what changed unheard shows here."""
        try:
            tables = kernel.dump(RTM_GETNEIGH)
        except (OSError, Malformed) as error:
            for site in sorted(set(self._sites.values())):
                yield _coverage(site, now_ns, None, f"the neighbour table cannot be read: {error}")
            return
        for messages in tables:
            yield from self._take(messages, now_ns)

    def _take(self, messages: Messages, now_ns: int) -> Iterator[LeaseEvent]:
        names = _names(self._sites)
        for neighbour in messages.neighbours:
            if neighbour.link in names:
                yield from self._one(neighbour, names[neighbour.link], now_ns)

    def _one(self, neighbour: Neighbour, interface: str, now_ns: int) -> Iterator[LeaseEvent]:
        key = (interface, neighbour.ip)
        mac, told_ns = self._known.get(key, ("", 0))
        if mac == neighbour.mac and now_ns - told_ns < AGAIN_NS:
            return
        site = self._sites[interface]
        if why := self._refusal(key, neighbour.mac, now_ns):
            self._left_out[site, why] += 1  # it is not known then, and told later
            return
        self._told_of[neighbour.mac] += 1
        self._known[key] = (neighbour.mac, now_ns)
        self._known.move_to_end(key)
        if len(self._known) > MOST_ADDRESSES:
            self._known.popitem(last=False)
        yield LeaseEvent(
            time=moment(now_ns // 1000),
            site=site,
            kind="nd" if ":" in neighbour.ip else "arp",
            event="seen",
            ip=neighbour.ip,
            mac=neighbour.mac,
            interface=interface,
        )

    def _refusal(self, key: tuple[str, str], mac: str, now_ns: int) -> str:
        """Return why a row is one too many; empty if it is not."""
        if self._told_of[mac] >= MOST_EACH:
            return "too many of one machine"
        if not self._room[key not in self._known].take(now_ns):
            return "neighbours changed too often to tell each"
        if key not in self._known and not self._new[key[0]].take(now_ns):
            return f"too many addresses on {key[0]} that were never seen before"
        return ""

    def _unheard(self, now_ns: int) -> Iterator[CoverageEvent]:
        for site in sorted(set(self._sites.values())):
            yield _coverage(
                site, now_ns, None, "the kernel told of neighbours faster than was read"
            )

    def _tally(self, now_ns: int) -> Iterator[CoverageEvent]:
        if abs(now_ns - self._tallied_ns) >= TALLY_NS:
            self._tallied_ns = now_ns
            self._told_of.clear()
            for (site, why), count in sorted(self._left_out.items()):
                yield _coverage(site, now_ns, count, why)
            self._left_out.clear()


class _Bucket:
    """So many a second, and so many at once after a quiet time."""

    def __init__(self, per_s: float, at_once: int) -> None:
        self._per_s, self._at_once, self._room = per_s, at_once, float(at_once)
        self._filled_ns = 0

    def take(self, now_ns: int) -> bool:
        """Return whether there is room for one more."""
        passed_s = max(0, now_ns - self._filled_ns) / 1e9
        self._filled_ns = now_ns
        self._room = min(self._at_once, self._room + passed_s * self._per_s)
        if self._room < 1:
            return False
        self._room -= 1
        return True


def _names(sites: Iterable[str]) -> dict[int, str]:
    """Return the interfaces that are there, by index: one may go and come back as another."""
    found = {}
    for name in sites:
        try:
            found[socket.if_nametoindex(name)] = name
        except OSError:
            continue
    return found


def _coverage(site: str, now_ns: int, lost: int | None, note: str) -> CoverageEvent:
    now = moment(now_ns // 1000)
    return CoverageEvent(
        time=now,
        end=now,
        site=site,
        kind="leases-unread",
        source="neighbour table",
        lost=lost,
        unit="records" if lost else "",
        note=note,
    )
