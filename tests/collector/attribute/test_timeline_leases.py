"""Sessions, leases and prefixes together: the timeline keeps its promises with all of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.attribute.timeline import STUB_US, Timeline
from collector.records import Binding, LeaseEvent, SessionEvent
from tests.collector.attribute import histories, oracle
from tests.collector.attribute.oracle import event, leased

EVER = (-(1 << 62), 1 << 62)
KEYS = (*histories.HELD, histories.IN_PREFIX, "10.9.9.9")
ONE, TWO, THREE = histories.MACS
Thing = SessionEvent | LeaseEvent
THINGS = st.tuples(histories.WIDE_HISTORY, histories.LEASES).flatmap(
    lambda both: st.permutations([*both[0], *both[1]])
)


def put(timeline: Timeline, thing: Thing, frame: int = 1) -> tuple[set[Binding], set[Binding], int]:
    """Tell one thing; return the bindings it replaced, those it made, and from when they differ."""
    if isinstance(thing, LeaseEvent):
        changes, from_us = timeline.add_lease(thing, frame)
    else:
        changes, from_us = timeline.add(thing, frame), None
    since = [c.from_us for c in changes] + ([] if from_us is None else [from_us])
    old = {c.old for c in changes if c.old is not None}
    return old, {c.new for c in changes if c.new is not None}, min(since, default=1 << 62)


def told(things: Sequence[Thing]) -> Timeline:
    timeline = Timeline()
    for thing in things:
        put(timeline, thing)
    return timeline


def oracle_of(things: Sequence[Thing]) -> oracle.Told:
    return oracle.Told(
        [e for e in things if isinstance(e, SessionEvent)],
        [e for e in things if isinstance(e, LeaseEvent)],
    )


def bindings(timeline: Timeline) -> list[Binding]:
    return [
        replace(b, learnt_frame=-1)
        for site in "ab"
        for address in (*KEYS, *histories.PREFIXES)
        for b in timeline.bindings(site, address, *EVER)
    ]


def holders(timeline: Timeline, address: str, moment: int) -> set[oracle.Hold]:
    found = timeline.bindings("a", address, moment, moment + 1)
    return {oracle.Hold(b.person, b.session, b.method) for b in found}


def spans(timeline: Timeline, address: str) -> list[tuple[int, int]]:
    return [(b.start_us, b.end_us) for b in timeline.bindings("a", address, *EVER)]


def test_a_session_by_mac_holds_what_leases_put_there_and_is_no_longer_than_they() -> None:
    session = event("start", 10, person=7, mac=ONE, method="802.1X", expires=60)
    timeline = told([session, leased("add", 5, ip="10.0.0.1", mac=ONE, expires=40)])
    (binding,) = timeline.bindings("a", "10.0.0.1", *EVER)
    assert (binding.start_us, binding.end_us, binding.method) == (10, 40, "802.1X")
    changes, from_us = timeline.add_lease(leased("add", 30, ip="10.0.0.1", mac=TWO), 9)
    assert from_us == 30
    assert [(c.from_us, c.new and c.new.end_us) for c in changes] == [(30, 30)]


def test_roaming_leaves_the_leases_with_the_session() -> None:
    events: list[Thing] = [
        event("start", 10, person=7, mac=ONE, nas="ap-1"),
        leased("add", 11, ip="10.0.0.1", mac=ONE, expires=90),
        event("update", 20, start=10, mac=ONE, nas="ap-2"),
        event("stop", 50, start=10, mac=ONE),
    ]
    assert spans(told(events), "10.0.0.1") == [(11, 50)]


def test_a_device_takes_many_ipv6_addresses_but_the_ipv4_address_is_the_one_named() -> None:
    events: list[Thing] = [event("start", 10, person=7, mac=ONE, addresses=("10.0.0.1",))]
    events += [leased("seen", 12, kind="nd", ip=f"fd00::{n}", mac=ONE) for n in range(1, 9)]
    events += [leased("add", 12, ip="10.0.0.2", mac=ONE)]
    timeline = told(events)
    assert all(timeline.bindings("a", f"fd00::{n}", *EVER) for n in range(1, 9))
    assert spans(timeline, "10.0.0.2") == []


def test_leases_of_another_site_are_of_another_machine() -> None:
    session = event("start", 10, person=7, mac=ONE)
    timeline = told([session, leased("add", 5, site="b", ip="10.0.0.1", mac=ONE)])
    assert spans(timeline, "10.0.0.1") == []


def test_machines_are_forgotten_with_their_leases() -> None:
    timeline = told([leased("add", n, ip=f"10.1.0.{n}", mac=ONE, expires=n + 1) for n in range(99)])
    timeline.forget(STUB_US + 200)
    assert timeline.snapshot()["leases"] == {"a": {}}


@settings(max_examples=80, deadline=None)
@given(THINGS, st.randoms(use_true_random=False))
def test_order_and_repeats_make_no_difference(things: list[Thing], random: Random) -> None:
    shuffled = things + things[: len(things) // 2]
    random.shuffle(shuffled)
    assert bindings(told(shuffled)) == bindings(told(things))


@settings(max_examples=60, deadline=None)
@given(THINGS, st.integers(0, 30), THINGS)
def test_forgetting_changes_no_answer_about_later_times(
    before: list[Thing], horizon: int, after: list[Thing]
) -> None:
    timeline = told(before)
    timeline.forget(horizon)
    for thing in after:
        put(timeline, thing)
    expected = oracle_of([*before, *after])
    for address in KEYS:
        for moment in range(horizon, 42, 3):
            found = holders(timeline, address, moment)
            assert found == oracle.holds(expected, "a", address, moment)


@settings(max_examples=60, deadline=None)
@given(THINGS, st.none() | st.integers(0, 30), THINGS)
def test_a_restored_snapshot_goes_on_as_if_nothing_had_happened(
    before: list[Thing], horizon: int | None, after: list[Thing]
) -> None:
    timeline = told(before)
    if horizon is not None:
        timeline.forget(horizon)
    text = json.dumps(timeline.snapshot())
    restored = Timeline.restore(json.loads(text))
    assert json.dumps(restored.snapshot()) == text
    for frame, thing in enumerate(after):
        assert put(restored, thing, frame) == put(timeline, thing, frame)
    assert bindings(restored) == bindings(timeline)


@settings(max_examples=60, deadline=None)
@given(THINGS)
def test_changes_tell_everything_that_changed(things: list[Thing]) -> None:
    timeline, listed = Timeline(), set[Binding]()
    for frame, thing in enumerate(things):
        before = told(things[:frame])
        old, new, since = put(timeline, thing, frame)
        assert old <= listed
        listed = listed - old | new
        for address in KEYS:
            for moment in range(min(since, 42)):
                assert holders(before, address, moment) == holders(timeline, address, moment)
    own = {replace(b, learnt_frame=-1) for b in listed}
    exact = {(b.address, b.session, b.start_us, b.end_us) for b in own if "/" not in b.address}
    for address in KEYS:
        for moment in range(42):
            if not any("/" in b.address for b in own):
                running = {
                    s for a, s, start, end in exact if a == address and start <= moment < end
                }
                found = timeline.bindings("a", address, moment, moment + 1)
                assert running >= {b.session for b in found}


def test_leases_that_find_no_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.attribute.timeline.MOST_LEASES", 2)
    timeline = told([leased("add", 5, ip=f"10.0.0.{n}", mac=ONE) for n in range(5)])
    assert (timeline.refused, len(timeline.snapshot()["leases"]["a"])) == (3, 2)
