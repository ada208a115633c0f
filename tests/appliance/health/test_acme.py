"""A certificate by ACME: a strict authority, a real name server, records that come and go."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.resolver
import pytest
from cryptography.x509 import load_pem_x509_certificate

from appliance import settings as box_settings
from appliance.health import acme
from appliance.health.name_server import UpdateFailed
from appliance.health.renewing import Renewing
from appliance.settings import BoxSettings
from captive_portal.web.certificate import Certificate
from collector.errors import SettingsError
from tests.appliance.health.authority import DAYS, Authority
from tests.conftest import REPO
from tests.integration.machine import wait_for

_FOLDERS = f"{REPO / 'build/beside/bind9/usr/sbin'}:/usr/sbin"
NAMED = shutil.which("named", path=_FOLDERS)
pytestmark = pytest.mark.skipif(NAMED is None, reason="named (bind9) is not installed")
SECRET = "bWFkZSB1cCBmb3IgdGVzdHMgYW5kIG5vdGhpbmcgZWxzZQ=="
CONFIG = """
key "box" {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
    directory "{folder}"; pid-file none; session-keyfile none; recursion no;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
}};
controls {{ }};
zone "school.example" {{ type primary; file "zone"; allow-update {{ key "box"; }}; }};
"""
ZONE = """$TTL 60
@ IN SOA ns.school.example. admin.school.example. 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
"""
SETTINGS = """
[[sites]]
id = "school-a"

[sign_in]
public_url = "https://wifi.school.example/"
tls_port = 0
certificate = "tls/sign-in.pem"

[acme]
directory = "{url}/directory"
terms_agreed = true
ca_file = "ca.pem"
name_server = "127.0.0.1:{port}"
zone = "school.example"
tsig_name = "box"
settle_s = 0
"""


@dataclass
class World:
    """A home, its name server and its authority."""

    home: Path
    authority: Authority
    dns_port: int

    def settings(self, *, more: str = "", without: str = "") -> BoxSettings:
        text = SETTINGS.format(url=self.authority.url, port=self.dns_port)
        lines = [line for line in text.splitlines() if not (without and line.startswith(without))]
        (self.home / "prathu.toml").write_text("\n".join(lines) + "\n" + more)
        return box_settings.load(self.home)

    def records(self) -> list[str]:
        asks = dns.resolver.Resolver(configure=False)
        asks.nameservers, asks.port, asks.lifetime = ["127.0.0.1"], self.dns_port, 3
        try:
            found = asks.resolve("_acme-challenge.wifi.school.example.", "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return [str(record) for record in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder, home = tmp_path / "dns", tmp_path / "home"
    for path in (folder, home, home / "tls"):
        path.mkdir()
    folder.chmod(0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "zone").write_text(ZONE)
    (folder / "named.conf").write_text(CONFIG.format(secret=SECRET, folder=folder, port=port))
    (home / "tls" / "acme.tsig").write_text(SECRET + "\n")
    log = (tmp_path / "named.log").open("wb")
    named = subprocess.Popen(
        [str(NAMED), "-f", "-c", str(folder / "named.conf")], stdout=log, stderr=log
    )
    authority = Authority(home, ("127.0.0.1", port))
    server = authority.serve()
    try:
        wait_for("the name server", lambda: _listens(port))
        yield World(home, authority, port)
    finally:
        server.shutdown()
        server.server_close()
        named.terminate()
        named.wait(20)
        log.close()


def _listens(port: int) -> bool:
    with socket.socket() as tries:
        return tries.connect_ex(("127.0.0.1", port)) == 0


def test_a_certificate_is_had_and_the_record_goes(world: World) -> None:
    settings = world.settings()
    now = datetime.now(UTC)
    assert acme.wanted(world.home, settings, now)
    ends = acme.renew(world.home, settings)
    assert abs(ends - now - timedelta(days=DAYS)) < timedelta(minutes=5)
    page = settings.sign_in
    pair = Certificate(world.home / page.certificate, world.home / page.certificate_key)
    assert not pair.self_made()
    read = load_pem_x509_certificate((world.home / page.certificate).read_bytes())
    assert "wifi.school.example" in str(read.subject)
    assert world.records() == []
    assert not acme.wanted(world.home, settings, now)
    assert acme.wanted(world.home, settings, now + timedelta(days=DAYS - 29))
    assert (world.home / "tls" / "acme-account.key").stat().st_mode & 0o077 == 0


def test_the_second_time_the_account_is_the_same(world: World) -> None:
    settings = world.settings()
    acme.renew(world.home, settings)
    acme.renew(world.home, settings)
    assert len(world.authority.accounts) == 1
    assert [order["status"] for order in world.authority.orders.values()] == ["valid", "valid"]
    assert world.authority.refused == []


def test_another_name_is_asked_for_anew(world: World) -> None:
    settings = world.settings()
    acme.renew(world.home, settings)
    page = settings.sign_in.model_copy(update={"public_url": "https://login.school.example/"})
    other = settings.model_copy(update={"sign_in": page})
    assert acme.wanted(world.home, other, datetime.now(UTC))


def test_a_record_that_is_not_seen_is_told_and_taken_away(world: World) -> None:
    settings = world.settings(more='alias = "elsewhere.school.example"\n')
    with pytest.raises(acme.NoCertificate, match=r"not find the record: wifi\.school"):
        acme.renew(world.home, settings)
    assert world.records() == []
    assert not (world.home / settings.sign_in.certificate).exists()


def test_a_key_that_the_name_server_does_not_know_is_told(world: World) -> None:
    settings = world.settings(without="tsig_name", more='tsig_name = "stranger"\n')
    with pytest.raises(UpdateFailed, match=r"127\.0\.0\.1.*(BADKEY|NOTAUTH|REFUSED|peer)"):
        acme.renew(world.home, settings)
    (world.home / "tls" / "acme.tsig").unlink()
    with pytest.raises(UpdateFailed, match="tsig_secret"):
        acme.renew(world.home, settings)


def test_an_authority_that_is_away_or_not_trusted_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    untrusted = world.settings(without="ca_file")
    with pytest.raises(acme.NoCertificate, match="certificate"):
        acme.renew(world.home, untrusted)
    Renewing(world.home, untrusted, clock=lambda: int(datetime.now(UTC).timestamp() * 1e9)).look()
    assert "no new certificate for the sign-in page" in caplog.text


def test_the_thread_has_one_soon_after_the_start(world: World) -> None:
    settings = world.settings()
    clock = lambda: int(datetime.now(UTC).timestamp() * 1e9)  # noqa: E731
    with Renewing(world.home, settings, clock=clock):
        wait_for("a certificate", (world.home / settings.sign_in.certificate).exists)


@pytest.mark.parametrize("missing", ["terms_agreed", "zone", "public_url", "certificate"])
def test_what_is_missing_is_told_before_anybody_is_asked(world: World, missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        world.settings(without=missing)
