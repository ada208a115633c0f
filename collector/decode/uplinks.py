"""Whether somebody further out translates addresses once more."""

from __future__ import annotations

import ipaddress

_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",  # RFC 1918
        "100.64.0.0/10",  # RFC 6598, between a provider and its customers
        "192.0.0.0/29",  # RFC 7335, DS-Lite
        "169.254.0.0/16",  # RFC 3927
    )
)


def translated_again(ip: str, nat_ip: str = "") -> str:
    """Return why the outside sees another address than the uplink's, empty where it does not.

    Args:
        ip: The uplink's address, in canonical text.
        nat_ip: The address that the outside says it sees; empty: nobody was asked.
    """
    address = ipaddress.ip_address(ip)
    if nat_ip and ipaddress.ip_address(nat_ip).version == address.version and nat_ip != ip:
        return f"the outside sees {nat_ip}"
    if address.version == 4 and any(address in network for network in _NOT_PUBLIC):
        return f"{ip} is no public address"
    return ""
