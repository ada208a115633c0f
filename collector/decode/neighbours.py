"""The kernel's messages about neighbours and addresses (rtnetlink(7)), from bytes to records."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from typing import NamedTuple

from collector.errors import Malformed

RTM_NEWADDR, RTM_GETADDR, RTM_NEWNEIGH, RTM_GETNEIGH = 20, 22, 28, 30
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""NUD_REACHABLE, STALE, DELAY, PROBE and PERMANENT: the address is known to be there."""
_NDA_DST, _NDA_LLADDR = 1, 2
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_GLOBAL = 0

_HEAD = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BBHiHBB")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")


class Neighbour(NamedTuple):
    """An address and the machine that has it."""

    link: int
    """Of the interface."""
    ip: str
    mac: str


class Own(NamedTuple):
    """An address of this machine."""

    link: int
    ip: str


class Messages(NamedTuple):
    """What one datagram of the kernel's holds."""

    neighbours: list[Neighbour]
    own: list[Own]
    done: bool
    """A dump has come to its end."""


def request(kind: int, *, sequence: int) -> bytes:
    """Return a question for a whole table (`RTM_GETNEIGH` or `RTM_GETADDR`)."""
    body = bytes(_NEIGHBOUR.size if kind == RTM_GETNEIGH else _ADDRESS.size)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    return _HEAD.pack(_HEAD.size + len(body), kind, flags, sequence, 0) + body


def read(datagram: bytes) -> Messages:
    """Return what a datagram tells.

    Raises:
        Malformed: it is not what the kernel sends, or an error message.
    """
    found = Messages([], [], done=False)
    for kind, body in _messages(datagram):
        if kind == NLMSG_DONE:
            return found._replace(done=True)
        if kind == NLMSG_ERROR:
            code = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
            raise Malformed(f"the kernel answers with error {-code}")
        if kind == RTM_NEWNEIGH:
            found.neighbours.extend(_neighbour(body))
        elif kind == RTM_NEWADDR:
            found.own.extend(_own(body))
    return found


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(datagram):
        if len(datagram) - at < _HEAD.size:
            raise Malformed(f"{len(datagram) - at} bytes where a message should begin")
        length, kind, _, _, _ = _HEAD.unpack_from(datagram, at)
        if not _HEAD.size <= length <= len(datagram) - at:
            raise Malformed(f"a message of {length} bytes, {len(datagram) - at} are there")
        yield kind, datagram[at + _HEAD.size : at + length]
        at += -(-length // 4) * 4


def _attributes(body: bytes, at: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(body) - at >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if not _ATTRIBUTE.size <= length <= len(body) - at:
            raise Malformed(f"an attribute of {length} bytes, {len(body) - at} are there")
        found[kind & 0x3FFF] = body[at + _ATTRIBUTE.size : at + length]
        at += -(-length // 4) * 4
    return found


def _neighbour(body: bytes) -> Iterator[Neighbour]:
    if len(body) < _NEIGHBOUR.size:
        raise Malformed(f"a neighbour of {len(body)} bytes")
    _, _, _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
    told = _attributes(body, _NEIGHBOUR.size)
    ip, mac = _ip(told.get(_NDA_DST, b"")), told.get(_NDA_LLADDR, b"")
    if state & _KNOWN and ip and len(mac) == 6 and any(mac) and not mac[0] & 1:
        yield Neighbour(index, ip, mac.hex(":"))


def _own(body: bytes) -> Iterator[Own]:
    """On a point-to-point link IFA_ADDRESS is the other end (rtnetlink(7))."""
    if len(body) < _ADDRESS.size:
        raise Malformed(f"an address of {len(body)} bytes")
    _, _, _, scope, index = _ADDRESS.unpack_from(body)
    told = _attributes(body, _ADDRESS.size)
    ip = _ip(told.get(_IFA_LOCAL, told.get(_IFA_ADDRESS, b"")))
    if ip and scope == _GLOBAL:
        yield Own(index, ip)


def _ip(raw: bytes) -> str:
    """Return an address of one machine; empty for a group or none."""
    if len(raw) not in (4, 16):
        return ""
    address = ipaddress.ip_address(raw)
    if address.is_multicast or address.is_unspecified:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)
