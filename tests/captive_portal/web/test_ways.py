"""Zones with other ways in: vouchers, devices that come in by themselves, silent directories."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from captive_portal.people.accounts import Kind, NewAccount, People
from captive_portal.people.devices import Devices
from captive_portal.people.groups import Groups, new
from captive_portal.people.keys import PersonKey
from captive_portal.people.notices import Notices
from captive_portal.people.vouchers import Order, Vouchers
from captive_portal.settings import SignIn, Zone
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.device import KnownDevices
from captive_portal.sign_in.local import LocalWay
from captive_portal.sign_in.voucher import VoucherWay
from captive_portal.sign_in.way import NotNow, Way
from captive_portal.web import entrance
from captive_portal.web.app import Portal
from captive_portal.web.front import Front
from captive_portal.web.looks import Looks
from captive_portal.web.notice import NoticeBoard
from captive_portal.web.sites import Places
from captive_portal.web.texts import THAI
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.sign_in.test_chain import Told
from tests.captive_portal.web.test_app import NOW_NS, SITES, Desk, token

PHONE = "02:00:00:00:00:01"
ZONES = (
    Zone(id="guests", site=SITE, networks=("10.1.0.0/16",), ways=("local", "voucher")),
    Zone(id="pupils", site=SITE, networks=("10.2.0.0/16",), ways=("local", "device")),
    Zone(id="staff", site=SITE, networks=("10.3.0.0/16",), ways=("local", "ldap")),
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def portal(
    engine: Engine, people: People, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Portal]:
    monkeypatch.setattr(entrance, "mac_of", lambda _address: PHONE)
    groups = Groups(engine)
    groups.put(replace(new(SITE, "นักเรียน"), kind="pupil", remember_days=30))

    def clock() -> int:
        return NOW_NS

    ways: dict[tuple[str, str], Sequence[Way]] = {
        (SITE, "voucher"): [VoucherWay(Vouchers(engine, PersonKey(b"k" * 32)), clock=clock)],
        (SITE, "ldap"): [Told(NotNow("no server answers"))],
    }
    known = KnownDevices(Devices(engine), people, groups, clock=clock)
    settings = SignIn(names=("portal.test",))
    looks = Looks(tmp_path, ZONES)
    front = Front(settings, places=Places(SITES, ZONES), looks=looks, clock=clock)
    board = NoticeBoard(settings, notices=Notices(engine), looks=looks)
    with Chain(
        LocalWay(people), ways, known, tries_per_minute=9, clock=clock, refusal_s=0
    ) as chain:
        yield Portal(front, people=people, chain=chain, desk=desk, board=board)


def device(portal: Portal, address: str) -> TestClient:
    return TestClient(
        portal.app(),
        client=(address, 40_000),
        base_url="http://portal.test",
        follow_redirects=False,
    )


def test_a_guest_gives_code_and_name(
    portal: Portal, engine: Engine, people: People, desk: Desk
) -> None:
    malee = people.add(NewAccount(site=SITE, account="malee", kind=Kind.TEACHER), now=NOW)
    order = Order(site=SITE, sponsor=malee.id, for_whom=[""], valid_until=NOW + timedelta(days=1))
    code = Vouchers(engine, PersonKey(b"k" * 32)).make(order, now=NOW)[0].code
    phone = device(portal, "10.1.0.5")
    page = phone.get("/").text
    assert "รหัสในบัตร" in page
    asked = phone.post("/", data={"code": code, "token": token(page)})
    assert asked.status_code == 200
    assert "ชื่อและนามสกุลของผู้ใช้บัตร" in asked.text
    assert f'name="code" value="{code}"' in asked.text
    form = {"code": code, "guest": "วิชัย แขกดี", "token": token(asked.text)}
    assert phone.post("/", data=form).status_code == 303
    person = desk.sessions[SITE, "10.1.0.5"].person
    assert person is not None
    assert person.full_name == "วิชัย แขกดี"


def test_a_wrong_code_is_told_at_the_code_in_words_about_codes(portal: Portal) -> None:
    phone = device(portal, "10.1.0.5")
    form = {"code": "K7M-2XQ-94D", "token": token(phone.get("/").text)}
    answer = phone.post("/", data=form)
    accounts, codes = answer.text.split(f"<h2>{THAI.voucher_title}</h2>")
    assert (answer.status_code, THAI.refused in answer.text) == (403, False)
    assert (THAI.code_wrong in codes, 'value="K7M-2XQ-94D"' in codes) == (True, True)
    assert (THAI.code_wrong in accounts, "K7M-2XQ-94D" in accounts) == (False, False)
    with_password = {"account": "somchai", "password": "wrong", "token": form["token"]}
    accounts, codes = phone.post("/", data=with_password).text.split(THAI.voucher_title)
    assert (THAI.refused in accounts, 'value="somchai"' in accounts) == (True, True)
    assert ("role=" in codes, "somchai" in codes) == (False, False)


def test_no_field_for_codes_where_vouchers_are_not_taken(portal: Portal) -> None:
    assert "รหัสในบัตร" not in device(portal, "10.2.0.5").get("/").text


def test_a_device_comes_in_by_itself_until_its_person_signs_out(portal: Portal, desk: Desk) -> None:
    phone = device(portal, "10.2.0.5")
    form = {"account": "somchai", "password": "correct horse"}
    page = phone.get("/").text
    assert phone.post("/", data=form | {"token": token(page)}).status_code == 303
    again = device(portal, "10.2.0.6")
    assert again.head("/").status_code == 200
    assert desk.sessions.keys() == {(SITE, "10.2.0.5")}
    assert again.get("/").headers["location"].startswith("/session")
    assert device(portal, "10.1.0.6").get("/").status_code == 200  # another zone
    page = again.get("/session").text
    assert again.post("/session", data={"token": token(page)}).status_code == 200
    assert device(portal, "10.2.0.7").get("/").status_code == 200


def test_while_a_directory_is_silent_all_who_are_refused_read_the_same(portal: Portal) -> None:
    read = set()
    for account in ("nobody", "somchai", "nobody"):
        phone = device(portal, "10.3.0.5")
        form = {"account": account, "password": "wrong", "token": token(phone.get("/").text)}
        answer = phone.post("/", data=form)
        read.add((answer.status_code, "ระบบตรวจสอบบัญชียังไม่ตอบ" in answer.text))
    assert read == {(403, True)}


def test_a_qr_code_brings_the_code_along(portal: Portal) -> None:
    page = device(portal, "10.1.0.5").get("/", params={"voucher": 'K7M2-"><b>' + "x" * 90}).text
    assert 'value="K7M2-&#34;&gt;&lt;b&gt;xxx' in page
    assert "x" * 40 not in page
    assert "K7M2" not in device(portal, "10.2.0.5").get("/?voucher=K7M2").text
