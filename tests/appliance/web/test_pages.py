"""Status, search, who and people as pages: what they show, and what they never do."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from appliance.web import render
from appliance.web.deps import NewPerson
from tests.appliance.web.rooms import ADMIN, NASTY, NOW_US, VIEWER, House, csrf

PAGES = (
    "/",
    "/search",
    "/search?q=*",
    "/search?q=user:(",
    "/who",
    "/who?address=10.20.1.11",
    "/people",
    "/password",
    "/sign-in",
    "/nowhere",
)


def test_an_empty_box_says_what_to_do_next_and_offers_a_demo_school(house: House) -> None:
    client = house.signed_in()
    page = client.get("/").text
    assert "2055" in page
    assert 'href="/people"' in page
    answer = client.post("/demo", data={"csrf": csrf(client, "/")})
    assert answer.status_code == 303
    assert house.demo.running
    assert "setting" in house.control.acts


def test_the_box_page_tells_frames_that_wait_not_only_the_size_of_the_spool(house: House) -> None:
    house.control.replies = {
        "receive": {"spool": {"head": 3500}},
        "seal": {"sealed_position": 1200},
    }
    page = house.signed_in().get("/").text
    assert '<p class="figure">2,300</p>' in page
    assert "เฟรม ขนาดคิวรอ 0" in page or "frames; 0 B in the spool" in page


def test_a_real_site_is_never_offered_made_up_people(tmp_path: Path) -> None:
    house = House(home=tmp_path, site="school-a.example.ac.th")
    client = house.signed_in()
    assert 'action="/demo"' not in client.get("/").text
    assert client.post("/demo", data={"csrf": csrf(client, "/")}).status_code == 403
    assert not house.demo.running


def test_a_viewer_searches_and_manages_nothing(house: House) -> None:
    client = house.signed_in(VIEWER)
    assert client.get("/search?q=*").status_code == 200
    token = csrf(client, "/")
    assert client.get("/people").status_code == 403
    for path in ("/people", "/demo", f"/people/{ADMIN.id}/disable", f"/people/{ADMIN.id}/password"):
        assert client.post(path, data={"csrf": token}).status_code == 403
    assert house.control.acts == ["sign-in"]


def test_a_dead_process_is_shown_on_the_first_page(house: House) -> None:
    client = house.signed_in()
    house.control.down = True
    assert "รับข้อมูล: ไม่ทำงาน" in client.get("/").text


def test_an_answer_shows_sentence_rows_count_gaps_and_links(house: House) -> None:
    client = house.signed_in()
    page = client.get("/search?q=ip:10.20.1.11&range=1h").text
    assert "ประโยคไทย" in page
    assert "70,000" in page
    assert "1,234,567" in page
    assert page.count("<rect") == 3
    assert "192.0.2.1" in page
    wish = house.asking.wishes[-1]
    assert (wish.start_us, wish.end_us) == (NOW_US - 3_600_000_000, NOW_US)
    assert house.asking.askers[-1].actor == str(ADMIN.id)


def test_the_form_alone_asks_nothing(house: House) -> None:
    house.signed_in().get("/search")
    assert house.asking.wishes == []


def links(page: str, start: str) -> list[str]:
    return [unescape(x) for x in re.findall(r'href="([^"]+)"', page) if x.startswith(start)]


def test_a_click_on_a_value_narrows_the_question(house: House) -> None:
    page = house.signed_in().get("/search?q=port:443 OR port:80").text
    asked = [parse_qs(urlsplit(x).query)["q"][0] for x in links(page, "/search?q=")]
    assert "(port:443 OR port:80) AND ip:10.20.1.11" in asked
    assert "(port:443 OR port:80) AND user:demo-s001" in asked


def test_a_tick_multiplies_sampled_counters_and_every_link_keeps_it(house: House) -> None:
    client = house.signed_in()
    page = client.get("/search?q=*&scaled=1&lang=en").text
    assert 'name="scaled" value="1" checked' in page
    assert "Bytes and packets of 2 rows are multiplied by their sampling rate" in page
    assert all("scaled=1" in found for found in links(page, "/search.csv"))
    plain = client.get("/search?q=*&lang=en").text
    assert [wish.scaled for wish in house.asking.wishes] == [True, False]
    assert "multiplied" not in plain
    assert "scaled=" not in "".join(links(plain, "/search.csv"))


def test_permalink_and_csv_ask_the_question_that_was_run(house: House) -> None:
    client = house.signed_in()
    page = client.get("/search?q=*&range=6h").text
    shown = house.asking.wishes[-1]
    house.clock.ns += 777_777_777_777
    again = next(x for x in links(page, "/search?") if "from=" in x and "q=%2A&" in x)
    client.get(again)
    answer = client.get(links(page, "/search.csv")[0])
    assert house.asking.wishes[-2] == shown
    csv_wish = house.asking.wishes[-1]
    assert (csv_wish.start_us, csv_wish.end_us) == (shown.start_us, shown.end_us)
    assert answer.content.startswith("\ufeff".encode())
    assert "attachment" in answer.headers["content-disposition"]


def test_a_wrong_question_is_told_with_its_place(house: House) -> None:
    answer = house.signed_in().get("/search?q=user:(")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "user:<mark>(</mark>" in answer.text


@pytest.mark.parametrize("query", ["from=gestern", "to=2026-99-01", "from=2026-01-01T00:00:00+99"])
def test_a_wrong_time_is_one_line(house: House, query: str) -> None:
    answer = house.signed_in().get(f"/search?q=*&{query}")
    assert answer.status_code == 422
    assert house.asking.wishes == []


def test_the_link_of_an_empty_question_asks_it_again(house: House) -> None:
    client = house.signed_in()
    pushed = client.get("/search?q=&range=24h", headers={"HX-Request": "true"}).headers
    assert "ประโยคไทย" in client.get(pushed["hx-push-url"]).text
    assert len(house.asking.wishes) == 2


def test_an_end_alone_means_the_hour_before_it(house: House) -> None:
    house.signed_in().get("/search?q=*&to=-2h")
    wish = house.asking.wishes[-1]
    assert wish.end_us - wish.start_us == 3_600_000_000
    assert NOW_US - wish.end_us == pytest.approx(7_200_000_000, abs=1)


def test_htmx_gets_the_part_and_the_address_to_show(house: House) -> None:
    answer = house.signed_in().get("/search?q=*&col=bytes", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert answer.headers["hx-push-url"] == "/search?q=%2A&log=flows&range=1h&cols=bytes"


def test_a_part_that_cannot_be_had_is_no_page_within_the_page(house: House) -> None:
    client = house.signed_in()
    answer = client.get("/nowhere", headers={"HX-Request": "true"})
    assert answer.status_code == 404
    assert "<html" not in answer.text


def test_columns_are_chosen_and_kept_in_the_link(house: House) -> None:
    page = house.signed_in().get("/search?q=*&cols=bytes,src_ip,no_such").text
    heads = re.findall(r"<th scope=\"col\"[^>]*>([^<]+)</th>", page)
    assert heads == ["ไบต์", "ไอพีต้นทาง"]
    assert all("cols=bytes%2Csrc_ip" in x for x in links(page, "/search.csv"))


def test_another_log_gets_its_own_columns(house: House) -> None:
    client = house.signed_in()
    query = "/search?q=*&log=events&of=flows&col=bytes"
    part = client.get(query, headers={"HX-Request": "true"}).text
    assert 'id="columns" hx-swap-oob="true"' in part
    assert 'name="of" value="events"' in part
    assert len(re.findall(r'<th scope="col"', part)) == 5
    same = client.get(query.replace("of=flows", "of=events"), headers={"HX-Request": "true"}).text
    assert 'id="columns"' not in same
    assert len(re.findall(r'<th scope="col"', same)) == 1


def test_the_audit_log_shows_names_and_asks_for_ids(house: House) -> None:
    client = house.signed_in()
    house.staff.add(NewPerson(site="default", account="kru", name="", kind="staff", role="admin"))
    person = str(house.staff.lines[0].id)
    house.asking.rows = [{"account": person}]
    page = client.get("/search?q=*&log=audit").text
    assert ">kru</a>" in page
    assert any(person in x for x in links(page, "/search?q="))


def test_nothing_found_is_an_answer_too(house: House) -> None:
    house.asking.rows = []
    assert "ไม่พบรายการ" in house.signed_in().get("/search?q=*").text


def test_who_shows_person_certainty_and_evidence(house: House) -> None:
    page = house.signed_in().get("/who?address=10.20.1.11&lang=en").text
    assert "it was" in page
    assert "sure" in page
    assert "a flow ran then, signed in then" in page
    assert house.asking.askers[-1].actor == str(ADMIN.id)


def test_an_account_is_made_found_and_disabled(house: House) -> None:
    client = house.signed_in()
    form = {"csrf": csrf(client, "/people"), "account": "s1", "kind": "pupil", "role": "none"}
    page = client.post("/people", data={**form, "name": NASTY}).text
    assert "abcd-efgh-jkmn" in page
    assert "abcd-efgh-jkmn" not in client.get("/people").text
    person = house.staff.lines[0].id
    client.post(f"/people/{person}/disable", data={"csrf": form["csrf"]})
    assert house.staff.lines[0].disabled
    assert house.control.acts == ["sign-in", "people", "people"]


def test_nobody_locks_themselves_out(house: House) -> None:
    client = house.signed_in()
    path = f"/people/{ADMIN.id}/disable"
    assert client.post(path, data={"csrf": csrf(client, "/people")}).status_code == 422


@pytest.mark.parametrize("path", PAGES)
def test_no_page_names_another_host_or_carries_inline_code(house: House, path: str) -> None:
    client = house.signed_in() if path != "/sign-in" else house.browser()
    answer = client.get(path)
    page = answer.text
    assert re.findall(r"(?:src|href|action|hx-get)=[\"'](?:[a-z]+:)?//", page) == []
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page) == []
    assert NASTY not in page
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_our_script_and_style_name_no_other_host() -> None:
    for path in render.STATIC.glob("*.*"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*//.*$|/\*.*?\*/", "", text, flags=re.M | re.S), path


def english(page: str) -> str:
    """Return the text that people read, without what is the same in both languages."""
    return re.sub(r"<(script|code|svg|option|title)\b.*?</\1>|<[^>]+>", " ", page, flags=re.S)


@pytest.mark.parametrize("path", PAGES)
def test_thai_first_and_english_one_click_away(house: House, path: str) -> None:
    client = house.signed_in() if path != "/sign-in" else house.browser()
    page = client.get(path).text
    assert '<html lang="th">' in page
    other = next(x for x in links(page, "/") if "lang=en" in x)
    assert '<html lang="en">' in client.get(other).text
    again = client.get(path).text
    assert '<html lang="en">' in again
    shown = english(again).replace("ไทย", "", 1)
    thai = [w for w in re.findall(r"[\u0e00-\u0e7f ]{2,}", shown) if w.strip()]
    allowed = ("ผู้ดูแล", "สมชาย", "ทดสอบ", "ใจดี")
    assert [w for w in thai if not any(a in w for a in allowed)] == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_the_box_does_not_answer_to_other_names(house: House, host: str) -> None:
    answer = house.browser().get("/sign-in", headers={"Host": host})
    assert answer.status_code == 421


def test_a_large_form_is_refused_unread(house: House) -> None:
    client = house.browser()
    assert client.post("/sign-in", content=b"x" * 70_000).status_code == 413


def test_a_form_without_length_is_refused(house: House) -> None:
    client = house.browser()
    assert client.post("/sign-in", content=iter([b"a=1"])).status_code == 411
    both = {"Content-Length": "3", "Transfer-Encoding": "chunked"}
    assert client.post("/sign-in", content=b"a=1", headers=both).status_code == 411


def test_pages_work_without_the_assets_from_the_build(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.signed_in()
    monkeypatch.setattr(render, "STATIC", tmp_path)
    page = client.get("/search?q=*").text
    assert "htmx.min.js" not in page
    assert '<form id="ask"' in page


def test_healthz_needs_no_sign_in(house: House) -> None:
    assert (
        TestClient(house.browser().app, base_url="http://127.0.0.1").get("/healthz").text == "ok\n"
    )
