"""The keeper tells first, writes second, and puts right what a crash left between the two."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine

from captive_portal.errors import ReportError
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.keeper import Keeper, Times, signed_in
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Ids, Person
from captive_portal.sessions.telling import Told
from collector.records import SessionEvent
from tests.captive_portal.conftest import NOW, SITE
from tests.captive_portal.sessions.test_accounting import ALICE, T0, at, said

PUPIL = Person(id=UUID(int=7), account="somchai", full_name="สมชาย ใจดี", proofing="register")
OTHER = Person(id=UUID(int=8), account="malee")
ADDRESS = "10.0.0.5"
HOUR = timedelta(hours=1)


class Collector:
    """Takes events, or fails before or after taking them."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self.fails = ""

    def tell(self, events: Sequence[SessionEvent]) -> Told:
        if self.fails == "before":
            raise ReportError("not told")
        self.events.extend(events)
        return self._told

    def _told(self) -> None:
        if self.fails == "after":
            raise ReportError("told, but it is not known")


class House:
    """A keeper over a database, as after each restart."""

    def __init__(self, engine: Engine) -> None:
        self.collector = Collector()
        self.rows = Rows(engine)
        self.start_anew()

    def start_anew(self) -> None:
        self.keeper = Keeper(
            self.rows,
            tell=self.collector.tell,
            ids=Ids(b"k" * 32),
            times=Times(lasts=12 * HOUR, silent=HOUR / 2),
        )

    def said(self) -> list[tuple[str, str]]:
        return [(event.event, event.cause) for event in self.collector.events]


@pytest.fixture
def house(engine: Engine) -> House:
    return House(engine)


def test_a_session_comes_back_from_the_database_as_it_was(house: House) -> None:
    made = house.keeper.sign_in(SITE, PUPIL, ADDRESS, mac="02:00:00:00:00:05", now=NOW)
    found = signed_in(house.rows, SITE, ADDRESS, NOW)
    assert found is not None
    assert found == replace(made, told=found.told)
    packet = said("update", 10, lasted=10, addresses=("10.0.0.9", "2001:db8::9"), ssid="school")
    house.keeper.accounting([(packet, ALICE)])
    kept = house.rows.of_key(packet.key)[0]
    assert kept is not None
    assert kept.addresses == ("10.0.0.9", "2001:db8::9")
    assert (kept.ssid, kept.counters.duration_s, kept.started) == ("school", 600, False)
    assert house.rows.get(kept.id) == kept


def test_an_expiry_missed_while_the_box_was_off_has_the_right_time(house: House) -> None:
    house.keeper.sign_in(SITE, PUPIL, ADDRESS, mac="", now=NOW)
    house.start_anew()
    house.keeper.recover(NOW + timedelta(days=3))
    stop = house.collector.events[-1]
    assert (stop.event, stop.time, stop.cause) == ("stop", NOW + 12 * HOUR, "Session-Timeout")
    assert house.rows.open() == []


def test_another_person_on_the_address_ends_the_first_session(house: House) -> None:
    first = house.keeper.sign_in(SITE, PUPIL, ADDRESS, mac="", now=NOW)
    second = house.keeper.sign_in(SITE, OTHER, ADDRESS, mac="", now=NOW + HOUR)
    assert house.said() == [("start", ""), ("stop", "replaced"), ("start", "")]
    assert house.collector.events[1].time == house.collector.events[2].time == NOW + HOUR
    assert [session.id for session in house.rows.open_at(SITE, ADDRESS)] == [second.id]
    assert first.id != second.id


def test_the_same_person_again_goes_on_for_longer(house: House) -> None:
    first = house.keeper.sign_in(SITE, PUPIL, ADDRESS, mac="", now=NOW)
    again = house.keeper.sign_in(SITE, PUPIL, ADDRESS, mac="", now=NOW + HOUR)
    assert (again.id, again.expires) == (first.id, NOW + 13 * HOUR)
    assert house.said() == [("start", ""), ("update", "")]


def test_the_same_address_at_another_site_is_another_matter(house: House) -> None:
    house.keeper.sign_in("school-a", PUPIL, ADDRESS, mac="", now=NOW)
    house.keeper.sign_in("school-b", OTHER, ADDRESS, mac="", now=NOW)
    assert len(house.rows.open()) == 2


@pytest.mark.parametrize("fails", ["before", "after"])
def test_a_sign_in_that_could_not_be_told_binds_nobody_in_the_end(house: House, fails: str) -> None:
    house.collector.fails = fails
    with pytest.raises(ReportError):
        house.keeper.sign_in(SITE, PUPIL, ADDRESS, mac="", now=NOW)
    assert signed_in(house.rows, SITE, ADDRESS, NOW) is None
    house.collector.fails = ""
    house.start_anew()
    house.keeper.recover(NOW + HOUR)
    assert house.rows.opening() == []
    last = house.collector.events[-1]
    assert (last.event, last.time, last.start) == ("stop", NOW, NOW)
    assert len({event.session for event in house.collector.events}) == 1
    starts = {event.event_id for event in house.collector.events if event.event == "start"}
    assert len(starts) == 1


def test_a_sign_out_that_could_not_be_told_leaves_the_session(house: House) -> None:
    session = house.keeper.sign_in(SITE, PUPIL, ADDRESS, mac="", now=NOW)
    house.collector.fails = "before"
    with pytest.raises(ReportError):
        house.keeper.end(session.id, Cause.USER_REQUEST, now=NOW + HOUR)
    assert signed_in(house.rows, SITE, ADDRESS, NOW + HOUR) is not None
    house.collector.fails = ""
    house.keeper.end(session.id, Cause.USER_REQUEST, now=NOW + HOUR)
    assert house.rows.open() == []


def test_accounting_told_but_not_written_comes_again_under_the_same_ids(house: House) -> None:
    batch = [(said("start", 0), ALICE), (said("stop", 10, lasted=10), ALICE)]
    house.collector.fails = "after"
    with pytest.raises(ReportError):
        house.keeper.accounting(batch)
    assert house.rows.recent(9) == []
    house.collector.fails = ""
    house.start_anew()
    house.keeper.accounting(batch)
    told = [(event.event_id, event.session) for event in house.collector.events]
    assert told[:2] == told[2:]


def test_what_is_known_is_not_told_again(house: House) -> None:
    start = said("start", 0)
    house.keeper.accounting([(start, ALICE), (start, ALICE)])
    house.start_anew()
    house.keeper.accounting([(start, ALICE)])
    assert house.said() == [("start", "")]


def test_a_silent_nas_session_is_closed_by_the_timer(house: House) -> None:
    house.keeper.accounting([(said("start", 0), ALICE), (said("update", 5, lasted=5), ALICE)])
    house.keeper.tick(at(34))
    assert house.rows.count_open() == 1
    house.keeper.tick(at(36))
    assert house.rows.count_open() == 0
    assert house.collector.events[-1].time == at(5)


def test_times_stay_to_the_microsecond(house: House) -> None:
    odd = datetime.fromisoformat("2026-11-22T03:00:00.123457+00:00")
    house.keeper.sign_in(SITE, PUPIL, ADDRESS, mac="", now=odd)
    found = signed_in(house.rows, SITE, ADDRESS, odd)
    assert found is not None
    assert found.start == odd
    assert odd > T0


def test_no_row_is_in_the_database_before_its_event_is_durable(engine: Engine) -> None:
    rows, kept = Rows(engine), list[int]()

    def tell(_: Sequence[SessionEvent]) -> Told:
        return lambda: kept.append(len(rows.open_at("a", "10.0.0.5")))

    keeper = Keeper(rows, tell=tell, ids=Ids(b"k" * 32), times=Times(lasts=HOUR, silent=HOUR / 2))
    keeper.accounting([(said("start", 0), ALICE)])
    assert kept == [0]
    assert len(rows.open_at("a", "10.0.0.5")) == 1


def test_what_is_not_durable_in_the_log_is_not_in_the_database(house: House) -> None:
    house.collector.fails = "after"
    with pytest.raises(ReportError):
        house.keeper.accounting([(said("start", 0), ALICE)])
    assert house.rows.open_at("a", "10.0.0.5") == []
