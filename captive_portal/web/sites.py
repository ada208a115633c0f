"""Which site a device is in, by its address."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A site and its inside networks."""

    id: str
    name: str
    networks: Networks


class Places:
    """Finds the site of an address."""

    def __init__(self, sites: Sequence[tuple[str, str, Sequence[str]]]) -> None:
        self._places = [
            Place(
                id=site,
                name=name or site,
                networks=tuple(ipaddress.ip_network(network) for network in networks),
            )
            for site, name, networks in sites
        ]

    def of(self, address: str) -> Place | None:
        """Return the first site that has this address inside; the box itself is in the first."""
        host = ipaddress.ip_address(address)
        for place in self._places:
            if any(host.version == net.version and host in net for net in place.networks):
                return place
        return self._places[0] if host.is_loopback and self._places else None


def canonical(peer: str) -> str:
    """Return a peer's address as the kernel gave it: no scope, IPv4 not inside IPv6."""
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
