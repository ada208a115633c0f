"""The certificate that phones see in 802.1X: the school's own from a file, or one the box makes.

A change of it, or of its root, breaks every phone: the box never replaces one that is there.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from captive_portal import durable, signed
from captive_portal.errors import PortalError
from captive_portal.radius import device_root
from captive_portal.settings import Radius

ROOT = Path(Radius().eap_ca)
"""The root that phones are to trust, where the settings name no other; it is no secret."""
ROOT_DAYS, DAYS = 3650, 820
ALARM_DAYS = 60
"""Before it expires, people are to be told for so long."""
NAME = "radius.school.internal"
"""In a certificate of the box's own; phones are told to accept this name alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where they lie."""

    key: Path
    chain: Path
    roots: Path
    until: datetime.datetime


def ready(home: Path, settings: Radius) -> Files:
    """Return the files that FreeRADIUS is given; they are made where both are absent.

    Raises:
        PortalError: one of them is absent, or they cannot be read or written.
    """
    key, chain = home / settings.eap_key, home / settings.eap_certificate
    try:
        if not key.exists() and not chain.exists():
            _make(home / settings.eap_ca, key, chain, settings.eap_name or NAME)
        told = x509.load_pem_x509_certificate(chain.read_bytes())
        if not key.exists():
            raise PortalError(f"radius.eap_key: {key} is not there", hint="put it beside the chain")
    except (OSError, ValueError) as error:
        raise PortalError(
            f"radius.eap_certificate: {chain}: {error}", hint="a chain and its key in PEM"
        ) from error
    root = home / settings.eap_ca
    roots = root if root.exists() else chain
    return Files(key=key, chain=chain, roots=roots, until=told.not_valid_after_utc)


def endings(home: Path, settings: Radius, now: datetime.datetime) -> Iterator[str]:
    """Yield what is to be said of certificates that end soon, or have ended."""
    kept = (
        (settings.eap_certificate, "certificate", "phones need the new one's root before"),
        (settings.eap_ca, "root", "devices need profiles with a new one before"),
        (device_root.ROOT, "authority for devices", "they need new certificates before"),
    )
    for path, what, so in kept:
        try:
            told = x509.load_pem_x509_certificate((home / path).read_bytes())
        except (OSError, ValueError):
            continue
        days = (told.not_valid_after_utc - now).days
        if days < 0:
            yield f"the {what} of 802.1X ended {-days} days ago: nobody gets in by it"
        elif days <= ALARM_DAYS:
            yield f"the {what} of 802.1X ends in {days} days: {so}"


def _make(root_file: Path, key: Path, chain: Path, name: str) -> None:
    now = signed.wall_clock()
    root, root_key = signed.authority(f"{name} root {now:%Y}", now, ROOT_DAYS)
    own_key, until = signed.new_key(), now + datetime.timedelta(days=DAYS)
    own = (
        signed.begun(signed.common_name(name), root.subject, own_key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(signed.usage(signs=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        # Windows and Apple want a server's certificate.
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    durable.write(root_file, signed.pem(root), 0o644)
    durable.write(root_file.with_suffix(".key"), signed.key_pem(root_key), 0o600)
    durable.write(key, signed.key_pem(own_key), 0o600)
    durable.write(chain, signed.pem(own), 0o644)
