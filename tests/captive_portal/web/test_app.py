"""The pages as a device without cookies or scripts sees them."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import Engine

from captive_portal.errors import Denied, PortalError, ReportError
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.notices import Notices
from captive_portal.people.passwords import Fault
from captive_portal.sessions import portal
from captive_portal.sessions.admission import Terms
from captive_portal.sessions.policy import Grant, Reason
from captive_portal.sessions.session import Person, Session
from captive_portal.settings import SignIn, Zone
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.local import LocalWay
from captive_portal.web import captive_api, entrance, front
from captive_portal.web.app import Portal
from captive_portal.web.front import Front
from captive_portal.web.looks import LARGEST_LOGO, Looks, ink_on
from captive_portal.web.notice import NoticeBoard
from captive_portal.web.sites import Places
from captive_portal.web.texts import ENGLISH, THAI, Texts
from captive_portal.web.tokens import VALID_NS, Tokens
from tests.captive_portal.conftest import NOW, SITE

NOW_NS = int(NOW.timestamp()) * 10**9
PUPIL = "10.0.0.5"
URL = "https://wifi.school.example/"
SITES = [(SITE, "โรงเรียน ก", ["10.0.0.0/8", "fd00::/8"]), ("school-b", "", ["172.16.0.0/12"])]


@dataclass
class Desk:
    """Keeps sessions in memory."""

    sessions: dict[tuple[str, str], Session] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    fails: bool = False
    denies: str = ""
    opens: tuple[datetime, datetime] | None = None
    granted: Terms | None = None
    why: str = ""

    async def sign_in(
        self, site: str, account: Account, address: str, mac: str, *, notice: str = ""
    ) -> Session:
        self.notices.append(notice)
        self._may_fail()
        if self.denies:
            raise Denied(self.denies, self.opens)
        person = Person(id=account.id, account=account.account, full_name=account.full_name)
        hour = timedelta(hours=1 + len(self.sessions))
        made = portal.new(uuid4(), site, person, address, mac=mac, now=NOW, lasts=hour)
        self.sessions[site, address] = made
        return made

    async def sign_out(self, session: Session) -> None:
        self._may_fail()
        del self.sessions[session.site, session.addresses[0]]

    async def at(self, site: str, address: str) -> Session | None:
        return self.sessions.get((site, address))

    async def terms(self, account: Account) -> Terms | None:
        return self.granted

    def why_ended(self, site: str, address: str) -> str:
        return self.why

    def _may_fail(self) -> None:
        if self.fails:
            raise ReportError("the collector cannot be told")


@dataclass
class School:
    """The application and what is behind it."""

    app: Portal
    desk: Desk
    people: People
    now: list[int]

    def device(self, address: str = PUPIL, **headers: str) -> TestClient:
        return TestClient(
            self.app.app(),
            client=(address, 40_000),
            base_url="http://portal.test",
            follow_redirects=False,
            headers=headers,
        )


def zones(home: Path) -> tuple[Zone, ...]:
    """Return a zone with a look of its own, whose files are in the home."""
    (home / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (home / "lab.txt").write_text("ห้องเปิด 08:00 น.\n\nห้ามกินขนม <b>", encoding="utf-8")
    (home / "lab.txt.en").write_text("Opens at eight.", encoding="utf-8")
    lab = Zone(
        id="lab",
        site=SITE,
        name="ห้องคอมพิวเตอร์",
        name_en="Computer room",
        networks=("10.30.0.0/16",),
        colour="#ffdd00",
        logo="logo.png",
        notice="lab.txt",
    )
    return (lab,)


@pytest.fixture
def notices(engine: Engine) -> Notices:
    return Notices(engine)


@pytest.fixture
def school(people: People, notices: Notices, tmp_path: Path) -> Iterator[School]:
    now, desk = [NOW_NS], Desk()
    with Chain(LocalWay(people), {}, tries_per_minute=3, clock=lambda: now[0]) as chain:
        settings = SignIn(
            contact="ห้องคอมพิวเตอร์ โทร. 0-0000-0000", public_url=URL, names=("portal.test",)
        )
        looks = Looks(tmp_path, zones(tmp_path))
        places = Places(SITES, zones(tmp_path))
        front = Front(settings, places=places, looks=looks, clock=lambda: now[0])
        board = NoticeBoard(settings, notices=notices, looks=looks)
        app = Portal(front, people=people, chain=chain, desk=desk, board=board)
        yield School(app, desk, people, now)


def token(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def sign_in(device: TestClient, account: str = "somchai", password: str = "correct horse") -> int:
    form = {"account": account, "password": password, "token": token(device.get("/").text)}
    return int(device.post("/", data=form).status_code)


def test_thai_first_and_english_one_click_away(school: School) -> None:
    device = school.device()
    page = device.get("/").text
    assert '<html lang="th">' in page
    assert 'href="/?lang=en"' in page
    assert '<html lang="en">' in device.get("/?lang=en").text
    assert '<html lang="th">' in device.get("/?lang=xx").text


def test_pages_are_small_whole_and_from_here_alone(school: School) -> None:
    device = school.device()
    size = len(device.get("/portal.css").content)
    for path in ("/", "/notice", "/?lang=en", "/nothing"):
        answer = device.get(path)
        assert len(answer.content) + size < 60_000
        assert re.findall(r'(?:src|href|action)="(?!/|data:,)', answer.text) == []
        assert "<script" not in answer.text
        assert "set-cookie" not in answer.headers
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


def test_every_field_has_its_label(school: School) -> None:
    page = school.device().get("/").text
    fields = set(re.findall(r'<input id="(\w+)"', page))
    assert fields == set(re.findall(r'<label for="(\w+)"', page)) == {"account", "password"}


def test_the_notice_says_what_the_law_asks_and_asks_no_consent(school: School) -> None:
    page = school.device().get("/notice").text
    for said in ("มาตรา 26", "24(6)", "90 วัน", "พนักงานเจ้าหน้าที่", "โรงเรียน ก", "ห้องคอมพิวเตอร์"):
        assert said in page
    assert "ข้าพเจ้ายินยอม" not in page
    assert "90 วัน" in school.device().get("/").text


def test_signing_in_shows_who_and_until_when_and_signing_out_ends_it(school: School) -> None:
    device = school.device()
    assert sign_in(device) == 303
    page = device.get("/session").text
    assert "สมชาย ใจดี" in page
    assert PUPIL in page
    assert "22 พ.ย. 2569 เวลา 11:00 น." in page
    assert device.post("/session", data={"token": token(page)}).status_code == 200
    assert device.get("/session").status_code == 303
    assert school.desk.sessions == {}


def test_a_device_that_was_signed_out_reads_why(school: School) -> None:
    school.desk.why = "other device"
    device = school.device()
    assert "เพราะบัญชีนี้เข้าใช้ที่เครื่องอื่น" in device.get("/").text
    assert "on too many others" in device.get("/?lang=en").text
    sign_in(device)
    assert "เพราะบัญชีนี้" not in device.get("/").text
    school.desk.sessions.clear()
    school.desk.why = "User-Request"
    assert "เครื่องอื่น" not in device.get("/").text


def test_a_wrong_password_and_an_unknown_name_read_the_same(school: School) -> None:
    pages = []
    for number, account in enumerate(("somchai", "nobody")):
        device = school.device(f"10.0.1.{number}")
        form = {"account": account, "password": "wrong", "token": token(device.get("/").text)}
        answer = device.post("/", data=form)
        assert answer.status_code == 403
        pages.append(re.sub(r'value="[^"]*"', "", answer.text))
    assert pages[0] == pages[1]
    assert "ชื่อผู้ใช้หรือรหัสผ่านไม่ถูกต้อง" in pages[0]


def test_what_is_typed_comes_back_as_text(school: School) -> None:
    device = school.device()
    form = {"account": '"><script>x', "password": "wrong", "token": token(device.get("/").text)}
    answer = device.post("/", data=form)
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_too_many_tries_have_to_wait_and_say_how_long(school: School) -> None:
    device = school.device()
    assert [sign_in(device, password="wrong") for _ in range(5)] == [403, 403, 403, 429, 429]
    assert sign_in(device) == 429
    assert sign_in(school.device("10.0.0.6")) == 303
    school.now[0] += 61 * 10**9
    assert sign_in(device) == 303


def test_a_form_of_another_site_or_device_does_nothing(school: School) -> None:
    mine, other = school.device(), school.device("10.0.0.6")
    stolen = token(other.get("/").text)
    for bad in ("", "x", stolen, f"{NOW_NS}.0", token(mine.get("/").text)[:-1]):
        form = {"account": "somchai", "password": "correct horse", "token": bad}
        assert mine.post("/", data=form).status_code == 403
    assert school.desk.sessions == {}


def test_who_has_an_address_after_somebody_else_is_not_that_person(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_there = ["02:00:5e:00:53:01"]
    for module in (front, entrance):
        monkeypatch.setattr(module, "mac_of", lambda _: now_there[0])
    device = school.device()
    assert sign_in(device) == 303
    own = device.get("/session").text
    assert "สมชาย" in own
    held = dict(school.desk.sessions)
    now_there[0] = "02:00:5e:00:53:02"
    thief = school.device()
    for path in ("/", "/session", "/session/password"):
        assert "สมชาย" not in thief.get(path).text
    assert thief.get("/captive-portal/api").json()["captive"] is True
    for act in ("renew", "sign-out"):
        thief.post("/session", data={"token": token(own), "act": act})
    assert school.desk.sessions == held
    now_there[0] = ""  # the kernel has forgotten who is there: the address counts
    assert "สมชาย" in device.get("/session").text


def test_a_page_open_for_too_long_asks_again(school: School) -> None:
    device = school.device()
    old = token(device.get("/").text)
    school.now[0] += VALID_NS + 1
    form = {"account": "somchai", "password": "correct horse", "token": old}
    answer = device.post("/", data=form)
    assert answer.status_code == 403
    assert "เปิดไว้นานเกินไป" in answer.text


def test_the_address_is_the_connections_whatever_headers_say(school: School) -> None:
    told = {"X-Forwarded-For": "10.9.9.9", "Forwarded": "for=10.9.9.9"}
    device = school.device(PUPIL, **told)
    assert sign_in(device) == 303
    assert list(school.desk.sessions) == [(SITE, PUPIL)]


def test_sites_are_told_apart_and_outsiders_turned_away(school: School) -> None:
    assert sign_in(school.device("172.16.0.9")) == 403
    assert sign_in(school.device("::ffff:10.0.0.7")) == 303
    assert sign_in(school.device("fd00::7")) == 303
    answer = school.device("198.51.100.1").get("/")
    assert answer.status_code == 403
    assert "ไม่ได้อยู่ในเครือข่าย" in answer.text
    assert list(school.desk.sessions) == [(SITE, "10.0.0.7"), (SITE, "fd00::7")]


def test_when_the_collector_cannot_be_told_nobody_is_let_in_or_out(school: School) -> None:
    device = school.device()
    assert sign_in(device) == 303
    school.desk.fails = True
    page = device.get("/session").text
    answer = device.post("/session", data={"token": token(page)})
    assert (answer.status_code, "ขณะนี้ยังทำรายการไม่ได้" in answer.text) == (503, True)
    assert sign_in(school.device("10.0.0.6")) == 503
    assert list(school.desk.sessions) == [(SITE, PUPIL)]


def test_a_one_time_password_leads_to_ones_own(school: School) -> None:
    one_time = NewAccount(
        site=SITE, account="malee", kind=Kind.PUPIL, password="given-once", must_change=True
    )
    school.people.add(one_time, now=NOW)
    device = school.device()
    form = {"account": "malee", "password": "given-once", "token": token(device.get("/").text)}
    page = device.post("/", data=form).text
    assert school.desk.sessions == {}
    person = re.search(r'name="person" value="([^"]+)"', page)
    assert person is not None
    chosen = {"token": token(page), "person": person[1], "new": "my own words"}
    assert device.post("/password", data={**chosen, "again": "other"}).status_code == 422
    for poor, said in (
        ("given-once", THAI.password_faults[Fault.SAME]),
        ("12345678", THAI.password_faults[Fault.COMMON]),
        ("malee1234", THAI.password_faults[Fault.OWN_NAME]),
        ("short", THAI.password_faults[Fault.SHORT]),
    ):
        refused = device.post("/password", data={**chosen, "new": poor, "again": poor})
        assert (refused.status_code, said in refused.text) == (422, True)
    assert school.desk.sessions == {}
    assert device.post("/password", data={**chosen, "again": "my own words"}).status_code == 303
    assert list(school.desk.sessions) == [(SITE, PUPIL)]
    again = device.post("/password", data={**chosen, "again": "my own words"})
    assert again.status_code == 403
    assert sign_in(device, "malee", "my own words") == 303


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"a" * 9000, b"&".join([b"a=1"] * 50), b"account=%ZZ&token=%00"]
)
def test_forms_that_are_none_are_refused(school: School, body: bytes) -> None:
    assert school.device().post("/", content=body).status_code in (403, 413)


def test_the_api_answers_in_every_state(school: School) -> None:
    device = school.device()
    answer = device.get("/captive-portal/api")
    assert answer.headers["content-type"] == "application/captive+json"
    assert answer.json() == {"captive": True, "user-portal-url": URL}
    sign_in(device)
    assert device.get("/captive-portal/api").json() == {
        "captive": False,
        "user-portal-url": URL,
        "seconds-remaining": 3600,
        "can-extend-session": True,
    }
    assert school.device("198.51.100.1").get("/captive-portal/api").json() == {"captive": False}
    assert device.get("/healthz").text == "ok\n"


def test_without_an_https_address_no_device_is_answered(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = school.app._front.settings.model_copy(update={"public_url": ""})
    monkeypatch.setattr(school.app._front, "settings", nameless)
    for address in (PUPIL, "198.51.100.1"):
        answer = school.device(address).get("/captive-portal/api")
        assert answer.status_code == 404
        assert "captive+json" not in answer.headers["content-type"]


def test_an_unknown_page_leads_back(school: School) -> None:
    device = school.device()
    for answer, status in (
        (device.get("/wp-login.php"), 404),
        (device.put("/password"), 405),
    ):
        assert answer.status_code == status
        assert "<h1>ไม่พบหน้านี้</h1>" in answer.text
        assert "<title>ไม่พบหน้านี้" in answer.text
        assert 'href="/?lang=th"' in answer.text
    again = device.get("/password")
    assert (again.status_code, again.headers["location"]) == (303, "/?lang=th")


def test_a_token_is_for_one_purpose_and_address() -> None:
    tokens = Tokens(lambda: NOW_NS)
    made = tokens.make("sign-in", PUPIL)
    assert tokens.good(made, "sign-in", PUPIL)
    assert not tokens.good(made, "sign-out", PUPIL)
    assert not tokens.good(made, "sign-in", "10.0.0.6")
    assert not Tokens(lambda: NOW_NS).good(made, "sign-in", PUPIL)
    assert not tokens.good("๑๒.x", "sign-in", PUPIL)


def test_a_device_that_goes_away_amid_its_form_leaves_no_trace_in_the_log(
    school: School, caplog: pytest.LogCaptureFixture
) -> None:
    messages = iter([{"type": "http.request", "body": b"a", "more_body": True}])
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
        "client": (PUPIL, 40_000),
        "http_version": "1.1",
        "scheme": "http",
        "server": ("portal.test", 80),
        "root_path": "",
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(school.app.app()(scope, receive, send))
    assert [m["status"] for m in sent if m["type"] == "http.response.start"] == [400]
    assert caplog.records == []


PROBES = [
    "http://captive.apple.com/hotspot-detect.html",
    "http://connectivitycheck.gstatic.com/generate_204",
    "http://clients3.google.com/generate_204",
    "http://www.msftconnecttest.com/connecttest.txt",
    "http://www.msftncsi.com/ncsi.txt",
    "http://detectportal.firefox.com/success.txt",
    "http://connectivitycheck.cbg-app.huawei.com/generate_204",
    "http://connect.rom.miui.com/generate_204",
    "http://nobody.example/any/path?to=http://evil.example/",
    "http://nobody.example/session",
    "http://nobody.example/captive-portal/api",
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("url", PROBES)
def test_whatever_a_device_asks_of_others_sends_it_to_the_page(
    school: School, url: str, method: str
) -> None:
    answer = school.device().request(method, url)
    assert answer.status_code == 302
    assert answer.headers["location"] == URL
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["connection"] == "close"
    assert "evil" not in answer.text


@pytest.mark.parametrize("host", ["a@b", "[::1", "x\x7f", "%0d%0aset-cookie:a=b", "a" * 3000])
def test_a_host_that_is_none_gets_the_page_and_comes_back_nowhere(
    school: School, host: str
) -> None:
    answer = school.device().get("/", headers={"host": host})
    assert answer.status_code in (200, 302)
    assert answer.headers.get("location", URL) == URL
    assert host not in answer.text
    assert "set-cookie" not in answer.headers


def test_behind_the_gate_a_bare_address_leads_to_the_page(
    people: People, notices: Notices, tmp_path: Path
) -> None:
    gated = Zone(id="pupils", site=SITE, interface="lan0", address="10.40.0.1/16")
    settings = SignIn(names=("portal.test",))
    looks = Looks(tmp_path, (gated,))
    front = Front(settings, places=Places(SITES, (gated,)), looks=looks, clock=lambda: NOW_NS)
    with Chain(LocalWay(people), {}, tries_per_minute=3, clock=lambda: NOW_NS) as chain:
        board = NoticeBoard(settings, notices=notices, looks=looks)
        portal = Portal(front, people=people, chain=chain, desk=Desk(), board=board)
        device = TestClient(
            portal.app(),
            client=("10.40.0.9", 40_000),
            base_url="http://10.40.0.1",
            follow_redirects=False,
        )
        for host in ("203.0.113.10", "203.0.113.10:80", "[2001:db8::10]", "nobody.example"):
            for path in ("/", "/generate_204", "/anything", "/session"):
                for method in ("GET", "HEAD"):
                    answer = device.request(method, path, headers={"host": host})
                    assert answer.status_code == 302, (host, path)
                    assert answer.headers["location"] == "http://10.40.0.1/"
        for own in ("10.40.0.1", "portal.test", "10.40.0.1:8080"):
            assert device.get("/", headers={"host": own}).status_code == 200


def test_an_address_as_host_is_ours(school: School) -> None:
    assert school.device().get("http://10.0.0.1/").status_code == 200
    assert school.device().get("http://[fd00::1]:8080/").status_code == 200


def test_the_api_tells_https_addresses_alone(people: People) -> None:
    settings = SignIn(public_url=URL, venue_url="https://school.example/news")
    told = captive_api.state(None, settings, managed=True, now=NOW)
    assert told == {
        "captive": True,
        "user-portal-url": URL,
        "venue-info-url": "https://school.example/news",
    }
    assert captive_api.state(None, settings, managed=False, now=NOW) == {"captive": False}
    for wrong in (
        "http://wifi.school.example/",
        "wifi.school.example",
        "https://a@b/",
        "https:///",
    ):
        with pytest.raises(ValidationError, match="no https address"):
            SignIn(public_url=wrong)


@pytest.mark.parametrize("accept", [None, "*/*", captive_api.MEDIA_TYPE, "text/html;q=0.2, */*"])
def test_the_api_answers_whatever_is_accepted(school: School, accept: str | None) -> None:
    headers = {} if accept is None else {"accept": accept}
    answer = school.device().get("/captive-portal/api", headers=headers)
    assert (answer.status_code, answer.json()["captive"]) == (200, True)
    assert "private" in answer.headers["cache-control"]
    assert "set-cookie" not in answer.headers


def test_a_zone_looks_as_its_settings_say(school: School) -> None:
    device = school.device("10.30.0.9")
    thai, english = device.get("/").text, device.get("/?lang=en").text
    assert "ห้องคอมพิวเตอร์" in thai
    assert "ห้องเปิด 08:00 น." in thai
    assert "ห้ามกินขนม &lt;b&gt;" in thai
    assert "Computer room" in english
    assert "Opens at eight." in english
    style = device.get("/look/lab.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "#ffdd00" in style.text
    logo = device.get("/look/lab.logo")
    assert (logo.status_code, logo.headers["content-type"]) == (200, "image/png")
    elsewhere = school.device().get("/").text
    assert "/look/" not in elsewhere
    assert "ห้องคอมพิวเตอร์" not in elsewhere
    assert device.get("/look/none.logo").status_code == 404


@pytest.mark.parametrize(
    "colour", ["#000000", "#ffffff", "#0b5a8a", "#ffdd00", "#777777", "#808080"]
)
def test_text_on_a_zones_colour_can_be_read(colour: str) -> None:
    assert contrast(colour, ink_on(colour)) >= 4.0


def contrast(one: str, other: str) -> float:
    """WCAG 2.1, written again."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = [p / 12.92 if p < 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    bright, dark = sorted((light(one), light(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.png", None, "No such file"),
        ("big.png", b"\x89PNG\r\n\x1a\n" + bytes(LARGEST_LOGO), "more than 20 kB"),
        ("page.html", b"<html>", "no PNG, JPEG or SVG"),
    ],
)
def test_a_logo_that_is_none_names_the_zone(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    zone = Zone(id="lab", site=SITE, networks=("10.30.0.0/16",), logo=name)
    with pytest.raises(PortalError, match=f"zones: lab: logo: .*{said}"):
        Looks(tmp_path, (zone,))


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("t", [THAI, ENGLISH], ids=["th", "en"])
def test_who_may_not_be_on_reads_why(school: School, reason: Reason, t: Texts) -> None:
    assert t.denials[reason] != t.not_now
    school.desk.denies = reason
    device = school.device()
    form = {"account": "somchai", "password": "correct horse"}
    form["token"] = token(device.get(f"/?lang={t.lang}").text)
    answer = device.post(f"/?lang={t.lang}", data=form)
    assert answer.status_code == 403
    assert t.denials[reason] in unescape(answer.text)


def test_outside_hours_the_page_says_when_they_begin(school: School) -> None:
    school.people.add(
        NewAccount(site=SITE, account="malee", password="given-once", must_change=True), now=NOW
    )
    begin = NOW.replace(hour=0, minute=30) + timedelta(days=1)
    school.desk.denies, school.desk.opens = "hours", (begin, begin + timedelta(hours=9))
    device = school.device()
    form = {"account": "malee", "password": "given-once", "token": token(device.get("/").text)}
    page = device.post("/", data=form).text
    person = re.search(r'name="person" value="([^"]+)"', page)
    assert person is not None
    chosen = {"person": person[1], "new": "my own words", "again": "my own words"}
    answer = device.post("/password", data=chosen | {"token": token(page)})
    assert answer.status_code == 403
    assert THAI.changed in answer.text
    assert "ใช้ได้อีกครั้ง 23 พ.ย. 2569 เวลา 07:30 น. ถึง 16:30 น." in answer.text
    form["password"], form["token"] = "my own words", token(device.get("/").text)
    english = device.post("/?lang=en", data=form).text
    assert "You may again from 23 Nov 2026, 07:30 to 16:30." in english
    assert ENGLISH.changed not in english


def test_the_session_shows_its_terms_and_can_be_prolonged(school: School) -> None:
    device = school.device()
    sign_in(device)
    quota = Grant(until=NOW, left_bytes=1_234_000_000, up_kbit=2000, down_kbit=None)
    school.desk.granted = Terms(grant=quota)
    page = device.get("/session?lang=en").text
    assert "1.2 GB" in page
    assert "11:00" in page
    assert device.get("/captive-portal/api").json()["bytes-remaining"] == 1_234_000_000
    longer = device.post("/session?lang=en", data={"token": token(page), "act": "renew"})
    assert "You can stay longer now." in longer.text
    assert "12:00" in longer.text
    school.desk.denies = Reason.HOURS
    again = device.post("/session?lang=en", data={"token": token(page), "act": "renew"})
    assert again.status_code == 403
    assert ENGLISH.denials["hours"] in again.text
    stale = device.post("/session", data={"token": "x", "act": "renew"})
    assert stale.status_code == 403


def change(device: TestClient, old: str, new: str = "blue tractor", again: str = "") -> Any:
    form = {"old": old, "new": new, "again": again or new}
    form["token"] = token(device.get("/session/password").text)
    return device.post("/session/password", data=form)


def test_a_password_is_changed_by_who_knows_the_present_one(school: School) -> None:
    device = school.device()
    assert device.get("/session/password").headers["location"] == "/?lang=th"
    sign_in(device)
    assert "/session/password" in device.get("/session").text
    wrong = change(device, "wrong words")
    assert (wrong.status_code, THAI.old_wrong in wrong.text) == (403, True)
    same = change(device, "correct horse", "correct horse")
    assert (same.status_code, THAI.password_faults[Fault.SAME] in same.text) == (422, True)
    assert change(device, "correct horse", "short").status_code == 422
    assert change(device, "correct horse", "blue tractor", "red tractor").status_code == 422
    assert device.post("/session/password", data={"token": "x"}).status_code == 403
    assert THAI.changed in change(device, "correct horse").text
    assert sign_in(school.device("10.0.0.77"), password="correct horse") == 403
    assert sign_in(school.device("10.0.0.77"), password="blue tractor") == 303


def test_guessing_the_present_password_has_to_wait(school: School) -> None:
    device = school.device()
    sign_in(device)
    answers = [change(device, f"wrong words {n}").status_code for n in range(6)]
    assert answers[-1] == 429


def test_the_notice_has_versions_and_who_signs_in_has_read_one(
    school: School, notices: Notices
) -> None:
    device, lab = school.device(), school.device("10.30.0.9")
    assert THAI.notice_going_on in device.get("/").text
    shown, in_the_lab = device.get("/notice").text, lab.get("/notice").text
    version, of_the_lab = (re.search(r"ฉบับ ([0-9a-f]{16})", page) for page in (shown, in_the_lab))
    assert version and of_the_lab and version[1] != of_the_lab[1]
    assert "ห้องเปิด 08:00 น." in in_the_lab
    assert version[1] in device.get("/notice?lang=en").text
    kept = notices.get(version[1])
    assert kept is not None
    assert "90 วัน" in kept.text_th
    assert "90 days" in kept.text_en
    person = school.people.find(SITE, "somchai")
    assert person is not None
    assert not notices.acknowledged(person.id)
    sign_in(device, password="wrong words")
    assert not notices.acknowledged(person.id)
    sign_in(device)
    assert [read for read, _ in notices.acknowledged(person.id)] == [version[1]]
    assert school.desk.notices == [version[1]]
