"""What flows say of accounts is a candidate, never a name."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.attribute.attribute import attribute
from collector.attribute.hints import HINT_US, Claim, Hints, claims
from collector.attribute.networks import Networks
from collector.attribute.timeline import Timeline
from collector.records import SessionEvent
from tests.collector.attribute import histories, oracle
from tests.collector.attribute.oracle import Known, event, leased
from tests.collector.attribute.test_attribute import known, table, timeline, uuid

NETWORKS = Networks(histories.NETWORKS)
SOMCHAI = event("start", 1, session=9, person=7, account="somchai", addresses=("10.0.0.2",))
FLOW = {"src_ip": "10.0.0.1", "dst_ip": "203.0.113.9", "time": 20, "time_end": 30}


def written(extra: Any) -> str:  # anything that is JSON
    """Return JSON as the decoders write it."""
    return json.dumps(extra, ensure_ascii=False, separators=(",", ":"))


def bearing(user: str, **more: Any) -> dict[str, Any]:
    return {**FLOW, "extra": written({"connectionId": 7, "aaaUserName": user}), **more}


def hinted(flow: dict[str, Any], *events: SessionEvent, told: Timeline | None = None) -> Any:
    told = told or timeline(*events)
    flows = table(flow)
    for claim in claims(flows, NETWORKS):
        told.hints.add("a", claim)
    return attribute(flows, told, NETWORKS).to_pylist()[0]


def test_an_account_in_a_flow_makes_its_person_the_candidate() -> None:
    row = hinted(bearing("SCHOOL\\Somchai"), SOMCHAI)
    assert known(row) == Known(method="flow-borne", via="src_ip", certainty="ambiguous")
    assert oracle.candidates(row["candidates"]) == {("src", uuid(7), "", 20, None)}


def test_a_session_on_the_address_is_stronger() -> None:
    held = event("start", 10, person=8, addresses=("10.0.0.1",))
    assert known(hinted(bearing("somchai"), SOMCHAI, held)).person == uuid(8)


def test_the_name_is_that_of_the_inside_end() -> None:
    answer = bearing("somchai@school.example", src_ip="203.0.113.9", dst_ip="10.0.0.1")
    row = hinted(answer, SOMCHAI)
    assert known(row) == Known(method="flow-borne", via="dst_ip", certainty="ambiguous")


@pytest.mark.parametrize("member", ["userName", "aaaUserName", "panUser", "natSubscriber"])
def test_a_name_is_a_hint_whatever_it_is_called(member: str) -> None:
    row = hinted({**FLOW, "extra": written({member: "somchai"})}, SOMCHAI)
    assert known(row) == Known(method="flow-borne", via="src_ip", certainty="ambiguous")


def test_of_the_names_of_both_ends_each_is_its_own_ends() -> None:
    users = {"sourceUserName": "stranger", "destinationUserName": "somchai"}
    came = {**FLOW, "src_ip": "203.0.113.9", "dst_ip": "10.0.0.1", "extra": written(users)}
    row = hinted(came, SOMCHAI)
    assert known(row) == Known(method="flow-borne", via="dst_ip", certainty="ambiguous")
    went = {**FLOW, "extra": written(users)}
    assert known(hinted(went, SOMCHAI)) == Known(certainty="unknown")


def test_accounts_of_nobody_or_of_two_say_nothing() -> None:
    other = event("start", 1, session=8, person=6, account="Somchai", addresses=("10.0.0.3",))
    for row in (
        hinted(bearing("somchai"), SOMCHAI, other),
        hinted(bearing("malee"), SOMCHAI),
        hinted(bearing("unknown"), SOMCHAI),
        hinted(bearing(""), SOMCHAI),
    ):
        assert known(row) == Known(certainty="unknown")
        assert row["candidates"] is None


def test_where_an_account_says_nothing_the_lease_still_tells_the_machine() -> None:
    told = timeline(SOMCHAI)
    told.add_lease(leased("add", 5, ip="10.0.0.1", mac=histories.MACS[0]), 1)
    assert known(hinted(bearing("malee"), told=told)).device == histories.MACS[0]
    assert known(hinted(bearing("somchai"), told=told)).device is None


def test_a_hint_reaches_other_flows_until_it_is_old_or_another_account_comes() -> None:
    told = timeline(SOMCHAI, event("start", 1, session=8, person=6, account="malee"))
    hinted(bearing("somchai"), told=told)
    hinted(bearing("malee", time=1000, time_end=None), told=told)

    def persons(time: int) -> list[str]:
        row = attribute(table({**FLOW, "time": time, "time_end": None}), told, NETWORKS)
        return [c["person"] for c in json.loads(row["candidates"][0].as_py() or "[]")]

    assert persons(19) == []
    assert persons(999) == [uuid(7)]
    assert persons(1000) == [uuid(6)]
    assert persons(1000 + HINT_US) == []


def test_hints_outlive_a_restart_and_an_account_learnt_later_counts() -> None:
    told = timeline(event("start", 1, session=8, person=6, addresses=("10.0.0.3",)))
    assert known(hinted(bearing("somchai"), told=told)).method is None
    again = Timeline.restore(json.loads(json.dumps(told.snapshot())))
    for each in (told, again):
        each.add(SOMCHAI, 2)
        assert known(attribute(table(FLOW), each, NETWORKS).to_pylist()[0]).method == "flow-borne"
    assert json.dumps(again.snapshot()) == json.dumps(told.snapshot())


def test_what_is_past_is_forgotten() -> None:
    hints = Hints()
    for number in range(100):
        hints.add("a", Claim("10.0.0.1", f"user{number}", number))
    hints.forget(50)
    assert len(hints.plain()["told"]["a"]["10.0.0.1"]) <= 52
    hints.forget(200 + HINT_US)
    assert hints.plain()["told"]["a"] == {}


@given(st.lists(st.none() | st.text() | st.dictionaries(st.text(), st.text()), min_size=1))
def test_claims_never_raise_and_tell_what_is_there(extras: list[Any]) -> None:
    users = [e if isinstance(e, str) else None for e in extras]
    texts = [None if e is None else written(e) for e in extras]
    flows = table(
        *({**FLOW, "extra": t} for t in texts),
        *({**FLOW, "extra": written({"userName": user})} for user in users if user is not None),
    )
    found = {claim.account for claim in claims(pa.concat_tables([flows, flows]), NETWORKS)}
    printable = {user for user in users if user is not None and user.isprintable()}
    assert printable <= found


def test_hints_that_find_no_room_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.attribute.hints.MOST", 2)
    hints = Hints()
    for number in range(5):
        hints.add("a", Claim(f"10.0.0.{number}", "somchai", 10))
    assert (hints.refused, len(hints.plain()["told"]["a"])) == (3, 2)
