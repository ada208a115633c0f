"""The box's own certificate for syslog over TLS: made where there is none, told by fingerprint.

Senders that cannot be given a certificate authority are given the fingerprint (RFC 5425, 4.2.2).
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from collector import durable
from collector.errors import SettingsError
from collector.receive import tls
from collector.records import Clock, moment
from collector.settings import SyslogTls

DAYS = 3650
EARLIER = timedelta(days=30)
"""It is valid from so long before now: other clocks may be behind."""
_DEFAULT = SyslogTls()


def is_ours(home: Path, settings: SyslogTls) -> bool:
    """Tell whether the box is to make its own: the paths are the defaults, and nothing is there."""
    named = (settings.certificate, settings.key)
    if named != (_DEFAULT.certificate, _DEFAULT.key):
        return False
    # The key is written first: with one alone, a start was cut short.
    return not (home / settings.certificate).exists()


def make(home: Path, settings: SyslogTls, *, clock: Clock) -> None:
    """Write a key and a certificate that it signed itself.

    Raises:
        StoreError: they could not be written.
    """
    # Seldom wanted, and ten megabytes: only whoever makes one loads it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    host = "".join(sign for sign in socket.gethostname() if sign.isascii() and sign.isprintable())
    host = host[:64] or "prathu"
    names = [x509.DNSName(host), *(x509.IPAddress(address) for address in _addresses())]
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = moment(clock() // 1000)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for path in (home / settings.key, home / settings.certificate):
        durable.make_dir(path.parent, 0o700)
    durable.replace(home / settings.key, private, mode=0o600)
    public = made.public_bytes(serialization.Encoding.PEM)
    durable.replace(home / settings.certificate, public, mode=0o644)


def fingerprints(path: Path) -> dict[str, str]:
    """Return the SHA-256 and SHA-1 fingerprint of the first certificate in a PEM file.

    Raises:
        SettingsError: there is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
        der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERT") : _end(text)])
    except (OSError, ValueError) as error:
        raise SettingsError(f"syslog_tls: no certificate in {path}: {error}") from error
    older = hashlib.sha1(der, usedforsecurity=False)  # some senders can compare nothing else
    return {
        "sha256": _shown("SHA256", hashlib.sha256(der).digest()),
        "sha1": _shown("SHA1", older.digest()),
    }


def stamp(home: Path, settings: SyslogTls) -> tuple[int, ...]:
    """Return when each of the files was changed, in nanoseconds; 0 for one that is not there."""
    found = []
    for name in filter(None, (settings.certificate, settings.key, settings.client_ca)):
        try:
            found.append((home / name).stat().st_mtime_ns)
        except OSError:
            found.append(0)
    return tuple(found)


def checked(home: Path, settings: SyslogTls) -> str:
    """Return one line on the certificate, once the settings were tried; nothing is changed.

    Raises:
        SettingsError: a file is missing or wrong.
    """
    if is_ours(home, settings):
        tls.ask_for_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), home, settings)
        return "made at the first start"
    from cryptography import x509

    tls.context(home, settings)
    path = home / settings.certificate
    until = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    return f"{fingerprints(path)['sha256']}, valid until {until:%Y-%m-%d}"


def _addresses() -> Iterator[IPv4Address | IPv6Address]:
    """Yield the addresses that the box has towards others; senders may be told to compare them."""
    towards = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
    for family, address in towards:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((address, 9))  # sends nothing: the kernel chooses an address of ours
            yield ip_address(asked.getsockname()[0])


def _end(text: str) -> int:
    mark = "-----END CERTIFICATE-----"
    return text.index(mark) + len(mark)


def _shown(kind: str, digest: bytes) -> str:
    return f"{kind}:{digest.hex(':').upper()}"
