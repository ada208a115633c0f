# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""DNS answers (RFC 1035): the name that was asked for, and the addresses it led to.

Nothing but answers to questions for addresses is of interest: other kinds, refusals and names that
do not exist are passed over.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from collector.sniff.names.errors import Unreadable

MOST_RECORDS = 64
MOST_ADDRESSES = 32
"""Of one answer: more are not looked at."""
MOST_ALIASES = 16
MOST_POINTERS = 32
"""On the way to the end of one name."""
_A, _CNAME, _AAAA, _IN = 1, 5, 28, 1
_KINDS = {_A: ("A", 4), _AAAA: ("AAAA", 16)}
_LONGEST = 255
_PLAIN = re.compile(rb"[a-z0-9_.-]*")


class Answer(NamedTuple):
    """What a name led to."""

    name: str
    """As it was asked for, in lower case, without the dot at the end."""
    kind: str
    """`A` or `AAAA`."""
    addresses: tuple[bytes, ...]
    ttl: int
    """Seconds: the shortest of the records on the way."""


def read(message: bytes) -> Answer | None:
    """Return what an answer tells, None for no addresses.

    Raises:
        Unreadable: it is no DNS message, or is cut short.
    """
    if len(message) < 12 or not message[2] & 0x80:
        raise Unreadable("dns")
    cut, refused = message[2] & 2, message[3] & 15
    if message[2] & 0x78 or int.from_bytes(message[4:6]) != 1 or refused:
        return None
    if cut:
        raise Unreadable("dns-cut")
    asked, at = _name(message, 12)
    kind = _KINDS.get(int.from_bytes(message[at : at + 2]))
    if kind is None or message[at + 2 : at + 4] != b"\0\1":
        if at + 4 > len(message):
            raise Unreadable("dns")
        return None
    found = _records(message, at + 4, kind)
    addresses, ttl = _followed(asked, *found)
    if not addresses or not (name := _text(asked)):
        return None
    return Answer(name, kind[0], addresses, ttl)


_Aliases = dict[bytes, tuple[bytes, int]]
_Addresses = dict[bytes, list[tuple[bytes, int]]]


def _records(message: bytes, at: int, kind: tuple[str, int]) -> tuple[_Aliases, _Addresses]:
    """Return the aliases and the addresses in an answer, by whose they are."""
    aliases: _Aliases = {}
    addresses: _Addresses = {}
    wanted = _A if kind[1] == 4 else _AAAA
    for _ in range(min(int.from_bytes(message[6:8]), MOST_RECORDS)):
        owner, at = _name(message, at)
        begin = at + 10
        what, of = int.from_bytes(message[at : at + 2]), int.from_bytes(message[at + 2 : at + 4])
        size = int.from_bytes(message[at + 8 : begin])
        if begin + size > len(message):
            raise Unreadable("dns")
        ttl = int.from_bytes(message[at + 4 : at + 8])
        ttl = ttl if ttl < 1 << 31 else 0  # RFC 2181 section 8
        if of == _IN and what == wanted and size == kind[1]:
            addresses.setdefault(owner, []).append((message[begin : begin + size], ttl))
        elif of == _IN and what == _CNAME:
            aliases.setdefault(owner, (_name(message, begin)[0], ttl))
        at = begin + size
    return aliases, addresses


def _followed(
    name: bytes, aliases: _Aliases, addresses: _Addresses
) -> tuple[tuple[bytes, ...], int]:
    """Return the addresses that a name leads to over its aliases, and how long that holds."""
    ttl = (1 << 31) - 1
    for _ in range(MOST_ALIASES):
        if name in addresses:
            break
        if name not in aliases:
            return (), 0
        name, holds = aliases[name]
        ttl = min(ttl, holds)
    found = addresses.get(name, [])[:MOST_ADDRESSES]
    ttl = min([ttl, *(holds for _, holds in found)])
    return tuple(address for address, _ in found), ttl


def _name(message: bytes, at: int) -> tuple[bytes, int]:
    """Return a name in lower case, each label with its length in front, and where it ends.

    A pointer leads back (RFC 1035 section 4.1.4), each further than the last, so that it ends.
    """
    labels, size, after, before, pointers = [], 0, -1, at, 0
    while True:
        length = message[at] if at < len(message) else 0xFF
        if length < 0x40:
            labels.append(message[at : at + 1 + length])
            at += 1 + length
            size += 1 + length
            if not length:
                break
            if size > _LONGEST:
                raise Unreadable("dns")
            continue
        pointers += 1
        if length < 0xC0 or at + 2 > len(message) or pointers > MOST_POINTERS:
            raise Unreadable("dns")
        after = at + 2 if after < 0 else after
        at = int.from_bytes(message[at : at + 2]) & 0x3FFF
        if at >= before:
            raise Unreadable("dns")
        before = at
    return b"".join(labels).lower(), at if after < 0 else after


def _text(name: bytes) -> str:
    """Return a name as people write it; odd octets in digits behind a backslash (RFC 1035 5.1)."""
    labels, at = [], 0
    while at < len(name) and name[at]:
        labels.append(name[at + 1 : at + 1 + name[at]])
        at += 1 + name[at]
    plain = b".".join(labels)
    if _PLAIN.fullmatch(plain) and plain.count(b".") == len(labels) - 1:
        return plain.decode()
    return ".".join("".join(map(_octet, label)) for label in labels)


def _octet(octet: int) -> str:
    character = chr(octet)
    plain = character.isascii() and (character.isalnum() or character in "_-")
    return character if plain else f"\\{octet:03}"
