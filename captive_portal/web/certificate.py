"""The sign-in page's certificate: from a file, which may change while we run, or made here.

A self-made one keeps what is typed from being read on the way, but phones warn of it, and refuse
the captive portal API (RFC 8908 section 4): the page then opens by the redirect alone.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from captive_portal import durable, signed
from captive_portal.errors import PortalError

DAYS = 397
"""Browsers take no longer ones."""
RENEW = dt.timedelta(days=30)
_AGAIN = "settings: sign_in: certificate"


class Certificate:
    """Certificate and key in two PEM files, and the TLS context that has them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load both.

        Raises:
            PortalError: a file is missing or wrong.
        """
        self._files = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loaded = self._stamp()
        self._load()

    def refresh(self) -> None:
        """Load the files again if they changed; connections from then on get the new ones.

        Raises:
            PortalError: the new ones are wrong; the old ones stay in use.
        """
        stamp = self._stamp()
        if stamp != self._loaded:
            self._loaded = stamp
            self._load()

    def ends(self) -> dt.datetime:
        """Return when the certificate ends, UTC."""
        return _read(self._files[0]).not_valid_after_utc

    def self_made(self) -> bool:
        """Whether it was signed with its own key."""
        read = _read(self._files[0])
        return read.issuer == read.subject

    def _stamp(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in self._files)

    def _load(self) -> None:
        certificate, key = self._files
        try:
            # Tried on another context first: a wrong pair must not take the place of a right one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
            self.context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            why = "no such file" if isinstance(error, FileNotFoundError) else error
            raise PortalError(
                f"{_AGAIN}: {certificate} with {key} cannot be used: {why}",
                hint="both are PEM files of one pair: certificate with its chain, and key",
            ) from error


def make(certificate: Path, key: Path, names: list[str], *, now: dt.datetime) -> None:
    """Write a certificate that we sign ourselves, unless there is one that lasts.

    Args:
        certificate: Where it goes.
        key: Where its key goes.
        names: Host names and addresses of the page.
        now: The time.

    Raises:
        PortalError: the files cannot be written or read.
    """
    try:
        there = certificate.exists() and key.exists()
        if there and _read(certificate).not_valid_after_utc - now > RENEW:
            return
        certificate.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        private = signed.new_key()
        durable.write(key, signed.key_pem(private), 0o600)
        durable.write(certificate, _signed(private, names, now), 0o644)
    except OSError as error:
        raise PortalError(f"{_AGAIN}: cannot make {certificate}: {error}") from error


def _signed(key: ec.EllipticCurvePrivateKey, names: list[str], now: dt.datetime) -> bytes:
    name = signed.common_name(names[0])
    until = now + dt.timedelta(days=DAYS - 1)
    made = (
        signed.begun(name, name, key.public_key(), now, until)
        .add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return signed.pem(made)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PortalError(f"{_AGAIN}: {path} is no certificate: {error}") from error
