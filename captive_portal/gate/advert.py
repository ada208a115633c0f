"""What the box tells the devices of a zone about IPv6: router advertisements (RFC 4861 4.2). Pure.

dnsmasq sends them too, but cannot say where the captive-portal API is (option 37 of RFC 8910), and
two senders in one router's name would each unsay, at every change, what the other has just said.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, IPv6Interface

from captive_portal.gate.plan import Plan, ZonePlan

UNRESTRICTED = "urn:ietf:params:capport:unrestricted"
"""Said where nobody signs in (RFC 8910 section 2)."""
ROUTER_S = 1800
"""A device that hears nothing more forgets the router, and the resolver, after so long."""
PREFIX_S = 3600
"""So it does with addresses of the prefix. A withdrawal cannot shorten what is left of it when that
is under two hours (RFC 4862 5.5.3), only make devices prefer others; so it must not be long."""
HOP_LIMIT = 64
_SOLICIT, _ADVERT = 133, 134
_OTHER = 0x40  # O: the rest is told by DHCPv6, which lends no addresses
_ON_LINK, _AUTONOMOUS = 0x80, 0x40
_SOURCE, _PREFIX, _MTU, _RDNSS, _CAPPORT = 1, 3, 5, 25, 37


def capport(plan: Plan, zone: ZonePlan) -> str:
    """Return where the devices of a zone ask whether they are captive; empty: nowhere."""
    return plan.api_url if zone.portal else UNRESTRICTED


def advert(address: IPv6Interface, *, mac: bytes, mtu: int, capport: str) -> bytes:
    """Return a router advertisement; the kernel fills in the checksum.

    Args:
        address: The box's, in the zone's network.
        mac: The box's, six octets.
        mtu: The interface's, octets.
        capport: What option 37 says, at most 2,038 octets of ASCII; empty: it is left out.
    """
    prefix = struct.pack(
        "!BBIII16s",
        address.network.prefixlen,
        _ON_LINK | _AUTONOMOUS,
        PREFIX_S,
        PREFIX_S,
        0,
        address.network.network_address.packed,
    )
    resolver = struct.pack("!HI16s", 0, ROUTER_S, address.ip.packed)
    told = _header(ROUTER_S) + _option(_SOURCE, mac) + _option(_PREFIX, prefix)
    told += _option(_MTU, struct.pack("!HI", 0, mtu)) + _option(_RDNSS, resolver)
    return told + (_option(_CAPPORT, capport.encode("ascii")) if capport else b"")


def farewell(address: IPv6Interface, *, mac: bytes) -> bytes:
    """Return that the box is no router any more, nor its prefix of use (RFC 4861 6.2.5)."""
    network = address.network
    flags = _ON_LINK | _AUTONOMOUS
    none = struct.pack(
        "!BBIII16s", network.prefixlen, flags, 0, 0, 0, network.network_address.packed
    )
    resolver = struct.pack("!HI16s", 0, 0, address.ip.packed)
    options = _option(_SOURCE, mac) + _option(_PREFIX, none) + _option(_RDNSS, resolver)
    return _header(0) + options


def is_solicitation(message: bytes, *, source: IPv6Address, hop_limit: int) -> bool:
    """Say whether a router solicitation is valid (RFC 4861 6.1.1); the kernel saw its checksum.

    Args:
        message: From the ICMPv6 header on.
        source: Who sent it; `::` where it has no address yet.
        hop_limit: As it arrived: 255 unless a router passed it on.
    """
    if hop_limit != 255 or len(message) < 8 or message[:2] != bytes([_SOLICIT, 0]):
        return False
    at = 8
    while at < len(message):
        size = message[at + 1] * 8 if at + 2 <= len(message) else 0
        if not size or at + size > len(message):
            return False
        if message[at] == _SOURCE and source.is_unspecified:
            return False
        at += size
    return True


def _header(lifetime_s: int) -> bytes:
    return struct.pack("!BBHBBHII", _ADVERT, 0, 0, HOP_LIMIT, _OTHER, lifetime_s, 0, 0)


def _option(kind: int, body: bytes) -> bytes:
    """Return an option, filled up with zeros to a multiple of eight octets (RFC 4861 4.6)."""
    size = -(-(2 + len(body)) // 8)
    return struct.pack("!BB", kind, size) + body.ljust(size * 8 - 2, b"\0")
