"""The MAC behind an address, as the kernel knows it of its own links (rtnetlink, RFC 3549)."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator

_GET, _NEW, _DONE, _ERROR = 30, 28, 3, 2
"""RTM_GETNEIGH, RTM_NEWNEIGH, NLMSG_DONE, NLMSG_ERROR."""
_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_ATTRIBUTE = struct.Struct("=HH")
_DESTINATION, _LINK_ADDRESS = 1, 2
_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""NUD_REACHABLE, STALE, DELAY, PROBE, PERMANENT: states in which the MAC holds or held just now."""


def mac_of(address: str) -> str:
    """Return the MAC of a neighbour, lower case with colons; empty when it is not known.

    Args:
        address: IPv4 or IPv6, canonical.
    """
    wanted = ipaddress.ip_address(address)
    family = socket.AF_INET if wanted.version == 4 else socket.AF_INET6
    try:
        for destination, mac in _table(family):
            if destination == wanted.packed:
                return mac
    except OSError:
        return ""
    return ""


def _table(family: int) -> Iterator[tuple[bytes, str]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asks:
        asks.settimeout(1)
        body = _NEIGHBOUR.pack(family, 0, 0, 0, 0)
        asks.send(_HEADER.pack(_HEADER.size + len(body), _GET, _REQUEST_DUMP, 1, 0) + body)
        while True:
            for kind, message in messages(asks.recv(1 << 16)):
                if kind in (_DONE, _ERROR):
                    return
                if kind == _NEW and (found := neighbour(message)):
                    yield found


def messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of each message; what is cut short ends it."""
    at = 0
    while at + _HEADER.size <= len(answer):
        size, kind, *_ = _HEADER.unpack_from(answer, at)
        if size < _HEADER.size:
            return
        yield kind, answer[at + _HEADER.size : at + size]
        at += -(-size // 4) * 4


def neighbour(message: bytes) -> tuple[bytes, str] | None:
    """Return address and MAC of a RTM_NEWNEIGH, None where the MAC is not known."""
    if len(message) < _NEIGHBOUR.size:
        return None
    if not _NEIGHBOUR.unpack_from(message)[2] & _KNOWN:
        return None
    values, at = dict[int, bytes](), _NEIGHBOUR.size
    while at + _ATTRIBUTE.size <= len(message):
        size, kind = _ATTRIBUTE.unpack_from(message, at)
        if size < _ATTRIBUTE.size:
            return None
        values[kind] = message[at + _ATTRIBUTE.size : at + size]
        at += -(-size // 4) * 4
    destination, mac = values.get(_DESTINATION, b""), values.get(_LINK_ADDRESS, b"")
    return (destination, mac.hex(":")) if len(destination) in (4, 16) and len(mac) == 6 else None
