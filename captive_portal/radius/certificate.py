"""The certificate that phones see in 802.1X: the school's own from a file, or one the box makes.

A change of it, or of its root, breaks every phone: the box never replaces one that is there.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from captive_portal.errors import PortalError
from captive_portal.settings import Radius

ROOT = Path("radius") / "eap-ca.pem"
"""The root that phones are to trust, where the box made it; it is no secret."""
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
            _make(home, key, chain, settings.eap_name or NAME)
        told = x509.load_pem_x509_certificate(chain.read_bytes())
        if not key.exists():
            raise PortalError(f"radius.eap_key: {key} is not there", hint="put it beside the chain")
    except (OSError, ValueError) as error:
        raise PortalError(
            f"radius.eap_certificate: {chain}: {error}", hint="a chain and its key in PEM"
        ) from error
    root = home / ROOT
    roots = root if root.exists() and settings.eap_certificate == _OWN else chain
    return Files(key=key, chain=chain, roots=roots, until=told.not_valid_after_utc)


_OWN = Radius().eap_certificate


def expiry(home: Path, settings: Radius, now: datetime.datetime) -> str:
    """Return what is to be said of its end, or nothing."""
    try:
        told = x509.load_pem_x509_certificate((home / settings.eap_certificate).read_bytes())
    except (OSError, ValueError):
        return ""
    days = (told.not_valid_after_utc - now).days
    if days > ALARM_DAYS:
        return ""
    return f"the certificate of 802.1X ends in {days} days: phones need the new one's root before"


def _make(home: Path, key: Path, chain: Path, name: str) -> None:
    # Certificates are of the wall's time, whoever's clock the box has.
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251  # as above
    root_key, own_key = _new_key(), _new_key()
    root_name = _name(f"{name} root {now:%Y}")
    root = (
        _builder(root_name, root_name, root_key.public_key(), now, ROOT_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    own = (
        _builder(_name(name), root_name, own_key.public_key(), now, DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        # Windows and Apple want a server's certificate.
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    _write(home / ROOT, root.public_bytes(serialization.Encoding.PEM), 0o644)
    _write(home / ROOT.with_suffix(".key"), _pem(root_key), 0o600)
    _write(key, _pem(own_key), 0o600)
    _write(chain, own.public_bytes(serialization.Encoding.PEM), 0o644)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, octets: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
