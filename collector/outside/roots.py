"""The certificates that an authority is believed by: a file in the home."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from collector.errors import SettingsError
from collector.seal import timestamp
from collector.seal.fault import Refused
from collector.settings import TimestampAuthority


def roots(home: Path, authority: TimestampAuthority) -> tuple[timestamp.Certificate, ...]:
    """Return the certificates that an authority is believed by.

    Raises:
        SettingsError: the file is not there, or has no root.
    """
    path = home / authority.roots
    what = f"timestamp_authorities: {authority.name}: {path}"
    try:
        found = timestamp.read_pem(path.read_bytes())
    except OSError as error:
        hint = "put the authority's root certificate there, as PEM"
        raise SettingsError(f"{what}: {error.strerror or error}", hint=hint) from error
    except Refused as refused:
        raise SettingsError(f"{what}: {refused}") from refused
    if not timestamp.roots_of(found):
        hint = "put the root into the file too: a certificate that issued itself"
        raise SettingsError(f"{what} has no root", hint=hint)
    return found


def fingerprint(certificate: timestamp.Certificate) -> str:
    """Return the SHA-256 of a certificate, to be compared with what the authority publishes."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
