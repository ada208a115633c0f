"""Who may send: NASes by network, the longest match first, each with its secret and site."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from captive_portal.errors import PortalError
from captive_portal.settings import RadiusClient

LEAST_SECRET = 8
"""Octets. A shorter secret is found from one packet in minutes."""
_WELL_KNOWN = {b"testing123", b"secret", b"password", b"radius", b"12345678"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A NAS that may send."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    site: str
    secret: bytes
    require_message_authenticator: bool


class Clients:
    """Finds the NAS that an address is."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self._clients = sorted(clients, key=lambda c: c.network.prefixlen, reverse=True)
        self.find = lru_cache(maxsize=4096)(self._find)

    def _find(self, address: str) -> Client | None:
        """Return the client of the smallest network that `address` is in, or nobody."""
        host = parse_address(address)
        for client in self._clients:
            if host.version == client.network.version and host in client.network:
                return client
        return None

    def __len__(self) -> int:
        return len(self._clients)


def parse_address(text: str) -> Address:
    """Return a peer's address as the kernel gave it: no scope, IPv4 not inside IPv6."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, ipaddress.IPv4Address) else address


def load(home: Path, clients: Iterable[RadiusClient]) -> Clients:
    """Return the NASes of the settings with their secrets.

    Raises:
        PortalError: a secret cannot be read, or is one that everybody knows.
    """
    return Clients([_client(home, client) for client in clients])


def _client(home: Path, client: RadiusClient) -> Client:
    path = home / client.secret_file
    try:
        secret = path.read_bytes().strip(b"\r\n\t ")
    except OSError as error:
        raise PortalError(
            f"settings: radius.clients: the secret of {client.network} cannot be read: {error}",
            hint="write the shared secret into that file",
        ) from error
    if len(secret) < LEAST_SECRET or secret in _WELL_KNOWN:
        raise PortalError(
            f"settings: radius.clients: the secret of {client.network} in {path} is too easy",
            hint="make one with: openssl rand -base64 24",
        )
    return Client(
        network=ipaddress.ip_network(client.network),
        site=client.site,
        secret=secret,
        require_message_authenticator=client.require_message_authenticator,
    )
