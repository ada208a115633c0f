"""Keys that lie beside the database; with one of them identifiers and codes are kept as hashes.

A citizen id has twelve free digits: a hash without a key is undone in minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from captive_portal import durable
from captive_portal.database import FILE
from captive_portal.errors import PortalError

KEY = FILE.parent / "person.key"
"""Of the home; it goes with the database into backups, and without it nobody is found again."""
SIZE = 32
"""Octets of each key."""


class PersonKey:
    """Hashes what must be found again but not read."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash(self, what: str, text: str) -> str:
        """Return 64 hex digits.

        Args:
            what: What `text` is, so that a code never is an identifier: `id`, `voucher`.
            text: In its one spelling.
        """
        return hmac.new(self._key, f"{what}\0{text}".encode(), hashlib.sha256).hexdigest()


def person_key(home: Path) -> PersonKey:
    """Return the key of a home, made at first use.

    Raises:
        PortalError: it cannot be written or read.
    """
    return PersonKey(kept_key(home / KEY, "identifiers"))


def kept_key(path: Path, what: str) -> bytes:
    """Return a key that lies beside the database, made at first use: 32 random octets.

    Args:
        path: Where it lies.
        what: What it is the key of, for the error.

    Raises:
        PortalError: it cannot be written or read, or is cut short.
    """
    try:
        if not path.exists():
            durable.write_first(path, secrets.token_bytes(SIZE), 0o640)
        key = path.read_bytes()
    except OSError as error:
        raise PortalError(f"the key of {what} {path}: {error.strerror}") from error
    if len(key) != SIZE:
        raise PortalError(f"the key of {what} {path} is cut short", hint="restore it")
    return key
