"""Sessions of sign-in lines: who comes, stays, is replaced, leaves or is never heard of again."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.sessions import portal, syslog
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.session import Person
from collector.attribute.timeline import Timeline
from collector.records import SignInLine, microseconds
from tests.captive_portal.sessions.empty_book import Empty
from tests.captive_portal.sessions.test_accounting import ALICE, BOB, IDS, T0, at

HERE, THERE = "10.0.0.5", "10.0.0.6"
MAC, OTHER_MAC = "02:00:00:00:00:05", "02:00:00:00:00:06"
PEOPLE = {"alice": ALICE, "bob": BOB}
HOURS = timedelta(hours=8)


def line(event: str, minutes: float, account: str = "alice", **more: object) -> SignInLine:
    members: dict[str, object] = {"address": HERE, "sender": "192.0.2.1", **more}
    return SignInLine(
        position=int(minutes * 60),
        received=at(minutes),
        time=at(minutes),
        site="a",
        event=event,
        account=account,
        lasts_s=int(HOURS.total_seconds()),
        **members,  # type: ignore[arg-type]  # members by name
    )


def heard(*lines: SignInLine, draft: Draft | None = None) -> Draft:
    draft = draft or Draft(Empty())
    for one in lines:
        syslog.hear(draft, one, PEOPLE.get(one.account), ids=IDS)
    return draft


def held(draft: Draft, address: str = HERE) -> list[tuple[str, datetime, datetime | None]]:
    """Return who held the address and when, as the collector's timeline sees the events."""
    timeline = Timeline()
    for number, event in enumerate(draft.events):
        timeline.add(event, number)
    names = {str(person.id): person.account for person in PEOPLE.values()}
    far = microseconds(T0 + timedelta(days=30))
    return [
        (names[b.person], moment(b.start_us), moment(b.end_us))
        for b in timeline.bindings("a", address, 0, far)
    ]


def moment(us: int) -> datetime:
    return T0 + timedelta(microseconds=us - microseconds(T0))


def test_a_session_goes_from_the_sign_in_line_to_the_sign_out_line() -> None:
    draft = heard(line("start", 0), line("stop", 30))
    assert held(draft) == [("alice", at(0), at(30))]
    start, stop = draft.events
    assert (start.method, start.nas, start.account) == ("syslog", "192.0.2.1", "alice")
    assert stop.cause == "sign-out line"


def test_without_a_sign_out_it_ends_hours_after_the_last_word_and_says_so() -> None:
    draft = heard(line("start", 0), line("start", 60))
    assert held(draft) == [("alice", at(0), at(60) + HOURS)]
    syslog.presume(draft, list(draft.changed.values()), ids=IDS)
    assert draft.events[-1].cause == "presumed"
    assert draft.events[-1].time == at(60) + HOURS


def test_whom_a_sender_puts_on_the_address_next_ends_the_one_before() -> None:
    draft = heard(line("start", 0), line("start", 10, "bob"))
    assert held(draft) == [("alice", at(0), at(10)), ("bob", at(10), at(10) + HOURS)]
    assert [e.cause for e in draft.events if e.event == "stop"] == ["replaced"]


def test_another_sender_ends_nothing_but_on_the_same_address() -> None:
    elsewhere = line("stop", 5, sender="192.0.2.2")
    draft = heard(line("start", 0), elsewhere, line("start", 9, "bob", sender="192.0.2.2"))
    assert held(draft) == [("alice", at(0), at(9)), ("bob", at(9), at(9) + HOURS)]


def test_a_portal_session_of_somebody_else_goes_on_beside_it() -> None:
    draft = Draft(Empty())
    fresh = portal.new(UUID(int=9), "a", BOB, HERE, mac="", now=at(0), lasts=HOURS)
    draft.put(fresh, fresh.event("start", IDS.make("start", fresh.id), at(0)))
    heard(line("start", 10), line("stop", 20), draft=draft)
    assert held(draft) == [("bob", at(0), at(0) + HOURS), ("alice", at(10), at(20))]


def test_two_devices_of_a_person_are_two_sessions() -> None:
    draft = heard(line("start", 0), line("start", 1, address=THERE), line("stop", 9))
    assert held(draft) == [("alice", at(0), at(9))]
    assert held(draft, THERE) == [("alice", at(1), at(1) + HOURS)]


def test_who_leaves_by_account_alone_leaves_that_sender_everywhere() -> None:
    lines = [line("start", 0), line("start", 1, address=THERE)]
    draft = heard(*lines, line("stop", 9, address=""))
    assert held(draft) + held(draft, THERE) == [("alice", at(0), at(9)), ("alice", at(1), at(9))]
    draft = heard(*lines, line("stop", 9, "nobody known", address=""))
    assert all(end == start + HOURS for _, start, end in held(draft))


def test_a_device_without_address_leaves_by_its_mac_alone() -> None:
    draft = heard(
        line("start", 0, address="", mac=MAC),
        line("update", 5, mac=MAC),
        line("stop", 9, "", address="", mac=MAC),
    )
    assert held(draft) == [("alice", at(0), at(9))]
    assert {event.event for event in draft.events} == {"start", "update", "stop"}


def test_a_mac_of_a_router_is_not_one_device() -> None:
    draft = heard(line("start", 0, mac=MAC), line("start", 1, "bob", address=THERE, mac=MAC))
    assert held(draft) == [("alice", at(0), at(0) + HOURS)]
    assert held(draft, THERE) == [("bob", at(1), at(1) + HOURS)]


def test_a_device_that_gets_another_address_keeps_its_session() -> None:
    draft = heard(line("start", 0, mac=MAC), line("update", 9, address=THERE, mac=MAC))
    assert held(draft) == [("alice", at(0), at(9))]
    assert held(draft, THERE) == [("alice", at(9), at(9) + HOURS)]
    assert len({event.session for event in draft.events}) == 1


def test_a_line_that_comes_late_takes_nothing_from_who_came_after() -> None:
    draft = heard(line("start", 10, "bob"), line("start", 0))
    assert held(draft) == [("alice", at(0), at(10)), ("bob", at(10), at(10) + HOURS)]


def test_a_line_without_a_person_begins_nothing() -> None:
    assert heard(line("start", 0, "")).events == []


@pytest.mark.parametrize("stop", [line("stop", 5, "bob"), line("stop", -5)])
def test_a_stop_of_somebody_else_or_from_before_ends_nothing(stop: SignInLine) -> None:
    draft = heard(line("start", 0), stop)
    assert held(draft) == [("alice", at(0), at(0) + HOURS)]


_LINES = st.builds(
    lambda event, minutes, account, address, mac, sender: line(
        event, minutes, account, address=address, mac=mac, sender=sender
    ),
    st.sampled_from(["start", "update", "stop"]),
    st.integers(0, 600),
    st.sampled_from(["alice", "bob", ""]),
    st.sampled_from([HERE, THERE, "2001:db8::5", ""]),
    st.sampled_from([MAC, OTHER_MAC, ""]),
    st.sampled_from(["192.0.2.1", "192.0.2.2"]),
)


@given(st.lists(_LINES, max_size=12))
def test_any_lines_make_sane_sessions_and_lines_told_twice_change_nothing(
    lines: list[SignInLine],
) -> None:
    draft = heard(*sorted(lines, key=lambda one: one.time))
    for session in draft.changed.values():
        assert session.end is None or session.start <= session.end
        assert session.open or session.cause
    ids = [event.event_id for event in draft.events]
    assert len(ids) == len(set(ids))
    before = len(draft.events)
    if lines:
        newest = max(lines, key=lambda one: one.time)
        if newest.event != "stop":
            heard(newest, newest, draft=draft)
            assert len(draft.events) - before <= 1
    for address in (HERE, THERE):
        now = [s for s in draft.open_at("a", address) if s.method == "syslog"]
        people: set[Person | None] = {session.person for session in now}
        assert len(people) <= 1
