"""A certificate authority that speaks ACME (RFC 8555), as strict as it takes to be one.

It checks the signature and the nonce of every request, looks for the record in the real DNS, and
signs what was ordered with a key of its own.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import dns.exception
import dns.resolver
from acme.jws import JWS
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from josepy.jwk import JWK
from typing_extensions import override

Body = dict[str, Any]
DAYS = 90


@dataclass
class Authority:
    """The state of the authority; `folder` gets its certificate."""

    folder: Path
    names: tuple[str, int]
    """Address and port of the name server where it looks."""
    url: str = ""
    nonces: set[str] = field(default_factory=set)
    accounts: dict[str, JWK] = field(default_factory=dict)
    orders: dict[str, Body] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _signed("Test authority", self.key.public_key(), self.key, None, "")
        (self.folder / "ca.pem").write_bytes(_pem(self.certificate))

    def serve(self) -> ThreadingHTTPServer:
        """Listen on loopback with a certificate that it signed itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = _signed("authority", key.public_key(), self.key, self.certificate, "127.0.0.1")
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (self.folder / "own.pem").write_bytes(_pem(own) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "own.pem")
        handler = type("Handler", (Handler,), {"authority": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def nonce(self) -> str:
        fresh = uuid4().hex
        self.nonces.add(fresh)
        return fresh

    def open(self, raw: bytes, url: str) -> tuple[Body, str]:
        """Return what a request says and whose it is; its signature must hold (RFC 7515)."""
        signed = JWS.json_loads(raw.decode())
        head = signed.signature.combined
        if head.url != url:
            raise Refusal("unauthorized", "another url was signed")
        nonce = base64.urlsafe_b64encode(head.nonce).decode().rstrip("=")
        if nonce not in self.nonces:
            raise Refusal("badNonce", "used or not ours")
        self.nonces.remove(nonce)
        key = head.jwk if head.jwk is not None else self.accounts[head.kid]
        if not signed.verify(key):
            raise Refusal("unauthorized", "the signature does not hold")
        account = head.kid or f"{self.url}/account/{_digest(key)}"
        if head.jwk is not None:
            self.accounts.setdefault(account, key)
        return json.loads(signed.payload or b"{}"), account

    def look(self, order: Body) -> None:
        """Look for the record; the order is ready or invalid after that."""
        name = order["identifiers"][0]["value"]
        wanted = _b64(_sha256(f"{order['token']}.{_digest(self.accounts[order['account']])}"))
        asks = dns.resolver.Resolver(configure=False)
        asks.nameservers, asks.port, asks.lifetime = [self.names[0]], self.names[1], 3
        try:
            found = asks.resolve(f"_acme-challenge.{name}.", "TXT", search=False)
            texts = [b"".join(record.strings).decode() for record in found]
        except dns.exception.DNSException as error:
            texts = [str(error)]
        order["status"] = "ready" if wanted in texts else "invalid"
        order["seen"] = texts

    def sign(self, order: Body, request: bytes) -> None:
        csr = x509.load_der_x509_csr(request)
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        asked = names.get_values_for_type(x509.DNSName)
        if asked != [order["identifiers"][0]["value"]] or not csr.is_signature_valid:
            raise Refusal("badCSR", "another name than ordered")
        made = _signed(asked[0], csr.public_key(), self.key, self.certificate, asked[0])
        order["chain"] = _pem(made) + _pem(self.certificate)
        order["status"] = "valid"


class Refusal(Exception):
    """An error document (RFC 8555 section 6.7)."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.body = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}


class Handler(BaseHTTPRequestHandler):
    """Answers one request; each place of the authority is a method."""

    authority: Authority

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._send(200, b"")

    def do_GET(self) -> None:
        names = ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
        self._send(200, {name: f"{self.authority.url}/{name}" for name in names})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        place, _, number = self.path.strip("/").partition("/")
        try:
            body, account = self.authority.open(raw, self.authority.url + self.path)
            getattr(self, f"at_{place}")(number, body, account)
        except Refusal as refusal:
            self.authority.refused.append(str(refusal))
            self._send(400, refusal.body, kind="application/problem+json")

    def at_newAccount(self, _: str, body: Body, account: str) -> None:
        if not body.get("termsOfServiceAgreed") and not body.get("onlyReturnExisting"):
            raise Refusal("userActionRequired", "the terms are not agreed to")
        known = account in {order["account"] for order in self.authority.orders.values()}
        self._send(200 if known else 201, {"status": "valid"}, location=account)

    def at_account(self, _: str, body: Body, account: str) -> None:
        self._send(200, {"status": "valid"}, location=account)

    def at_newOrder(self, _: str, body: Body, account: str) -> None:
        number = str(len(self.authority.orders))
        order = {"status": "pending", "token": _b64(uuid4().bytes), "account": account}
        self.authority.orders[number] = {**order, **body}
        self._order(number, 201)

    def at_order(self, number: str, body: Body, account: str) -> None:
        self._order(number, 200)

    def at_authz(self, number: str, body: Body, account: str) -> None:
        self._send(200, _authorization(self.authority, number))

    def at_challenge(self, number: str, body: Body, account: str) -> None:
        self.authority.look(self.authority.orders[number])
        up = f'<{self.authority.url}/authz/{number}>;rel="up"'
        self._send(200, _challenge(self.authority, number), link=up)

    def at_finalize(self, number: str, body: Body, account: str) -> None:
        order = self.authority.orders[number]
        if order["status"] != "ready":
            raise Refusal("orderNotReady", "nothing was shown")
        self.authority.sign(order, base64.urlsafe_b64decode(body["csr"] + "=="))
        self._order(number, 200)

    def at_certificate(self, number: str, body: Body, account: str) -> None:
        chain = self.authority.orders[number]["chain"]
        self._send(200, chain, kind="application/pem-certificate-chain")

    def _order(self, number: str, status: int) -> None:
        order, url = self.authority.orders[number], self.authority.url
        told = {
            "status": order["status"],
            "identifiers": order["identifiers"],
            "authorizations": [f"{url}/authz/{number}"],
            "finalize": f"{url}/finalize/{number}",
        }
        if order["status"] == "valid":
            told["certificate"] = f"{url}/certificate/{number}"
        self._send(status, told, location=f"{url}/order/{number}")

    def _send(
        self,
        status: int,
        body: Body | bytes,
        *,
        kind: str = "application/json",
        location: str = "",
        link: str = "",
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Replay-Nonce", self.authority.nonce())
        self.send_header("Content-Length", str(len(content)))
        for name, value in (("Location", location), ("Link", link)):
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _authorization(authority: Authority, number: str) -> Body:
    order = authority.orders[number]
    done = {"ready": "valid", "valid": "valid", "invalid": "invalid"}
    return {
        "status": done.get(order["status"], "pending"),
        "identifier": order["identifiers"][0],
        "challenges": [_challenge(authority, number)],
    }


def _challenge(authority: Authority, number: str) -> Body:
    order = authority.orders[number]
    told: Body = {
        "type": "dns-01",
        "url": f"{authority.url}/challenge/{number}",
        "token": order["token"],
        "status": {"ready": "valid", "valid": "valid"}.get(order["status"], order["status"]),
    }
    if order["status"] == "invalid":
        told["error"] = {"type": "urn:ietf:params:acme:error:dns", "detail": str(order["seen"])}
    return told


def _digest(key: JWK) -> str:
    return _b64(key.thumbprint())


def _sha256(text: str) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(text.encode())
    return digest.finalize()


def _b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _signed(
    name: str,
    public: Any,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    host: str,
) -> x509.Certificate:
    own, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own if issuer is None else issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    if issuer is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        made = made.add_extension(usage, critical=True)
    else:
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        made = made.add_extension(server, critical=False)
        made = made.add_extension(x509.SubjectAlternativeName([_general(host)]), critical=False)
    return made.sign(key, hashes.SHA256())


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
