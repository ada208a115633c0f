"""Buttons of providers, and the way there and back by the pages."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from captive_portal.errors import PortalError
from captive_portal.gate import plan
from captive_portal.people.accounts import People
from captive_portal.people.notices import Notices
from captive_portal.settings import Gateway, Oidc, PortalSettings, SignIn, Zone
from captive_portal.sign_in import build
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.local import LocalWay
from captive_portal.web import provider as provider_pages
from captive_portal.web.app import Portal
from captive_portal.web.front import Front
from captive_portal.web.looks import Looks
from captive_portal.web.notice import NoticeBoard
from captive_portal.web.provider import embedded
from captive_portal.web.sites import Places
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.gate.plans import PORTS
from tests.captive_portal.sign_in import oidc_provider
from tests.captive_portal.sign_in.oidc_provider import CLIENT, SECRET, Provider
from tests.captive_portal.web.test_app import NOW_NS, SITES, URL, Desk

HERE, ELSEWHERE = "10.1.0.5", "10.2.0.5"
ZONES = (
    Zone(id="teachers", site=SITE, networks=("10.1.0.0/16",), ways=("local", "oidc")),
    Zone(id="pupils", site=SITE, networks=("10.2.0.0/16",), ways=("local",)),
)
AGENTS = {
    # Windows of captive portals, as their makers' systems name them.
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Mobile/15E148": True,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko)": True,
    "CaptiveNetworkSupport-465.140.2 wispr": True,
    "Mozilla/5.0 (Linux; Android 13; X Build/1; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/120.0.0.0 Mobile Safari/537.36": True,
    "Mozilla/5.0 (Windows NT 10.0; WebView/3.0) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/70.0.3538.102 Safari/537.36 Edge/18.19045": True,
    "Microsoft NCSI": True,
    # Browsers.
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1": False,
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Mobile Safari/537.36": False,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0": False,
    "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0": False,
}


@dataclass
class Pages:
    """The pages, and what is behind them."""

    portal: Portal
    desk: Desk
    provider: Provider
    visitors: list[str]
    """MACs that may reach providers."""

    def device(self, address: str = HERE) -> TestClient:
        return TestClient(
            self.portal.app(),
            client=(address, 40_000),
            base_url=URL.rstrip("/"),
            follow_redirects=False,
        )


def section(provider: Provider) -> Oidc:
    return Oidc(
        id="school",
        site=SITE,
        name="<Google> ของโรงเรียน",
        issuer=provider.issuer,
        client_id=CLIENT,
        client_secret_file="client",
        ca_file=str(provider.folder / "ca.crt"),
        require={"hd": "school.example"},
    )


@pytest.fixture
def pages(
    engine: Engine, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pages]:
    monkeypatch.setattr(provider_pages, "mac_of", lambda _address: "")
    (tmp_path / "client").write_text(SECRET)
    visitors: list[str] = []

    async def let_visit(mac: str) -> None:
        visitors.append(mac)

    settings = SignIn(public_url=URL)
    looks, desk = Looks(tmp_path, ZONES), Desk()
    front = Front(settings, places=Places(SITES, ZONES), looks=looks, clock=lambda: NOW_NS)
    board = NoticeBoard(settings, notices=Notices(engine), looks=looks)
    with (
        oidc_provider.running(tmp_path / "provider") as provider,
        Chain(LocalWay(people), {}, tries_per_minute=9, clock=lambda: NOW_NS) as chain,
    ):
        provider.now = lambda: int(NOW.timestamp())
        provider.claims = {"hd": "school.example", "name": "มาลี ดีงาม"}
        box = PortalSettings(sign_in=settings, zones=ZONES, oidc=(section(provider),))
        clients = build.oidc_clients(tmp_path, box, engine, clock=lambda: NOW_NS)
        portal = Portal(
            front,
            people=people,
            chain=chain,
            desk=desk,
            board=board,
            providers=clients,
            let_visit=let_visit,
        )
        with clients[0]:
            yield Pages(portal, desk, provider, visitors)


def back(provider: Provider, location: str, **changed: str) -> str:
    query = {**provider.agree(location), **changed}
    return f"/oidc/school/back?{urlencode(query)}"


def test_a_button_leads_there_and_the_way_back_leads_in(pages: Pages) -> None:
    phone = pages.device()
    page = phone.get("/?lang=en").text
    assert 'href="/oidc/school?lang=en"' in page
    assert "Sign in with &lt;Google&gt;" in page
    there = phone.get("/oidc/school?lang=en")
    assert there.status_code == 303
    assert "set-cookie" not in there.headers
    answer = phone.get(back(pages.provider, there.headers["location"]))
    assert (answer.status_code, answer.headers["location"]) == (303, "/session?lang=en")
    assert pages.desk.sessions[SITE, HERE].person.full_name == "มาลี ดีงาม"  # type: ignore[union-attr]


def test_who_presses_the_button_may_reach_the_provider(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages.device().get("/oidc/school")
    assert not pages.visitors, "the box does not see this device's MAC"
    monkeypatch.setattr(provider_pages, "mac_of", lambda _address: "02:00:5e:10:00:11")
    phone = pages.device()
    phone.get("/")
    phone.get("/oidc/school", headers={"user-agent": "CaptiveNetworkSupport-407.40.1 wispr"})
    assert not pages.visitors
    phone.get("/oidc/school")
    assert pages.visitors == ["02:00:5e:10:00:11"]


def test_only_zones_that_say_so_have_it(pages: Pages) -> None:
    phone = pages.device(ELSEWHERE)
    assert "/oidc/" not in phone.get("/").text
    for path in ("/oidc/school", "/oidc/school/back?code=a&state=b"):
        assert phone.get(path).status_code == 404
    assert pages.device().get("/oidc/another").status_code == 404
    assert pages.device("192.0.2.1").get("/oidc/school").status_code == 403
    assert not pages.provider.asked


@pytest.mark.parametrize(("agent", "help_"), AGENTS.items())
def test_windows_that_providers_refuse_are_known(agent: str, help_: bool) -> None:
    assert embedded(agent) is help_


def test_such_a_window_is_told_to_open_a_browser(pages: Pages) -> None:
    for agent, help_ in AGENTS.items():
        answer = pages.device().get("/oidc/school", headers={"user-agent": agent})
        assert answer.status_code == (200 if help_ else 303)
        assert (f"พิมพ์ที่อยู่ {URL}" in answer.text) is help_


def test_another_device_cannot_end_the_trip(pages: Pages) -> None:
    there = pages.device().get("/oidc/school").headers["location"]
    answer = pages.device("10.1.0.6").get(back(pages.provider, there))
    assert answer.status_code == 403
    assert not pages.desk.sessions


def test_nothing_that_comes_back_is_shown_or_followed(pages: Pages) -> None:
    phone = pages.device()
    there = phone.get("/oidc/school").headers["location"]
    evil = {
        "error": "<script>1</script>",
        "error_description": "call 0-0000-0000",
        "error_uri": "https://evil.example/",
        "redirect_uri": "https://evil.example/",
    }
    answer = phone.get(back(pages.provider, there, **evil))
    assert answer.status_code == 403
    assert "ยืนยันตัวตนไม่สำเร็จ" in answer.text
    for word in ("script", "0-0000-0000", "evil"):
        assert word not in answer.text
    lang = "en\r\nSet-Cookie: a=b"
    there = phone.get("/oidc/school", params={"lang": lang, "next": "https://evil.example/"})
    assert "set-cookie" not in there.headers
    assert "evil" not in there.headers["location"]
    assert urlsplit(there.headers["location"]).netloc in pages.provider.issuer
    twice = back(pages.provider, there.headers["location"]) + "&code=another"
    assert phone.get(twice).status_code == 403
    assert not pages.desk.sessions


def test_a_provider_that_is_down_is_one_sentence(pages: Pages) -> None:
    pages.provider.metadata = {"issuer": "https://another.example"}
    answer = pages.device().get("/oidc/school")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "ภายนอกยังไม่ตอบ" in answer.text
    assert 'name="password"' in answer.text


def test_its_names_are_known_to_the_gate_of_its_zones() -> None:
    google = Oidc(
        id="google",
        site=SITE,
        name="Google",
        issuer="https://accounts.google.com",
        client_id="a",
        client_secret_file="b",
        require={"hd": "school.example"},
        hosts=("ssl.gstatic.com",),
    )
    zones = [
        Zone(
            id=name,
            site=SITE,
            interface=name,
            address=f"10.{number}.0.1/16",
            ways=ways,
            garden=("www.school.example",),
        )
        for number, (name, ways) in enumerate(
            {"teachers": ("local", "oidc"), "pupils": ("local",)}.items()
        )
    ]
    made = plan.build(zones, Gateway(uplink="wan"), ports=PORTS, providers=[google])
    assert made is not None
    assert made.zones[0].providers == ("accounts.google.com", "ssl.gstatic.com")
    assert made.zones[1].providers == ()
    assert {zone.garden for zone in made.zones} == {("www.school.example",)}


def test_a_zone_without_a_provider_and_a_missing_secret_are_told(
    tmp_path: Path, engine: Engine, people: People
) -> None:
    def no_asks(*_: object) -> None: ...

    with pytest.raises(PortalError, match="which site"):
        build.chain(
            tmp_path,
            PortalSettings(zones=ZONES),
            engine,
            asks=no_asks,  # type: ignore[arg-type]
            clock=lambda: NOW_NS,
        )
    one = Oidc(
        id="google",
        site=SITE,
        name="Google",
        issuer="https://accounts.google.com",
        client_id="a",
        client_secret_file="secrets/google",
        anybody=True,
    )
    settings = PortalSettings(sign_in=SignIn(public_url=URL), oidc=(one,))
    with pytest.raises(PortalError, match="secret cannot be read"):
        build.oidc_clients(tmp_path, settings, engine, clock=lambda: NOW_NS)
