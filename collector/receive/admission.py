"""Who may send, and for which site: the exporters of the settings, longest prefix first."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from collector.receive.accounts import Account, Accounts
from collector.receive.strangers import Strangers
from collector.records import Clock
from collector.settings import Exporter

_CACHE = 1 << 16

_Networks = list[tuple[int, dict[int, "_Entry"]]]
"""Prefix length in bits to shift away, and entries by what is left; longest prefix first."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the settings."""

    network: str
    site: str


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender that may send: its address in canonical text, its site, and what it took so far."""

    address: str
    site: str
    account: Account = field(compare=False)


class Admission:
    """Answers for every datagram; most often from a dict."""

    def __init__(self, exporters: Iterable[Exporter], accounts: Accounts, *, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._anywhere: dict[int, _Networks] = {}
        self._by_port: dict[int, dict[int, _Networks]] = {}
        self._cache: dict[tuple[str, int], Sender] = {}
        self._forgotten = 0
        self.strangers = Strangers()
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
        version, number = _number(host)
        entry = _longest(self._by_port.get(local_port, self._anywhere), number, version)
        if entry is None:
            self.strangers.add(_text(version, number), local_port, self._clock())
            return None
        return self._remember(host, local_port, _text(version, number), entry)

    def tidy(self) -> None:
        """Forget senders whose accounts are gone: they are to get others. Called now and then."""
        if self._forgotten != self._accounts.forgotten:
            self._forgotten = self._accounts.forgotten
            self._cache.clear()

    def _remember(self, host: str, local_port: int, address: str, entry: _Entry) -> Sender:
        now = self._clock()
        account = self._accounts.find(address, entry.site, entry.network, now)
        self.tidy()
        if len(self._cache) >= _CACHE:
            self._cache.clear()  # a wide network and many senders: begin again
        sender = self._cache[host, local_port] = Sender(address, entry.site, account)
        return sender

    def _table(self, port: int | None) -> dict[int, _Networks]:
        return self._anywhere if port is None else self._by_port.setdefault(port, {})


def canonical(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address without scope, an IPv4-mapped one as IPv4."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _number(host: str) -> tuple[int, int]:
    """Return version and number of an address that a socket gave."""
    if ":" not in host:
        return 4, int.from_bytes(socket.inet_pton(socket.AF_INET, host), "big")
    address = canonical(host)
    return address.version, int(address)


def _text(version: int, number: int) -> str:
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))
    return str(ipaddress.IPv6Address(number))


def _add(table: dict[int, _Networks], exporter: Exporter) -> None:
    network = ipaddress.ip_network(exporter.address)
    shift = network.max_prefixlen - network.prefixlen
    networks = dict(table.setdefault(network.version, []))
    entry = _Entry(str(network), exporter.site)
    networks.setdefault(shift, {})[int(network.network_address) >> shift] = entry
    table[network.version] = sorted(networks.items(), key=lambda pair: pair[0])


def _longest(table: dict[int, _Networks], number: int, version: int) -> _Entry | None:
    for shift, entries in table.get(version, ()):
        entry = entries.get(number >> shift)
        if entry is not None:
            return entry
    return None
