"""Lines about connections as flows: who to whom, translated to what, from when to when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from collector.decode.syslog import messages
from collector.store.schema import FLOWS
from tests.collector.decode.syslog import golden

FORTIGATE = 'date=2026-01-25 time=09:59:58 tz="+0700" logid="13" type="traffic" subtype="forward" '


def _flows(*lines: str) -> list[dict[str, Any]]:
    flows = messages.read(golden.frames(list(lines))).flows
    return [] if flows is None else FLOWS.table(flows).to_pylist()


def test_a_flow_begins_its_duration_before_the_line_that_tells_of_its_end() -> None:
    [row] = _flows(
        FORTIGATE + "srcip=10.5.50.10 dstip=203.0.113.5 action=close duration=61 sentbyte=7"
    )
    assert row["time"] == datetime(2026, 1, 25, 2, 58, 57, tzinfo=UTC)
    assert row["time_end"] == datetime(2026, 1, 25, 2, 59, 58, tzinfo=UTC)
    assert (row["bytes"], row["clock"], row["source"]) == (7, "ok", "192.0.2.9")
    assert (row["site"], row["sampling_origin"]) == ("school-a", "none")
    assert row["received"] == golden.WIRE


def test_an_absurd_duration_moves_no_flow() -> None:
    [row] = _flows(
        FORTIGATE + "srcip=10.5.50.10 dstip=203.0.113.5 action=close duration=99999999999"
    )
    assert row["time"] == row["time_end"] == datetime(2026, 1, 25, 2, 59, 58, tzinfo=UTC)


@pytest.mark.parametrize("action", ["deny", "block", "violation"])
def test_what_was_blocked_is_no_flow(action: str) -> None:
    assert _flows(FORTIGATE + f"srcip=10.5.50.10 dstip=203.0.113.5 action={action}") == []


@pytest.mark.parametrize("addresses", ["srcip=10.5.50.10", "srcip=a dstip=203.0.113.5", ""])
def test_a_line_without_both_addresses_is_no_flow(addresses: str) -> None:
    assert _flows(FORTIGATE + f"{addresses} action=close") == []


def test_an_end_that_was_not_translated_has_no_address_after_nat() -> None:
    same = "srcip=10.5.50.10 srcport=5 dstip=203.0.113.5 transip=10.5.50.10 transport=5"
    zero = "srcip=10.5.50.10 srcport=5 dstip=203.0.113.5 transip=0.0.0.0 transport=0"
    for row in _flows(FORTIGATE + same + " action=close", FORTIGATE + zero + " action=close"):
        assert row["nat_src_ip"] is None
        assert row["nat_src_port"] is None
        assert row["nat_key"] is None


def test_the_nat_key_is_the_public_side_in_both_directions() -> None:
    out = "srcip=10.5.50.10 srcport=5 dstip=203.0.113.5 transip=198.51.100.7 transport=61001"
    back = "srcip=203.0.113.5 dstip=198.51.100.7 dstport=61001 tranip=10.5.50.10 tranport=5"
    keys = {
        row["nat_key"]
        for row in _flows(FORTIGATE + out + " action=close", FORTIGATE + back + " action=close")
    }
    assert keys == {((198 << 24 | 51 << 16 | 100 << 8 | 7) << 16) | 61001}


def test_counters_of_a_first_packet_are_not_those_of_its_flow() -> None:
    [row] = _flows(golden.lines_of("filterlog")[1])
    assert row["bytes"] is None
    assert row["packets"] is None


def test_flows_stand_in_the_order_of_their_lines() -> None:
    lines = [line for name in ("fortigate", "sshd", "cisco_asa") for line in golden.lines_of(name)]
    told = messages.read(golden.frames(lines))
    assert told.flows is not None
    frames = told.flows.frame.tolist()
    assert frames == sorted(frames)
    assert len(set(frames)) == len(frames)


def test_sign_ins_name_account_and_address_and_where_they_were_told() -> None:
    line = golden.lines_of("mikrotik")[14]
    [hint] = messages.read(golden.frames(["other", line])).sign_ins
    assert (hint.frame, hint.source, hint.vendor) == (1, "192.0.2.9", "mikrotik")
    assert (hint.event, hint.account, hint.address) == ("start", "somchai", "10.5.50.10")
