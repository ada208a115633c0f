"""The MAC behind an address, as the kernel knows it of its own links."""

from __future__ import annotations

import ipaddress
import socket

from captive_portal import rtnetlink

_LONGEST_S = 1.0
_READ_BYTES = 1 << 16
_KNOWN = (
    rtnetlink.REACHABLE | rtnetlink.STALE | rtnetlink.DELAY | rtnetlink.PROBE | rtnetlink.PERMANENT
)
"""States in which the MAC holds, or held just now."""


def mac_of(address: str) -> str:
    """Return the MAC of a neighbour, lower case with colons; empty when it is not known.

    Args:
        address: IPv4 or IPv6, canonical.
    """
    wanted = ipaddress.ip_address(address)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asks:
            asks.settimeout(_LONGEST_S)
            # An entry is asked for by its interface; the whole table is long in a school.
            asks.send(rtnetlink.ask_for_route(wanted))
            interface = rtnetlink.route(asks.recv(_READ_BYTES))
            if interface is None:
                return ""
            asks.send(rtnetlink.ask_for(wanted, interface))
            found = rtnetlink.entries(asks.recv(_READ_BYTES))
            return next((one.mac for one in found if one.state & _KNOWN), "")
    except OSError:
        return ""
