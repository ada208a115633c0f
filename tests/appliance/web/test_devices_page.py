"""Devices on the admin pages: entered with an owner, found, switched off and removed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from captive_portal.database import open_database
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.devices import Device, Devices
from captive_portal.sessions import portal
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Person
from tests.appliance.web.rooms import VIEWER, House, csrf
from tests.appliance.web.test_school_pages import NOW, SITE
from tests.appliance.web.test_thai_errors import alert

PAGE = "/people/devices"
PRINTER, PHONE = "00:aa:00:00:00:02", "02:aa:00:00:00:01"
ENTER = {"mac": "00-AA-00-00-00-02", "owner": "kru", "name": "เครื่องพิมพ์", "until": "30/11/2569"}


@pytest.fixture
def engine(house: House) -> Iterator[Engine]:
    engine = open_database(house.home)
    house.database = engine
    yield engine
    engine.dispose()


@pytest.fixture
def kru(engine: Engine) -> Account:
    new = NewAccount(site=SITE, account="kru", full_name="ครู ใจดี", kind=Kind.TEACHER)
    return People(engine).add(new, now=NOW)


@pytest.fixture
def client(house: House, kru: Account) -> TestClient:
    return house.signed_in()


def post(client: TestClient, path: str = "", **fields: str) -> Any:
    return client.post(PAGE + path, data={"csrf": csrf(client, PAGE), **fields})


def devices(engine: Engine) -> dict[str, Device]:
    return {one.mac: one for one in Devices(engine).list(SITE)}


def test_a_printer_is_entered_found_and_changed(
    house: House, engine: Engine, client: TestClient
) -> None:
    said = post(client, **ENTER, purpose="ใบประกาศ")
    assert (said.status_code, "ครู ใจดี" in said.text) == (200, True)
    made = devices(engine)[PRINTER]
    assert (made.account, made.name, made.purpose) == ("kru", "เครื่องพิมพ์", "ใบประกาศ")
    assert house.control.events[-1]["target"].startswith("devices add default 00-AA")
    for words in ("พิมพ์", "00:aa", "aa-00-00", "ใจดี ใบประกาศ", "KRU"):
        assert PRINTER in client.get(PAGE, params={"q": words}).text
    assert PRINTER not in client.get(PAGE, params={"q": "จอภาพ"}).text
    page = client.get(PAGE, params={"change": PRINTER}).text
    assert 'value="30 พ.ย. 2569"' in page
    again = {**ENTER, "name": "จอภาพ", "until": "30 พ.ย. 2569", "again": "yes"}
    assert post(client, **again).status_code == 200
    changed = devices(engine)[PRINTER]
    assert (changed.name, changed.until) == ("จอภาพ", made.until)


def test_what_is_wrong_is_told_in_thai_and_stays_in_the_form(
    engine: Engine, client: TestClient
) -> None:
    wrongs = ({"owner": "nobody"}, {"mac": "x"}, {"name": "x" * 201}, {"until": "x"}, {"name": ""})
    for wrong in wrongs:
        answer = post(client, **{**ENTER, **wrong})
        assert (answer.status_code, bool(alert(answer))) == (422, True)
        assert 'value="เครื่องพิมพ์"' in answer.text or "name" in wrong
    post(client, **ENTER)
    assert "มีอยู่ในรายการแล้ว" in alert(post(client, **ENTER))
    assert "ไม่มีอุปกรณ์นี้" in alert(post(client, "/switch", mac=PHONE, on="yes"))
    assert "ไม่มีอุปกรณ์นี้" in alert(post(client, "/remove", mac="<b>"))
    assert list(devices(engine)) == [PRINTER]


def test_a_device_that_is_switched_off_or_removed_is_off_at_once(
    house: House, engine: Engine, client: TestClient, kru: Account
) -> None:
    post(client, **ENTER)
    Devices(engine).remember(SITE, PHONE, kru.id, now=NOW, until=NOW + timedelta(7))
    for number, mac in enumerate((PRINTER, PHONE), 1):
        person = Person(id=kru.id, account="kru", full_name="ครู ใจดี")
        one, where = UUID(int=number), f"10.0.0.{number}"
        day = timedelta(days=1)
        begun = portal.new(one, SITE, person, where, mac=mac, now=NOW, lasts=day)
        Rows(engine).write([begun])
    house.control.replies["kick"] = {"ok": True}
    assert post(client, "/switch", mac=PRINTER).status_code == 303
    assert house.control.kicked == [str(UUID(int=1))]
    assert not devices(engine)[PRINTER].enabled
    listed = html.unescape(client.get(PAGE).text)
    assert len(re.findall(">ปิดอยู่<", listed)) == 1
    assert "เลขสุ่ม" in listed
    assert post(client, "/switch", mac=PRINTER, on="yes").status_code == 303
    assert devices(engine)[PRINTER].enabled
    assert post(client, "/remove", mac=PHONE, q="พิมพ์").headers["location"].startswith(PAGE)
    assert (list(devices(engine)), len(house.control.kicked)) == ([PRINTER], 2)
    assert [e["target"] for e in house.control.events if "off" in e["target"]] == [
        f"devices switch off default {PRINTER}"
    ]


def test_only_managers_and_only_with_their_own_form(house: House, client: TestClient) -> None:
    viewer = house.signed_in(VIEWER)
    assert viewer.get(PAGE).status_code == 403
    for path in ("", "/switch", "/remove"):
        assert client.post(PAGE + path, data={"csrf": "x", **ENTER}).status_code == 403
        assert viewer.post(PAGE + path, data=ENTER).status_code == 403
