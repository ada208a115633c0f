"""What the gate must be like, as the settings say it: zones in order, everything checked.

What leaves here stands in texts for nft and dnsmasq: only addresses, networks, numbers, and names
of a few safe letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

from captive_portal.errors import PortalError
from captive_portal.settings import Gateway, Oidc, Zone

TEMPLATES = Path(__file__).resolve().parent.parent.parent / "config"
"""Where the texts for other daemons lie."""
Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonePlan:
    """One zone that the box is the router of."""

    id: str
    interface: str
    address: IPv4Interface
    address6: IPv6Interface | None
    """None: no IPv6 in this zone; it is dropped."""
    portal: bool
    leases: tuple[IPv4Address, IPv4Address] | None
    garden: tuple[str, ...]
    """Names, lower case; `*.` before those that mean all below."""
    providers: tuple[str, ...] = ()
    """Names of providers of OpenID Connect: reached for a while by who goes there."""

    @property
    def suffix(self) -> str:
        """Of the names of its sets; ids have no underscore, so two zones never share one."""
        return self.id.replace("-", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports of the box."""

    page: int
    """Where the sign-in page listens."""
    page_tls: int = 0
    """The same over TLS; 0: nowhere."""
    senders: tuple[Network, ...] = ()
    """Whose flows, syslog and RADIUS are for the collector and the portal."""
    senders_udp: tuple[int, ...] = ()
    senders_tcp: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole gate."""

    uplink: str
    zones: tuple[ZonePlan, ...]
    ports: Ports
    manage: tuple[Network, ...]
    """Who may reach everything on the box from the uplink's side."""
    free: tuple[str, ...]
    """MACs that pass without sign-in."""
    block: tuple[str, ...]
    """MACs that nothing is taken from."""
    doh: tuple[Network, ...]
    upstream_dns: tuple[Address, ...]
    """Empty: those of the machine."""
    domain: str
    public_host: str
    """The name of the sign-in page; empty: it has none."""
    api_url: str
    """The captive-portal API (RFC 8908) as DHCP and RA tell it (RFC 8910); empty: not told."""


def build(
    zones: Sequence[Zone],
    gateway: Gateway,
    *,
    ports: Ports,
    public_url: str = "",
    providers: Sequence[Oidc] = (),
) -> Plan | None:
    """Return what the settings ask for, or None: no zone's router is the box.

    Args:
        zones: All zones; those without interface are other routers' and left out.
        gateway: Uplink and the rest.
        ports: Ports of the box.
        public_url: The sign-in page's https address, or nothing.
        providers: Whose names are reached on the way there, from zones that sign in there.

    Raises:
        PortalError: the settings contradict one another.
    """
    ours = tuple(_zone(zone, providers) for zone in zones if zone.interface)
    if not gateway.uplink or not ours:
        if ours:
            raise PortalError(
                f"zone {ours[0].id} has an interface, but the box has no uplink",
                hint="name the interface of the Internet: [gateway] uplink",
            )
        return None
    if not ports.page:
        raise PortalError(
            "sign_in.port is 0, and devices are led to the page",
            hint="say which port it has, as 8080",
        )
    _check(ours, gateway)
    host = (urlsplit(public_url).hostname or "") if public_url else ""
    return Plan(
        uplink=gateway.uplink,
        zones=ours,
        ports=ports,
        manage=tuple(ip_network(each) for each in gateway.manage),
        free=tuple(sorted(set(gateway.free))),
        block=tuple(sorted(set(gateway.block))),
        doh=_doh(gateway.doh),
        upstream_dns=tuple(_address(each, "gateway.upstream_dns") for each in gateway.upstream_dns),
        domain=_name(gateway.domain, "gateway.domain"),
        public_host=_name(host, "sign_in.public_url") if host and not _is_address(host) else "",
        api_url=_api(public_url),
    )


def garden_name(name: str) -> str:
    """Return a name of the garden as dnsmasq matches it: with all names below it."""
    return name.removeprefix("*.")


def _zone(zone: Zone, providers: Sequence[Oidc]) -> ZonePlan:
    address = ip_interface(zone.address)
    address6 = ip_interface(zone.address6) if zone.address6 else None
    if not isinstance(address, IPv4Interface):
        raise PortalError(f"zone {zone.id}: address {zone.address} is not IPv4")
    if address6 is not None and not isinstance(address6, IPv6Interface):
        raise PortalError(f"zone {zone.id}: address6 {zone.address6} is not IPv6")
    if address6 is not None and address6.network.prefixlen != 64:
        raise PortalError(
            f"zone {zone.id}: address6 {zone.address6} is not in a /64",
            hint="devices make their own addresses in networks of that size alone (RFC 4862)",
        )
    if address.ip == address.network.network_address and address.network.prefixlen < 31:
        raise PortalError(
            f"zone {zone.id}: {address} is the network", hint="the box needs an address in it"
        )
    here = [one for one in providers if "oidc" in zone.ways and one.site == zone.site]
    theirs = dict.fromkeys(name for one in here for name in one.names)
    return ZonePlan(
        id=zone.id,
        interface=zone.interface,
        address=address,
        address6=address6,
        portal=zone.portal,
        leases=_leases(zone, address),
        garden=tuple(_name(n, f"zone {zone.id}: garden") for n in dict.fromkeys(zone.garden)),
        providers=tuple(_name(name, f"zone {zone.id}: oidc") for name in theirs),
    )


def _leases(zone: Zone, address: IPv4Interface) -> tuple[IPv4Address, IPv4Address] | None:
    if not zone.leases:
        return None
    first, _, last = zone.leases.partition("-")
    try:
        ends = IPv4Address(first.strip()), IPv4Address(last.strip())
    except ValueError:
        raise PortalError(
            f"zone {zone.id}: leases {zone.leases!r} are not two addresses",
            hint="as 10.20.0.50-10.20.15.250",
        ) from None
    if ends[0] > ends[1] or any(end not in address.network for end in ends):
        raise PortalError(f"zone {zone.id}: leases {zone.leases} are not within {address.network}")
    return ends


def _check(zones: Sequence[ZonePlan], gateway: Gateway) -> None:
    """Refuse what the kernel would take and mean something else by."""
    interfaces = [gateway.uplink, *(zone.interface for zone in zones)]
    for name in interfaces:
        if interfaces.count(name) > 1:
            raise PortalError(f"interface {name} stands twice among zones and uplink")
    networks = [
        (zone.id, interface.network)
        for zone in zones
        for interface in (zone.address, zone.address6)
        if interface is not None
    ]
    for (one, network), (other, taken) in combinations(networks, 2):
        if _overlap(network, taken):
            raise PortalError(f"zones {one} and {other} share addresses of {taken}")
    both = sorted(set(gateway.free) & set(gateway.block))
    if both:
        raise PortalError(f"gateway: {both[0]} is both free and blocked")


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _doh(more: Iterable[str]) -> tuple[Network, ...]:
    known = (TEMPLATES / "doh.txt").read_text(encoding="ascii").splitlines()
    listed = [line.split("#")[0].strip() for line in known]
    try:
        found = {ip_network(each, strict=False) for each in (*listed, *more) if each}
    except ValueError as error:
        raise PortalError(f"gateway.doh: {error}") from None
    return tuple(sorted(found, key=lambda net: (net.version, int(net.network_address))))


def _api(public_url: str) -> str:
    if not public_url:
        return ""
    url = public_url.rstrip("/") + "/captive-portal/api"
    # What stands between commas and quotes of dnsmasq's file must bring neither.
    if not re.fullmatch(r"https://[A-Za-z0-9.\-:\[\]/_~%]{1,200}", url):
        raise PortalError(f"sign_in.public_url {public_url!r} is no plain https address")
    return url


def _name(name: str, what: str) -> str:
    lower = name.lower().rstrip(".")
    if len(lower) > 253 or not _NAME.fullmatch(lower):
        raise PortalError(f"{what}: {name!r} is no name", hint="as www.school.example")
    return lower


def _address(text: str, what: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise PortalError(f"{what}: {text!r} is no address") from None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
