"""An address is at one machine at a time, whatever the order in which it was told."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.attribute.lease import SEEN_US, Lease, Span, tells
from collector.records import LeaseEvent
from tests.collector.attribute import histories, oracle
from tests.collector.attribute.oracle import leased

IP = "10.0.0.1"
ONE, TWO, _ = histories.MACS
WORDS = st.lists(histories.leases(), max_size=8).map(lambda told: [e for e in told if tells(e)])


def lease(*events: LeaseEvent) -> Lease:
    told = Lease()
    for event in events:
        told.take(event)
    return told


def test_a_lease_lasts_until_it_expires_and_a_renewal_prolongs_it() -> None:
    told = lease(leased("add", 10, ip=IP, mac=ONE, expires=20))
    assert told.spans == [Span(10, 20, ONE)]
    assert told.take(leased("renew", 15, ip=IP, mac=ONE, expires=30)) == 20
    assert told.spans == [Span(10, 30, ONE)]
    assert told.take(leased("release", 25, ip=IP, mac=ONE)) == 25
    assert told.spans == [Span(10, 25, ONE)]


def test_what_is_only_seen_lasts_for_a_while() -> None:
    assert lease(leased("seen", 10, ip=IP, mac=ONE)).spans == [Span(10, 10 + SEEN_US, ONE)]


def test_another_machine_ends_the_lease_of_the_first_whose_release_comes_late() -> None:
    told = lease(
        leased("add", 10, ip=IP, mac=ONE, expires=40), leased("add", 12, ip=IP, mac=TWO, expires=40)
    )
    assert told.take(leased("release", 13, ip=IP, mac=ONE)) is None
    assert told.spans == [Span(10, 12, ONE), Span(12, 40, TWO)]


@settings(deadline=None)
@given(WORDS, st.randoms(use_true_random=False))
def test_order_and_repeats_make_no_difference(events: list[LeaseEvent], random: Random) -> None:
    shuffled = [*events, *events[:2]]
    random.shuffle(shuffled)
    assert lease(*shuffled) == lease(*events)
    assert Lease.from_plain(lease(*events).plain()) == lease(*events)


@settings(deadline=None)
@given(WORDS)
def test_each_instant_has_the_machine_that_the_rules_give(events: list[LeaseEvent]) -> None:
    same = [e for e in events if (e.site, e.ip) == ("a", IP)]
    told = oracle.Told((), same)
    found = lease(*same)
    assert [found.at(t) for t in range(45)] == [told.machine("a", IP, t) for t in range(45)]


@settings(deadline=None)
@given(WORDS, WORDS, st.integers(0, 30))
def test_forgetting_changes_no_answer_about_later_times(
    before: list[LeaseEvent], after: list[LeaseEvent], horizon: int
) -> None:
    after = [e for e in after if oracle.us(e.start or e.time) >= horizon]
    after = [e for e in after if oracle.us(e.time) >= horizon]
    short, full = lease(*before), lease(*before, *after)
    short.shorten(horizon)
    assert len([w for w in short.words if w.time < horizon]) <= 2
    for event in after:
        short.take(event)
    times = range(horizon, 45)
    assert [short.at(t) for t in times] == [full.at(t) for t in times]
