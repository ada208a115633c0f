"""Files that the settings name by a path under the home: secrets, and certificates to trust."""

from __future__ import annotations

import ssl
from pathlib import Path

from captive_portal.errors import PortalError

LEAST_SHARED = 16
"""Octets of a secret of RADIUS. One packet is enough to try shorter ones by the billion."""


def secret(path: Path, what: str) -> str:
    """Return a secret from its file, without line ends.

    Args:
        path: The file.
        what: Whose it is, for the error: `ldap ad: the password of bind_dn`.

    Raises:
        PortalError: it cannot be read, or is empty.
    """
    try:
        found = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        raise PortalError(
            f"settings: {what} cannot be read: {error}", hint="write it into that file"
        ) from error
    if not found.strip():
        raise PortalError(f"settings: {what} in {path} is empty", hint="write it into that file")
    return found


def shared_secret(path: Path, what: str) -> bytes:
    """Return a secret of RADIUS from its file, without white space at its ends.

    Args:
        path: The file.
        what: Whose it is, for the error: `radius_upstream school: the secret`.

    Raises:
        PortalError: it cannot be read, or is too short.
    """
    try:
        found = path.read_bytes().strip(b"\r\n\t ")
    except OSError as error:
        raise PortalError(
            f"settings: {what} cannot be read: {error}",
            hint="write the shared secret into that file",
        ) from error
    if len(found) < LEAST_SHARED:
        raise PortalError(
            f"settings: {what} in {path} is too short",
            hint=f"{LEAST_SHARED} characters or more: make one with: openssl rand -base64 24",
        )
    return found


def trusted(ca_file: Path | None, what: str) -> ssl.SSLContext:
    """Return what the certificates of servers are checked with: always, by TLS 1.2 or newer.

    Args:
        ca_file: Certificates of who signed them, PEM; None: those of the system.
        what: Whose they are, for the error: `ldap ad`.

    Raises:
        PortalError: it cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise PortalError(
            f"settings: {what}: ca_file {ca_file} cannot be read: {error}",
            hint="PEM certificates of who signed the server's own",
        ) from error
    if ca_file is not None:
        # Authorities of schools, and controllers that sign for themselves, write certificates with
        # less than RFC 5280 asks for: signature, name and time are checked all the same.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
