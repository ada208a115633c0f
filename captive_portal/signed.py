"""What the certificates that the box makes have in common: the sign-in page's, and 802.1X's."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LONGEST_NAME = 64
"""Characters of a common name (RFC 5280, ub-common-name)."""
_BACK = datetime.timedelta(days=1)
"""A device's clock may be behind."""


def wall_clock() -> datetime.datetime:
    """Return the time. Certificates are of the wall's time, whoever's clock the box has."""
    return datetime.datetime.now(datetime.UTC)  # noqa: TID251  # as above


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new key."""
    return ec.generate_private_key(ec.SECP256R1())


def authority(
    name: str, now: datetime.datetime, days: int
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return a root of the box's own that signs certificates of devices or servers, and its key."""
    key, subject = new_key(), common_name(name)
    made = (
        begun(subject, subject, key.public_key(), now, now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made, key


def begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.CertificateBuilder:
    """Return the beginning of a certificate, with a serial number of its own."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK)
        .not_valid_after(until)
    )


def common_name(text: str) -> x509.Name:
    """Return a name that is a common name alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:LONGEST_NAME])])


def usage(*, signs: bool) -> x509.KeyUsage:
    """Return what a key may be used for: to sign certificates, or to prove who one is."""
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


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key as PEM, for a file that nobody else reads."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def pem(made: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Return a certificate or a list as PEM."""
    return made.public_bytes(serialization.Encoding.PEM)
