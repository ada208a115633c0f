"""NT hashes of passwords, for MSCHAPv2 and PEAP: kept only where the settings ask for it.

Such a hash is as good as the password, so it lies in the database under AES-256-GCM with a key
of the home, bound to the person whose it is.
"""

from __future__ import annotations

import base64
import secrets
import unicodedata
from pathlib import Path
from uuid import UUID

from Crypto.Hash import MD4
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from captive_portal.people.keys import kept_key

KEY = Path("database") / "nt.key"
"""The key in a home; whoever has it and the database has the hashes."""
_NONCE = 12


def nt_hash(password: str) -> bytes:
    """Return the NT hash: MD4 of the password in UTF-16 (RFC 2759 8.3)."""
    octets = unicodedata.normalize("NFC", password).encode("utf-16-le", "surrogatepass")
    return bytes(MD4.new(octets).digest())  # noqa: S303  # as the RFC has it


class NtHashes:
    """Seals and opens NT hashes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def sealed(self, person: UUID, password: str) -> str:
        """Return what the database keeps of a person's password."""
        nonce = secrets.token_bytes(_NONCE)
        octets = self._cipher.encrypt(nonce, nt_hash(password), person.bytes)
        return base64.b64encode(nonce + octets).decode()

    def opened(self, person: UUID, stored: str | None) -> bytes | None:
        """Return the NT hash of a person; None when there is none, or it is not theirs."""
        try:
            octets = base64.b64decode(stored or "", validate=True)
            return self._cipher.decrypt(octets[:_NONCE], octets[_NONCE:], person.bytes)
        except (ValueError, InvalidTag):
            return None


def of(home: Path, *, wanted: bool) -> NtHashes | None:
    """Return the keeper of NT hashes of a home; its key is made at first use.

    Args:
        home: The home.
        wanted: What `radius.nt_hashes` says; None comes back without.

    Raises:
        PortalError: the key cannot be written or read.
    """
    if not wanted:
        return None
    return NtHashes(kept_key(home / KEY, "NT hashes"))
