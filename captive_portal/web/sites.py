"""Which site and which zone of it a device is in, by its address."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace

from captive_portal.sessions.zones import Zones
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
        ids = {place.id for place in self._places}
        self._zones = Zones(zone for zone in zones if zone.site in ids)

    def of(self, address: str) -> Place | None:
        """Return the zone's or first site that has this address; the box itself is in the first."""
        zone = self._zones.of(address)
        if zone is not None:
            return next(replace(one, zone=zone) for one in self._places if one.id == zone.site)
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
