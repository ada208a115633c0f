"""The ring key once more, sealed to a key whose private half lies on paper outside the box.

`secrets/prathu.kek.age` is an age file (X25519) of the 32 bytes of `secrets/prathu.kek`: with the
paper and any age program the ring key comes back, and with it every segment key. Beside it a record
says what is in it, so that another ring key or another paper makes it anew.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyrage
import rfc8785

from collector import durable
from collector.errors import SealError
from collector.seal.vault import KEY_BYTES, PRIVATE, SECRETS

SEALED = "prathu.kek.age"
RECORD = "prathu.recovery.json"
_CONTEXT = b"prathu-evidence/1 kek\0"


def pair() -> tuple[str, str]:
    """Return a new recovery key: its public half for the settings, its private half for paper."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity.to_public()), str(identity)


def keep(home: Path, kek: bytes, recipient: str) -> bool:
    """Seal the ring key to a recovery key, unless it is; with none, take the file away.

    Returns:
        Whether anything was written.

    Raises:
        StoreError: it could not be written.
    """
    sealed, record = home / SECRETS / SEALED, home / SECRETS / RECORD
    if not recipient:
        there = sealed.exists() or record.exists()
        for path in (record, sealed):
            durable.remove(path)
        return there
    if kept(home, kek, recipient):
        return False
    data = pyrage.encrypt(kek, [pyrage.x25519.Recipient.from_str(recipient)])
    durable.replace(sealed, data, mode=PRIVATE)
    # A crash here leaves a record of another file: start seals once more.
    durable.replace(record, _record(kek, recipient, data), mode=PRIVATE)
    return True


def kept(home: Path, kek: bytes, recipient: str) -> bool:
    """Say whether this ring key is sealed to this recovery key, and the file is unchanged."""
    try:
        data = (home / SECRETS / SEALED).read_bytes()
        return (home / SECRETS / RECORD).read_bytes() == _record(kek, recipient, data)
    except FileNotFoundError:
        return False


def recipient_of(home: Path) -> str | None:
    """Return the public half that the ring key is sealed to, None when it is to none."""
    try:
        record = json.loads((home / SECRETS / RECORD).read_bytes())
        return str(record["recipient"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def restored(data: bytes, private: str) -> bytes:
    """Return the ring key in a recovery file.

    Args:
        data: The file.
        private: What stands on the paper; spaces and small letters do no harm.

    Raises:
        SealError: it is not this key, or not such a file.
    """
    try:
        identity = pyrage.x25519.Identity.from_str("".join(private.split()).upper())
    except pyrage.IdentityError as error:
        raise SealError(
            "that is not the private half of a recovery key", hint="it begins AGE-SECRET-KEY-1"
        ) from error
    try:
        kek = pyrage.decrypt(data, [identity])
    except (pyrage.DecryptError, ValueError) as error:
        raise SealError(
            "the file does not open with this key", hint="is it the paper of this box?"
        ) from error
    if len(kek) != KEY_BYTES:
        raise SealError(f"there are {len(kek)} bytes in the file, not a ring key")
    return bytes(kek)


def _record(kek: bytes, recipient: str, data: bytes) -> bytes:
    return rfc8785.dumps(
        {
            "kek": hashlib.sha256(_CONTEXT + kek).hexdigest(),
            "recipient": recipient,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    )
