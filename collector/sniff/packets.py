# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What a packet tells of addresses: who claims one, who lends one, who calls itself a router.

scapy reads the packets. Whatever their bytes are, the end is sightings or `Unreadable`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scapy.config import conf
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DHCP6_Advertise,
    DHCP6_Reply,
    DHCP6OptClientId,
    DHCP6OptIA_NA,
    DHCP6OptIA_PD,
    DHCP6OptIAAddress,
    DHCP6OptIAPrefix,
)
from scapy.layers.inet import IP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether

conf.debug_dissector = False
_LONGEST_NAME = 255
_MOST_ADDRESSES = 64
"""Of one packet: more are not looked at."""


class Unreadable(ValueError):
    """A packet that is not what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A machine says that it has an address."""

    ip: str
    mac: str
    how: str
    """`arp` or `nd`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """What a DHCP server and a client said of an address."""

    how: str
    """`dhcp` or `dhcp6`."""
    word: str
    """`offer`, `ack`, `nak`, `inform`, `release` or `decline`."""
    ip: str = ""
    mac: str = ""
    """The client's."""
    server: str = ""
    server_mac: str = ""
    """Empty where a client speaks."""
    hostname: str = ""
    client_id: str = ""
    lease_s: int | None = None
    router: str = ""
    """Which router the server tells clients to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A machine asks for an address, each system in its own way."""

    mac: str
    word: str
    """`discover` or `request`."""
    kind: str
    """Its vendor class, and which options it wants in which order (RFC 2132 9.13, 9.8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """A machine calls itself a router (RFC 4861 section 4.2)."""

    router: str
    mac: str
    lifetime_s: int
    prefixes: tuple[str, ...]


Sighting = Claim | Lent | Asked | Advert


def read(packet: bytes) -> list[Sighting]:
    """Return what an Ethernet frame tells.

    Raises:
        Unreadable: it is not what it says.
    """
    try:
        return list(_sightings(Ether(packet)))
    except Unreadable:
        raise
    except Exception as error:  # scapy raises whatever a field's reader raises
        raise Unreadable(f"{type(error).__name__}: {error}") from error


def _sightings(frame: Ether) -> Iterator[Sighting]:
    if ARP in frame:
        yield from _arp(frame[ARP])
    elif DHCP in frame:
        yield from _dhcp(frame)
    elif DHCP6_Reply in frame or DHCP6_Advertise in frame:
        yield from _dhcp6(frame)
    elif ICMPv6ND_RA in frame:
        yield from _advert(frame)
    elif ICMPv6ND_NA in frame or ICMPv6ND_NS in frame:
        yield from _neighbour(frame)


def _arp(told: ARP) -> Iterator[Claim]:
    """A probe (RFC 5227 section 1.1) bears no sender's address: it is no claim."""
    if told.hwtype != 1 or told.ptype != 0x0800:
        return
    ip = _address(told.psrc)
    if ip and _is_host(mac := _mac(told.hwsrc)):
        yield Claim(ip=ip, mac=mac, how="arp")


_WORDS = {2: "offer", 4: "decline", 5: "ack", 6: "nak", 7: "release"}


def _dhcp(frame: Ether) -> Iterator[Lent | Asked]:
    """Options are of RFC 2132."""
    lower, options = frame[BOOTP], _options(frame[DHCP])
    number = options.get("message-type")
    if number in (1, 3) and (kind := _kind(options)):
        word = "discover" if number == 1 else "request"
        yield Asked(mac=_mac(bytes(lower.chaddr)[:6]), word=word, kind=kind)
    word = _WORDS.get(number)  # type: ignore[call-overload]  # any value
    if word is None:
        return
    by_server = word in ("offer", "ack", "nak")
    if word == "ack" and "lease_time" not in options:
        word = "inform"  # an answer to DHCPINFORM lends nothing (RFC 2131 section 4.3.5)
    asked = options.get("requested_addr") if word == "decline" else None
    lent = _address(lower.yiaddr) or _address(lower.ciaddr)
    yield Lent(
        how="dhcp",
        word=word,
        ip=_address(asked) or lent,
        mac=_mac(bytes(lower.chaddr)[:6]),
        server=_address(options.get("server_id")) or (_address(frame[IP].src) if by_server else ""),
        server_mac=_mac(frame.src) if by_server else "",
        hostname=_name(options.get("hostname")),
        client_id=_hex(options.get("client_id")),
        lease_s=_seconds(options.get("lease_time")),
        router=_address(options.get("router")),
    )


_LOADERS = ("PXEClient", "HTTPClient")
"""A machine that starts from the net is of this kind before it is of its own."""


def _kind(options: dict[str, object]) -> str:
    """Return what tells one system from another, or nothing."""
    vendor = _name(options.get("vendor_class_id"))
    wanted = options.get("param_req_list")
    listed = wanted if isinstance(wanted, list | bytes) else []
    numbers = " ".join(str(number) for number in list(listed)[:_MOST_ADDRESSES])
    return "" if vendor.startswith(_LOADERS) else "; ".join(filter(None, (vendor, numbers)))


def _options(told: DHCP) -> dict[str, object]:
    pairs = [o for o in told.options if isinstance(o, tuple) and len(o) > 1]
    return {str(name): value for name, value, *_ in reversed(pairs)}


def _dhcp6(frame: Ether) -> Iterator[Lent]:
    """A server's answer to a client, not to a relay (RFC 8415 section 18)."""
    word = "ack" if DHCP6_Reply in frame else "offer"
    client = frame[DHCP6OptClientId].duid if DHCP6OptClientId in frame else None
    duid = bytes(client) if client is not None else b""
    mac = _mac(frame.dst)
    for ip, lease_s in list(_given(frame)) or [("", None)]:
        yield Lent(
            how="dhcp6",
            word=word,
            ip=ip,
            mac=mac if _is_host(mac) else _mac_in(duid),
            server=_address(frame[IPv6].src),
            server_mac=_mac(frame.src),
            client_id=_hex(duid),
            lease_s=lease_s,
        )


def _given(frame: Ether) -> Iterator[tuple[str, int | None]]:
    for kind, member in ((DHCP6OptIA_NA, "ianaopts"), (DHCP6OptIA_PD, "iapdopt")):
        if kind not in frame:
            continue
        for option in list(getattr(frame[kind], member))[:_MOST_ADDRESSES]:
            if isinstance(option, DHCP6OptIAAddress) and option.validlft:
                yield _address(option.addr), _seconds(option.validlft)
            elif isinstance(option, DHCP6OptIAPrefix) and option.validlft:
                yield _address(option.prefix), _seconds(option.validlft)


def _advert(frame: Ether) -> Iterator[Sighting]:
    told, router, mac = frame[ICMPv6ND_RA], _address(frame[IPv6].src), _mac(frame.src)
    prefixes: list[str] = []
    layer = told.payload
    while layer and len(prefixes) < _MOST_ADDRESSES:
        if isinstance(layer, ICMPv6NDOptPrefixInfo):
            prefixes.append(f"{_address(layer.prefix)}/{int(layer.prefixlen)}")
        layer = layer.payload
    lifetime = int(told.routerlifetime)
    yield Advert(router=router, mac=mac, lifetime_s=lifetime, prefixes=tuple(prefixes))
    if router and _is_host(mac):
        yield Claim(ip=router, mac=mac, how="nd")


def _neighbour(frame: Ether) -> Iterator[Claim]:
    """A solicitation tells of its sender, an advertisement of its target (RFC 4861 4.3, 4.4)."""
    told = ICMPv6ND_NA in frame
    ip = frame[ICMPv6ND_NA].tgt if told else frame[IPv6].src
    option = ICMPv6NDOptDstLLAddr if told else ICMPv6NDOptSrcLLAddr
    mac = _mac(frame[option].lladdr if option in frame else frame.src)
    if _address(ip) and _is_host(mac):
        yield Claim(ip=_address(ip), mac=mac, how="nd")


def _address(value: object) -> str:
    """Return an address in canonical text, empty for none, for 0.0.0.0 and for `::`."""
    if not isinstance(value, str) or not value:
        return ""
    try:
        address = ipaddress.ip_address(value)
    except ValueError as error:
        raise Unreadable(f"no address: {value[:60]!r}") from error
    return "" if address.is_unspecified or address.is_multicast else str(address)


def _mac(value: object) -> str:
    digits = (
        value.hex() if isinstance(value, bytes) else re.sub(r"[^0-9a-f]", "", str(value).lower())
    )
    if len(digits) != 12:
        raise Unreadable(f"no MAC address: {str(value)[:60]!r}")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _is_host(mac: str) -> bool:
    """Return whether a MAC address is one machine's: no group, not all zero."""
    return not int(mac[:2], 16) & 1 and mac != "00:00:00:00:00:00"


def _mac_in(duid: bytes) -> str:
    """Return the MAC address in a DUID-LLT or DUID-LL of Ethernet (RFC 8415 section 11.2, 11.4)."""
    if duid[:4] == b"\x00\x01\x00\x01" and len(duid) == 14:
        return _mac(duid[8:])
    return _mac(duid[4:]) if duid[:4] == b"\x00\x03\x00\x01" and len(duid) == 10 else ""


def _name(value: object) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else ""
    return "".join(c for c in text if c.isprintable())[:_LONGEST_NAME]


def _hex(value: object) -> str:
    return value[:128].hex(":") if isinstance(value, bytes) else ""


def _seconds(value: object) -> int | None:
    """Return a duration; all ones mean for ever (RFC 2131 section 3.3)."""
    return value if isinstance(value, int) and 0 <= value < 0xFFFFFFFF else None
