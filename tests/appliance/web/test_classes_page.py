"""A teacher helps the pupils of her own classes, and nothing else is open to her."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from appliance.web import api
from appliance.web.app import PAGES
from captive_portal.database import open_database
from captive_portal.people import dates
from captive_portal.people.accounts import Account, AccountRow, Kind, NewAccount, People, Role
from captive_portal.people.teaching import Teaching
from captive_portal.people.usage import Usage
from tests.appliance.web.rooms import ADMIN, TEACHER, VIEWER, House, csrf
from tests.appliance.web.test_school_pages import NOW, SITE
from tests.appliance.web.test_thai_errors import alert

OPEN_TO_HER = {"/classes", "/classes/bonus", "/classes/password"}
OPEN_TO_ALL = {"/sign-in", "/sign-out", "/password", "/healthz", "/api/v1/openapi.json"}


@pytest.fixture
def engine(house: House) -> Iterator[Engine]:
    engine = open_database(house.home)
    house.database = engine
    with Session(engine) as db, db.begin():
        row = AccountRow(id=TEACHER.id, site=SITE, account="kru", folded="kru", role="teacher")
        row.full_name, row.kind, row.proofing, row.created_at = "ครู ใจดี", "teacher", "", NOW
        row.must_change = False
        db.add(row)
    yield engine
    engine.dispose()


@pytest.fixture
def pupils(engine: Engine) -> dict[str, Account]:
    people = People(engine)
    told = (
        ("00101", Kind.PUPIL, "ม.1", "2"),
        ("00102", Kind.PUPIL, "ม.1", "2"),
        ("00103", Kind.PUPIL, "ม.1", "3"),
        ("00104", Kind.PUPIL, "ม.3", "1"),
        ("kru2", Kind.TEACHER, "ม.1", "2"),
        ("gone", Kind.PUPIL, "ม.1", "2"),
    )
    made = {
        name: people.add(
            NewAccount(site=SITE, account=name, kind=kind, grade=grade, room=room), now=NOW
        )
        for name, kind, grade, room in told
    }
    people.disable(made["gone"].id, now=NOW)
    Teaching(engine).put(TEACHER.id, "ม.1/2, ม.3")
    return made


def post(client: TestClient, path: str, **fields: str) -> Any:
    return client.post(path, data={"csrf": csrf(client, "/classes"), **fields})


def given(engine: Engine) -> dict[UUID, int]:
    months = Usage(engine).months(dates.today(NOW))
    return {person: month.day_bonus_mb for person, month in months.items()}


def test_she_sees_her_own_pupils_alone(house: House, pupils: dict[str, Account]) -> None:
    client = house.signed_in(TEACHER)
    assert client.get("/").headers["location"] == "/classes"
    page = client.get("/classes").text
    listed = re.findall(r'<td class="mono">([^<]+)</td>', page)
    assert listed == ["00101", "00102", "00104"]
    assert re.findall(r'<td class="mono">([^<]+)', client.get("/classes?c=ม.3").text) == ["00104"]
    assert 'href="/search"' not in page
    assert 'href="/people"' not in page


def test_a_class_or_a_pupil_gets_more_and_it_is_written_down_first(
    house: House, engine: Engine, pupils: dict[str, Account]
) -> None:
    client = house.signed_in(TEACHER)
    both = {"class": "ม.1/2", "megabytes": "๓๐๐"}
    assert post(client, "/classes/bonus", **both).status_code == 200
    one = str(pupils["00101"].id)
    assert post(client, "/classes/bonus", pupil=one, megabytes="500").status_code == 200
    assert given(engine) == {pupils["00101"].id: 800, pupils["00102"].id: 300}
    assert [event["target"] for event in house.control.events[-2:]] == [
        "teacher bonus default class ม.1/2, 2 pupils, 300 MB",
        f"teacher bonus default {one}, 500 MB",
    ]
    assert house.control.events[-1]["actor"] == str(TEACHER.id)
    # As Python reads an id, and with which a line of the log would be cut before it says whose.
    padded = "-" * 1000 + one
    assert post(client, "/classes/bonus", pupil=padded, megabytes="0000000200").status_code == 200
    assert house.control.events[-1]["target"] == f"teacher bonus default {one}, 200 MB"
    form = {"csrf": csrf(client, "/classes"), "pupil": one, "megabytes": "9"}
    house.control.down = True
    assert client.post("/classes/bonus", data=form).status_code == 503
    assert given(engine)[pupils["00101"].id] == 1000


def test_a_pupil_gets_a_new_password(
    house: House, engine: Engine, pupils: dict[str, Account]
) -> None:
    client = house.signed_in(TEACHER)
    answer = post(client, "/classes/password", pupil=str(pupils["00102"].id))
    found = re.search(r'<p class="secret">([^<]+)</p>', answer.text)
    assert found is not None
    assert People(engine).check(SITE, "00102", found[1]).must_change
    assert house.control.events[-1]["target"] == f"teacher new password {pupils['00102'].id}"
    assert found[1] not in str(house.control.events)


def test_nobody_else_is_in_her_reach(
    house: House, engine: Engine, pupils: dict[str, Account]
) -> None:
    client = house.signed_in(TEACHER)
    for name in ("00103", "kru2", "gone"):
        one = str(pupils[name].id)
        for path in ("/classes/password", "/classes/bonus"):
            answer = post(client, path, pupil=one, megabytes="5")
            assert (answer.status_code, bool(alert(answer))) == (422, True)
    for wrong in ({"pupil": "x"}, {"pupil": str(TEACHER.id)}, {"class": "ม.1/3"}, {"class": ""}):
        alert(post(client, "/classes/bonus", **{**wrong, "megabytes": "5"}))
        alert(post(client, "/classes/password", **wrong))
    for megabytes in ("0", "5001", "-1", "many", "", "000000001" + "0" * 6, "9" * 5000):
        alert(post(client, "/classes/bonus", **{"class": "ม.1/2", "megabytes": megabytes}))
    assert given(engine) == {}
    Teaching(engine).put(TEACHER.id, "")
    assert "ยังไม่ได้กำหนดชั้น" in client.get("/classes").text


def test_every_other_page_and_the_api_refuse_her(house: House, engine: Engine) -> None:
    client = house.signed_in(TEACHER)
    known = [one for module in (*PAGES, api) for one in module.router.routes]
    routes = [one for one in known if isinstance(one, APIRoute)]
    seen, token, before = 0, csrf(client, "/classes"), len(house.control.events)
    for route in routes:
        path = re.sub(r"\{[^}]+\}", str(ADMIN.id), route.path)
        if path in OPEN_TO_HER | OPEN_TO_ALL:
            continue
        for method in route.methods or ():
            form = {"csrf": token} if method == "POST" else None
            answer = client.request(method, path, data=form)
            if path == "/" and method == "GET":
                assert answer.headers["location"] == "/classes"
                continue
            assert answer.status_code == 403, (method, path, answer.status_code)
            seen += 1
    assert (seen > 40, len(house.control.events)) == (True, before)
    for member in (VIEWER, ADMIN):
        assert house.signed_in(member).get("/classes").status_code == 403


def test_staff_say_which_classes_are_whose(house: House, engine: Engine) -> None:
    client = house.signed_in()

    def put(person: UUID, classes: str) -> Any:
        token = csrf(client, "/people/teachers")
        form = {"csrf": token, "classes": classes}
        return client.post(f"/people/{person}/classes", data=form)

    assert put(TEACHER.id, " ม.3 , มัธยมศึกษาปีที่ 1/2, ม.3").status_code == 303
    assert 'value="ม.1/2, ม.3"' in client.get("/people/teachers").text
    assert "teaches" in house.control.events[-1]["target"]
    for wrong in ("ครู", "ม.9", ",".join(f"ม.1/{n}" for n in range(70))):
        alert(put(TEACHER.id, wrong))
    alert(put(UUID(int=99), "ม.1"))
    for account, kind, status in (("kru2", Kind.TEACHER, 303), ("00101", Kind.PUPIL, 422)):
        People(engine).add(NewAccount(site=SITE, account=account, kind=kind), now=NOW)
        form = {"csrf": csrf(client, "/people/teachers"), "account": account, "classes": "ป.1"}
        assert client.post("/people/teachers", data=form).status_code == status
    kru2 = People(engine).find(SITE, "KRU2")
    assert kru2 is not None
    assert kru2.role is Role.TEACHER
    put(kru2.id, "")
    assert "kru2" not in client.get("/people/teachers").text
    nobody = {"csrf": csrf(client, "/people/teachers"), "account": "nobody", "classes": "ป.1"}
    alert(client.post("/people/teachers", data=nobody))
    assert [str(one) for one in Teaching(engine).classes(TEACHER.id)] == ["ม.1/2", "ม.3"]
    assert Role.TEACHER.value in client.get("/people").text
