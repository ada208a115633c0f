"""What a datagram must pass before anything in it is believed (RFC 2865, 2866, 3579, 5176, 5997).

pyrad reads attributes; what it lets through (an attribute that runs past the packet, two
Message-Authenticators, EAP without one) is dropped here, before it sees the datagram.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from pyrad import packet
from pyrad.dictionary import Dictionary

from captive_portal.errors import PortalError
from captive_portal.radius.clients import Client

HEADER = 20
LARGEST = 4096
ACCESS_REQUEST = packet.AccessRequest
ACCOUNTING_REQUEST = packet.AccountingRequest
STATUS_SERVER = packet.StatusServer
USER_PASSWORD, NAS_IDENTIFIER, PROXY_STATE, EAP_MESSAGE = 2, 32, 33, 79
MESSAGE_AUTHENTICATOR = 80
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


def dictionary() -> Dictionary:
    """Return the attributes this package knows."""
    here = Path(__file__).parent
    return Dictionary(str(here / "dictionary"))


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
    at, signatures, eap = HEADER, 0, False
    while at < len(whole):
        size = whole[at + 1] if at + 1 < len(whole) else 0
        if size < 2:
            raise Discard("bad-attribute-length")
        if at + size > len(whole):
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


def open_packet(whole: bytes, client: Client, known: Dictionary) -> packet.AcctPacket:
    """Return an accounting packet, or an order, when it was made with the client's secret.

    Args:
        whole: What `shape` returned.
        client: Who sent it, by address.
        known: What `dictionary` returned.

    Raises:
        Discard: it was not.
    """
    if whole[0] == STATUS_SERVER:
        return open_access(whole, client, known, must_sign=True, to_accounting=True)
    try:
        kind = packet.AcctPacket if whole[0] == ACCOUNTING_REQUEST else packet.CoAPacket
        read = kind(code=whole[0], secret=client.secret, dict=known, packet=whole)
        genuine = _made_right(whole, client.secret) and _signed_right(read)
    except Exception as error:  # pyrad raises what it meets: nothing may leave the receive loop
        raise Discard("undecodable") from error
    if not genuine:
        # Either the secret is wrong or somebody forges: the same silence.
        raise Discard("wrong-authenticator")
    return read


def open_access(
    whole: bytes,
    client: Client,
    known: Dictionary,
    *,
    must_sign: bool,
    to_accounting: bool = False,
) -> Any:  # noqa: ANN401  # pyrad is untyped
    """Return an Access-Request or Status-Server, its Message-Authenticator verified if present.

    Args:
        whole: What `shape` returned.
        client: Who sent it, by address.
        known: What `dictionary` returned.
        must_sign: It is not taken without Message-Authenticator; a Status-Server never is.
        to_accounting: It came to the accounting port, which answers in its own way.

    Raises:
        Discard: it lacks the signature, or has a wrong one.
    """
    kind = packet.AcctPacket if to_accounting else packet.AuthPacket
    try:
        read = kind(code=whole[0], secret=client.secret, dict=known, packet=whole)
        signed = bool(read.message_authenticator)
        genuine = _signed_right(read)
    except Exception as error:  # as above
        raise Discard("undecodable") from error
    if not genuine:
        raise Discard("wrong-message-authenticator")
    if not signed and (must_sign or whole[0] == STATUS_SERVER):
        raise Discard("no-message-authenticator")
    return read


def _made_right(whole: bytes, secret: bytes) -> bool:
    """Say whether the authenticator is over the packet itself (RFC 2866 3, RFC 5176 2.3)."""
    made = hashlib.md5(whole[:4] + bytes(16) + whole[20:] + secret).digest()  # noqa: S324  # as there
    return hmac.compare_digest(made, whole[4:20])


def _signed_right(read: Any) -> bool:  # noqa: ANN401  # pyrad is untyped
    return not read.message_authenticator or bool(read.verify_message_authenticator())


def reply_to(request: packet.AcctPacket) -> bytes:
    """Return the answer of the accounting port: Accounting-Response (RFC 2866, RFC 5997 3).

    A Message-Authenticator comes back where one was sent.
    """
    reply: Any = request.CreateReply(message_authenticator=bool(request.message_authenticator))
    octets: bytes = reply.ReplyPacket()
    return octets
