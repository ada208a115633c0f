"""A time-stamp authority of the tests' own: `openssl ts`, with certificates made for it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from typing_extensions import override

CONFIG = """
[tsa]
default_tsa = it
[it]
dir = {folder}
serial = $dir/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.5
digests = sha256, sha512
accuracy = {accuracy}
clock_precision_digits = 0
ordering = yes
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = {ess}
"""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def issue(
    name: str,
    above: Issued | None = None,
    *,
    ca: bool = False,
    uses: tuple[ObjectIdentifier, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,),
    critical: bool = True,
    days: tuple[float, float] = (-10, 3650),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Issued:
    """Return a certificate, by itself or by the one above; `days` from now on are its life."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC).replace(microsecond=0)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.certificate.subject if above else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not ca and uses:
        built = built.add_extension(x509.ExtendedKeyUsage(list(uses)), critical=critical)
    if above is not None:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key())
        built = built.add_extension(issuer, critical=False)
    return Issued(built.sign(above.key if above else key, hashes.SHA256()), key)


@dataclass
class Authority:
    """Answers requests with `openssl ts`; what it answers can be bent."""

    folder: Path
    accuracy: str = "secs:1"
    ess: str = "sha256"
    url: str = ""
    away: bool = False
    asked: list[bytes] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl on this machine: no authority to ask")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "serial").write_text("01\n")
        self.root = issue("Root of time", ca=True)
        self.between = issue("Issuer of time", self.root, ca=True)
        self.signer = issue("Clock of the tests", self.between)
        config = CONFIG.format(folder=self.folder, accuracy=self.accuracy, ess=self.ess)
        (self.folder / "openssl.cnf").write_text(config)

    @property
    def roots_pem(self) -> bytes:
        """What an admin puts into the settings."""
        return self.root.pem

    def stamp(self, request: bytes, *, signer: Issued | None = None, chain: bytes = b"") -> bytes:
        """Return the answer to a request."""
        signer = signer or self.signer
        for name, data in (
            ("signer.pem", signer.pem),
            ("signer.key", signer.key_pem),
            ("chain.pem", chain or self.between.pem),
            ("request.tsq", request),
        ):
            (self.folder / name).write_bytes(data)
        words = ["openssl", "ts", "-reply", "-config", "openssl.cnf", "-queryfile", "request.tsq"]
        words += ["-signer", "signer.pem", "-inkey", "signer.key", "-chain", "chain.pem"]
        done = subprocess.run([*words, "-out", "answer.tsr"], cwd=self.folder, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return (self.folder / "answer.tsr").read_bytes()

    def accepted_by_openssl(self, token: Path, text: bytes, chain: Path) -> bool:
        """Say whether `openssl ts -verify` takes a stored token for the text."""
        (self.folder / "text").write_bytes(text)
        (self.folder / "roots.pem").write_bytes(self.roots_pem)
        words = ["openssl", "ts", "-verify", "-in", str(token), "-data", str(self.folder / "text")]
        words += ["-CAfile", str(self.folder / "roots.pem"), "-untrusted", str(chain)]
        return subprocess.run(words, capture_output=True).returncode == 0


@contextmanager
def serving(authority: Authority) -> Iterator[Authority]:
    """Let an authority answer over HTTP on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            authority.asked.append(body)
            if authority.away:
                self.send_error(503)
                return
            answer = authority.stamp(body)
            authority.answered.append(answer)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        @override
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        authority.url = f"http://127.0.0.1:{server.server_port}/tsa"
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()
