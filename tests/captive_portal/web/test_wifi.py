"""The page about Wi-Fi with 802.1X, before and after sign-in, and the files for devices."""

from __future__ import annotations

import plistlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from fastapi.testclient import TestClient
from playwright.sync_api import sync_playwright
from sqlalchemy import Engine

from captive_portal.people.accounts import People
from captive_portal.people.notices import Notices
from captive_portal.radius import certificate
from captive_portal.radius.profiles.shelf import Profiles
from captive_portal.settings import Radius, RadiusClient, SignIn
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.local import LocalWay
from captive_portal.web.app import Portal
from captive_portal.web.front import Front
from captive_portal.web.looks import Looks
from captive_portal.web.notice import NoticeBoard
from captive_portal.web.sites import Places
from tests.captive_portal.conftest import SITE, Start
from tests.captive_portal.freeradius import free_ports
from tests.captive_portal.web.test_app import NOW_NS, PUPIL, SITES, Desk, sign_in
from tests.captive_portal.web.test_browser import ARGUMENTS, CHROMIUM, fits, small_page

NETWORKS = ("โรงเรียน 1X", "staff/<1X>")
RADIUS = Radius(eap=True, eap_networks=NETWORKS)
FILES = ("/wifi/wifi.mobileconfig", "/wifi/wifi-ca.crt", "/wifi/1.xml")


@pytest.fixture
def device(people: People, engine: Engine, tmp_path: Path) -> Iterator[TestClient]:
    """A pupil's device at a school whose 802.1X has a certificate."""
    certificate.ready(tmp_path, RADIUS)
    yield from device_at(people, engine, tmp_path, RADIUS)


def device_at(people: People, engine: Engine, home: Path, radius: Radius) -> Iterator[TestClient]:
    with Chain(LocalWay(people), {}, tries_per_minute=3, clock=lambda: NOW_NS) as chain:
        settings, looks = SignIn(), Looks(home, ())
        front = Front(
            settings,
            places=Places(SITES),
            looks=looks,
            clock=lambda: NOW_NS,
            wifi=Profiles(home, radius),
        )
        board = NoticeBoard(settings, notices=Notices(engine), looks=looks)
        portal = Portal(front, people=people, chain=chain, desk=Desk(), board=board)
        yield TestClient(
            portal.app(),
            client=(PUPIL, 40_000),
            base_url="http://127.0.0.1",
            follow_redirects=False,
        )


def test_the_page_is_a_click_away_before_and_after_sign_in(device: TestClient) -> None:
    assert 'href="/wifi?lang=th"' in device.get("/").text
    assert 'href="/wifi?lang=en"' in device.get("/?lang=en").text
    assert sign_in(device) == 303
    assert 'href="/wifi?lang=th"' in device.get("/session").text


def test_it_says_what_each_kind_of_device_wants_in_both_languages(
    device: TestClient, tmp_path: Path
) -> None:
    root = x509.load_pem_x509_certificate((tmp_path / certificate.ROOT).read_bytes())
    thumbprint = root.fingerprint(hashes.SHA256()).hex(" ").upper()
    for lang, heading in (("th", "ตั้งค่า Wi-Fi"), ("en", "Set up the school")):
        page = device.get(f"/wifi?lang={lang}").text
        assert f'<html lang="{lang}">' in page
        for told in (heading, certificate.NAME, "anonymous", "TTLS", "PAP", thumbprint):
            assert told in page, told
        assert "โรงเรียน 1X, staff/&lt;1X&gt;" in page
        assert "netsh wlan add profile filename=wifi-2.xml" in page
        assert re.findall(r'(?:src|href|action)="(?!/|#|data:,)', page) == []
        for link in re.findall(r'href="(/wifi/[^"]+)"', page):
            assert device.get(link).status_code == 200, link


def test_the_files_are_what_devices_take_them_for(device: TestClient, tmp_path: Path) -> None:
    apple, root, windows = (device.get(path) for path in FILES)
    assert apple.headers["content-type"] == "application/x-apple-aspen-config"
    told = plistlib.loads(apple.content)
    assert told["PayloadOrganization"] == "โรงเรียน ก"
    names = [one.get("SSID_STR") for one in told["PayloadContent"]]
    assert names == [None, *NETWORKS]
    assert root.headers["content-type"] == "application/x-x509-ca-cert"
    own = x509.load_pem_x509_certificate((tmp_path / certificate.ROOT).read_bytes())
    assert x509.load_der_x509_certificate(root.content) == own
    assert ET.fromstring(windows.content)[0].text == NETWORKS[0]
    assert ET.fromstring(device.get("/wifi/2.xml").content)[0].text == NETWORKS[1]
    for answer in (apple, root, windows):
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
    for path in (
        "/wifi/0.xml",
        "/wifi/3.xml",
        "/wifi/x.xml",
        "/wifi/-1.xml",
        f"/wifi/{'1' * 5000}.xml",
    ):
        assert device.get(path).status_code == 404, path


def test_there_is_no_page_where_there_is_no_such_network(
    people: People, engine: Engine, tmp_path: Path
) -> None:
    for radius in (Radius(), Radius(eap=True), Radius(eap_networks=NETWORKS)):
        for device in device_at(people, engine, tmp_path, radius):
            assert "/wifi" not in device.get("/").text
            for path in ("/wifi", *FILES):
                assert device.get(path).status_code == 404, path


def test_without_a_certificate_it_says_so_and_gives_nothing_out(
    people: People, engine: Engine, tmp_path: Path
) -> None:
    for device in device_at(people, engine, tmp_path, RADIUS):
        for path in ("/wifi", *FILES):
            answer = device.get(path)
            assert answer.status_code == 503
            assert "ยังตั้งค่า Wi-Fi แบบนี้ไม่เสร็จ" in answer.text


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_small_screen_without_scripts_shows_it_and_takes_the_files(
    start: Start, people: People, tmp_path: Path
) -> None:
    certificate.ready(tmp_path, RADIUS)
    client = RadiusClient(network="127.0.0.0/8", secret_file="nas/a", site=SITE)
    eap, rest = free_ports(2)
    ports = {"authentication_port": 0, "accounting_port": 0, "coa_port": 0}
    ports |= {"eap_port": eap, "eap_rest_port": rest}
    portal = start(radius=RADIUS.model_copy(update={"clients": (client,), **ports}))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page, asked = small_page(browser)
        page.goto(portal.url)
        page.get_by_role("link", name="ตั้งค่า Wi-Fi").click()
        page.screenshot(path=tmp_path / "wifi.png", full_page=True)
        assert page.get_by_role("heading", name="Android").is_visible()
        assert fits(page)
        with page.expect_download() as loading:
            page.get_by_role("link", name="ดาวน์โหลดโปรไฟล์", exact=True).click()
        assert loading.value.suggested_filename == "wifi.mobileconfig"
        assert all(url.startswith((portal.url, "data:")) for url in asked)
        browser.close()
