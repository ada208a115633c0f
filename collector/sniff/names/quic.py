# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""QUIC's first packets (RFC 9000 section 17.2.2), whose keys anybody can derive (RFC 9001 5.2).

Version 2 has another salt, other labels and other numbers of types (RFC 9369 section 3).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from collector.sniff.names.errors import Unreadable
from collector.sniff.names.filter import QUIC_V1, QUIC_V2

MOST_PACKETS = 8
"""Of one datagram; the kernel may have joined several."""
MOST_FRAMES = 512
_LONGEST_ID = 20
_SALTS = {
    QUIC_V1: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    QUIC_V2: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
}
_PREFIX = {QUIC_V1: b"quic ", QUIC_V2: b"quicv2 "}
_INITIAL = {QUIC_V1: 0xC0, QUIC_V2: 0xD0}
_PING, _ACK, _ACK_ECN, _CRYPTO, _CLOSE = 1, 2, 3, 6, 0x1C


class Initial(NamedTuple):
    """A packet as it is on the wire, and what its header says."""

    version: int
    connection: bytes
    """The Destination Connection ID; that of a client's first packet makes the keys."""
    packet: bytes
    number_at: int
    """Where the packet's number is."""


def initials(datagram: bytes) -> Iterator[Initial]:
    """Yield the Initial packets in a datagram, in front of any others.

    Raises:
        Unreadable: one is not what it says.
    """
    at = 0
    for _ in range(MOST_PACKETS):
        head = datagram[at : at + 5]
        version = int.from_bytes(head[1:])
        if len(head) < 5 or version not in _SALTS or head[0] & 0xF0 != _INITIAL[version]:
            return
        connection, after = _identity(datagram, at + 5)
        _, after = _identity(datagram, after)
        token, after = _number(datagram, after)
        length, number_at = _number(datagram, after + token)
        end = number_at + length
        if length < 20 or end > len(datagram):
            raise Unreadable("quic")
        yield Initial(version, connection, datagram[at:end], number_at - at)
        at = end


class Keys:
    """What opens the packets that a client sends before it has the server's word."""

    __slots__ = ("_body", "_iv", "_mask")

    def __init__(self, version: int, connection: bytes) -> None:
        """Derive the keys (RFC 9001 section 5.2: HKDF-Extract, then HKDF-Expand-Label)."""
        secret = hmac.digest(_SALTS[version], connection, "sha256")
        client, prefix = _expand(secret, b"client in", 32), _PREFIX[version]
        self._body = AESGCM(_expand(client, prefix + b"key", 16))
        self._iv = _expand(client, prefix + b"iv", 12)
        key = _expand(client, prefix + b"hp", 16)
        # One block at a time is what header protection is (RFC 9001 section 5.4.3).
        self._mask = Cipher(AES(key), ECB()).encryptor()  # noqa: S305  # as above

    def open(self, initial: Initial) -> bytes | None:
        """Return the frames in a packet, None if it was closed with other keys."""
        packet, at = initial.packet, initial.number_at
        mask = self._mask.update(packet[at + 4 : at + 20])
        first = packet[0] ^ mask[0] & 0x0F
        size = (first & 3) + 1
        number = bytes(a ^ b for a, b in zip(packet[at : at + size], mask[1:], strict=False))
        header = bytes([first]) + packet[1:at] + number
        # First packets have small numbers, so what is there is all of it.
        nonce = int.from_bytes(self._iv) ^ int.from_bytes(number)
        try:
            return self._body.decrypt(nonce.to_bytes(12), packet[at + size :], header)
        except InvalidTag:
            return None


def crypto(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the pieces of the handshake in a packet, each with its place (RFC 9000 section 19.6).

    Raises:
        Unreadable: there is a frame that does not belong there (RFC 9000 section 12.5).
    """
    at = _after_padding(frames, 0)
    for _ in range(MOST_FRAMES):
        kind = frames[at] if at < len(frames) else _CLOSE
        if kind == _CLOSE:
            return
        if kind == _CRYPTO:
            offset, at = _number(frames, at + 1)
            size, at = _number(frames, at)
            if at + size > len(frames):
                raise Unreadable("quic")
            yield offset, frames[at : at + size]
            at += size
        else:
            at = _after_other(frames, at + 1, kind)
        at = _after_padding(frames, at)
    raise Unreadable("quic")


def _after_other(frames: bytes, at: int, kind: int) -> int:
    if kind not in (_PING, _ACK, _ACK_ECN):
        raise Unreadable("quic")
    return at if kind == _PING else _after_ack(frames, at, ecn=kind == _ACK_ECN)


def _after_padding(frames: bytes, at: int) -> int:
    """Return where the next frame begins: a frame of type 0 is padding."""
    if frames[at : at + 1] != b"\0":
        return at
    return len(frames) - len(frames[at:].lstrip(b"\0"))


def _after_ack(frames: bytes, at: int, *, ecn: bool) -> int:
    """Return where an ACK frame ends (RFC 9000 section 19.3)."""
    for _ in range(2):
        _, at = _number(frames, at)
    ranges, at = _number(frames, at)
    if ranges > MOST_FRAMES:
        raise Unreadable("quic")
    for _ in range(1 + 2 * ranges + 3 * ecn):
        _, at = _number(frames, at)
    return at


def _identity(datagram: bytes, at: int) -> tuple[bytes, int]:
    """Return a connection id and where it ends."""
    size = datagram[at] if at < len(datagram) else _LONGEST_ID + 1
    if size > _LONGEST_ID:
        raise Unreadable("quic")
    return datagram[at + 1 : at + 1 + size], at + 1 + size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length (RFC 9000 section 16) and where it ends."""
    if at >= len(data):
        raise Unreadable("quic")
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        raise Unreadable("quic")
    return int.from_bytes(data[at : at + size]) & (1 << 8 * size - 2) - 1, at + size


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label without context (RFC 8446 section 7.1)."""
    label = b"tls13 " + label
    told = size.to_bytes(2) + bytes([len(label)]) + label + b"\0"
    return HKDFExpand(SHA256(), size, told).derive(secret)
