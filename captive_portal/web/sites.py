"""Which site and which zone of it a device is in, by its address."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace

from captive_portal.settings import Zone

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A site and its inside networks; in a zone that has ways of its own, with it."""

    id: str
    name: str
    networks: Networks
    zone: Zone | None = None

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways to sign in here, in order."""
        return self.zone.ways if self.zone else ("local",)


class Places:
    """Finds the site and the zone of an address."""

    def __init__(
        self, sites: Sequence[tuple[str, str, Sequence[str]]], zones: Sequence[Zone] = ()
    ) -> None:
        self._places = [
            Place(
                id=site,
                name=name or site,
                networks=tuple(ipaddress.ip_network(network) for network in networks),
            )
            for site, name, networks in sites
        ]
        by_id = {place.id: place for place in self._places}
        found = [
            (network, replace(by_id[zone.site], zone=zone))
            for zone in zones
            for network in networks_of(zone)
            if zone.site in by_id
        ]
        # The smallest network wins, as in a routing table.
        self._zones = sorted(found, key=lambda one: one[0].prefixlen, reverse=True)

    def of(self, address: str) -> Place | None:
        """Return the zone's or first site that has this address; the box itself is in the first."""
        host = ipaddress.ip_address(address)
        for network, place in self._zones:
            if host.version == network.version and host in network:
                return place
        for place in self._places:
            if any(host.version == net.version and host in net for net in place.networks):
                return place
        return self._places[0] if host.is_loopback and self._places else None


def networks_of(zone: Zone) -> Networks:
    """Return where a zone's devices are: its networks, or those of the box's addresses in it."""
    own = [ipaddress.ip_interface(one).network for one in (zone.address, zone.address6) if one]
    return (*(ipaddress.ip_network(network) for network in zone.networks), *own)


def canonical(peer: str) -> str:
    """Return a peer's address as the kernel gave it: no scope, IPv4 not inside IPv6."""
    address = ipaddress.ip_address(peer.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
