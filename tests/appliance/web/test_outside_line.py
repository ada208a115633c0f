"""Every page says since when it is proven outside what the box holds, in Thai and in English."""

from __future__ import annotations

from html import unescape

import pytest

from appliance.hub.known import Proven
from appliance.web.outside_line import OutsideLines
from appliance.web.texts import Language, texts
from collector.outside.memory import Line
from collector.seal.outside import Known
from tests.appliance.web.rooms import House

NOW_US = 1_800_000_000_000_000
HOUR_US = 3_600_000_000


def proven(site: str = "school-a", *, hours: int | None = 1, **told: object) -> Proven:
    known = None
    if hours is not None:
        since = NOW_US - hours * HOUR_US
        known = Known(origin=f"{site}/ledger/2027", size=9, since_us=since, by=("hub", "one"))
    age = None if hours is None else hours * HOUR_US
    late = hours is None or hours > 48
    more = {"asked": True, "late": late, "faults": (), **told}
    return Proven(site=site, known=known, age_us=age, **more)  # type: ignore[arg-type]  # test


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Proven outside since 15 Jan 2027"), ("th", "พิสูจน์ได้จากภายนอกเครื่องตั้งแต่ 15 ม.ค. 2570")],
)
def test_the_line_has_a_time_and_who_in_both_languages(language: Language, words: str) -> None:
    line = OutsideLines(lambda _: [proven()]).line(texts(language), NOW_US)
    assert line.text.startswith(words)
    assert "hub, one" in line.text
    assert not line.bad


def test_the_worst_site_is_shown_and_what_is_late_is_marked() -> None:
    found = [proven(), proven("school-b", hours=49)]
    line = OutsideLines(lambda _: found).line(texts("en"), NOW_US)
    assert line.text.startswith("school-b: ")
    assert line.text.endswith("That is too long ago.")
    assert line.bad


def test_an_alarm_of_a_witness_is_shown_whatever_the_age() -> None:
    fault = Line("school-a", "hub", "witness", alarm="somebody holds a longer history than we do")
    line = OutsideLines(lambda _: [proven(faults=(fault,))]).line(texts("th"), NOW_US)
    assert line.bad
    assert line.alarms == ("hub: somebody holds a longer history than we do",)


def test_nothing_yet_and_nobody_asked_are_told_apart() -> None:
    asked = OutsideLines(lambda _: [proven(hours=None)]).line(texts("en"), NOW_US)
    nobody = OutsideLines(lambda _: [proven(hours=None, asked=False, late=False)])
    assert asked.text == "Not proven outside yet."
    assert "no witness" in nobody.line(texts("en"), NOW_US).text
    assert not nobody.line(texts("en"), NOW_US).bad


def test_it_is_read_seldom() -> None:
    times = []

    def read(now_us: int) -> list[Proven]:
        times.append(now_us)
        return [proven()]

    lines = OutsideLines(read)
    for second in (0, 1, 9, 10, 30, 5):
        lines.line(texts("en"), NOW_US + second * 1_000_000)
    assert len(times) == 4  # a clock that was set back is no reason to keep an old one


@pytest.mark.parametrize("path", ["/", "/search", "/who", "/people", "/sources"])
def test_every_page_has_the_line_for_who_is_signed_in(house: House, path: str) -> None:
    client = house.signed_in()
    page = unescape(client.get(path, params={"lang": "th"}).text)
    assert "ยังไม่ได้ตั้งพยานหรือผู้ให้บริการประทับรับรองเวลา" in page
    page = unescape(client.get(path, params={"lang": "en"}).text)
    assert "no witness and no time-stamp authority is set" in page
    assert "time-stamp authority" not in house.browser().get("/sign-in", params={"lang": "en"}).text
