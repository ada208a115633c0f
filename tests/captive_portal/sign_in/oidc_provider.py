"""A strict provider of OpenID Connect over TLS, and what a hostile one would do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from typing_extensions import override

from tests.collector.receive.authority import Authority

CLIENT, SECRET = "prathu-box", "a secret+with/signs="
BACK = "https://wifi.school.example/oidc/school/back"


@dataclass
class Provider:
    """One that is right until a test changes it."""

    folder: Path
    issuer: str = ""
    now: Callable[[], int] = lambda: int(time.time())
    key: RSAKey = field(default_factory=lambda: rsa_key("one"))
    claims: dict[str, Any] = field(default_factory=dict)
    """Of the person; also whatever is to be wrong in a token."""
    header: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    """Takes a path over altogether."""
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def agree(self, address: str) -> dict[str, str]:
        """Do what a person does there; return the parameters that they are sent back with."""
        parts = urlsplit(address)
        asked = dict(parse_qsl(parts.query, strict_parsing=True))
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.issuer}/authorize"
        assert asked["client_id"] == CLIENT
        assert asked["redirect_uri"] == BACK
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["nonce"]) >= 22
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def redeem(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        one = {name: values[0] for name, values in form.items()}
        if (one.get("client_id"), one.get("client_secret")) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(one.get("code", ""), None)
        verifier = hashlib.sha256(one.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if (
            asked is None
            or one.get("grant_type") != "authorization_code"
            or one.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        token = self.token(asked["nonce"])
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": token}

    def token(self, nonce: str) -> str:
        now = self.now()
        told = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "10769150350006150715113082367",
            "nonce": nonce,
            "iat": now,
            "exp": now + 600,
            **self.claims,
        }
        told = {name: value for name, value in told.items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.kid, **self.header}
        if self.sign is not None:
            return self.sign(header, told)
        return jwt.encode(header, told, self.key, algorithms=["RS256"])


def by_public_key(provider: Provider) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    """Return what signs by HS256 with the public key, which everybody has."""

    def sign(header: dict[str, Any], told: dict[str, Any]) -> str:
        text = f"{_part({**header, 'alg': 'HS256'})}.{_part(told)}"
        public = provider.key.as_pem(private=False)
        signature = hmac.new(public, text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    return sign


def always(token: str) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    """Return what gives this for a token."""
    return lambda _header, _told: token


def unsigned(header: dict[str, Any], told: dict[str, Any]) -> str:
    """Return a token that nobody has signed."""
    return f"{_part({**header, 'alg': 'none'})}.{_part(told)}."


def by_stranger(header: dict[str, Any], told: dict[str, Any]) -> str:
    """Return one signed by somebody else under the provider's name for its key."""
    return jwt.encode(header, told, rsa_key(header["kid"]), algorithms=["RS256"])


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Answer without end."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b'{"keys": [' + b" " * 65_536)
    except OSError:
        pass  # the other side has had enough


def dripping(ended: threading.Event) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what sends a byte now and then, so that no time limit of a read is reached."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not ended.wait(0.02):
                handler.wfile.write(b" ")
                handler.wfile.flush()
        except OSError:
            pass

    return answer


def saying(body: bytes, status: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what always answers this."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@contextmanager
def running(folder: Path) -> Iterator[Provider]:
    """Run a provider on loopback; its authority's certificate is `ca.crt` in the folder."""
    certificate, key = Authority(folder).issue("127.0.0.1")
    provider = Provider(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    provider.issuer = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield provider
    finally:
        provider.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:  # the library's name
            usual = {
                "/.well-known/openid-configuration": provider.discovery(),
                "/keys": {"keys": [provider.key.as_dict(private=False)]},
            }
            self._answer(200, usual[self.path])

        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(*provider.redeem(parse_qs(body.decode())))

        def _answer(self, status: int, told: dict[str, Any]) -> None:
            provider.asked[self.path] += 1
            usual = saying(json.dumps(told).encode(), status)
            provider.answers.get(self.path, usual)(self)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def unused() -> str:
    """Return an issuer that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{free.getsockname()[1]}"


def rsa_key(kid: str) -> RSAKey:
    """Return a new key pair."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


def _part(told: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
