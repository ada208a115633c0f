"""A phone behind a MikroTik, from the redirect to the session: the running portal, real packets.

The router is ours, of loopback, and behaves as its documents say: it takes the form, asks RADIUS
by radclient, tells of the session, and sends the phone back.
"""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from typing_extensions import override

from captive_portal.__main__ import STATUS
from captive_portal.database import open_database
from captive_portal.people.accounts import People
from captive_portal.people.notices import Notices
from captive_portal.settings import PortalSettings, RadiusClient
from tests.captive_portal import conftest
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import SECRET, SITE, Start
from tests.captive_portal.web.handover.school import MAC, form

pytestmark = pytest.mark.skipif(shutil.which("radclient") is None, reason="freeradius-utils")
CHAP_ID, CHALLENGE = b"\x01", bytes(range(0xE0, 0xF0))
"""radclient takes a CHAP-Password without a control character for a password in the clear."""


@dataclass
class Router:
    """A hotspot."""

    chap: bool
    port: int = 0
    authentication: int = 0
    accounting: int = 0
    seen: list[dict[str, str]] = field(default_factory=list)

    def login(self, fields: dict[str, str]) -> bool:
        """Ask RADIUS about a form, and tell of the session that begins."""
        self.seen.append(fields)
        asked = {
            "User-Name": fields["username"],
            "Calling-Station-Id": MAC.upper(),
            "NAS-Port-Type": "Wireless-802.11",
            "Message-Authenticator": "0x00",
        }
        if self.chap:
            asked |= {
                "CHAP-Password": f"0x{CHAP_ID.hex()}{fields['password']}",
                "CHAP-Challenge": f"0x{CHALLENGE.hex()}",
            }
        else:
            asked["User-Password"] = fields["password"]
        reply = self._send(asked, self.authentication, "auth")
        if "Access-Accept" not in reply:
            return False
        ticket = next(line for line in reply.splitlines() if line.strip().startswith("Class = "))
        started = {
            "User-Name": fields["username"],
            "Acct-Status-Type": "Start",
            "Acct-Session-Id": "80000001",
            "Calling-Station-Id": MAC.upper(),
            "Framed-IP-Address": "127.0.0.1",
            "Class": ticket.partition("=")[2].strip(),
        }
        return "Accounting-Response" in self._send(started, self.accounting, "acct")

    def _send(self, attributes: dict[str, str], port: int, kind: str) -> str:
        plain = ("0x", "Start", "Wireless", "127.")
        lines = [
            f"{name} = {value}" if value.startswith(plain) else f'{name} = "{value}"'
            for name, value in attributes.items()
        ]
        done = subprocess.run(
            ["radclient", "-x", "-r", "2", "-t", "10", f"127.0.0.1:{port}", kind, SECRET],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout


@contextmanager
def hotspot(router: Router) -> Iterator[Router]:
    """Serve the router's login form."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            fields = {name: values[0] for name, values in parse_qs(body).items()}
            allowed = self.path == "/login" and router.login(fields)
            self.send_response(302 if allowed else 403)
            self.send_header("Location", fields["dst"])
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    router.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield router
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("chap", [False, True])
def test_a_phone_behind_a_mikrotik_is_let_in_and_is_in_the_log(
    people: People,
    collector: CollectorStub,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    chap: bool,
) -> None:
    with hotspot(Router(chap)) as router:
        usual = conftest.settings
        monkeypatch.setattr(conftest, "settings", lambda: with_router(usual(), router.port))
        running = start()
        ports = conftest.ports_of(tmp_path / STATUS)
        router.authentication, router.accounting = ports["radius_authentication"], running.radius
        with httpx.Client(base_url=running.url, timeout=30) as phone:
            page = phone.get("/portal/mikrotik", params=redirect(router, chap=chap))
            typed = {"account": "somchai", "password": "correct horse"}
            button = form(phone.post("/portal/mikrotik", data={**form(page).fields, **typed}))
            assert button.action == f"http://127.0.0.1:{router.port}/login"
            back = phone.post(button.action, data=button.fields)
            assert back.status_code == 302
            assert back.headers["location"].startswith(f"{running.url}/portal/done")
            shown = phone.get(back.headers["location"], follow_redirects=True)
            assert "เข้าใช้งานแล้ว" in shown.text
            assert "ปิดหน้านี้ได้" in shown.text
            again = phone.post(button.action, data=button.fields)
            assert again.status_code == 403, "the password was for one use"
    assert "correct horse" not in str(router.seen)
    (event,) = [one for one in collector.sessions if one.event == "start"]
    assert (event.site, event.mac) == (SITE, MAC)
    engine = open_database(tmp_path)
    (notice,) = Notices(engine).list()
    engine.dispose()
    assert event.notice == notice.version, "the row has the notice that our page showed"


def redirect(router: Router, *, chap: bool) -> dict[str, str]:
    """Return what login.html of the router says."""
    told = {
        "mac": MAC.upper(),
        "ip": "127.0.0.1",
        "link-login-only": f"http://127.0.0.1:{router.port}/login",
        "link-orig": "http://neverssl.example/",
        "error": "",
    }
    if chap:
        octal = "".join(f"\\{octet:03o}" for octet in CHALLENGE)
        told |= {"chap-id": "\\001", "chap-challenge": octal}
    return told


def with_router(settings: PortalSettings, port: int) -> PortalSettings:
    """Return the settings with the router in the table of NASes."""
    client = RadiusClient(
        network="127.0.0.1",
        secret_file="nas/a",
        site=SITE,
        kind="mikrotik",
        login=(f"127.0.0.1:{port}",),
    )
    radius = settings.radius.model_copy(update={"clients": (client,)})
    return settings.model_copy(update={"radius": radius})
