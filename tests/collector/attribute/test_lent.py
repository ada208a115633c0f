"""A flow outside is of who was behind the block of ports that the NAT had lent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.attribute import lent
from collector.attribute.attribute import attribute
from collector.attribute.lent import Block, Blocks, parsed
from collector.attribute.networks import Networks
from collector.attribute.timeline import Timeline
from collector.records import LeaseEvent, SessionEvent
from tests.collector.attribute import histories, oracle
from tests.collector.attribute.oracle import Known, event, leased
from tests.collector.attribute.test_attribute import known, table, timeline, uuid

SECOND = 1_000_000
NAT = "198.51.100.7"


def block(word: str, seconds: int, ip: str, first: int = 2048, **more: Any) -> LeaseEvent:
    ports = {"port_first": first, "port_last": first + 63}
    return leased(word, seconds * SECOND, kind="block", ip=ip, nat_ip=NAT, **ports, **more)


def signed_in(session: int, ip: str, seconds: int = 0) -> SessionEvent:
    time = seconds * SECOND
    return event("start", time, session=session, person=session + 6, addresses=(ip,))


def run(
    told: Sequence[SessionEvent | LeaseEvent],
    port: int,
    begin: int,
    end: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    lines = timeline(*(one for one in told if isinstance(one, SessionEvent)))
    for one in told:
        if isinstance(one, LeaseEvent):
            lines.add_lease(one, 99)
    flow = {"src_ip": "203.0.113.80", "src_port": 443, "dst_ip": NAT, "dst_port": port}
    flow |= {"time": begin * SECOND, "time_end": (begin if end is None else end) * SECOND}
    networks = Networks(histories.NETWORKS, **more)
    return attribute(table(flow), lines, networks).to_pylist()[0]


TOLD = (signed_in(1, "10.0.0.1"), block("add", 10, "10.0.0.1"))


def test_an_outside_address_and_port_are_of_who_had_the_block() -> None:
    row = run(TOLD, 2100, 20)
    assert known(row) == Known(uuid(7), uuid(1), "portal", "dst_block", "sure")
    assert known(row, "peer_") == Known()
    assert known(run(TOLD, 2112, 20)) == Known()
    assert known(run(TOLD, 2047, 20)) == Known()


def test_a_block_without_a_session_behind_it_is_unknown_not_nobodys() -> None:
    assert known(run([block("add", 10, "10.0.0.1")], 2100, 20)) == Known(certainty="unknown")


def test_a_block_that_was_taken_back_or_not_yet_lent_tells_nothing() -> None:
    told = (*TOLD, block("release", 30, "10.0.0.1"))
    assert known(run(told, 2100, 25)).person == uuid(7)
    assert known(run(told, 2100, 33)) == Known()
    assert known(run(told, 2100, 7)) == Known()


def test_seconds_around_the_moment_at_which_it_was_lent_are_slack() -> None:
    told = (*TOLD, block("release", 30, "10.0.0.1"))
    assert known(run(told, 2100, 8)).person == known(run(told, 2100, 31)).person == uuid(7)


def test_nobody_is_named_while_two_may_have_had_the_port() -> None:
    told = (*TOLD, signed_in(2, "10.0.0.2"), block("add", 30, "10.0.0.2"))
    assert known(run(told, 2100, 25)).person == uuid(7)
    assert known(run(told, 2100, 40)).person == uuid(8)
    assert known(run(told, 2100, 30)) == Known()
    over = run(told, 2100, 25, 40)
    assert known(over) == Known(via="dst_block", certainty="ambiguous")
    people = {one["person"] for one in json.loads(over["candidates"])}
    assert people == {uuid(7), uuid(8)}


def test_a_release_alone_tells_since_when_it_was_lent() -> None:
    told = (signed_in(1, "10.0.0.1"), block("release", 30, "10.0.0.1", start=10 * SECOND))
    assert known(run(told, 2100, 20)).person == uuid(7)
    assert known(run(told, 2100, 40)) == Known()


def test_where_many_share_the_address_behind_it_nobody_is_named() -> None:
    row = run(TOLD, 2100, 20, shared=("10.0.0.1",))
    assert known(row) == Known(method="shared", via="dst_block", certainty="ambiguous")
    assert len(json.loads(row["candidates"])) == 1


def test_that_many_share_the_public_address_says_nothing_of_a_block_of_it() -> None:
    assert known(run(TOLD, 2100, 20, shared=(NAT,))).person == uuid(7)


def test_a_snapshot_keeps_what_was_lent() -> None:
    lines = timeline(TOLD[0])
    lines.add_lease(TOLD[1], 1)
    again = Timeline.restore(json.loads(json.dumps(lines.snapshot())))
    flow = {"src_ip": NAT, "src_port": 2100, "time": 20 * SECOND}
    row = attribute(table(flow), again, Networks(histories.NETWORKS)).to_pylist()[0]
    assert known(row).person == uuid(7)
    assert again.take_unlisted() == []


def test_what_is_learnt_of_a_block_is_told_as_bindings_of_it() -> None:
    lines = timeline(TOLD[0])
    assert lines.take_unlisted() == []
    _, since = lines.add_lease(TOLD[1], 1)
    assert since == 8 * SECOND
    (change,) = lines.take_unlisted()
    assert change.old is None
    assert change.new is not None
    assert (change.new.address, change.new.person) == (f"{NAT}:2048-2111=10.0.0.1", uuid(7))
    lines.add(event("stop", 15 * SECOND), 2)
    (change,) = lines.take_unlisted()
    assert change.new is not None
    assert change.new.end_us == 15 * SECOND


def test_forgetting_withdraws_nothing_and_keeps_what_is_lent() -> None:
    lines = timeline(*TOLD[:1])
    for told in (TOLD[1], block("add", 5, "10.0.0.2", 4096), block("release", 6, "10.0.0.2", 4096)):
        lines.add_lease(told, 1)
    lines.take_unlisted()
    lines.forget(2 * 86_400 * SECOND)
    assert lines.take_unlisted() == []
    assert [cell[:3] for cell in lines.lent.plain()["a"]] == [[NAT, 2048, 2111]]


def test_what_finds_no_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lent, "MOST_OF_NAT", 2)
    blocks = Blocks()
    for first in (0, 1000, 2000):
        blocks.add(block("add", 1, "10.0.0.1", first))
    assert blocks.refused == 1
    monkeypatch.setattr(lent, "MOST_WORDS", 3)
    for second in range(1, 6):
        blocks.add(block("add", second, f"10.0.0.{second}", 0))
    assert blocks.refused == 3
    monkeypatch.setattr(lent, "MOST_TOLD", 5)
    blocks.add(block("add", 9, "10.0.0.1", 1000))
    blocks.add(block("add", 10, "10.0.0.1", 1000))
    assert blocks.refused == 4
    blocks.forget(0)
    blocks.add(block("release", 11, "10.0.0.1", 1000))
    assert blocks.refused == 5


def test_a_block_is_told_from_an_address() -> None:
    for one in (Block(NAT, 1, 9), Block("2001:db8::7", 1024, 65535)):
        assert parsed(one.text("10.0.0.1")) == (one, "10.0.0.1")
    assert parsed(NAT) is parsed("2001:db8::1") is parsed("2001:db8::/64") is None


@settings(max_examples=80, deadline=None)
@given(
    histories.WIDE_HISTORY,
    histories.BLOCKS,
    histories.LEASES,
    histories.OUTSIDE_FLOWS,
    st.integers(0, 2),
    st.randoms(use_true_random=False),
)
def test_blocks_give_what_rows_one_by_one_give(
    events: list[SessionEvent],
    blocks: list[LeaseEvent],
    leases: list[LeaseEvent],
    flows: list[dict[str, Any]],
    slack_us: int,
    random: Random,
) -> None:
    """Whatever the order in which it is told; what is told of as changed adds up to what is so."""
    told, networks = Timeline(), Networks(histories.NETWORKS)
    told.lent.slack_us = slack_us
    shuffled: list[SessionEvent | LeaseEvent] = [*events, *blocks, *leases, *blocks[:2]]
    random.shuffle(shuffled)
    listed: dict[tuple[str, str, str, int], Any] = {}
    for frame, each in enumerate(shuffled):
        if isinstance(each, LeaseEvent):
            told.add_lease(each, frame)
        else:
            told.add(each, frame)
        if random.random() < 0.5:
            attribute(table(*flows), told, networks)
        for change in told.take_unlisted():
            for one in filter(None, (change.old,)):
                listed.pop((one.site, one.address, one.session, one.start_us))
            for one in filter(None, (change.new,)):
                listed[one.site, one.address, one.session, one.start_us] = one
    result = attribute(table(*flows), told, networks)
    result.validate(full=True)
    for flow, found in zip(flows, result.to_pylist(), strict=True):
        of_all = oracle.Told(events, [*leases, *blocks])
        subject, peer, doubt = oracle.row(of_all, histories.NETWORKS, "a", flow, slack_us)
        assert known(found) == subject
        assert known(found, "peer_") == peer
        assert oracle.candidates(found["candidates"]) == doubt
    of_sites = [told.lent.keys(site).items() for site in "ab"]
    cells = [cell for cells in of_sites for key, cell in cells if key == cell.key]
    bound = [b for cell in cells for each in cell.bound.values() for b in each if b.person]
    assert sorted(listed.values(), key=repr) == sorted(bound, key=repr)
