"""The kernel's tables of neighbours (ARP, ND) over rtnetlink(7), RFC 3549: questions and answers.

Pure: octets only. Whoever asks has the socket.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from typing import NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NEIGHBOURS = 1 << (3 - 1)
"""The group of RTNLGRP_NEIGH: who has bound a socket to it is told of each change."""
REACHABLE, STALE, DELAY, PROBE, PERMANENT = 0x02, 0x04, 0x08, 0x10, 0x80
"""States of an entry: NUD_ of linux/neighbour.h."""
_NEW_ROUTE, _GET_ROUTE, _NEW_NEIGHBOUR, _GET_NEIGHBOUR = 24, 26, 28, 30
_REQUEST, _MULTI, _DUMP = 0x1, 0x2, 0x300
_HEADER = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=I")
_TIMES = struct.Struct("=III")
"""Since it was confirmed, used and changed, in hundredths of a second."""
_ADDRESS, _LINK_ADDRESS, _CACHE_INFO = 1, 2, 3
_INTERFACE = 4
_FAMILIES = {4: 2, 6: 10}


class Entry(NamedTuple):
    """A device at an address."""

    interface: int
    """Its number."""
    address: str
    """Canonical."""
    mac: str
    """Lower case with colons."""
    state: int
    listed: bool
    """It is part of a whole table that was asked for."""
    confirmed_s: float = 0.0
    """So long ago its device last answered."""
    changed_s: float = 0.0
    """So long ago it got its state."""


def ask_for_all() -> bytes:
    """Return the question for the whole tables of both families."""
    return _request(_GET_NEIGHBOUR, _DUMP, _NEIGHBOUR.pack(0, 0, 0, 0, 0))


def ask_for(address: Address, interface: int) -> bytes:
    """Return the question for one entry: an answer is that entry, or an error."""
    body = _NEIGHBOUR.pack(_FAMILIES[address.version], interface, 0, 0, 0)
    return _request(_GET_NEIGHBOUR, 0, body + _attribute(_ADDRESS, address.packed))


def ask_for_route(address: Address) -> bytes:
    """Return the question for the interface that an address is behind."""
    family, bits = _FAMILIES[address.version], address.max_prefixlen
    body = _ROUTE.pack(family, bits, 0, 0, 0, 0, 0, 0, 0)
    return _request(_GET_ROUTE, 0, body + _attribute(_ADDRESS, address.packed))


def route(datagram: bytes) -> int | None:
    """Return the number of the interface that an answer names; None: it names none."""
    for kind, _, body in _messages(datagram):
        if kind == _NEW_ROUTE:
            found = dict(_attributes(body[_ROUTE.size :])).get(_INTERFACE, b"")
            return _NUMBER.unpack(found)[0] if len(found) == _NUMBER.size else None
    return None


def entries(datagram: bytes) -> Iterator[Entry]:
    """Yield the entries of one datagram; whatever is cut short or something else is left out."""
    for kind, flags, body in _messages(datagram):
        if kind != _NEW_NEIGHBOUR or len(body) < _NEIGHBOUR.size:
            continue
        _, interface, state, _, _ = _NEIGHBOUR.unpack_from(body)
        told = dict(_attributes(body[_NEIGHBOUR.size :]))
        address, link = told.get(_ADDRESS, b""), told.get(_LINK_ADDRESS, b"")
        if len(address) in (4, 16) and len(link) == 6:
            where = str(ipaddress.ip_address(address))
            times = told.get(_CACHE_INFO, b"").ljust(_TIMES.size, b"\0")
            confirmed, _, changed = (ticks / 100 for ticks in _TIMES.unpack_from(times))
            yield Entry(
                interface,
                where,
                link.hex(":"),
                state,
                listed=bool(flags & _MULTI),
                confirmed_s=confirmed,
                changed_s=changed,
            )


def _request(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value  # both sizes are whole words


def _messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, flags and body of each message; what is cut short ends it."""
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, flags, *_ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size or at + length > len(datagram):
            return
        yield kind, flags, datagram[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size or at + length > len(body):
            return
        yield kind, body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
