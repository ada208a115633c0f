"""The timeline says who held an address, whatever the order in which it was told."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.attribute.change import Change
from collector.attribute.session import OPEN_US
from collector.attribute.timeline import STUB_US, Timeline
from collector.records import Binding, SessionEvent
from tests.collector.attribute import histories, oracle
from tests.collector.attribute.oracle import event, us

EVER = (-(1 << 62), 1 << 62)
ONE = "10.0.0.1"


def told(events: list[SessionEvent]) -> Timeline:
    timeline = Timeline()
    for frame, e in enumerate(events):
        timeline.add(e, frame)
    return timeline


def everything(timeline: Timeline) -> list[Binding]:
    return [
        replace(binding, learnt_frame=-1)
        for site in "ab"
        for address in histories.HELD
        for binding in timeline.bindings(site, address, *EVER)
    ]


def spans(timeline: Timeline, address: str = ONE) -> list[tuple[int, int]]:
    return [(b.start_us, b.end_us) for b in timeline.bindings("a", address, *EVER)]


def holders(timeline: Timeline, address: str, moment: int) -> set[oracle.Hold]:
    found = timeline.bindings("a", address, moment, moment + 1)
    return {oracle.Hold(b.person, b.session, b.method) for b in found}


def test_a_stop_alone_is_enough() -> None:
    stop = event("stop", 40, start=10, person=7, addresses=(ONE,))
    assert spans(told([stop])) == [(10, 40)]


def test_a_session_without_stop_ends_when_it_expires() -> None:
    start = event("start", 10, person=7, addresses=(ONE,), expires=30)
    assert spans(told([start])) == [(10, 30)]
    assert spans(told([start, event("update", 20, expires=60)])) == [(10, 60)]
    assert spans(told([start, event("update", 35)])) == [(10, 35)]


def test_a_session_without_any_end_is_open() -> None:
    assert spans(told([event("start", 10, person=7, addresses=(ONE,))])) == [(10, OPEN_US)]


def test_an_address_learnt_later_holds_from_the_begin_and_another_from_its_update() -> None:
    events = [
        event("start", 10, person=7),
        event("update", 20, start=10, addresses=(ONE,)),
        event("update", 30, start=10, addresses=("10.0.0.2",)),
        event("stop", 50, start=10),
    ]
    assert spans(told(events)) == [(10, 30)]
    assert spans(told(events), "10.0.0.2") == [(30, 50)]


def test_an_address_that_stays_is_one_binding() -> None:
    events = [
        event("start", 10, person=7, addresses=(ONE,)),
        event("update", 20, addresses=(ONE, "fd00::1")),
        event("update", 30, addresses=("fd00::1",)),
        event("stop", 50),
    ]
    assert spans(told(events)) == [(10, 30)]
    assert spans(told(events), "fd00::1") == [(20, 50)]


def test_a_rejected_sign_in_binds_nobody() -> None:
    timeline = Timeline()
    assert timeline.add(event("reject", 10, person=7, addresses=(ONE,)), 1) == []
    assert spans(timeline) == []


def test_a_late_start_changes_the_begin_and_says_from_when() -> None:
    timeline = told([event("stop", 50, person=7, addresses=(ONE,), start=20)])
    (change,) = timeline.add(event("start", 50, start=10), 9)[:1]
    assert change.old is None
    assert change.new is not None
    assert (change.new.start_us, change.new.end_us, change.new.learnt_frame) == (10, 50, 9)
    assert change.from_us == 10


def test_an_end_that_moves_is_a_change_from_the_earlier_end_on() -> None:
    timeline = told([event("start", 10, person=7, addresses=(ONE,), expires=100)])
    (change,) = timeline.add(event("update", 20, expires=200), 1)
    assert change.from_us == 100
    (change,) = timeline.add(event("stop", 40), 2)
    assert change.from_us == 40
    assert timeline.add(event("stop", 40), 3) == []
    assert timeline.bindings("a", ONE, *EVER)[0].learnt_frame == 2


def test_repeats_of_interim_updates_change_nothing() -> None:
    timeline = told([event("start", 10, person=7, addresses=(ONE,))])
    update = event("update", 20, person=7, addresses=(ONE,))
    assert timeline.add(update, 5) == []
    assert timeline.add(update, 6) == []


def test_bindings_are_those_that_meet_the_time() -> None:
    timeline = told([event("start", 10, person=7, addresses=(ONE,)), event("stop", 20)])
    for start, end, found in ((0, 10, 0), (0, 11, 1), (19, 30, 1), (20, 30, 0), (12, 13, 1)):
        assert len(timeline.bindings("a", ONE, start, end)) == found


def test_what_is_past_is_forgotten() -> None:
    timeline = Timeline()
    for number in range(1000):
        timeline.add(
            event("start", number * 10, session=number, person=7, addresses=(f"10.1.0.{number}",)),
            number,
        )
        timeline.add(event("stop", number * 10 + 5, session=number), number)
    timeline.forget(STUB_US + 9000)
    assert len(timeline.snapshot()["sessions"]) == 100
    assert len(timeline.addresses("a")) == 0


def test_interim_updates_of_a_long_session_do_not_pile_up() -> None:
    timeline = told([event("start", 0, person=7, addresses=(ONE,))])
    for number in range(1, 500):
        timeline.add(event("update", number * 10, person=7, addresses=(ONE,)), number)
        timeline.forget(number * 10)
    (session,) = timeline.snapshot()["sessions"]
    assert len(session["told"]) <= 4
    assert spans(timeline) == [(0, OPEN_US)]


def test_a_binding_keeps_its_begin_though_what_told_of_it_is_forgotten() -> None:
    events = [
        event("start", 10, person=7, addresses=(ONE,)),
        event("update", 20, addresses=(ONE, "10.0.0.2")),
        event("update", 30, addresses=(ONE, "fd00::1")),
        event("update", 40, addresses=(ONE, "fd00::1")),
    ]
    timeline = told(events)
    timeline.forget(50)
    again = Timeline.restore(json.loads(json.dumps(timeline.snapshot())))
    for kept in (timeline, again):
        assert kept.add(event("update", 60, addresses=(ONE, "fd00::1")), 9) == []
        assert spans(kept) == [(10, OPEN_US)]
        assert spans(kept, "fd00::1") == [(30, OPEN_US)]
        (change, other) = kept.add(event("stop", 70), 10)
        assert (change.from_us, other.from_us) == (70, 70)


def test_an_address_does_not_move_to_the_begin_when_the_one_before_is_forgotten() -> None:
    events = [
        event("start", 10, person=7),
        event("update", 20, addresses=("10.0.0.2",)),
        event("update", 30, addresses=(ONE,)),
    ]
    timeline = told(events)
    timeline.forget(50)
    assert timeline.add(event("update", 60, addresses=(ONE,)), 9) == []
    assert spans(timeline) == [(30, OPEN_US)]


def test_what_comes_late_from_before_the_last_word_does_not_change_the_present() -> None:
    events = [
        event("start", 10, person=7, addresses=(ONE,)),
        event("update", 40, person=7, addresses=(ONE,)),
    ]
    timeline = told(events)
    timeline.forget(50)
    timeline.add(event("update", 20, person=8, addresses=("10.0.0.2",)), 9)
    assert {b.person[-1] for b in timeline.bindings("a", ONE, 50, 99)} == {"7"}
    assert timeline.bindings("a", "10.0.0.2", 50, 99) == []


def test_a_late_update_does_not_bring_a_stopped_session_back() -> None:
    timeline = told([event("start", 10, person=7, addresses=(ONE,)), event("stop", 20)])
    timeline.forget(1000)
    timeline.add(event("update", 15, person=7, addresses=(ONE,)), 9)
    assert all(b.end_us == 20 for b in timeline.bindings("a", ONE, *EVER))


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        Timeline.restore({"version": 2, "sessions": []})


@settings(max_examples=300, deadline=None)
@given(histories.HISTORY)
def test_each_instant_has_the_holders_that_the_rules_give(events: list[SessionEvent]) -> None:
    timeline = told(events)
    for address in histories.HELD:
        for moment in range(42):
            assert holders(timeline, address, moment) == oracle.holds(
                oracle.Told(events), "a", address, moment
            )


@settings(max_examples=300, deadline=None)
@given(histories.HISTORY, st.randoms(use_true_random=False))
def test_order_and_repeats_make_no_difference(events: list[SessionEvent], random: Random) -> None:
    shuffled = events + events[: len(events) // 2]
    random.shuffle(shuffled)
    assert everything(told(shuffled)) == everything(told(events))


@settings(max_examples=300, deadline=None)
@given(histories.HISTORY, st.integers(0, 30), histories.HISTORY, st.integers(0, 30))
def test_forgetting_changes_no_answer_about_later_times(
    before: list[SessionEvent], horizon: int, after: list[SessionEvent], second: int
) -> None:
    timeline = told(before)
    timeline.forget(horizon)
    for e in after:
        timeline.add(e, 1)
    timeline.forget(second)
    for address in histories.HELD:
        for moment in range(max(horizon, second), 42):
            expected = oracle.holds(oracle.Told(before + after), "a", address, moment)
            assert holders(timeline, address, moment) == expected


@settings(max_examples=200, deadline=None)
@given(histories.HISTORY, st.none() | st.integers(0, 30), histories.HISTORY)
def test_a_restored_snapshot_goes_on_as_if_nothing_had_happened(
    before: list[SessionEvent], horizon: int | None, after: list[SessionEvent]
) -> None:
    timeline = told(before)
    if horizon is not None:
        timeline.forget(horizon)
    text = json.dumps(timeline.snapshot())
    restored = Timeline.restore(json.loads(text))
    assert json.dumps(restored.snapshot()) == text
    for frame, e in enumerate(after):
        assert restored.add(e, frame) == timeline.add(e, frame)
    assert everything(restored) == everything(timeline)


@settings(max_examples=300, deadline=None)
@given(histories.HISTORY)
def test_changes_tell_everything_that_changed(events: list[SessionEvent]) -> None:
    timeline, listed = Timeline(), set[Binding]()
    for frame, e in enumerate(events):
        before = told(events[:frame])
        changes = timeline.add(e, frame)
        for change in changes:
            listed -= {change.old} if change.old else set()
            listed |= {change.new} if change.new else set()
        check_from(changes, before, timeline)
    found = {b for s in "ab" for a in histories.HELD for b in timeline.bindings(s, a, *EVER)}
    assert listed == found


def check_from(changes: list[Change], before: Timeline, after: Timeline) -> None:
    """No answer changes at a time before the earliest that the changes name."""
    for address in histories.HELD:
        named = [c.from_us for c in changes if (c.old or c.new) and _address(c) == address]
        for moment in range(min(named, default=42)):
            assert holders(before, address, moment) == holders(after, address, moment)


def _address(change: Change) -> str:
    binding = change.new or change.old
    assert binding is not None
    return binding.address if binding.site == "a" else ""


def test_times_are_whole_microseconds() -> None:
    assert us(oracle.at(1_800_000_000_000_001)) == 1_800_000_000_000_001
