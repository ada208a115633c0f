"""Who sends, and what to do about what is missing: the page, one source's page, and the API."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from functools import cache
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from appliance.web import pages_sources, source_chart, source_lines, source_list, source_words
from appliance.web.texts import texts
from collector.errors import CollectorError
from collector.records import FrameKind
from collector.settings import Site
from collector.store import snapshots
from tests.appliance.web import senders
from tests.appliance.web.rooms import NASTY, NOW_US, VIEWER, House
from tests.collector.homes import v5


@cache
def told() -> dict[str, Any]:
    return senders.told_of("default", NOW_US)


@pytest.fixture
def busy(house: House) -> House:
    house.control.sources = told()
    return house


def test_the_worst_come_first_and_every_state_is_in_words(busy: House) -> None:
    page = busy.signed_in().get("/sources").text
    states = ["เงียบ", "ข้อมูลหาย", "ไม่รู้จักเทมเพลต", "เวลาไม่ตรง", "ปกติ"]
    places = [page.index(f'">{state}</span>') for state in states]
    assert places == sorted(places)
    assert "4,321" in page
    assert "udp 0.0.0.0:2055" in page
    english = busy.signed_in().get("/sources?lang=en").text
    assert ">silent</span>" in english
    assert ">clock wrong</span>" in english


def test_a_state_can_be_picked_and_no_other_word_is_one(busy: House) -> None:
    browser = busy.signed_in()
    page = browser.get("/sources?state=silent").text
    assert senders.SILENT in page
    assert senders.SKEWED not in page
    assert senders.SKEWED in browser.get("/sources?state=nonsense").text


def one(busy: House, name: str, **query: str) -> str:
    asked = {"site": "default", "kind": "flows", "name": name, **query}
    answer = busy.signed_in().get("/sources/one", params=asked)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


@pytest.mark.parametrize(
    ("name", "thai", "english"),
    [
        (senders.SILENT, "ตรวจไฟและสาย", "Look at its power and cable"),
        (senders.LOSING, "เพิ่ม buffer", "larger export buffer"),
        (senders.UNKNOWN, "รอเทมเพลต 259", "wait for the templates 259"),
        (senders.SKEWED, "ตั้งเขตเวลาของ 192.0.2.5", "Set the zone of 192.0.2.5 to UTC+7"),
        (senders.FINE, "ไม่พบปัญหา", "All is well with it"),
    ],
)
def test_each_problem_has_its_advice(busy: House, name: str, thai: str, english: str) -> None:
    assert thai in one(busy, name)
    assert english in one(busy, name, lang="en")


def test_one_source_tells_what_is_known_of_it(busy: House) -> None:
    page = one(busy, senders.LOSING, lang="en")
    assert "NetFlow v5" in page
    assert "2,160" in page, "lost on the way within the day"
    assert "Lost on the way, rows: 2,160" in page
    assert "Not kept, datagrams: 120" in page
    assert "Not read, datagrams and sets:" not in page
    assert "/search?log=coverage&amp;q=source%3A192.0.2.2" in page
    lines = busy.signed_in().get(
        "/sources/one", params={"site": "default", "kind": "syslog", "name": senders.FINE}
    )
    assert "MikroTik RouterOS" in lines.text


def test_an_exporter_shows_its_templates_and_the_names_of_its_interfaces(busy: House) -> None:
    page = one(busy, senders.UNKNOWN, lang="en")
    assert "5: sourceIPv4Address, destinationIPv4Address, ingressInterface" in page
    assert re.search(r"<dt[^>]*>1</dt><dd>ether1</dd>", page)
    assert re.search(r"<dt[^>]*>2</dt><dd>pppoe</dd>", page)
    assert "not since the last start" not in page


def test_templates_from_the_disk_say_so(busy: House) -> None:
    (source,) = (s for s in told()["sources"] if s["name"] == senders.UNKNOWN)
    templates = [{**each, "restored": True} for each in source["template_list"]]
    changed = {**source, "templates_restored": 2, "template_list": templates}
    busy.control.sources = {**told(), "sources": [changed]}
    page = one(busy, senders.UNKNOWN, lang="en")
    assert page.count("not since the last start") == 2
    assert "2 of them from before the last start, not repeated since" in page


@pytest.mark.parametrize(
    ("origin", "thai", "english"),
    [
        ("setting", "1:1000 (ตามการตั้งค่า)", "1:1000 (by the settings)"),
        ("record-swapped", "1:1000 (ตามระเบียน", "1:1000 (by its records, bytes turned round"),
    ],
)
def test_a_sampling_rate_says_where_it_is_from(
    busy: House, origin: str, thai: str, english: str
) -> None:
    (source,) = (s for s in told()["sources"] if s["name"] == senders.UNKNOWN)
    changed = {**source, "sampling": [{"rate": 1000, "origin": origin}]}
    busy.control.sources = {**told(), "sources": [changed]}
    assert thai in one(busy, senders.UNKNOWN)
    assert english in one(busy, senders.UNKNOWN, lang="en")


def test_a_switch_leads_to_what_it_counted() -> None:
    sent = {"site": "default", "name": "192.0.2.9", "protocols": ["sFlow v5"]}
    line = pages_sources.Line(told=sent, advice=[], columns=[])
    asked = parse_qs(urlsplit(line.counters).query)
    assert (asked["log"], asked["q"]) == (["counters"], ["site:default AND source:192.0.2.9"])
    assert not pages_sources.Line(told={"protocols": ["IPFIX"]}, advice=[], columns=[]).counters


def test_nobody_known_is_a_page_that_is_not_there(busy: House) -> None:
    answer = busy.signed_in().get("/sources/one?site=default&kind=flows&name=10.0.0.1")
    assert answer.status_code == 404


def test_an_empty_box_says_how_to_begin(house: House) -> None:
    page = house.signed_in().get("/sources?lang=en").text
    assert "Nobody has sent anything yet" in page
    assert "2055" in page


def test_what_strangers_send_can_be_let_in(house: House) -> None:
    house.control.replies["receive"] = {
        "unknown_senders": [{"address": "198.51.100.9", "refused": 7}]
    }
    page = unescape(house.signed_in().get("/sources?lang=en").text)
    assert '[[exporters]]\naddress = "198.51.100.9"\nsite = "default"' in page
    assert 'Copy<span class="only-read"> Lines for 198.51.100.9</span>' in page
    assert "refused 7 times" in page


@pytest.mark.parametrize(
    ("address", "site"),
    [("10.1.0.9", "a"), ("10.2.0.9", "b"), ("203.0.113.1", "a"), ("fd00::1", "b"), ("?", "a")],
)
def test_a_stranger_is_let_in_at_the_site_whose_address_it_has(address: str, site: str) -> None:
    sites = [
        Site(id="a", networks=("10.1.0.0/16",)),
        Site(id="b", networks=("10.2.0.0/16", "fd00::/8")),
    ]
    lines = tomllib.loads(source_lines.exporter(address, sites))
    assert lines == {"exporters": [{"address": address, "site": site}]}


def _telling(busy: House, sign_ins: dict[str, int]) -> None:
    [syslog] = [one for one in told()["sources"] if one["kind"] == "syslog"]
    newest = {"newest_us": NOW_US, "verdict": list(sign_ins)[-1]}
    signed = {**syslog, "sign_ins": sign_ins, "signed_in": newest}
    busy.control.sources = {"sources": [signed], "kernel": []}


def test_who_tells_of_sign_ins_and_is_not_believed_can_be(busy: House) -> None:
    _telling(busy, {"not-believed": 1234})
    page = unescape(one(busy, senders.FINE, kind="syslog", lang="en"))
    assert "1,234 of its lines say who signed in, and tie nobody to an address" in page
    assert f'[[believed_senders]]\naddress = "{senders.FINE}"\nsite = "default"' in page
    assert "says who signs in, and is not believed" in busy.signed_in().get("/sources?lang=en").text
    _telling(busy, {"believed": 3, "over-udp": 2})
    page = one(busy, senders.FINE, kind="syslog", lang="en")
    assert "2 of its lines say who signed in, and came over UDP" in page
    assert 'id="believe"' not in page
    assert "believed 3, not believed, for they came over UDP 2" in page
    _telling(busy, {"not-believed": 1234, "believed": 3})
    assert "All is well with it" in one(busy, senders.FINE, kind="syslog", lang="en")


def test_lines_that_no_format_reads_are_shown_masked_and_whole_only_to_who_may_search(
    busy: House,
) -> None:
    unread = {"site": "default", "pattern": "gate: user=* <b>", "lines": 4711}
    placed = {"newest_us": NOW_US, "source": "192.0.2.9"}
    busy.control.sources = {**told(), "unread": [{**unread, **placed}, {**unread, "lines": 1}]}
    page = busy.signed_in().get("/sources?lang=en").text
    assert "4,711" in page
    assert "gate: user=* &lt;b&gt;" in page
    [whole] = re.findall(r'href="(/search[^"]*)">the whole line', page)
    asked = parse_qs(urlsplit(unescape(whole)).query)
    assert asked["q"] == ["NOT _exists_:vendor AND source:192.0.2.9"]
    assert (asked["log"], asked["site"]) == (["events"], ["default"])
    assert busy.signed_in().get(unescape(whole)).status_code == 200
    wish = busy.asking.wishes[-1]
    assert wish.start_us == NOW_US < wish.end_us <= NOW_US + 1_000_000
    nobody = replace(VIEWER, id=UUID(int=7), account="onlooker", may=frozenset())
    busy.staff.members[nobody.id] = nobody
    assert "the whole line" not in busy.signed_in(nobody).get("/sources?lang=en").text


def test_names_that_senders_chose_are_text(busy: House) -> None:
    nasty = {**told()["sources"][0], "name": NASTY, "formats": {NASTY: 3}, "kind": "radius"}
    busy.control.sources = {"sources": [nasty], "kernel": []}
    assert NASTY not in busy.signed_in().get("/sources").text
    assert NASTY not in one(busy, NASTY, kind="radius")


def test_only_staff_see_it_and_the_part_is_loaded_alone(busy: House) -> None:
    assert busy.browser().get("/sources").status_code == 303
    part = busy.signed_in().get("/sources", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert senders.FINE in part


def test_programs_get_the_same_with_advice_in_both_languages(busy: House) -> None:
    answer = busy.browser().get(
        "/api/v1/sources", headers={"Authorization": f"Bearer {busy.api_token}"}
    )
    found = {(s["kind"], s["name"]): s for s in answer.json()["sources"]}
    silent = found["flows", senders.SILENT]
    (advice,) = silent["advice"]
    assert (silent["state"], advice["problem"]) == ("silent", "silent")
    assert "Not heard since" in advice["en"]
    assert "ไม่ได้ยินตั้งแต่" in advice["th"]


def test_a_box_that_does_not_answer_tells_what_was_known(house: House) -> None:
    school = senders.School("default", NOW_US)
    for minute in range(30):
        at = school.now.replace(minute=minute)
        frame = school.frame(at, senders.FINE, v5(at, 1, 1), FrameKind.FLOW)
        school.hear([frame], 3)
    state = {"decoder": school.decoder.snapshot(), "sources": school.book.snapshot()}
    snapshots.write(house.home / "state", 77, {"default": state, "other": {}})

    def down(process: str, request: Any, *, timeout_s: float = 5.0) -> dict[str, Any]:
        raise CollectorError(f"nobody listens on {process}.sock")

    found = source_list.read(house.home, down, now_us=NOW_US)
    assert [source["name"] for source in found.sources] == [senders.FINE]
    assert found.sources[0]["totals"]["records"] == 90
    assert found.as_of_us == school.book.now_us
    assert "nobody listens" in found.error


def test_bars_show_a_single_loss_beside_a_million() -> None:
    now_s = NOW_US // 1_000_000
    history = {
        "columns": ["start_s", "datagrams", "records", "exporter", "own", "unread"],
        "steps": [[now_s - 7200, 10, 1_000_000, 1, 0, 0], [now_s - 2 * 86_400, 9, 9, 9, 9, 9]],
    }
    bars = source_chart.columns(history, NOW_US)
    assert len(bars) == 48
    assert [(bar.came, bar.lost) for bar in bars if bar.came] == [(40.0, 3.0)]


@pytest.mark.parametrize(
    ("span_us", "text"),
    [(0, "0 s"), (119e6, "119 s"), (120e6, "2 min"), (7200e6, "2 h"), (-3 * 86_400e6, "3 days")],
)
def test_spans_are_told_in_a_unit_that_fits(span_us: float, text: str) -> None:
    assert source_words.span(span_us, texts("en")) == text
