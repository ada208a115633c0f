"""The box's own authority for devices of the school: EAP-TLS with a certificate in each.

It signs nothing else, and FreeRADIUS takes no other authority's certificates for a way in. What
it took back stands in a list that FreeRADIUS checks from its next start on; the box itself looks
at each certificate at each sign-in, so that a word of staff counts at once.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from captive_portal import durable
from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.people.accounts import Account
from captive_portal.people.device_certificates import DeviceCertificates, Issued
from captive_portal.radius import signed

ROOT = Path("radius") / "devices-ca.pem"
KEY = ROOT.with_suffix(".key")
REVOKED = ROOT.with_name("devices-revoked.pem")
ROOT_DAYS = 3650
DAYS, MOST_DAYS = 1095, 1825
"""A device's certificate is good for so long, unless said otherwise."""
_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 5
_ROUNDS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A certificate with its key as a device takes them in. Neither is kept here."""

    issued: Issued
    pkcs12: bytes
    password: str
    """Opens it, once; shown to staff and kept nowhere."""


class DeviceAuthority:
    """Issues certificates for listed devices, and takes them back."""

    def __init__(self, home: Path, certificates: DeviceCertificates, *, server_root: str) -> None:
        """Keep the parts; `server_root` is `radius.eap_ca`."""
        self._home = home
        self._certificates = certificates
        self._server_root = server_root

    def issue(self, site: str, mac: str, *, now: datetime.datetime, days: int = DAYS) -> Packed:
        """Return a new certificate for a listed device of the school.

        Raises:
            PortalError: the device is not listed, its owner is gone, or files cannot be read.
        """
        owner, name = self._certificates.owner(site, mac, now)
        root, root_key = self._root()
        until = min(now + datetime.timedelta(days=days), root.not_valid_after_utc)
        key = signed.new_key()
        made = _made(owner, mac, (root, root_key), key, now=now, until=until)
        password = _password()
        octets = _packed(name, made, key, [root, *self._servers()], password)
        # Written down before it is given out: one that nobody knows of could not be taken back.
        issued = self._certificates.keep(
            made.serial_number, mac, owner, name=name, now=now, until=until
        )
        return Packed(issued=issued, pkcs12=octets, password=password)

    def revoke(self, serial: str, *, now: datetime.datetime) -> Issued:
        """Take a certificate back: the box refuses it from now on, FreeRADIUS from its next start.

        Raises:
            PortalError: there is none with this number, or the list cannot be written.
        """
        taken = self._certificates.revoke(serial, now=now)
        self.write_revoked(now)
        return taken

    def write_revoked(self, now: datetime.datetime) -> None:
        """Write the list of what was taken back. Raises PortalError."""
        root, key = self._root()
        taken = [one for one in self._certificates.list() if one.revoked_at is not None]
        _write_list(self._home, root, key, taken, now)

    def _root(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        ready(self._home)
        try:
            root = x509.load_pem_x509_certificate((self._home / ROOT).read_bytes())
            key = serialization.load_pem_private_key((self._home / KEY).read_bytes(), None)
        except (OSError, ValueError) as error:
            raise PortalError(f"the authority for devices, {self._home / KEY}: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise PortalError(f"the authority for devices, {self._home / KEY}: not our key")
        return root, key

    def _servers(self) -> Sequence[x509.Certificate]:
        """Return the root of the server's own certificate, so that one file has all."""
        try:
            return x509.load_pem_x509_certificates((self._home / self._server_root).read_bytes())
        except (OSError, ValueError):
            return ()


def ready(home: Path) -> None:
    """Make the authority and an empty list where they are not. Raises PortalError."""
    now = signed.wall_clock()
    try:
        if not (home / ROOT).exists():
            root, key = signed.authority(f"Prathu devices {now:%Y-%m-%d}", now, ROOT_DAYS)
            # The root last: where it is, the others are.
            durable.write(home / KEY, signed.key_pem(key), 0o600)
            _write_list(home, root, key, (), now)
            durable.write(home / ROOT, signed.pem(root), 0o644)
    except OSError as error:
        raise PortalError(f"the authority for devices, {home / ROOT}: {error}") from error


def trusted(home: Path) -> bytes:
    """Return the authority and the list of what it took back, as FreeRADIUS reads them.

    Raises:
        OSError: one of them cannot be read.
    """
    return (home / ROOT).read_bytes() + (home / REVOKED).read_bytes()


def _made(
    owner: Account,
    mac: str,
    root: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    key: ec.EllipticCurvePrivateKey,
    *,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.Certificate:
    """Return a certificate; its name is the owner's account, which the device says outside."""
    plain = names.mac(mac).replace(":", "-")
    device = x509.UniformResourceIdentifier(f"urn:prathu:device:{plain}")
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        signed.begun(
            signed.common_name(owner.account), root[0].subject, key.public_key(), now, until
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(signed.usage(signs=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([device]), critical=False)
        .add_extension(client, critical=False)
        .sign(root[1], hashes.SHA256())
    )


def _packed(
    name: str,
    made: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    beside: Sequence[x509.Certificate],
    password: str,
) -> bytes:
    # Phones and Macs open no newer kind everywhere; the password has 98 bits for that.
    sealing = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  # as above
        .build(password.encode())
    )
    return pkcs12.serialize_key_and_certificates(name.encode(), key, made, beside, sealing)


def _password() -> str:
    """Return a password for one file: 20 signs, about 98 bits, easily typed on a phone."""
    groups = ("".join(secrets.choice(_SIGNS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def _write_list(
    home: Path,
    root: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    taken: Sequence[Issued],
    now: datetime.datetime,
) -> None:
    # It is good as long as the authority: one that ran out would lock all devices out.
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(root.not_valid_before_utc)
        .next_update(root.not_valid_after_utc)
    )
    for one in taken:
        if one.until > now and one.revoked_at is not None:
            made = made.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(int(one.serial, 16))
                .revocation_date(one.revoked_at)
                .build()
            )
    try:
        durable.write(home / REVOKED, signed.pem(made.sign(key, hashes.SHA256())), 0o644)
    except OSError as error:
        raise PortalError(f"the list of revoked certificates: {error}") from error
