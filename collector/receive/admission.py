"""Who may send, and for which site: the exporters of the settings, longest prefix first."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from collector.records import Clock
from collector.settings import Exporter

_CACHE = 1 << 16
_STRANGERS = 1024
"""Unknown senders that are listed one by one; more are only counted."""

_Networks = list[tuple[int, dict[int, str]]]
"""Prefix length in bits to shift away, and sites by what is left; longest prefix first."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender that may send: its address in canonical text, and its site."""

    address: str
    site: str


@dataclass(slots=True, kw_only=True)
class Stranger:
    """A sender that may not, for the list from which one is allowed."""

    address: str
    local_port: int
    refused: int
    first_ns: int
    last_ns: int


class Admission:
    """Answers for every datagram; most often from a dict."""

    def __init__(self, exporters: Iterable[Exporter], *, clock: Clock) -> None:
        self._clock = clock
        self._anywhere: dict[int, _Networks] = {}
        self._by_port: dict[int, dict[int, _Networks]] = {}
        self._cache: dict[tuple[str, int], Sender] = {}
        self._lock = threading.Lock()
        self._strangers: dict[tuple[str, int], Stranger] = {}
        self.refused = 0
        """Datagrams and connections of unknown senders."""
        for exporter in exporters:
            _add(self._table(exporter.port), exporter)

    @property
    def ports(self) -> list[int]:
        """Ports of ours that are to be opened for single exporters."""
        return sorted(self._by_port)

    def admit(self, host: str, local_port: int) -> Sender | None:
        """Return who `host` is on our port, or None (and count it) when nobody we know.

        Args:
            host: The address as the socket gives it, IPv4-mapped or with a scope perhaps.
            local_port: Our port. One opened for an exporter admits only its exporters.
        """
        sender = self._cache.get((host, local_port))
        if sender is not None:
            return sender
        address = canonical(host)
        number, version = int(address), address.version
        site = _longest(self._by_port.get(local_port, self._anywhere), number, version)
        if site is None:
            self._refuse(str(address), local_port)
            return None
        if len(self._cache) >= _CACHE:
            self._cache.clear()  # a wide network and many senders: begin again
        sender = self._cache[host, local_port] = Sender(str(address), site)
        return sender

    def strangers(self) -> list[Stranger]:
        """Return the unknown senders seen, the most recent first."""
        with self._lock:
            return sorted(self._strangers.values(), key=lambda s: s.last_ns, reverse=True)

    def _table(self, port: int | None) -> dict[int, _Networks]:
        return self._anywhere if port is None else self._by_port.setdefault(port, {})

    def _refuse(self, address: str, local_port: int) -> None:
        now = self._clock()
        with self._lock:
            self.refused += 1
            known = self._strangers.get((address, local_port))
            if known:
                known.refused += 1
                known.last_ns = now
            elif len(self._strangers) < _STRANGERS:
                self._strangers[address, local_port] = Stranger(
                    address=address, local_port=local_port, refused=1, first_ns=now, last_ns=now
                )


def canonical(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address without scope, an IPv4-mapped one as IPv4."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _add(table: dict[int, _Networks], exporter: Exporter) -> None:
    network = ipaddress.ip_network(exporter.address)
    shift = network.max_prefixlen - network.prefixlen
    networks = dict(table.setdefault(network.version, []))
    networks.setdefault(shift, {})[int(network.network_address) >> shift] = exporter.site
    table[network.version] = sorted(networks.items())


def _longest(table: dict[int, _Networks], number: int, version: int) -> str | None:
    for shift, sites in table.get(version, ()):
        site = sites.get(number >> shift)
        if site is not None:
            return site
    return None
