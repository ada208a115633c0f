"""What a datagram must pass before anything in it is believed (RFC 2865, 2866, 3579, 5176, 5997).

Attributes that run past the packet, two Message-Authenticators or EAP without one are dropped
before anything else sees the datagram.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib import metadata

from pyrad import packet

from captive_portal.errors import PortalError
from captive_portal.radius.clients import Client
from captive_portal.radius.received import (
    HEADER,
    MESSAGE_AUTHENTICATOR,
    PROXY_STATE,
    Received,
    dictionary,
)

__all__ = ["HEADER", "MESSAGE_AUTHENTICATOR", "PROXY_STATE", "dictionary"]
LARGEST = 4096
ACCESS_REQUEST = packet.AccessRequest
ACCOUNTING_REQUEST = packet.AccountingRequest
STATUS_SERVER = packet.StatusServer
USER_PASSWORD, NAS_IDENTIFIER, EAP_MESSAGE = 2, 32, 79
_MESSAGE_AUTHENTICATOR_SIZE = 18
_OLDEST_PYRAD = (2, 6)
_ACCOUNTING = (ACCOUNTING_REQUEST, STATUS_SERVER)


class Discard(PortalError):
    """A datagram that gets no answer; the message is the reason it is counted under."""


def check_library(version: str = "") -> None:
    """Refuse a pyrad that forged packets can hang or fool.

    Args:
        version: Instead of the one installed.

    Raises:
        PortalError: it is older than 2.6.
    """
    version = version or metadata.version("pyrad")
    told = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if told < _OLDEST_PYRAD:
        raise PortalError(
            f"pyrad {version} believes forged answers and hangs on forged packets",
            hint="the box needs pyrad 2.6 or newer: run packaging/setup/setup",
        )


def shape(datagram: bytes, codes: Collection[int] = _ACCOUNTING) -> bytes:
    """Return the packet without the padding behind it, when its lengths are true.

    Args:
        datagram: What came.
        codes: Those of packets that are taken on that port.

    Raises:
        Discard: they are not.
    """
    if len(datagram) < HEADER:
        raise Discard("short-datagram")
    length = int.from_bytes(datagram[2:4], "big")
    if not HEADER <= length <= LARGEST:
        raise Discard("bad-length")
    if length > len(datagram):
        raise Discard("length-beyond-datagram")
    if datagram[0] not in codes:
        raise Discard("unexpected-code")
    whole = datagram[:length]
    _walk(whole)
    return whole


def _walk(whole: bytes) -> None:
    at, end, signatures, eap = HEADER, len(whole), 0, False
    while at < end:
        size = whole[at + 1] if at + 1 < end else 0
        if size < 2:
            raise Discard("bad-attribute-length")
        if at + size > end:
            raise Discard("attribute-past-end")
        if whole[at] == MESSAGE_AUTHENTICATOR:
            signatures += 1
            if size != _MESSAGE_AUTHENTICATOR_SIZE:
                raise Discard("bad-message-authenticator")
        eap = eap or whole[at] == EAP_MESSAGE
        at += size
    if signatures > 1:
        raise Discard("two-message-authenticators")
    if eap and not signatures and whole[0] == ACCESS_REQUEST:
        raise Discard("eap-without-message-authenticator")


def attributes(whole: bytes) -> Iterator[tuple[int, bytes]]:
    """Give number and value of each attribute of what `shape` returned, as they stand."""
    at = HEADER
    while at < len(whole):
        size = whole[at + 1]
        yield whole[at], whole[at + 2 : at + size]
        at += size


def identifier(whole: bytes) -> str:
    """Return the NAS-Identifier of what `shape` returned; it is not proven yet."""
    found = next((value for kind, value in attributes(whole) if kind == NAS_IDENTIFIER), b"")
    return found.decode("utf-8", "replace")


def open_packet(whole: bytes, client: Client) -> Received:
    """Return an accounting packet, or an order, when it was made with the client's secret.

    Args:
        whole: What `shape` returned.
        client: Who sent it, by address.

    Raises:
        Discard: it was not.
    """
    if whole[0] == STATUS_SERVER:
        return open_access(whole, client, must_sign=True)
    read = Received(whole, client.secret)
    if not (read.genuine() and read.signed_right()):
        # Either the secret is wrong or somebody forges: the same silence.
        raise Discard("wrong-authenticator")
    return read


def open_access(whole: bytes, client: Client, *, must_sign: bool) -> Received:
    """Return an Access-Request or Status-Server, its Message-Authenticator verified if present.

    Args:
        whole: What `shape` returned.
        client: Who sent it, by address.
        must_sign: It is not taken without Message-Authenticator; a Status-Server never is.

    Raises:
        Discard: it lacks the signature, or has a wrong one.
    """
    read = Received(whole, client.secret)
    if not read.signed_right():
        raise Discard("wrong-message-authenticator")
    if not read.signed and (must_sign or whole[0] == STATUS_SERVER):
        raise Discard("no-message-authenticator")
    return read


def reply_to(request: Received) -> bytes:
    """Return the answer of the accounting port: Accounting-Response (RFC 2866, RFC 5997 3).

    A Message-Authenticator comes back where one was sent.
    """
    return request.reply(packet.AccountingResponse, sign=request.signed)
