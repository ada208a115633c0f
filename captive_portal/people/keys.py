"""The key of a home with which identifiers and codes are kept: as hashes that only it can make.

A citizen id has twelve free digits: a hash without a key is undone in minutes.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from captive_portal.database import FILE
from captive_portal.errors import PortalError

KEY = FILE.parent / "person.key"
"""Of the home; it goes with the database into backups, and without it nobody is found again."""
LEAST = 32


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
    path = home / KEY
    try:
        if not path.exists():
            _make(path)
        key = path.read_bytes()
    except OSError as error:
        raise PortalError(f"the key of identifiers {path}: {error.strerror}") from error
    if len(key) < LEAST:
        raise PortalError(f"the key of identifiers {path} is cut short", hint="restore it")
    return PersonKey(key)


def _make(path: Path) -> None:
    made = path.with_name(f"{path.name}.{os.getpid()}")
    with made.open("xb") as file:
        file.write(secrets.token_bytes(LEAST))
        file.flush()
        os.fsync(file.fileno())
    made.chmod(0o660)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(made)  # whoever came first has made it
    made.unlink()
