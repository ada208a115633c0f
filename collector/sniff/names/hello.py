# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The ClientHello of TLS (RFC 8446 section 4.1.2): which name a device calls a server by."""

from __future__ import annotations

import re
from typing import NamedTuple

from collector.sniff.names.errors import Unreadable

LONGEST = 16_384
"""Octets of a ClientHello that are looked at; browsers send about 2000."""
_CLIENT_HELLO = 1
_SERVER_NAME, _ECH = 0, 0xFE0D
_NAME = re.compile(rb"[A-Za-z0-9_.-]{1,253}")
_MOST_RECORDS = 64


class Hello(NamedTuple):
    """What a ClientHello says of the server."""

    name: str
    """In lower case, without the dot at the end; empty for none."""
    ech: bool
    """It bears an encrypted hello, or what looks like one: the name may be the outer one only."""


def begins(payload: bytes) -> bool:
    """Return whether a TCP payload begins with a ClientHello."""
    return payload[:2] == b"\x16\x03" and payload[5:6] == b"\1" and payload[9:10] == b"\3"


def unwrapped(stream: bytes) -> bytes:
    """Return what handshake records hold, as far as they are here (RFC 8446 section 5.1).

    Raises:
        Unreadable: there is something else between them.
    """
    handshake, at = b"", 0
    for _ in range(_MOST_RECORDS):
        head = stream[at : at + 5]
        size = int.from_bytes(head[3:])
        if len(head) < 5:
            return handshake
        if head[:2] != b"\x16\x03" or not size:
            raise Unreadable("hello")
        handshake += stream[at + 5 : at + 5 + size]
        at += 5 + size
        if len(handshake) >= max(4, read_size(handshake)):
            return handshake  # what follows is another message
    raise Unreadable("hello")


def read_size(handshake: bytes) -> int:
    """Return how long a handshake message is with its header; 4 where that is not here yet.

    Raises:
        Unreadable: it is no ClientHello, or a very long one.
    """
    if len(handshake) < 4:
        return 4
    size = 4 + int.from_bytes(handshake[1:4])
    if handshake[0] != _CLIENT_HELLO or size > LONGEST:
        raise Unreadable("hello")
    return size


def read(handshake: bytes) -> Hello | None:
    """Return what a ClientHello says, None while a part of it is not here.

    Raises:
        Unreadable: it is none.
    """
    size = read_size(handshake)
    if len(handshake) < max(size, 4):
        return None
    body = handshake[4:size]
    at = 34  # version and random
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        at += width + int.from_bytes(body[at : at + width])
    end = at + 2 + int.from_bytes(body[at : at + 2])
    if at == len(body):
        return Hello("", ech=False)
    if end != len(body) or at + 2 > len(body):
        raise Unreadable("hello")
    return _extensions(body[at + 2 :])


def _extensions(block: bytes) -> Hello:
    at, name, ech = 0, "", False
    while at < len(block):
        kind, begin = int.from_bytes(block[at : at + 2]), at + 4
        end = begin + int.from_bytes(block[at + 2 : begin])
        if begin > len(block) or end > len(block):
            raise Unreadable("hello")
        if kind == _SERVER_NAME and not name:
            name = _server_name(block[begin:end])
        elif kind == _ECH:
            ech = True
        at = end
    return Hello(name, ech)


def _server_name(extension: bytes) -> str:
    """Return the name in a list that has room for one (RFC 6066 section 3)."""
    size = int.from_bytes(extension[3:5])
    name = extension[5:]
    if extension[2:3] != b"\0" or len(name) != size or not _NAME.fullmatch(name):
        raise Unreadable("hello")
    return name.decode().rstrip(".").lower()
