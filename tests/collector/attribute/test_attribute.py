"""Flows get the people that the rules give them, whatever the history."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.attribute.attribute import attribute
from collector.attribute.networks import Networks
from collector.attribute.timeline import Timeline
from collector.records import LeaseEvent, SessionEvent
from collector.store.schema import FLOWS as SCHEMA
from tests.collector.attribute import histories, oracle
from tests.collector.attribute.oracle import Known, event

ADDRESSES = ("src_ip", "dst_ip", "nat_src_ip", "nat_dst_ip")
HOUR = 3_600_000_000


def table(*flows: dict[str, Any], site: str = "a") -> pa.Table:
    """Return flows as the decoder gives them; missing columns are null."""
    rows = [{**dict.fromkeys((*ADDRESSES, "time_end")), "received": 0, **f} for f in flows]
    arrays = {}
    for field in SCHEMA.arrow:
        values = [row.get(field.name) for row in rows]
        if field.name == "site":
            values = [site] * len(rows)
        kind = pa.string() if pa.types.is_dictionary(field.type) else field.type
        array = pa.array(values, kind)
        arrays[field.name] = array.dictionary_encode() if kind != field.type else array
    return pa.table(arrays, schema=SCHEMA.arrow)


def timeline(*events: SessionEvent) -> Timeline:
    told = Timeline()
    for frame, e in enumerate(events):
        told.add(e, frame)
    return told


def run(
    events: list[SessionEvent], flow: dict[str, Any], leases: Sequence[LeaseEvent] = ()
) -> dict[str, Any]:
    told = timeline(*events)
    for lease in leases:
        told.add_lease(lease, 99)
    result = attribute(table(flow), told, Networks(histories.NETWORKS))
    return result.to_pylist()[0]


def known(row: dict[str, Any], prefix: str = "") -> Known:
    names = ("person", "session", "method", "via", "certainty", "device")
    return Known(*(row[prefix + name] for name in names))


def uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012x}"


def test_a_flow_within_a_session_is_sure() -> None:
    events = [event("start", 10, person=7, addresses=("10.0.0.1",)), event("stop", 50)]
    row = run(events, {"src_ip": "10.0.0.1", "dst_ip": "203.0.113.9", "time": 20, "time_end": 30})
    assert known(row) == Known(uuid(7), uuid(1), "portal", "src_ip", "sure")
    assert known(row, "peer_") == Known()
    assert row["candidates"] is None


def test_the_minute_before_sign_in_is_nobodys() -> None:
    events = [event("start", HOUR, person=7, addresses=("10.0.0.1",))]
    row = run(events, {"src_ip": "10.0.0.1", "dst_ip": "203.0.113.9", "time": HOUR - 60_000_000})
    assert known(row) == Known(certainty="unknown")


def test_a_session_that_ends_within_the_flow_still_holds_it() -> None:
    events = [event("start", 10, person=7, addresses=("10.0.0.1",)), event("stop", 25)]
    row = run(events, {"src_ip": "10.0.0.1", "time": 20, "time_end": 30})
    assert row["certainty"] == "sure"


def test_a_flow_that_began_before_the_session_is_ambiguous() -> None:
    events = [event("start", 25, person=7, addresses=("10.0.0.1",))]
    row = run(events, {"src_ip": "10.0.0.1", "time": 20, "time_end": 30})
    assert known(row) == Known(via="src_ip", certainty="ambiguous")
    assert oracle.candidates(row["candidates"]) == {("src", uuid(7), uuid(1), 25, None)}


def test_an_address_handed_over_within_the_flow_is_ambiguous() -> None:
    events = [
        event("start", 10, person=7, addresses=("10.0.0.1",)),
        event("stop", 25),
        event("start", 26, session=2, person=8, addresses=("10.0.0.1",)),
    ]
    row = run(events, {"src_ip": "10.0.0.1", "time": 20, "time_end": 30})
    assert row["person"] is None
    assert oracle.candidates(row["candidates"]) == {
        ("src", uuid(7), uuid(1), 10, 25),
        ("src", uuid(8), uuid(2), 26, None),
    }
    row = run(events, {"src_ip": "10.0.0.1", "time": 20, "time_end": 25})
    assert row["person"] == uuid(7)


def test_what_comes_from_outside_belongs_to_who_is_inside() -> None:
    events = [event("start", 10, person=7, addresses=("10.0.0.1",))]
    row = run(events, {"src_ip": "203.0.113.9", "dst_ip": "10.0.0.1", "time": 20})
    assert known(row) == Known(uuid(7), uuid(1), "portal", "dst_ip", "sure")


def test_of_two_inside_the_initiator_is_the_subject() -> None:
    events = [
        event("start", 10, person=7, addresses=("10.0.0.1",)),
        event("start", 10, session=2, person=8, addresses=("10.0.0.2",), method="accounting"),
    ]
    row = run(events, {"src_ip": "10.0.0.2", "dst_ip": "10.0.0.1", "time": 20})
    assert known(row) == Known(uuid(8), uuid(2), "accounting", "src_ip", "sure")
    assert known(row, "peer_") == Known(uuid(7), uuid(1), "portal", "dst_ip", "sure")
    row = run(events, {"src_ip": "10.9.9.9", "dst_ip": "10.0.0.1", "time": 20})
    assert known(row) == Known(certainty="unknown")
    assert row["peer_person"] == uuid(7)


def test_an_answer_to_the_public_address_is_known_behind_the_nat() -> None:
    events = [event("start", 10, person=7, addresses=("10.0.0.1",))]
    flow = {"src_ip": "203.0.113.9", "dst_ip": "198.51.100.7", "nat_dst_ip": "10.0.0.1", "time": 20}
    assert known(run(events, flow)) == Known(uuid(7), uuid(1), "portal", "nat_dst_ip", "sure")


def test_who_held_the_address_that_a_nat_lends_to_all_is_not_who_used_it() -> None:
    events = [event("start", 10, person=7, addresses=("198.51.100.7",))]
    flow = {"src_ip": "10.9.9.9", "nat_src_ip": "198.51.100.7", "dst_ip": "203.0.113.9", "time": 20}
    assert known(run(events, flow)) == Known(certainty="unknown")


def test_two_sites_with_the_same_addresses_never_see_each_other() -> None:
    told = timeline(
        event("start", 10, site="a", person=7, addresses=("10.0.0.1",)),
        event("start", 10, site="b", person=8, addresses=("10.0.0.1",)),
    )
    flow = {"src_ip": "10.0.0.1", "time": 20}
    for site, person in (("a", uuid(7)), ("b", uuid(8)), ("c", None)):
        result = attribute(table(flow, site=site), told, Networks(histories.NETWORKS))
        assert result["person"].to_pylist() == [person]


def test_flows_of_two_sites_in_one_table_are_refused() -> None:
    both = pa.concat_tables([table({"time": 1}, site="a"), table({"time": 1}, site="b")])
    with pytest.raises(ValueError, match="2 sites"):
        attribute(both, Timeline(), Networks(()))


def test_no_flows_stay_no_flows() -> None:
    told = timeline(event("start", 10, person=7, addresses=("10.0.0.1",)))
    empty = table({"time": 1}).slice(0, 0)
    assert attribute(empty, told, Networks(("10.0.0.0/8",))).schema == SCHEMA.arrow


def test_what_was_known_before_is_replaced() -> None:
    flow = {"src_ip": "10.0.0.1", "time": 20}
    held = timeline(event("start", 10, person=7, addresses=("10.0.0.1",)))
    first = attribute(table(flow), held, Networks(histories.NETWORKS))
    again = attribute(first, Timeline(), Networks(histories.NETWORKS))
    assert known(again.to_pylist()[0]) == Known(certainty="unknown")


def test_a_long_list_of_candidates_is_cut_and_says_so() -> None:
    events = [
        event("start", 10, session=n, person=n, addresses=("10.0.0.1",)) for n in range(1, 101)
    ]
    row = run(events, {"src_ip": "10.0.0.1", "time": 20})
    assert row["candidates"].count('"person"') == 64
    assert row["candidates"].endswith('{"end":"src","more":36}]')


@settings(max_examples=400, deadline=None)
@given(histories.HISTORY, histories.FLOWS)
def test_columns_give_what_rows_one_by_one_give(
    events: list[SessionEvent], flows: list[dict[str, Any]]
) -> None:
    half = len(flows) // 2
    chunks = pa.concat_tables([table(*flows[:half]), table(*flows[half:])])
    result = attribute(chunks, timeline(*events), Networks(histories.NETWORKS))
    assert result.schema == SCHEMA.arrow
    result.validate(full=True)
    check(result, oracle.Told(events), flows)


@settings(max_examples=150, deadline=None)
@given(histories.WIDE_HISTORY, histories.LEASES, histories.FLOWS, st.randoms(use_true_random=False))
def test_prefixes_and_leases_give_what_rows_one_by_one_give(
    events: list[SessionEvent],
    leases: list[LeaseEvent],
    flows: list[dict[str, Any]],
    random: Random,
) -> None:
    """Flows are attributed after each thing that is told, in any order: nothing stale is used."""
    told, networks = Timeline(), Networks(histories.NETWORKS)
    shuffled: list[SessionEvent | LeaseEvent] = [*events, *leases, *events[:2], *leases[:2]]
    random.shuffle(shuffled)
    for frame, each in enumerate(shuffled):
        if isinstance(each, LeaseEvent):
            told.add_lease(each, frame)
        else:
            told.add(each, frame)
        if random.random() < 0.5:
            attribute(table(*flows), told, networks)
    result = attribute(table(*flows), told, networks)
    result.validate(full=True)
    check(result, oracle.Told(events, leases), flows)


def check(result: pa.Table, told: oracle.Told, flows: list[dict[str, Any]]) -> None:
    for flow, found in zip(flows, result.to_pylist(), strict=True):
        subject, peer, candidates = oracle.row(told, histories.NETWORKS, "a", flow)
        assert known(found) == subject
        assert known(found, "peer_") == peer
        assert oracle.candidates(found["candidates"]) == candidates


def test_where_the_settings_say_that_many_share_an_address_nobody_is_named() -> None:
    told = timeline(
        event("start", 10, person=7, addresses=("10.0.0.1",)),
        event("start", 10, session=2, person=8, addresses=("10.0.0.2",)),
    )
    networks = Networks(histories.NETWORKS, shared=("10.0.0.1", "198.51.100.0/24"))
    both = {"src_ip": "10.0.0.2", "dst_ip": "10.0.0.1", "time": 20}
    out = {"src_ip": "10.0.0.1", "dst_ip": "203.0.113.9", "time": 20}
    early = {"src_ip": "10.0.0.1", "dst_ip": "203.0.113.9", "time": 5}
    rows = attribute(table(both, out, early), told, networks).to_pylist()
    assert known(rows[0]).person == uuid(8)
    peer = Known(method="shared", via="dst_ip", certainty="ambiguous")
    assert known(rows[0], "peer_") == peer
    assert oracle.candidates(rows[0]["candidates"]) == {("dst", uuid(7), uuid(1), 10, None)}
    assert known(rows[1]) == Known(method="shared", via="src_ip", certainty="ambiguous")
    assert oracle.candidates(rows[1]["candidates"]) == {("src", uuid(7), uuid(1), 10, None)}
    assert known(rows[2]) == Known(certainty="unknown")
