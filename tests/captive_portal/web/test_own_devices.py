"""Somebody's own devices on the page: named, signed out and forgotten, and nobody else's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine

from captive_portal.people import groups
from captive_portal.people.accounts import Kind, NewAccount, People
from captive_portal.people.devices import Devices
from captive_portal.people.groups import Groups
from captive_portal.sessions import portal
from captive_portal.sessions.session import Person
from captive_portal.settings import Zone
from captive_portal.web import entrance, front
from captive_portal.web.own_device import together
from tests.captive_portal.collector_stub import CollectorStub
from tests.captive_portal.conftest import NOW, SITE, Running, Start

PHONE, TABLET, DESKTOP = "127.0.0.2", "127.0.0.3", "127.0.0.4"
MACS = {
    PHONE: "02:00:5e:00:53:02",
    TABLET: "02:00:5e:00:53:03",
    DESKTOP: "00:00:5e:00:53:04",
}
ZONE = Zone(id="all", site=SITE, networks=("127.0.0.0/8",), ways=("local", "device"))
At = Callable[[str], httpx.Client]


@pytest.fixture
def devices(
    engine: Engine,
    people: People,
    collector: CollectorStub,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[At]:
    """Give a way to be a device at an address: a running portal sees its MAC."""
    del collector
    group = groups.new(SITE, "นักเรียน")
    Groups(engine).put(replace(group, kind="pupil", devices=2, remember_days=7))
    people.add(NewAccount(site=SITE, account="malee", password="correct horse"), now=NOW)
    for module in (front, entrance):
        monkeypatch.setattr(module, "mac_of", lambda address: MACS.get(address, ""))
    running: Running = start(zones=(ZONE,))
    with ExitStack() as stack:

        def at(address: str) -> httpx.Client:
            way = httpx.HTTPTransport(local_address=address)
            return stack.enter_context(httpx.Client(base_url=running.url, transport=way))

        yield at


def sign_in(device: httpx.Client, account: str = "somchai") -> int:
    page = device.get("/")
    if page.status_code == 303:
        return 303
    form = {"account": account, "password": "correct horse", "token": hidden(page, "token")[0]}
    return device.post("/", data=form).status_code


def hidden(page: httpx.Response, name: str) -> list[str]:
    return re.findall(rf'name="{name}" value="([^"]+)"', page.text)


def listed(device: httpx.Client) -> list[str]:
    """Return the headings of the list."""
    page = device.get("/session/devices").text
    return [unescape(one) for one in re.findall("<h2>(.*?)</h2>", page.split("</ul>")[0])]


def act(device: httpx.Client, number: int, act: str, **more: str) -> httpx.Response:
    page = device.get("/session/devices")
    form = {"token": hidden(page, "token")[0], "device": hidden(page, "device")[number]}
    return device.post("/session/devices", data={**form, "act": act, **more})


def test_a_pupil_names_signs_out_and_forgets_a_device_of_hers(devices: At, engine: Engine) -> None:
    phone, tablet = devices(PHONE), devices(TABLET)
    assert sign_in(phone) == sign_in(tablet) == 303
    assert "/session/devices" in phone.get("/session").text
    page = unescape(phone.get("/session/devices").text)
    assert "ใช้อยู่ 2 เครื่อง จากที่ใช้พร้อมกันได้ 2 เครื่อง" in page
    assert "00:53:03" in page
    assert MACS[TABLET] not in page
    assert page.count("หมายเลขสุ่ม ·") == 2
    assert listed(phone) == ["เครื่องที่ยังไม่มีชื่อ (เครื่องนี้)", "เครื่องที่ยังไม่มีชื่อ"]
    assert "บันทึกชื่อแล้ว" in act(phone, 1, "name", name=" แท็บเล็ต <b>").text
    assert listed(tablet)[0] == "แท็บเล็ต <b> (เครื่องนี้)"
    assert act(phone, 0, "name", name="x" * 300).status_code == 422
    assert "ออกจากระบบที่เครื่องนั้นแล้ว" in act(phone, 1, "sign-out").text
    assert tablet.get("/session").status_code == 303
    assert tablet.get("/").status_code == 200  # it does not come in by itself any more
    page = unescape(phone.get("/session/devices").text)
    assert "ใช้อยู่ 1 เครื่อง" in page
    assert listed(phone)[1] == "แท็บเล็ต <b>"
    assert "ลืมเครื่องนั้นแล้ว" in act(phone, 1, "forget").text
    assert len(listed(phone)) == 1
    assert [one.mac for one in Devices(engine).list(SITE)] == [MACS[PHONE]]


def test_nobody_reaches_a_device_of_somebody_else(devices: At, engine: Engine) -> None:
    phone, tablet, desktop = devices(PHONE), devices(TABLET), devices(DESKTOP)
    assert sign_in(phone) == sign_in(desktop) == sign_in(tablet, "malee") == 303
    assert len(listed(tablet)) == 1
    stolen = hidden(phone.get("/session/devices"), "device")
    form = {"token": hidden(tablet.get("/session/devices"), "token")[0], "act": "sign-out"}
    for handle in (*stolen, "", "x" * 5000):
        answer = tablet.post("/session/devices", data={**form, "device": handle})
        assert answer.status_code == 404
    for token in ("", hidden(phone.get("/session/devices"), "token")[0]):
        own = hidden(tablet.get("/session/devices"), "device")[0]
        wrong = {"token": token, "device": own, "act": "name", "name": "x"}
        assert tablet.post("/session/devices", data=wrong).status_code == 403
    assert len(listed(phone)) == 2
    kru = People(engine).add(NewAccount(site=SITE, account="kru", kind=Kind.TEACHER), now=NOW)
    Devices(engine).own(SITE, "00:aa:00:00:00:02", kru.id, "เครื่องพิมพ์", now=NOW)
    assert "เครื่องพิมพ์" not in phone.get("/session/devices").text
    assert devices("127.0.0.9").get("/session/devices").status_code == 303


def test_what_is_the_schools_is_shown_and_stays(devices: At, engine: Engine) -> None:
    phone = devices(PHONE)
    assert sign_in(phone) == 303
    somchai = People(engine).find(SITE, "somchai")
    assert somchai is not None
    Devices(engine).own(SITE, "00:aa:00:00:00:02", somchai.id, "จอภาพ", now=NOW)
    page = phone.get("/session/devices")
    assert ("จอภาพ" in page.text, len(hidden(page, "device"))) == (True, 1)
    size = len(page.content) + len(phone.get("/portal.css").content)
    assert (size < 60_000, "<script" in page.text) == (True, False)
    assert "My devices" in phone.get("/session/devices?lang=en").text


def test_five_rotations_of_a_mac_are_one_device_in_use_and_four_old_ones(
    engine: Engine, people: People, tmp_path: Path
) -> None:
    del tmp_path
    somchai = people.find(SITE, "somchai")
    assert somchai is not None
    person, book = Person(id=somchai.id, account="somchai"), Devices(engine)
    then, mac = NOW, ""
    for number in range(5):
        then, mac = NOW + timedelta(days=14 * number), f"02:00:5e:00:53:{number:02x}"
        book.remember(SITE, mac, somchai.id, now=then, until=then + timedelta(days=90))
    day = timedelta(days=1)
    here = portal.new(UUID(int=1), SITE, person, PHONE, mac=mac, now=then, lasts=day)
    found = together(book.list(SITE), [here], here, handle=str, now=then)
    assert [(one.here, one.on, one.random) for one in found] == [
        (True, True, True),
        *[(False, False, True)] * 4,
    ]
    assert [one.seen for one in found] == sorted((one.seen for one in found), reverse=True)
