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

from captive_portal import signed
from captive_portal.people import names
from captive_portal.people.accounts import Account
from captive_portal.people.device_certificates import DeviceCertificates, Issued
from captive_portal.radius import device_root
from captive_portal.radius.device_root import Revoked, Root

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
        root = device_root.read(self._home)
        until = min(now + datetime.timedelta(days=days), root.certificate.not_valid_after_utc)
        key = signed.new_key()
        made = _made(owner, mac, root, key, now=now, until=until)
        password = _password()
        octets = _packed(name, made, key, [root.certificate, *self._servers()], password)
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
        """Write the list of what was taken back and has not run out. Raises PortalError."""
        taken = [
            Revoked(int(one.serial, 16), one.revoked_at)
            for one in self._certificates.list()
            if one.revoked_at is not None and one.until > now
        ]
        device_root.write_revoked(self._home, device_root.read(self._home), taken)

    def _servers(self) -> Sequence[x509.Certificate]:
        """Return the root of the server's own certificate, so that one file has all."""
        try:
            return x509.load_pem_x509_certificates((self._home / self._server_root).read_bytes())
        except (OSError, ValueError):
            return ()


def _made(
    owner: Account,
    mac: str,
    root: Root,
    key: ec.EllipticCurvePrivateKey,
    *,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.Certificate:
    """Return a certificate; its name is the owner's account, which the device says outside."""
    plain = names.mac(mac).replace(":", "-")
    device = x509.UniformResourceIdentifier(f"urn:prathu:device:{plain}")
    name = signed.common_name(owner.account)
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        signed.begun(name, root.certificate.subject, key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(signed.usage(signs=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([device]), critical=False)
        .add_extension(client, critical=False)
        .sign(root.key, hashes.SHA256())
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
