"""The small parts that pages are made of: words, cells, bars, seats, workers."""

from __future__ import annotations

import ast
import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import nodes

from appliance.errors import WrongUse
from appliance.search import times
from appliance.search.question import Asked, parse
from appliance.web import cells, chart, faults, render, source_words
from appliance.web.asking import Bucket, Gap
from appliance.web.search_form import RANGES
from appliance.web.seats import MOST_SEATS, Seats, Tries
from appliance.web.texts import texts
from appliance.web.workers import TooBusy, Workers
from captive_portal.people.accounts import Kind, Role
from collector.decode.believed import VERDICTS
from collector.decode.sources.told import STATES
from collector.records import Binding
from collector.store.catalog import PersonName
from collector.store.schema import LOGS
from tests.appliance.web.rooms import Hands

WEB = render.TEMPLATES.parent


def messages() -> set[str]:
    """Return every message that templates and code of the pages hand to be translated."""
    found: set[str] = set()
    for path in render.TEMPLATES.glob("*.html"):
        tree = render.environment().parse(path.read_text(encoding="utf-8"))
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "_":
                found |= {a.value for a in call.args if isinstance(a, nodes.Const)}
    for path in WEB.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "texts":
                found |= {str(a.value) for a in node.args if isinstance(a, ast.Constant)}
    named = [f"log:{log}" for log in LOGS] + [f"range:{r}" for r in RANGES]
    named += [f"kind:{k}" for k in Kind] + [f"role:{r}" for r in Role]
    named += [message for _, message in faults.FAULTS] + list(source_words.MESSAGES)
    named += [f"state:{state}" for state in STATES] + [f"sign-in:{word}" for word in VERDICTS]
    named += [f"source:{kind}" for kind in ("flows", "syslog", "conntrack", "radius", "leases")]
    return found | set(named)


def test_every_message_has_its_thai() -> None:
    thai = texts("th")
    assert len(messages()) > 100
    missing = {m for m in messages() if thai(m) == m or not any(c >= "\u0e00" for c in thai(m))}
    assert missing - {"range:"} == set()


def test_translations_fill_the_same_places() -> None:
    for message, thai in texts("th")._messages.items():
        places = [
            set(part.split("}")[0] for part in text.split("{")[1:]) for text in (message, thai)
        ]
        assert places[0] == places[1], message


def fault_of(question: str, log: str = "flows") -> str:
    """Return what the search says is wrong with a question."""
    with pytest.raises(WrongUse) as caught:
        parse(question, Asked(log=log, start_us=0, end_us=1), Nobody(), now_us=1)
    return str(caught.value)


@pytest.mark.parametrize(
    ("question", "thai"),
    [
        ("prot:443", "คำถามผิดที่ตัวอักษรที่ 1: ไม่มีช่องชื่อ prot หมายถึง proto หรือไม่"),
        ("qqqq:1", "คำถามผิดที่ตัวอักษรที่ 1: ไม่มีช่องชื่อ qqqq ช่องที่มี: "),
        ("(", "คำถามผิดที่ตัวอักษรที่ 2: คำถามยังไม่จบ"),
        ("port:x", "คำถามผิดที่ตัวอักษรที่ 6: x ไม่ใช่จำนวน"),
        ("src:x", "x ไม่ใช่ที่อยู่"),
        ("", "คำถามว่าง"),
    ],
)
def test_a_wrong_question_is_told_in_thai(question: str, thai: str) -> None:
    assert thai in faults.told(fault_of(question), texts("th"))


@pytest.mark.parametrize(
    ("read", "thai"),
    [
        (lambda: times.parse("soon", 0), "soon ไม่ใช่เวลา"),
        (lambda: times.parse("9999-01-01T00:00Z", 0), "พ.ศ. 2513"),
        (lambda: times.duration_us("long"), "long ไม่ใช่ช่วงเวลา"),
    ],
)
def test_a_wrong_time_or_address_is_told_in_thai(read: Callable[[], object], thai: str) -> None:
    with pytest.raises(WrongUse) as caught:
        read()
    assert thai in faults.told(str(caught.value), texts("th"))


@given(st.text(max_size=60))
def test_any_other_fault_is_shown_as_it_is(text: str) -> None:
    assert faults.told(f"no pattern: {text}", texts("th")) == f"no pattern: {text}"


def test_a_known_word_is_shown_in_thai_and_asked_for_as_it_is() -> None:
    shown = cells.cell("certainty", "sure", texts("th"))
    assert (shown.text, shown.term) == ("แน่ใจ", "certainty:sure")
    assert cells.cell("kind", "restart", texts("th")).text == "กล่องเริ่มใหม่"
    assert cells.cell("act", "people", texts("en")).text == "people"
    assert cells.cell("event", "never heard of", texts("th")).text == "never heard of"


def test_times_are_those_of_bangkok_and_in_thai_of_the_buddhist_era() -> None:
    moment = datetime(2026, 11, 22, 17, 5, 9, tzinfo=UTC)
    assert texts("th").moment(moment) == "23 พ.ย. 2569 00:05:09"
    assert texts("en").moment(moment) == "23 Nov 2026 00:05:09"


@given(
    st.sampled_from(["src_ip", "account", "host", "nat_src_ip", "mac", "app"]),
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30),
)
def test_a_click_on_any_text_makes_a_question_that_can_be_read(column: str, value: str) -> None:
    asked = Asked(log="flows", start_us=0, end_us=1)
    term = cells.term_of(column, value)
    if column in ("account", "host", "app"):
        parse(cells.with_term("port:443", term), asked, Nobody(), now_us=1)
    assert cells.with_term(term, term) == term or " AND " in term or " OR " in term


@pytest.mark.parametrize(
    ("column", "value", "bound"),
    [
        ("host", "a:b-c.example", "a:b-c.example"),
        ("host", 'say "no" \\ *?', 'say "no" \\ *?'),
        ("src_ip", "2001:db8::1", "2001:db8::1"),
        ("dst_port", 443, "443"),
        ("src_mac", "02:de:30:00:00:01", "02:de:30:00:00:01"),
    ],
)
def test_a_click_asks_for_exactly_that_value(column: str, value: object, bound: str) -> None:
    asked = Asked(log="flows", start_us=0, end_us=1)
    question = parse(cells.term_of(column, value), asked, Nobody(), now_us=1)
    assert bound in {str(v) for v in question.parameters.values()}


class Nobody:
    """A directory without anybody in it."""

    def people(self, sites: Sequence[str] | None, text: str | None = None) -> list[PersonName]:
        return []

    def by_id(self, sites: Sequence[str] | None, person: str) -> list[PersonName]:
        return []

    def late(
        self,
        *,
        sites: Sequence[str] | None,
        persons: Sequence[str] | None,
        start_us: int,
        end_us: int,
    ) -> list[Binding]:
        return []


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("", "port:443"),
        ("*", "port:443"),
        ("ip:10.0.0.1", "ip:10.0.0.1 AND port:443"),
        ("a OR b", "(a OR b) AND port:443"),
        ("ip:10.0.0.1 AND port:443", "ip:10.0.0.1 AND port:443"),
    ],
)
def test_a_term_is_added_to_what_was_asked(question: str, wanted: str) -> None:
    assert cells.with_term(question, "port:443") == wanted


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=90))
def test_bars_stay_in_the_picture_and_every_match_is_seen(counts: list[int]) -> None:
    buckets = [Bucket(start_us=n * 60, end_us=n * 60 + 60, count=c) for n, c in enumerate(counts)]
    drawn = chart.bars(buckets)
    assert len(drawn) == sum(1 for c in counts if c)
    for bar in drawn:
        assert 0 <= bar.x <= bar.x + bar.width <= chart.WIDTH + 1
        assert bar.height >= 2
        assert bar.y + bar.height == pytest.approx(chart.HEIGHT, abs=0.02)


@given(st.integers(-500, 1500), st.integers(0, 2000))
def test_gaps_stay_in_the_strip(start: int, length: int) -> None:
    gap = Gap(
        start_us=start, end_us=start + length, source="", kind="x", lost=None, unit="", note=""
    )
    (span,) = chart.spans([gap], 0, 1000)
    assert span.x + span.width <= chart.WIDTH + 0.01
    assert span.width >= chart.LEAST_GAP or span.width > 0


def test_a_forged_seat_opens_nothing() -> None:
    seats = Seats(clock=Hands())
    seat, cookie = seats.open(UUID(int=1), "s")
    assert seats.find(cookie) is seat
    assert seats.find(seat.number) is None
    # Not the last letter: two of its six bits are no part of the signature.
    other = "a" if cookie[-2] != "a" else "b"
    assert seats.find(cookie[:-2] + other + cookie[-1]) is None
    assert Seats(clock=Hands()).find(cookie) is None
    assert seats.find(None) is None


def test_seats_end_after_twelve_hours_whatever_happens() -> None:
    clock = Hands()
    seats = Seats(clock=clock)
    _, cookie = seats.open(UUID(int=1), "s")
    for _ in range(24):
        clock.ns += 29 * 60 * 10**9
        assert seats.find(cookie)
    clock.ns += 29 * 60 * 10**9
    assert seats.find(cookie) is None


def test_seats_and_tries_are_bounded() -> None:
    seats, tries = Seats(clock=Hands()), Tries(clock=Hands())
    for n in range(MOST_SEATS + 50):
        seats.open(UUID(int=n), "s")
    assert len(seats._seats) == MOST_SEATS
    for n in range(20_000):
        tries.failed(f"name{n}")
    assert len(tries._failed) == 10_000


def test_workers_turn_away_what_is_too_much() -> None:
    async def scene() -> None:
        workers, gate = Workers(threads=1, waiting=1), threading.Event()
        first = asyncio.ensure_future(workers.run(gate.wait))
        second = asyncio.ensure_future(workers.run(lambda: True))
        await asyncio.sleep(0.01)
        with pytest.raises(TooBusy):
            await workers.run(lambda: True)
        assert workers.refused == 1
        gate.set()
        assert await first
        assert await second
        await asyncio.sleep(0.01)
        assert await workers.run(lambda: 7) == 7
        workers.close()

    asyncio.run(scene())
