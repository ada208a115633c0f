"""The gateways that a form may lead to, from `radius.clients`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from captive_portal.settings import NasKind, RadiusClient
from captive_portal.web.handover.hint import Target, canonical_host

_PORT = re.compile(r"(.*[^:]|\[.*\]):([0-9]{1,5})")


class Gateway(NamedTuple):
    """An entry of `radius.clients`, as far as pages need it."""

    site: str
    name: str
    """Its network: what RADIUS knows it by."""
    kind: NasKind
    login: tuple[tuple[str, int], ...]
    """Hosts of its form, each with a port or 0: as its maker does."""


class GatewayTable:
    """Finds the gateway that a host is."""

    def __init__(self, clients: Iterable[RadiusClient]) -> None:
        self._all = tuple(_gateway(one) for one in clients)

    def at(self, kind: NasKind, site: str, where: Target, ports: Collection[int]) -> Gateway | None:
        """Return the gateway of a site whose form is there, or nobody's.

        A wide `network` names none: somebody in it could be anybody.
        """
        for one in self._of(kind, site):
            for host, port in one.login:
                if host == where.host and (where.port == port if port else where.port in ports):
                    return one
        return None

    def only(
        self, kind: NasKind, site: str, scheme: str, port: int
    ) -> tuple[Gateway, Target] | None:
        """Return the first gateway of a kind in a site, and where the settings say its form is."""
        for one in self._of(kind, site):
            if one.login:
                host, own = one.login[0]
                return one, Target(scheme, host, own or port)
        return None

    def named(self, kind: NasKind, address: str) -> Gateway | None:
        """Return the gateway of a kind that has this address; a wide network is nobody's."""
        for one in self._all:
            if one.kind == kind and any(host == address for host, _ in one.login):
                return one
        return None

    def _of(self, kind: NasKind, site: str) -> list[Gateway]:
        return [one for one in self._all if one.kind == kind and one.site == site]


def _gateway(client: RadiusClient) -> Gateway:
    network = ipaddress.ip_network(client.network)
    login = [_login(one) for one in client.login]
    if network.num_addresses == 1:
        login.append((str(network.network_address), 0))
    return Gateway(client.site, str(network), client.kind, tuple(login))


def _login(text: str) -> tuple[str, int]:
    found = _PORT.fullmatch(text)
    host, port = (found[1], int(found[2])) if found else (text, 0)
    return canonical_host(host), port
