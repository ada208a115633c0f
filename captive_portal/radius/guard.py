"""What a datagram must pass before anything in it is believed (RFC 2866, RFC 3579, RFC 5997).

pyrad reads attributes; what it lets through (an attribute that runs past the packet, two
Message-Authenticators) is dropped here, before it sees the datagram.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyrad import packet
from pyrad.dictionary import Dictionary

from captive_portal.errors import PortalError
from captive_portal.radius.clients import Client

HEADER = 20
LARGEST = 4096
ACCOUNTING_REQUEST = packet.AccountingRequest
STATUS_SERVER = packet.StatusServer
_MESSAGE_AUTHENTICATOR = 80
_MESSAGE_AUTHENTICATOR_SIZE = 18


class Discard(PortalError):
    """A datagram that gets no answer; the message is the reason it is counted under."""


def dictionary() -> Dictionary:
    """Return the attributes this package knows."""
    return Dictionary(str(Path(__file__).parent / "dictionary"))


def shape(datagram: bytes) -> bytes:
    """Return the packet without the padding behind it, when its lengths are true.

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
    if datagram[0] not in (ACCOUNTING_REQUEST, STATUS_SERVER):
        raise Discard("unexpected-code")
    whole = datagram[:length]
    _walk(whole)
    return whole


def _walk(whole: bytes) -> None:
    at, signatures = HEADER, 0
    while at < len(whole):
        size = whole[at + 1] if at + 1 < len(whole) else 0
        if size < 2:
            raise Discard("bad-attribute-length")
        if at + size > len(whole):
            raise Discard("attribute-past-end")
        if whole[at] == _MESSAGE_AUTHENTICATOR:
            signatures += 1
            if size != _MESSAGE_AUTHENTICATOR_SIZE:
                raise Discard("bad-message-authenticator")
        at += size
    if signatures > 1:
        raise Discard("two-message-authenticators")


def open_packet(whole: bytes, client: Client, known: Dictionary) -> packet.AcctPacket:
    """Return the packet when it was made with the client's secret.

    Args:
        whole: What `shape` returned.
        client: Who sent it, by address.
        known: What `dictionary` returned.

    Raises:
        Discard: it was not, or it lacks the Message-Authenticator that this client must send.
    """
    try:
        read = packet.AcctPacket(code=whole[0], secret=client.secret, dict=known, packet=whole)
        genuine = read.VerifyAcctRequest()
        signed = bool(read.message_authenticator)
        if genuine and signed:
            genuine = read.verify_message_authenticator()
    except Exception as error:  # pyrad raises what it meets: nothing may leave the receive loop
        raise Discard("undecodable") from error
    if not genuine:
        # Either the secret is wrong or somebody forges: the same silence.
        raise Discard("wrong-authenticator")
    if client.require_message_authenticator and not signed:
        raise Discard("no-message-authenticator")
    return read


def reply_to(request: packet.AcctPacket) -> bytes:
    """Return the answer: Accounting-Response, or Access-Accept to a Status-Server (RFC 5997 3).

    A Message-Authenticator comes back where one was sent.
    """
    reply: Any = request.CreateReply(message_authenticator=bool(request.message_authenticator))
    octets: bytes = reply.ReplyPacket()
    return octets
