"""The sign-in page's certificate from an authority, by ACME (RFC 8555) with a record in the DNS.

The box is not reached from the Internet, so that only the challenge `dns-01` is of use: the
authority looks for a record of the page's name. Where the school's DNS takes no updates, the name
`_acme-challenge.` of the page may be a CNAME to one of a zone that does (`alias`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import requests
from acme import challenges, client, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from appliance.errors import BoxError
from appliance.health.name_server import NameServer, name_server
from appliance.settings import Acme, BoxSettings
from collector import durable

RENEW = timedelta(days=30)
"""So long before its end a certificate is asked for anew."""
ANSWER_S = 30
AGENT = "prathu"


class NoCertificate(BoxError):
    """The authority gave none."""


def wanted(home: Path, settings: BoxSettings, now: datetime) -> bool:
    """Say whether a certificate is to be asked for: there is none, or it ends soon."""
    if not settings.acme.directory:
        return False
    try:
        content = (home / settings.sign_in.certificate).read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
    except (OSError, ValueError):
        return True
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    ours = set(names.value.get_values_for_type(x509.DNSName))
    return _name(settings) not in ours or certificate.not_valid_after_utc - now < RENEW


def renew(
    home: Path,
    settings: BoxSettings,
    *,
    settle: Callable[[float], None] = time.sleep,
) -> datetime:
    """Ask for a certificate and put it with its key where the portal takes it up.

    Args:
        home: The home.
        settings: Whose authority, name server and page.
        settle: Waits some seconds, for other name servers to hear of the record.

    Returns:
        When the certificate ends.

    Raises:
        NoCertificate: the authority refuses, or cannot be reached.
        UpdateFailed: the name server refuses, or cannot be reached.
    """
    acme = settings.acme
    server = name_server(home, acme)
    key = ec.generate_private_key(ec.SECP256R1())
    with _explained(acme):
        asks = _client(home, acme)
        order = asks.new_order(_request(key, _name(settings)))
        with _records(asks, order, server, acme):
            settle(acme.settle_s)
            for challenge, _ in _challenges(order):
                asks.answer_challenge(challenge, challenge.response(asks.net.key))
            done = asks.poll_and_finalize(order)
    chain = str(done.fullchain_pem).encode()
    ends = x509.load_pem_x509_certificate(chain).not_valid_after_utc
    _keep(home / settings.sign_in.certificate_key, _pem(key), 0o640)
    _keep(home / settings.sign_in.certificate, chain, 0o644)
    return ends


@contextlib.contextmanager
def _explained(acme: Acme) -> Iterator[None]:
    try:
        yield
    except errors.ValidationError as error:
        said = "; ".join(_said(failed) for failed in error.failed_authzrs)
        raise NoCertificate(
            f"{acme.directory} does not find the record: {said}",
            hint="does the zone answer outside? prathu certificate --now tries again",
        ) from error
    except (errors.Error, messages.Error, requests.RequestException, JoseError) as error:
        raise NoCertificate(f"{acme.directory}: {str(error)[:400] or error!r}") from error


def _said(failed: messages.AuthorizationResource) -> str:
    found = [each.error for each in failed.body.challenges if each.error is not None]
    return f"{failed.body.identifier.value}: {found[0].detail if found else 'no reason'}"


def _client(home: Path, acme: Acme) -> ClientV2:
    key = JWKEC(key=_account_key(home / acme.account_key))
    net = ClientNetwork(key, alg=ES256, user_agent=AGENT, timeout=ANSWER_S)
    if acme.ca_file:
        net.verify_ssl = str(home / acme.ca_file)  # type: ignore[assignment]  # as `requests` takes it
    asks = ClientV2(ClientV2.get_directory(acme.directory, net), net)
    contact = (f"mailto:{acme.contact}",) if acme.contact else ()
    terms = acme.terms_agreed
    registration = messages.NewRegistration(contact=contact, terms_of_service_agreed=terms)
    try:
        asks.new_account(registration)
    except errors.ConflictError as known:
        where = messages.RegistrationResource(uri=known.location, body=messages.Registration())
        asks.query_registration(where)
    return asks


def _account_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        made = ec.generate_private_key(ec.SECP256R1())
        _keep(path, _pem(made), 0o600)
        return made
    except (OSError, ValueError, TypeError) as error:
        raise NoCertificate(f"settings: acme: account_key: {path}: {error}") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name != "secp256r1":
        raise NoCertificate(f"settings: acme: account_key: {path} is no key of the curve P-256")
    return found


def _request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM)


def _challenges(
    order: messages.OrderResource,
) -> Iterator[tuple[messages.ChallengeBody, str]]:
    """Yield what is to be shown in the DNS, and for which name."""
    for authorization in order.authorizations:
        if authorization.body.status == messages.STATUS_VALID:
            continue
        name = str(authorization.body.identifier.value)
        for challenge in authorization.body.challenges:
            if isinstance(challenge.chall, challenges.DNS01):
                yield challenge, name
                break
        else:
            raise NoCertificate(f"the authority wants no record in the DNS for {name}")


@contextlib.contextmanager
def _records(
    asks: client.ClientV2, order: messages.OrderResource, server: NameServer, acme: Acme
) -> Iterator[None]:
    """Show the records, and take them away again."""
    shown: list[str] = []
    try:
        for challenge, name in _challenges(order):
            where = acme.alias or challenge.chall.validation_domain_name(name)
            server.put(where, challenge.validation(asks.net.key))
            shown.append(where)
        yield
    finally:
        for where in shown:
            # What stays behind harms nobody, and the next one takes its place.
            with contextlib.suppress(BoxError):
                server.take(where)


def _name(settings: BoxSettings) -> str:
    """Return the page's name; the settings see to it that there is one."""
    return urlsplit(settings.sign_in.public_url).hostname or ""


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _keep(path: Path, content: bytes, mode: int) -> None:
    durable.make_dir(path.parent, 0o750)
    durable.replace(path, content, mode=mode)
