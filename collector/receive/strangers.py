"""Who sends without being in the settings: refused, counted, listed, and written down."""

from __future__ import annotations

import ipaddress
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.receive.losses import Losses, What
from collector.settings import Site

_LISTED = 1024
"""Unknown senders that are listed one by one; more are only counted."""
_PURGE_NS = 1_000_000_000
_TOLD_EACH = 16
"""Unknown senders that get a row of their own each time that losses are written down."""

_Where = Mapping[str, Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]]


@dataclass(slots=True, kw_only=True)
class Stranger:
    """A sender that may not send, for the list from which one is allowed."""

    address: str
    local_port: int
    refused: int
    first_ns: int
    last_ns: int
    told: int = 0
    """Refusals that are written down already."""


class Strangers:
    """Counts what is refused, from any thread."""

    def __init__(self) -> None:
        self.refused = 0
        """Datagrams and connections of unknown senders."""
        self.dammed = 0
        """Held back by the kernel in a flood."""
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], Stranger] = {}
        self._unlisted = 0
        """Refused of senders that are no longer, or never were, in the list, and not told yet."""
        self._purged_ns = 0

    def add(self, address: str, local_port: int, now_ns: int) -> None:
        """Count one refusal."""
        with self._lock:
            self.refused += 1
            known = self._known.get((address, local_port))
            if known:
                known.refused += 1
                known.last_ns = now_ns
                return
            if len(self._known) >= _LISTED:
                self._purge(now_ns)
            if len(self._known) >= _LISTED:
                self._unlisted += 1
                return
            self._known[address, local_port] = Stranger(
                address=address, local_port=local_port, refused=1, first_ns=now_ns, last_ns=now_ns
            )

    def dam(self, count: int) -> None:
        """Count what the kernel held back: of whom is unknown."""
        with self._lock:
            self.dammed += count
            self._unlisted += count

    def listed(self) -> list[Stranger]:
        """Return the unknown senders seen, those refused most often first."""
        with self._lock:
            return sorted(self._known.values(), key=lambda s: (-s.refused, -s.last_ns))

    def write_down(self, losses: Losses, sites: Sequence[Site]) -> None:
        """Turn what was refused since the last time into coverage of the site that it may be of.

        That is the only one there is, or one whose networks have the address.
        """
        where = {s.id: [ipaddress.ip_network(text) for text in s.networks] for s in sites}
        new, unlisted = self._take_new()
        more: Counter[str] = Counter()
        for place, (stranger, count) in enumerate(new):
            for site in _sites_of(stranger.address, where):
                if place < _TOLD_EACH:
                    losses.add(_what(site, stranger.address), count, since_ns=stranger.first_ns)
                else:
                    more[site] += count
        if len(where) == 1:
            more.update({site: unlisted for site in where})
        for site, count in more.items():
            if count:
                losses.add(_what(site, ""), count)

    def _take_new(self) -> tuple[list[tuple[Stranger, int]], int]:
        """Return what was not told yet, the most first; it counts as told from now on."""
        with self._lock:
            new = [(s, s.refused - s.told) for s in self._known.values() if s.refused > s.told]
            for stranger, _ in new:
                stranger.told = stranger.refused
            unlisted, self._unlisted = self._unlisted, 0
        return sorted(new, key=lambda pair: -pair[1]), unlisted

    def _purge(self, now_ns: int) -> None:
        """Forget who came only once: addresses that are made up hide no exporter that goes on."""
        if 0 <= now_ns - self._purged_ns < _PURGE_NS:
            return
        self._purged_ns = now_ns
        for key, stranger in list(self._known.items()):
            if stranger.refused == 1:
                self._unlisted += not stranger.told
                del self._known[key]


def _sites_of(address: str, where: _Where) -> list[str]:
    if len(where) == 1:
        return list(where)
    there = ipaddress.ip_address(address)
    return [site for site, networks in where.items() if any(there in one for one in networks)]


def _what(site: str, address: str) -> What:
    return What(
        site=site,
        kind="unknown-sender",
        source=address,
        unit="datagrams",
        note="refused; if it is an exporter, name it under [[exporters]] in prathu.toml",
    )
