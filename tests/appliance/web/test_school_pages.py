"""A school's people on the pages: the roll, groups, days, vouchers, slips, the yearly step."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from appliance.web import reasons
from appliance.web.texts import texts
from captive_portal.database import open_database
from captive_portal.errors import Refused
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.groups import Calendar, Groups
from tests.appliance.web.rooms import ADMIN, NOW_US, VIEWER, House, csrf

NOW = datetime.fromtimestamp(NOW_US / 1e6, UTC)
SITE = "default"
DMC = (
    "เลขประจำตัวนักเรียน,เลขประจำตัวนักเรียน,ชั้น,ห้อง,คำนำหน้าชื่อ,ชื่อ,นามสกุล,ศาสนา\n"
    "1101700230700,00101,ม.1,2,ด.ช.,สมชาย,ใจดี,ลับ\n"
    "1101700230710,00102,ม.3,1,ด.ญ.,สมหญิง,ดีใจ,ลับ\n"
)
BAD = DMC + "1.1E+12,00103,ม.1,2,ด.ญ.,<b>มาลี</b>,ดีใจ,ลับ\n"
PAGES = ("/people/roll", "/people/groups", "/people/vouchers", "/people/year")


@pytest.fixture
def engine(house: House) -> Iterator[Engine]:
    engine = open_database(house.home)
    house.database = engine
    yield engine
    engine.dispose()


@pytest.fixture
def client(house: House, engine: Engine) -> TestClient:
    return house.signed_in()


def post(client: TestClient, page: str, path: str, **fields: str) -> Any:
    return client.post(path, data={"csrf": csrf(client, page), **fields})


def upload(client: TestClient, text: str, name: str = "dmc.csv") -> Any:
    return client.post(
        "/people/roll",
        data={"csrf": csrf(client, "/people/roll"), "site": SITE},
        files={"file": (name, text.encode("cp874"), "text/csv")},
    )


def token(answer: Any) -> str:
    found = re.search(r'name="token" value="([^"]+)"', answer.text)
    assert found
    return found[1]


def people(engine: Engine) -> dict[str, Account]:
    return {one.account: one for one in People(engine).list(SITE)}


def test_a_roll_is_looked_at_confirmed_and_taken_in(
    house: House, engine: Engine, client: TestClient
) -> None:
    seen = upload(client, DMC)
    assert (seen.status_code, people(engine)) == (200, {})
    assert "เลขประจำตัวประชาชน (เก็บเป็นรหัส)" in seen.text
    assert "ศาสนา" in seen.text
    assert "ลับ" not in seen.text
    assert "1101700" not in seen.text
    done = post(client, "/people/roll", "/people/roll/take", token=token(seen))
    assert done.status_code == 200
    assert sorted(people(engine)) == ["00101", "00102"]
    assert house.control.acts == ["sign-in", "people"]
    assert "เคยยืนยันแล้ว" in upload(client, DMC).text


def test_rows_that_are_bad_come_back_and_close_nobody(engine: Engine, client: TestClient) -> None:
    post(client, "/people/roll", "/people/roll/take", token=token(upload(client, DMC)))
    without = "\n".join(line for line in BAD.splitlines() if "00102" not in line)
    seen = upload(client, without)
    assert "&lt;b&gt;มาลี" in seen.text
    assert "disabled" in seen.text
    one = token(seen)
    octets = post(client, "/people/roll", "/people/roll/bad", token=one).content
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        text = "".join(archive.read(name).decode() for name in archive.namelist())
    assert "โปรแกรมตารางปัดเศษเลขประจำตัว" in text
    assert "โปรแกรมตารางปัดเศษเลขประจำตัว" in seen.text
    assert "ลับ" not in text
    post(client, "/people/roll", "/people/roll/take", token=one, close_left="yes")
    assert people(engine)["00102"].disabled_at is None
    whole = token(upload(client, "\n".join(DMC.splitlines()[:2])))
    post(client, "/people/roll", "/people/roll/take", token=whole, close_left="yes")
    assert people(engine)["00102"].disabled_at == NOW


def test_a_preview_is_its_makers_and_ends(house: House, engine: Engine, client: TestClient) -> None:
    one = token(upload(client, DMC))
    house.clock.ns += 16 * 60 * 10**9
    late = post(client, "/people/roll", "/people/roll/take", token=one)
    assert (late.status_code, people(engine)) == (422, {})
    assert upload(client, "ไม่ใช่รายชื่อ").status_code == 422
    assert upload(client, "PK\x03\x04").status_code == 422


def test_groups_and_days_are_made_with_plain_words(engine: Engine, client: TestClient) -> None:
    made = post(
        client,
        "/people/groups",
        "/people/groups",
        **{"name": "นักเรียน", "kind": "pupil", "devices": "2", "hours": "จ-ศ 07:30-16:30"},
        **{"slow_kbit": "256", "remember_days": "0", "roams": "yes"},
    )
    assert made.status_code == 303
    group = Groups(engine).list(SITE)[0]
    assert (group.name, group.devices, group.hours[0].first_minute) == ("นักเรียน", 2, 450)
    shown = client.get(f"/people/groups?group={group.id}").text
    assert 'value="จ-ศ 07:30-16:30"' in shown
    wrong = post(
        client, "/people/groups", "/people/groups", name="ครู", hours="เช้า", group=str(group.id)
    )
    assert (wrong.status_code, 'value="เช้า"' in wrong.text) == (422, True)
    day = {"day": "5/12/2569", "kind": "holiday", "name": "วันพ่อแห่งชาติ"}
    assert post(client, "/people/groups", "/people/groups/days", **day).status_code == 303
    assert "5 ธ.ค. 2569" in client.get("/people/groups").text
    post(client, "/people/groups", "/people/groups/days", day="2026-12-05")
    assert Calendar(engine).days(SITE, NOW.date(), NOW.date().replace(year=2027)) == []


def test_vouchers_are_printed_once_and_taken_back(engine: Engine, client: TestClient) -> None:
    new = NewAccount(site=SITE, account="kru", full_name="ครู ใจดี", kind=Kind.TEACHER)
    sponsor = People(engine).add(new, now=NOW)
    form = {"sponsor": str(sponsor.id), "until": "30/11/2569", "names": "วิทยากร ก\n\nวิทยากร ข"}
    sheet = post(client, "/people/vouchers", "/people/vouchers", **form, count="1")
    codes = re.findall(r"<dd>([0-9A-Z-]{11})</dd>", sheet.text)
    assert (sheet.status_code, len(codes), sheet.headers["cache-control"]) == (200, 3, "no-store")
    listed = client.get("/people/vouchers").text
    assert "วิทยากร ข" in listed
    assert not [code for code in codes if code in listed]
    which = re.findall(r'name="voucher" value="([^"]+)"', listed)[0]
    gone = post(client, "/people/vouchers", "/people/vouchers/revoke", voucher=which)
    assert gone.status_code == 303
    assert "ยกเลิกแล้ว" in client.get("/people/vouchers").text
    for wrong in ({"until": "x"}, {"sponsor": ""}, {"count": "x"}, {"count": "501"}):
        answer = post(client, "/people/vouchers", "/people/vouchers", **{**form, **wrong})
        assert answer.status_code == 422


def test_slips_open_accounts_and_the_year_goes_on_and_back(
    engine: Engine, client: TestClient
) -> None:
    post(client, "/people/roll", "/people/roll/take", token=token(upload(client, DMC)))
    sheet = post(client, "/people/year", "/people/slips", **{"class": "ม.1/2"})
    words = re.findall(r"<dd>(.*?)</dd>", html.unescape(sheet.text))
    assert People(engine).check(SITE, words[0], words[1]).must_change
    with pytest.raises(Refused):
        People(engine).check(SITE, "00102", words[1])
    assert "ม.2/2" in client.get("/people/year").text
    assert post(client, "/people/year", "/people/year").status_code == 200
    assert people(engine)["00101"].grade == "ม.2"
    assert people(engine)["00102"].disabled_at == NOW
    assert post(client, "/people/year", "/people/year", undo="yes").status_code == 200
    assert people(engine)["00101"].grade == "ม.1"
    assert post(client, "/people/year", "/people/year", undo="yes").status_code == 422


def test_what_is_kept_of_one_person(house: House, engine: Engine, client: TestClient) -> None:
    post(client, "/people/roll", "/people/roll/take", token=token(upload(client, DMC)))
    one = people(engine)["00101"]
    path = f"/people/{one.id}/data"
    told = client.get(path)
    assert "สมชาย ใจดี" in told.text
    assert "สมหญิง" not in told.text
    assert "ทะเบียนนักเรียนหรือบุคลากร" in told.text
    assert "school register" not in told.text
    assert house.control.events[-1]["target"] == f"data {one.id}"
    assert post(client, path, f"/people/{one.id}/bonus", megabytes="500").status_code == 303
    assert post(client, path, f"/people/{one.id}/bonus", megabytes="-1").status_code == 422
    beyond = "000000001" + "0" * 9
    assert post(client, path, f"/people/{one.id}/bonus", megabytes=beyond).status_code == 422
    assert post(client, path, f"/people/{one.id}/group", group="").status_code == 303
    assert post(client, path, f"/people/{one.id}/close", day="31/3/2570").status_code == 303
    assert "31 มี.ค. 2570" in client.get(path).text
    assert not people(engine)["00101"].closed(NOW)
    assert post(client, path, f"/people/{one.id}/close", day="เมื่อไร").status_code == 422
    assert post(client, path, f"/people/{one.id}/close").status_code == 303
    assert people(engine)["00101"].disabled_at is None
    assert client.get("/people/00000000-0000-4000-8000-000000000000/data").status_code == 422


def test_only_managers_and_only_with_their_own_form(
    house: House, engine: Engine, client: TestClient
) -> None:
    viewer = house.signed_in(VIEWER)
    for page in PAGES:
        assert viewer.get(page).status_code == 403
        assert client.get(page).status_code == 200
        assert client.get(f"{page}?lang=en").status_code == 200
    posts = (
        *("/people/groups", "/people/groups/days", "/people/vouchers", "/people/year"),
        *("/people/vouchers/revoke", "/people/slips", "/people/roll/take", "/people/roll/bad"),
        *(f"/people/{ADMIN.id}/bonus", f"/people/{ADMIN.id}/group"),
    )
    for path in posts:
        assert client.post(path, data={"csrf": "x"}).status_code == 403
    for headers in ({}, {"origin": "http://evil.example"}):
        answer = client.post(
            "/people/roll", data={"csrf": "x"}, files={"file": ("a", b"x")}, headers=headers
        )
        assert answer.status_code == 403
    assert client.post("/people/roll", data={"csrf": "x"}).status_code == 403
    large = client.post("/people/groups", data={"csrf": "x" * 70_000})
    assert large.status_code == 413


def test_every_reason_has_its_thai() -> None:
    thai = texts("th")
    for sentence in reasons._SENTENCES:
        words = re.sub(r"\{\w+\}", "x", sentence)
        assert reasons.reason(thai, words) != words
        assert re.findall(r"\{\w+\}", thai(sentence)).count("{word}") == ("{word}" in sentence)
    assert reasons.reason(
        thai, "line 3: account {a} stands in the file twice, first in line 2"
    ) == ("แถว 3: บัญชี {a} มีซ้ำในไฟล์ ครั้งแรกในแถว 2")
    assert reasons.reason(thai, "something else") == "something else"


def test_nothing_is_done_that_cannot_be_written_down(
    house: House, engine: Engine, client: TestClient
) -> None:
    one = token(upload(client, DMC))
    house.control.down = True
    assert post(client, "/people/roll", "/people/roll/take", token=one).status_code == 503
    assert people(engine) == {}


def test_posters_lead_to_the_page_from_each_zone(house: House, engine: Engine) -> None:
    zone = {"site": SITE, "networks": ["10.30.0.0/16"]}
    house.more = {
        "sign_in": {"public_url": "https://wifi.school.example/"},
        "zones": [
            {**zone, "id": "lab", "name": "ห้องคอมพิวเตอร์", "name_en": "Computer room"},
            {**zone, "id": "printers", "name": "เครื่องพิมพ์", "portal": False},
        ],
    }
    client = house.signed_in()
    thai = client.get("/people/posters").text
    assert "ห้องคอมพิวเตอร์" in thai
    assert "เครื่องพิมพ์" not in thai
    assert "wifi.<wbr>school.<wbr>example" in thai
    assert "<svg" in thai
    assert "shown once" not in client.get("/people/posters?lang=en").text


def test_half_a_workbook_is_refused_in_thai(client: TestClient) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("xl/workbook.xml", "x" * 9000)
    octets = whole.getvalue()
    answer = client.post(
        "/people/roll",
        data={"csrf": csrf(client, "/people/roll"), "site": SITE},
        files={"file": ("roll.xlsx", octets[: len(octets) // 2], "application/octet-stream")},
    )
    assert answer.status_code == 422
    assert "ไฟล์ XLSX เสียหาย" in answer.text
    assert "broken" not in answer.text


def test_a_poster_of_a_zone_without_a_name_has_the_schools(house: House, engine: Engine) -> None:
    zone = {"site": SITE, "networks": ["10.30.0.0/16"]}
    house.more = {
        "sites": [{"id": SITE, "name": "โรงเรียนสมมติ"}],
        "sign_in": {"public_url": "https://login.a-school-with-a-long-name.example/"},
        "zones": [{**zone, "id": "pupils"}, {**zone, "id": "teachers"}],
    }
    page = house.signed_in().get("/people/posters").text
    assert re.findall("<h2>(.*?)</h2>", page) == ["โรงเรียนสมมติ"]
    assert '<dd class="long">login.<wbr>a-school-with-a-long-name.<wbr>example</dd>' in page
    assert 'class="sheet large"' in page


def test_a_page_without_a_name_has_no_poster(client: TestClient) -> None:
    answer = client.get("/people/posters")
    assert answer.status_code == 422
    assert "sign_in.public_url" in answer.text
