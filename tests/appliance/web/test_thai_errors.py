"""Whoever reads Thai is told in Thai what is wrong, on all pages about people."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

import appliance.web
from appliance.errors import WrongUse
from appliance.web import reasons
from appliance.web.texts import texts
from captive_portal import own_data
from captive_portal.database import open_database
from captive_portal.errors import PortalError
from captive_portal.people import (
    accounts,
    dates,
    devices,
    groups,
    groups_text,
    identifiers,
    layout,
    names,
    passwords,
    promotion,
    roll,
    sheets,
    slips,
    taking,
    teaching,
    vouchers,
    workbook,
)
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from tests.appliance.web.rooms import BASE, NEWCOMER, PASSWORD, House, csrf, sign_in
from tests.appliance.web.test_school_pages import DMC, NOW, SITE, upload

ASKED_BY_PAGES: tuple[ModuleType, ...] = (
    *(accounts, dates, devices, groups, groups_text, identifiers, layout, names, passwords),
    *(promotion, roll, sheets, slips, taking, teaching, vouchers, workbook, own_data),
)
FAMILY = ("PortalError", "Unfit", "WrongUse", "BoxError")
WEB = Path(appliance.web.__file__).parent
COMPOSED = (
    "the 7 is longer than 7 characters, or holds odd signs",
    "77 stands in the file twice, first in line 7",
)
"""Their first words are one of a few; the sentences with each are known."""
SENTENCE = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]{2,}){2,}")
"""Three words of Latin letters in a row; names of settings and what somebody typed are shorter."""


def files() -> Iterator[Path]:
    yield from (Path(str(module.__file__)) for module in ASKED_BY_PAGES)
    yield from WEB.glob("pages_*.py")
    yield from (WEB / name for name in ("uploads.py", "school.py", "staff.py"))


def spelt(node: ast.AST) -> str:
    """Return a text of the program, with a figure where it puts something in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(spelt(part) for part in node.values)
    return "7"


def faults() -> Iterator[tuple[str, str]]:
    """Yield message and hint of each error that the pages may have to show."""
    yield from ((fault.value, "choose another") for fault in passwords.Fault)
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id not in FAMILY or not node.args:
                    continue
                hint = next((spelt(k.value) for k in node.keywords if k.arg == "hint"), "")
                yield spelt(node.args[0]), hint
            elif isinstance(node, ast.FunctionDef) and node.name == "fault":
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        yield spelt(inner.value), ""


def test_every_error_about_people_has_its_thai() -> None:
    thai, found = texts("th"), [(text, hint) for text, hint in faults() if text.strip("7 ;")]
    assert len(found) > 80
    english = []
    for text, hint in found:
        if text in COMPOSED:
            continue
        said = reasons.told(thai, PortalError(text, hint=hint))
        if said == thai(reasons.UNSAID) or SENTENCE.search(said):
            english.append((text, hint, said))
    assert english == []


def test_what_is_not_known_is_told_all_the_same() -> None:
    odd = PortalError("the frobnicator is out of tune", hint="tune it")
    assert reasons.told(texts("th"), odd) == texts("th")(reasons.UNSAID)
    assert reasons.told(texts("en"), odd) == "the frobnicator is out of tune; tune it"
    cli = WrongUse("no such account", hint="prathu people list")
    assert reasons.told(texts("en"), cli) == "no such account"


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


def alert(answer: Any) -> str:
    """Return what an answer says is wrong; in Thai, or this fails."""
    found = re.search(r'role="alert"[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    said = html.unescape(re.sub("<[^>]+>", " ", found[1] if found else answer.text))
    assert re.search("[ก-๛]", said), said
    assert not SENTENCE.search(said), said
    return said


def errors(client: TestClient, kru: Account) -> Iterator[Any]:
    """Yield the answer to each way of doing it wrong."""

    def post(page: str, path: str, **fields: str) -> Any:
        return client.post(path, data={"csrf": csrf(client, page), **fields})

    yield post("/people/groups", "/people/groups", name="ครู", hours="เช้า")
    yield post("/people/groups", "/people/groups", name="ครู", devices="many")
    yield post("/people/groups", "/people/groups", name="")
    yield post("/people/groups", "/people/groups", name="ครู", kind="boss")
    yield post("/people/groups", "/people/groups", name="ครู", hours="จ 16:00-08:00")
    yield post("/people/groups", "/people/groups/days", day="someday", kind="holiday")
    good = {"sponsor": str(kru.id), "until": "30/11/2569", "names": "วิทยากร ก"}
    for wrong in ({"until": "x"}, {"sponsor": ""}, {"count": "x"}, {"count": "501"}):
        yield post("/people/vouchers", "/people/vouchers", **{**good, **wrong})
    yield post("/people/vouchers", "/people/vouchers", **{**good, "until": "30/11/2599"})
    yield post("/people/vouchers", "/people/vouchers/revoke", voucher="x")
    yield post("/people/year", "/people/slips", **{"class": "ม.1/2"})
    yield post("/people/year", "/people/year", undo="yes")
    yield post("/people/year", "/people/year", last="kindergarten")
    data = f"/people/{kru.id}"
    yield post(f"{data}/data", f"{data}/bonus", megabytes="-1")
    yield post(f"{data}/data", f"{data}/close", day="someday")
    yield client.get(f"/people/{SITE}/data")
    yield client.get("/people/00000000-0000-4000-8000-000000000000/data")
    yield client.get("/people/posters")
    yield client.get("/people/nothing")
    yield client.get("/people/slips")
    yield client.post("/people", data={"csrf": "x"})
    yield client.post("/people", data={"csrf": "x" * 70_000})
    whole_files = {
        "no list": "ไม่ใช่รายชื่อ",
        "two of one": "account,account\na,b\n",
        "no quote": 'account,full_name\n"a,b\n',
        "no workbook": "PK\x03\x04",
    }
    for text in whole_files.values():
        yield upload(client, text)
    yield client.post(
        "/people/roll",
        data={"csrf": csrf(client, "/people/roll"), "site": SITE},
        files={"file": ("", b"", "text/csv")},
    )
    yield client.post(
        "/people/roll",
        data={"csrf": csrf(client, "/people/roll"), "site": SITE},
        files={"file": ("a.csv", b"\xff\xfe\x00", "text/csv")},
    )
    yield post("/people/roll", "/people/roll/take", token="old")


def test_wrong_forms_and_files_are_answered_in_thai(
    house: House, engine: Engine, kru: Account
) -> None:
    client = house.signed_in()
    for answer in errors(client, kru):
        assert answer.status_code in (403, 404, 405, 413, 422), answer.text
        alert(answer)
    upload(client, DMC)
    house.control.down = True
    down = client.post(
        "/people/groups", data={"csrf": csrf(client, "/people/groups"), "name": "ครู"}
    )
    assert down.status_code == 503
    alert(down)


def test_a_form_from_another_site_is_refused_in_thai_and_counted(house: House) -> None:
    client = house.browser()
    form = {"csrf": csrf(client, "/sign-in"), "account": "admin", "password": PASSWORD}
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
    ):
        answer = client.post("/sign-in", data=form, headers=headers)
        assert (answer.status_code, "เว็บอื่น" in alert(answer)) == (403, True)
    told = {"authorization": f"Bearer {house.api_token}"}
    status = client.get("/api/v1/status", headers=told).json()
    assert status["refused_forms"] == {"from another site": 3}
    own = {"origin": BASE, "sec-fetch-site": "same-origin"}
    assert client.post("/sign-in", data=form, headers=own).status_code == 303


def test_a_wrong_password_of_staff_is_told_in_thai(house: House) -> None:
    alert(sign_in(house.browser(), "admin", "wrong"))
    client = house.signed_in(NEWCOMER)
    for old, new, again in (("x", "y" * 9, "y" * 9), ("a", "b", "c"), ("a", "a", "a")):
        form = {"csrf": csrf(client, "/password"), "old": old, "new": new, "again": again}
        alert(client.post("/password", data=form))
