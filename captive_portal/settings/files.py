"""Files that the settings name by a path under the home: secrets, and certificates to trust."""

from __future__ import annotations

import ssl
from pathlib import Path

from captive_portal.errors import PortalError


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
