"""Who may send: NASes by network, the longest match first, each with its secret and site."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from captive_portal.errors import PortalError
from captive_portal.radius.kinds import TAKES, Takes
from captive_portal.settings import NasKind, RadiusClient, files

COA_PORT = 3799
"""RFC 5176 2.3."""
_OTHER_COA_PORTS: dict[NasKind, int] = {"cisco": 1700}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A NAS that may send."""

    network: Network
    site: str
    secret: bytes
    identifier: str = ""
    """Only packets with this NAS-Identifier are its; empty: all from its network."""
    kind: NasKind = "generic"
    message_authenticator: str = "require"
    """`require`, `learning` or `legacy`."""
    coa_port: int = COA_PORT
    may_take: Takes | None = None
    """What it takes of dynamic authorization; None: as its kind."""
    mac_format: str = "AA-BB-CC-DD-EE-FF"
    orders: bool = False
    """It may give orders about all sessions of its site, not only those that it reported."""

    @property
    def takes(self) -> Takes:
        """What it takes of dynamic authorization."""
        return self.may_take or TAKES[self.kind]

    @property
    def name(self) -> str:
        """What tells it from the others of the table."""
        return f"{self.network} {self.identifier}".strip()


class Clients:
    """Finds the NAS that an address is."""

    def __init__(self, clients: Iterable[Client]) -> None:
        of_network: dict[Network, dict[str, Client]] = defaultdict(dict)
        for client in clients:
            if client.identifier in of_network[client.network]:
                raise PortalError(
                    f"settings: radius.clients: {client.name} stands there twice",
                    hint="two NASes behind one address need an `identifier` each",
                )
            of_network[client.network][client.identifier] = client
        self._all = tuple(one for named in of_network.values() for one in named.values())
        self._networks = sorted(of_network.items(), key=lambda item: -item[0].prefixlen)
        self._named = lru_cache(maxsize=4096)(self._find)

    def find(self, address: str, identifier: str = "") -> Client | None:
        """Return the client of the smallest network that `address` is in, or nobody.

        Args:
            address: Where the packet came from.
            identifier: Its NAS-Identifier; where NASes share an address, the secret proves it.
        """
        named = self._named(address)
        return None if named is None else named.get(identifier) or named.get("")

    def _find(self, address: str) -> dict[str, Client] | None:
        host = parse_address(address)
        for network, named in self._networks:
            if host.version == network.version and host in network:
                return named
        return None

    def shared(self, address: str) -> bool:
        """Say whether the NAS-Identifier tells who of several sends from there."""
        named = self._named(address)
        return named is not None and any(named)

    def of(self, name: str, identifier: str = "") -> Client | None:
        """Return the client whose `network` is this text.

        Args:
            name: The network.
            identifier: The NAS-Identifier that its packets had: of several in a network, it tells.
        """
        found = {one.identifier: one for one in self._all if str(one.network) == name}
        return found.get(identifier) or found.get("")

    def __len__(self) -> int:
        return len(self._all)


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """Return a peer's address as one text, however the kernel gave it."""
    return str(parse_address(text))


def parse_address(text: str) -> Address:
    """Return a peer's address as the kernel gave it: no scope, IPv4 not inside IPv6."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address


def load(home: Path, clients: Iterable[RadiusClient]) -> Clients:
    """Return the NASes of the settings with their secrets.

    Raises:
        PortalError: a secret cannot be read, or is one that everybody knows; or two entries are
            one.
    """
    return Clients([_client(home, client) for client in clients])


def _client(home: Path, client: RadiusClient) -> Client:
    path, whose = home / client.secret_file, f"radius.clients: {client.network}: the secret"
    secret = files.shared_secret(path, whose)
    if len(set(secret)) < 5:
        raise PortalError(
            f"settings: radius.clients: the secret of {client.network} in {path} is too easy",
            hint="make one with: openssl rand -base64 24",
        )
    return Client(
        network=ipaddress.ip_network(client.network),
        site=client.site,
        secret=secret,
        identifier=client.identifier,
        kind=client.kind,
        message_authenticator=client.message_authenticator,
        coa_port=client.coa_port or _OTHER_COA_PORTS.get(client.kind, COA_PORT),
        may_take=client.takes or None,
        mac_format=client.mac_format,
        orders=client.orders,
    )


def spelt(mac: str, pattern: str) -> str:
    """Return a MAC (lower case, colons) as a NAS spells it; `pattern` is a spelling of aa…ff."""
    digits = mac.replace(":", "")
    if pattern[0] == "A":
        digits = digits.upper()
    told = iter(digits)
    return "".join(next(told) if mark.isalnum() else mark for mark in pattern)
