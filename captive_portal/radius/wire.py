"""RADIUS packets of a client, octets only: what is asked, and what is believed of an answer.

RFC 2865, 2866, 3579 and 5997. A length that lies, a signature that is missing or wrong, and what
nobody asked for end in `Unbelieved`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from captive_portal.errors import PortalError

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE = 1, 2, 3, 11
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, STATUS_SERVER = 4, 5, 12
HEADER, LARGEST = 20, 4096
PROXY_STATE, MESSAGE_AUTHENTICATOR, VENDOR_SPECIFIC, NAS_IDENTIFIER = 33, 80, 26, 32

Attribute = tuple[int, bytes]
_Answers = {
    ACCESS_REQUEST: (ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE),
    ACCOUNTING_REQUEST: (ACCOUNTING_RESPONSE,),
    STATUS_SERVER: (ACCESS_ACCEPT, ACCOUNTING_RESPONSE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is believed."""

    code: int
    attributes: tuple[Attribute, ...]

    def all(self, kind: int) -> list[bytes]:
        """Return all values of an attribute."""
        return [value for one, value in self.attributes if one == kind]

    def vendor(self, vendor: int, kind: int) -> bytes | None:
        """Return a value of a vendor's attribute (RFC 2865 5.26), or None."""
        head = vendor.to_bytes(4, "big")
        for value in self.all(VENDOR_SPECIFIC):
            rest = value[4:] if value[:4] == head else b""
            while len(rest) >= 2 and 2 <= rest[1] <= len(rest):
                if rest[0] == kind:
                    return rest[2 : rest[1]]
                rest = rest[rest[1] :]
        return None


class Unbelieved(PortalError):
    """An answer that counts for nothing; the message is the reason."""


def checked(
    datagram: bytes, code: int, authenticator: bytes, secret: bytes, *, legacy: bool
) -> Reply:
    """Return what an answer says.

    Args:
        datagram: What came, of any length.
        code: Of the request.
        authenticator: Of the request.
        secret: Shared with the server.
        legacy: Whether it may come without Message-Authenticator.

    Raises:
        Unbelieved: it is cut, forged, of another kind, or says what nobody asked for.
    """
    if len(datagram) < HEADER:
        raise Unbelieved("short")
    size = int.from_bytes(datagram[2:4], "big")
    if not HEADER <= size <= min(LARGEST, len(datagram)):
        raise Unbelieved("bad length")
    whole = datagram[:size]
    if whole[0] not in _Answers.get(code, ()):
        raise Unbelieved("bad code")
    made = md5(whole[:4] + authenticator + whole[HEADER:] + secret)
    if not hmac.compare_digest(made, whole[4:20]):
        raise Unbelieved("wrong authenticator")
    attributes = tuple(_walk(whole))
    signed = _signed(whole, attributes, authenticator, secret)
    if code == ACCESS_REQUEST and not signed and not legacy:
        raise Unbelieved("no message-authenticator")
    if any(kind == PROXY_STATE for kind, _ in attributes):
        # We send none: it is room for a collision (CVE-2024-3596).
        raise Unbelieved("proxy-state")
    return Reply(code=whole[0], attributes=attributes)


def encoded(attributes: Iterable[Attribute]) -> bytes:
    """Return attributes as octets (RFC 2865 section 5). Raises PortalError: one is too long."""
    pieces = []
    for kind, value in attributes:
        if not 0 < len(value) <= 253:
            raise PortalError(f"attribute {kind} cannot have {len(value)} octets")
        pieces.append(bytes((kind, len(value) + 2)) + value)
    return b"".join(pieces)


def hidden(password: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """Return User-Password as it goes over the wire (RFC 2865 5.2); at most 128 octets."""
    padded = password.ljust(-(-max(len(password), 1) // 16) * 16, b"\0")
    out, last = b"", authenticator
    for at in range(0, len(padded), 16):
        mask = md5(secret + last)
        last = bytes(a ^ b for a, b in zip(padded[at : at + 16], mask, strict=True))
        out += last
    return out


def _walk(whole: bytes) -> Iterable[Attribute]:
    at = HEADER
    while at < len(whole):
        size = whole[at + 1] if at + 1 < len(whole) else 0
        if size < 2 or at + size > len(whole):
            raise Unbelieved("bad attribute")
        yield whole[at], whole[at + 2 : at + size]
        at += size


def _signed(
    whole: bytes, attributes: Sequence[Attribute], authenticator: bytes, secret: bytes
) -> bool:
    """Say whether there is a true Message-Authenticator (RFC 3579 3.2). Raises Unbelieved."""
    told = [value for kind, value in attributes if kind == MESSAGE_AUTHENTICATOR]
    if not told:
        return False
    if len(told) > 1 or len(told[0]) != 16:
        raise Unbelieved("bad message-authenticator")
    at = HEADER
    while whole[at] != MESSAGE_AUTHENTICATOR:
        at += whole[at + 1]
    blank = whole[:4] + authenticator + whole[HEADER : at + 2] + bytes(16) + whole[at + 18 :]
    if not hmac.compare_digest(hmac.digest(secret, blank, "md5"), told[0]):
        raise Unbelieved("wrong message-authenticator")
    return True


def md5(octets: bytes) -> bytes:
    """Return what RADIUS signs and hides with."""
    return hashlib.md5(octets, usedforsecurity=False).digest()
