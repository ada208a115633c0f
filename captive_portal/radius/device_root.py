"""The files of the box's own authority for devices: its root, its key, and what it took back.

FreeRADIUS reads them at its start; nothing here knows of people or of the database.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from captive_portal import durable, signed
from captive_portal.errors import PortalError

ROOT = Path("radius") / "devices-ca.pem"
KEY = ROOT.with_suffix(".key")
REVOKED = ROOT.with_name("devices-revoked.pem")
ROOT_DAYS = 3650


class Root(NamedTuple):
    """The authority: its certificate, and the key that signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Revoked(NamedTuple):
    """A certificate that was taken back."""

    serial: int
    at: datetime.datetime


def ready(home: Path) -> None:
    """Make the authority and an empty list where they are not. Raises PortalError."""
    now = signed.wall_clock()
    try:
        if not (home / ROOT).exists():
            root = Root(*signed.authority(f"Prathu devices {now:%Y-%m-%d}", now, ROOT_DAYS))
            # The root last: where it is, the others are.
            durable.write(home / KEY, signed.key_pem(root.key), 0o600)
            write_revoked(home, root, ())
            durable.write(home / ROOT, signed.pem(root.certificate), 0o644)
    except OSError as error:
        raise PortalError(f"the authority for devices, {home / ROOT}: {error}") from error


def read(home: Path) -> Root:
    """Return the authority, made where there is none. Raises PortalError."""
    ready(home)
    try:
        root = x509.load_pem_x509_certificate((home / ROOT).read_bytes())
        key = serialization.load_pem_private_key((home / KEY).read_bytes(), None)
    except (OSError, ValueError) as error:
        raise PortalError(f"the authority for devices, {home / KEY}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PortalError(f"the authority for devices, {home / KEY}: not our key")
    return Root(root, key)


def trusted(home: Path) -> bytes:
    """Return the authority and the list of what it took back, as FreeRADIUS reads them.

    Raises:
        OSError: one of them cannot be read.
    """
    return (home / ROOT).read_bytes() + (home / REVOKED).read_bytes()


def write_revoked(home: Path, root: Root, taken: Iterable[Revoked]) -> None:
    """Write the list of what was taken back. Raises PortalError."""
    # It is good as long as the authority: one that ran out would lock all devices out.
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.certificate.subject)
        .last_update(root.certificate.not_valid_before_utc)
        .next_update(root.certificate.not_valid_after_utc)
    )
    for serial, at in taken:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        made = made.add_revoked_certificate(one.build())
    try:
        durable.write(home / REVOKED, signed.pem(made.sign(root.key, hashes.SHA256())), 0o644)
    except OSError as error:
        raise PortalError(f"the list of revoked certificates: {error}") from error
