"""MSCHAPv2, the server's side, from the NT hash of a password (RFC 2759, RFC 2548)."""

from __future__ import annotations

import hashlib
import hmac

from Crypto.Cipher import DES
from Crypto.Hash import MD4

_SERVER_TO_CLIENT = b"Magic server to client signing constant"
_PAD = b"Pad to make it do more than one iteration"


def challenge_hash(peer: bytes, server: bytes, user: bytes) -> bytes:
    """Return the challenge that both sides reckon with (RFC 2759 8.2)."""
    return hashlib.sha1(peer + server + user).digest()[:8]  # noqa: S324  # as the RFC has it


def response(challenge: bytes, nt_hash: bytes) -> bytes:
    """Return the 24 octets that prove the password (RFC 2759 8.5)."""
    keys = nt_hash.ljust(21, b"\0")
    return b"".join(_des(keys[at : at + 7], challenge) for at in (0, 7, 14))


def proves(nt_hash: bytes, *, peer: bytes, server: bytes, user: bytes, told: bytes) -> bool:
    """Say whether a response was made with the password of this hash.

    Args:
        nt_hash: Of the password that is right.
        peer: The peer's challenge, 16 octets.
        server: The server's, 16 octets.
        user: The name as the peer told it, without a domain.
        told: The response, 24 octets.
    """
    return hmac.compare_digest(response(challenge_hash(peer, server, user), nt_hash), told)


def success(nt_hash: bytes, *, peer: bytes, server: bytes, user: bytes, told: bytes) -> str:
    """Return `S=` and what proves to the peer that we know the password (RFC 2759 8.7)."""
    twice = bytes(MD4.new(nt_hash).digest())  # noqa: S303  # as the RFC has it
    digest = hashlib.sha1(twice + told + _SERVER_TO_CLIENT).digest()  # noqa: S324  # as above
    challenge = challenge_hash(peer, server, user)
    digest = hashlib.sha1(digest + challenge + _PAD).digest()  # noqa: S324  # as above
    return f"S={digest.hex().upper()}"


def _des(seven: bytes, block: bytes) -> bytes:
    """Encrypt with 56 bits of key, each 7 of them in an octet of their own; parity is not read."""
    bits = int.from_bytes(seven, "big")
    key = bytes((bits >> shift & 0x7F) << 1 for shift in range(49, -1, -7))
    return bytes(DES.new(key, DES.MODE_ECB).encrypt(block))  # noqa: S304  # as the RFC has it
