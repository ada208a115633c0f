"""A request that came: its attributes as octets, each decoded when somebody asks for it by name.

pyrad knows the attributes' names, types and words; here is only the way to them that a thousand
packets a second take. A test holds the two together.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from socket import inet_ntoa
from typing import Any

from pyrad import packet, tools
from pyrad.dictionary import Dictionary

HEADER = 20
PROXY_STATE, VENDOR_SPECIFIC, MESSAGE_AUTHENTICATOR = 33, 26, 80
_NO_AUTHENTICATOR = bytes(16)
_SIGNATURE = bytes((MESSAGE_AUTHENTICATOR, 18)) + bytes(16)
_SIGNED_WITH_ITS_OWN = (packet.AccessRequest, packet.StatusServer)

Key = int | tuple[int, int]
"""An attribute's number, or a vendor's and the number there."""


@cache
def dictionary() -> Dictionary:
    """Return the attributes this package knows."""
    return Dictionary(str(Path(__file__).parent / "dictionary"))


class Received:
    """A request whose lengths are true (`guard.shape`)."""

    __slots__ = ("_attributes", "secret", "whole")

    def __init__(self, whole: bytes, secret: bytes) -> None:
        """Take attributes apart; nothing is proven yet.

        Args:
            whole: What `guard.shape` returned.
            secret: Shared with whoever sent it.
        """
        self.whole = whole
        self.secret = secret
        self._attributes: dict[Key, list[bytes]] = {}
        at, end, found = HEADER, len(whole), self._attributes
        while at < end:
            kind, after = whole[at], at + whole[at + 1]
            value = whole[at + 2 : after]
            if kind != VENDOR_SPECIFIC:
                found.setdefault(kind, []).append(value)
            else:
                for key, told in _of_vendor(value):
                    found.setdefault(key, []).append(told)
            at = after

    @property
    def code(self) -> int:
        """What kind of packet it is."""
        return self.whole[0]

    @property
    def id(self) -> int:
        """What its answer has to bear as well."""
        return self.whole[1]

    @property
    def authenticator(self) -> bytes:
        """Of the request: random, or the proof that it was made with the secret."""
        return self.whole[4:HEADER]

    @property
    def signed(self) -> bool:
        """Whether it has a Message-Authenticator."""
        return MESSAGE_AUTHENTICATOR in self._attributes

    def get(self, key: Key) -> list[bytes] | None:
        """Return the values of an attribute as they stand."""
        return self._attributes.get(key)

    def __contains__(self, name: str) -> bool:
        """Say whether an attribute of this name came."""
        return _reader(name)[0] in self._attributes

    def __getitem__(self, name: str) -> list[Any]:
        """Return the values of an attribute, of the dictionary's type, as pyrad has them.

        Raises:
            KeyError: it did not come.
            Exception: what pyrad raises on a value of wrong length.
        """
        key, decode = _reader(name)
        return [decode(value) for value in self._attributes[key]]

    def all(self, name: str) -> list[Any]:
        """Return the same; nothing where it did not come."""
        return self[name] if name in self else []  # noqa: SIM401  # it has no such `get`

    def genuine(self) -> bool:
        """Say whether the authenticator is over the packet itself (RFC 2866 3, RFC 5176 2.3)."""
        whole = self.whole
        made = _md5(whole[:4] + _NO_AUTHENTICATOR + whole[HEADER:] + self.secret)
        return hmac.compare_digest(made, whole[4:HEADER])

    def signed_right(self) -> bool:
        """Say whether the Message-Authenticator is right; yes where there is none."""
        told = self._attributes.get(MESSAGE_AUTHENTICATOR)
        if told is None:
            return True
        whole, at = self.whole, HEADER
        while whole[at] != MESSAGE_AUTHENTICATOR:
            at += whole[at + 1]
        itself = whole[0] in _SIGNED_WITH_ITS_OWN
        proof = whole[4:HEADER] if itself else _NO_AUTHENTICATOR
        blank = whole[:4] + proof + whole[HEADER : at + 2] + bytes(16) + whole[at + 18 :]
        return hmac.compare_digest(hmac.digest(self.secret, blank, "md5"), told[0])

    def reply(self, code: int, attributes: bytes = b"", *, sign: bool) -> bytes:
        """Return an answer: Message-Authenticator first, Proxy-State as it came, the rest.

        Args:
            code: Of the answer.
            attributes: As octets.
            sign: With a Message-Authenticator. An Accounting-Response has it over no
                authenticator, but where it is the answer to a Status-Server (RFC 5997 3).
        """
        for state in self._attributes.get(PROXY_STATE, ())[::-1]:
            attributes = bytes((PROXY_STATE, len(state) + 2)) + state + attributes
        size = HEADER + len(attributes) + (len(_SIGNATURE) if sign else 0)
        head, asked = bytes((code, self.whole[1])) + size.to_bytes(2, "big"), self.authenticator
        if sign:
            own = code != packet.AccountingResponse or self.whole[0] == packet.StatusServer
            blank = head + (asked if own else _NO_AUTHENTICATOR) + _SIGNATURE + attributes
            attributes = _SIGNATURE[:2] + hmac.digest(self.secret, blank, "md5") + attributes
        return head + _md5(head + asked + attributes + self.secret) + attributes


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()


def _of_vendor(value: bytes) -> Iterator[tuple[Key, bytes]]:
    """Give what a vendor's attribute holds; the whole of it where its lengths do not add up."""
    found: list[tuple[Key, bytes]] = []
    vendor, at = int.from_bytes(value[:4], "big"), 4
    while at < len(value):
        size = value[at + 1] if at + 1 < len(value) else 0
        if size < 2 or at + size > len(value):
            break
        found.append(((vendor, value[at]), value[at + 2 : at + size]))
        at += size
    yield from found if len(value) >= 6 and at == len(value) else [(VENDOR_SPECIFIC, value)]


@lru_cache(maxsize=4096)
def octets_of(name: str, value: int | str) -> bytes:
    """Return an attribute as octets, as pyrad makes them: of a name of the dictionary, with a tag.

    Raises:
        Exception: what pyrad raises on a value that the attribute cannot have.
    """
    made = packet.Packet(dict=dictionary())
    made.AddAttribute(name, value)
    octets: bytes = made._PktEncodeAttributes()  # it has no other way
    return octets


def raw_octets(key: Key, value: bytes) -> bytes:
    """Return an attribute of these octets. Raises ValueError: there are too many."""
    if isinstance(key, int):
        return bytes((key, len(value) + 2)) + value
    vendor, kind = key
    return raw_octets(VENDOR_SPECIFIC, vendor.to_bytes(4, "big") + raw_octets(kind, value))


@cache
def number_of(name: str) -> Key:
    """Return the number of an attribute of the dictionary."""
    return _reader(name)[0]


@cache
def _reader(name: str) -> tuple[Key, Callable[[bytes], Any]]:
    known = dictionary()
    told = known.attributes[name]
    key: Key = told.code
    if told.vendor:
        key = (known.vendors.GetForward(told.vendor), told.code)
    if told.values.forward:

        def decode(value: bytes) -> Any:  # noqa: ANN401  # a word, or of its type
            if told.values.HasBackward(value):
                return told.values.GetBackward(value)
            return tools.DecodeAttr(told.type, value)

        return key, decode
    if told.type == "string":
        return key, _text
    if told.type == "ipaddr":
        return key, inet_ntoa
    kind = told.type
    return key, lambda value: tools.DecodeAttr(kind, value)


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
