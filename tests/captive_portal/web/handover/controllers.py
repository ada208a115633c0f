"""Controllers on loopback that behave as their makers' documents say."""

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from captive_portal.web import certificate

KEY = "k" * 32
SITE_ID, CLIENT_ID = "88f7af54-0000-306a-a1c7-000000000001", "6f3b6677-0000-3057-8a4f-000000000002"
OMADA_ID = "0123456789abcdef"


@dataclass
class Unifi:
    """A console: sites, clients and their access."""

    clients: dict[str, str] = field(default_factory=dict)
    """Addresses by MAC."""
    authorised: dict[str, dict[str, Any]] = field(default_factory=dict)
    lag: int = 0
    """So many looks after the action a client is not let in yet."""
    site: str = "default"
    refuses: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(
        self, method: str, path: str, headers: Any, body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        self.asked.append(f"{method} {path}")
        if headers.get("X-API-KEY") != KEY:
            return 401, {"statusCode": 401}, {}
        parts = urlsplit(path)
        base = "/proxy/network/integration/v1/sites"
        if parts.path == base:
            return 200, page([{"id": SITE_ID, "internalReference": self.site}]), {}
        if parts.path == f"{base}/{SITE_ID}/clients":
            mac = re.fullmatch(r"macAddress\.eq\('(.+)'\)", parse_qs(parts.query)["filter"][0])
            known = mac is not None and mac[1] in self.clients
            return 200, page([self._client(mac[1])] if mac and known else []), {}
        if method == "POST" and parts.path.endswith(f"{CLIENT_ID}/actions"):
            if self.refuses:
                return 400, {"code": "api.request.invalid"}, {}
            self.authorised[next(iter(self.clients))] = body
            return 200, {"action": body["action"]}, {}
        return 200, self._client(next(iter(self.clients)), looked=True), {}

    def _client(self, mac: str, *, looked: bool = False) -> dict[str, Any]:
        allowed = mac in self.authorised and self.lag <= 0
        if looked and mac in self.authorised:
            self.lag -= 1
        told = {"id": CLIENT_ID, "macAddress": mac, "ipAddress": self.clients[mac]}
        return told | {"access": {"type": "GUEST", "authorized": allowed}}


@dataclass
class Omada:
    """A controller's hotspot API."""

    token: str = "csrf-1"
    logins: int = 0
    authorised: list[dict[str, Any]] = field(default_factory=list)
    refuses: bool = False

    def answer(
        self, method: str, path: str, headers: Any, body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        base = f"/{OMADA_ID}/api/v2/hotspot/"
        if method == "POST" and path == base + "login":
            self.logins += 1
            if body != {"name": "operator", "password": KEY}:
                return 200, {"errorCode": -30109, "msg": "Invalid"}, {}
            cookie = {"Set-Cookie": f"TPOMADA_SESSIONID=s-{self.token}; Path=/; HttpOnly"}
            return 200, {"errorCode": 0, "result": {"token": self.token}}, cookie
        known = headers.get("Csrf-Token") == self.token
        if not known or headers.get("Cookie") != f"TPOMADA_SESSIONID=s-{self.token}":
            return 200, {"errorCode": -1200, "msg": "login"}, {}
        if path != base + "extPortal/auth" or self.refuses:
            return 200, {"errorCode": -1001, "msg": "Invalid parameters"}, {}
        self.authorised.append(body)
        return 200, {"errorCode": 0, "msg": "Hotspot authorized."}, {}


def page(data: list[Any]) -> dict[str, Any]:
    return {"offset": 0, "limit": 25, "count": len(data), "totalCount": len(data), "data": data}


@dataclass(frozen=True, slots=True)
class Serving:
    """Where a controller listens."""

    url: str
    ca_file: str


@contextmanager
def serving(
    home: Path, brain: Any, *, name: str = "127.0.0.1", raw: bytes = b""
) -> Iterator[Serving]:
    """Serve a controller by https on loopback.

    Args:
        home: Where its certificate goes, and the secrets.
        brain: What it answers.
        name: In its certificate.
        raw: What it answers instead, whatever is asked.
    """
    (home / "controller").mkdir(exist_ok=True)
    (home / "controller" / "key").write_text(KEY + "\n")
    pem, key = home / "controller" / "ca.pem", home / "controller" / "ca.key"
    certificate.make(pem, key, [name], now=datetime.now(UTC))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            status, told, headers = brain.answer(self.command, self.path, self.headers, body)
            octets = raw or json.dumps(told).encode()
            self.send_response(status)
            for header in headers.items():
                self.send_header(*header)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_POST = do_GET

        @override
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Serving(f"https://127.0.0.1:{server.server_port}", "controller/ca.pem")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
