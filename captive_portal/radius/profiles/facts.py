"""What every profile of a network with 802.1X says: names, whom to trust, and how to sign in.

A device that checks neither the root nor the name of the server gives its password to whoever
puts up an access point of the same name: no profile is made where either is not known for sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from captive_portal.errors import PortalError
from captive_portal.settings import Radius

ANONYMOUS = "anonymous"
_LONGEST_CHAIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a profile is made of."""

    networks: tuple[str, ...]
    """Names of the networks (SSIDs)."""
    servers: tuple[str, ...]
    """Names in the server's certificate; a device accepts no others."""
    root: x509.Certificate
    """Whose certificates it accepts."""
    realm: str
    school: str
    """Who the profile is from, as people read it."""

    @property
    def outer(self) -> str:
        """The name outside the tunnel."""
        return f"{ANONYMOUS}@{self.realm}" if self.realm else ANONYMOUS

    @property
    def root_der(self) -> bytes:
        """The root as certificates are sent."""
        return self.root.public_bytes(serialization.Encoding.DER)

    def thumbprint(self, *, strong: bool = True) -> str:
        """Return the root's SHA-256 as people compare it, or the SHA-1 that Windows wants."""
        digest = self.root.fingerprint(hashes.SHA256() if strong else hashes.SHA1())  # noqa: S303  # as Windows has it
        return digest.hex(" ").upper()


def read(home: Path, settings: Radius, school: str) -> Facts:
    """Return what profiles say.

    Args:
        home: The home.
        settings: Of RADIUS.
        school: Who the profile is from.

    Raises:
        PortalError: 802.1X is not set up, or it is not certain whom devices are to trust.
    """
    if not settings.eap or not settings.eap_networks:
        raise PortalError(
            "there is no Wi-Fi with 802.1X to make a profile for",
            hint='set radius.eap = true and radius.eap_networks = ["its name"]',
        )
    chain = _certificates(home / settings.eap_certificate, "radius.eap_certificate")
    roots = _certificates(home / settings.eap_ca, "radius.eap_ca")
    root = _root(chain, roots)
    if root is None:
        raise PortalError(
            f"radius.eap_ca: {home / settings.eap_ca} did not sign the certificate of 802.1X",
            hint="put the root of whoever signed it there: devices are told to trust it alone",
        )
    servers = _names(chain[0])
    if not servers:
        raise PortalError("radius.eap_certificate: there is no server's name in it")
    return Facts(
        networks=settings.eap_networks,
        servers=servers,
        root=root,
        realm=settings.eap_realm,
        school=school,
    )


def _certificates(path: Path, setting: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PortalError(
            f"{setting}: {path}: {error}", hint="the box makes it when 802.1X first starts"
        ) from error


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        told = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = tuple(told.value.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        names = ()
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return names or tuple(str(one.value) for one in common)


def _root(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    """Return the root that a chain leads to, signature by signature."""
    at = chain[0]
    for _ in range(_LONGEST_CHAIN):
        found = next((one for one in roots if _signed(at, one)), None)
        if found is not None:
            return found
        between = next((one for one in chain[1:] if one != at and _signed(at, one)), None)
        if between is None:
            return None
        at = between
    return None


def _signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
