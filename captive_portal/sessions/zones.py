"""Which zone of a site an address is in."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from captive_portal.settings import Zone


class Zones:
    """The zones of the settings, the smallest network first, as in a routing table."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        found = [(network, zone) for zone in zones for network in _networks(zone)]
        self._found = sorted(found, key=lambda one: one[0].prefixlen, reverse=True)

    def of(self, address: str, site: str = "") -> Zone | None:
        """Return the zone of an address, of any site or of this one."""
        host = ipaddress.ip_address(address)
        for network, zone in self._found:
            same = host.version == network.version and host in network
            if same and site in ("", zone.site):
                return zone
        return None


def _networks(zone: Zone) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return where its devices are: its networks, or those of the box's addresses in it."""
    own = [ipaddress.ip_interface(one).network for one in (zone.address, zone.address6) if one]
    return [*(ipaddress.ip_network(network) for network in zone.networks), *own]
