"""The bench still fits the box: its quick pieces run, at sizes nobody measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.decode.syslog import rfc3164, vendors
from tests.bench import bench, bundle, gate, names, one_segment, stages, verify, wire
from tests.bench.fortigate import FortiGate
from tests.bench.questions import CHUNK
from tests.integration.machine import require


def test_every_stage_is_seen_to_cost_something() -> None:
    spent = stages.run(CHUNK)
    assert {stage for stage, _, _ in stages.WATCHED} <= spent.keys()
    assert all(spent[stage] > 0 for stage, _, _ in stages.WATCHED)


def test_every_flow_that_is_made_is_decoded(tmp_path: Path) -> None:
    figures = bench.bench_decode(tmp_path, bench.QUICK)
    assert figures["rows"] == -(-500_000 // wire.RECORDS) * wire.RECORDS


def test_every_message_of_the_kernel_that_is_made_is_decoded(tmp_path: Path) -> None:
    assert bench.bench_conntrack(tmp_path, bench.QUICK)["rows"] == 200_000


def test_every_name_that_passes_is_read() -> None:
    figures = names.run(20)
    assert (figures["packets"], figures["names"]) == (200, 140)


def test_every_line_of_a_firewall_is_read() -> None:
    lines = list(FortiGate(1, begin_s=1_800_000_000).lines(500))
    assert lines == list(FortiGate(1, begin_s=1_800_000_000).lines(500))
    header = rfc3164.parse(lines[0], 1_800_000_000_000_000)
    assert (header.hostname, header.fault) == ("FG-SCHOOL-1", None)
    readings = [vendors.read(rfc3164.parse(line, 0)) for line in lines]
    assert {one.vendor for one in readings if one is not None} == {"fortigate"}
    assert None not in readings


def test_every_row_of_a_bundle_is_packed_and_checked(tmp_path: Path) -> None:
    figures = bundle.run(tmp_path, 3, 30)
    assert (figures["segments"], figures["rows"]) == (3, 30)
    assert {"packed_cpu_s", "checked_s"} <= figures.keys()


def test_one_person_of_a_segment_is_proven(tmp_path: Path) -> None:
    figures = one_segment.run(tmp_path, 5000)
    assert 0 < figures["rows_of_the_person"] < 100
    assert figures["proof_bytes"] > 0
    assert figures["us_per_row"] > 0


def test_a_figure_that_is_not_reached_is_told() -> None:
    assert [good for *_, good in bench.rows({"decode": {"flows_per_s": 2e6}})] == [True]
    assert [good for *_, good in bench.rows({"decode": {"flows_per_s": 1.9e6}})] == [False]


def test_a_home_that_is_measured_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "DAYS", 1)
    figures = verify.run(tmp_path, 4000)
    assert (figures["rows"], figures["ledger_entries"] > 24 * 7) == (4000, True)


def test_sessions_are_loaded_and_packets_forwarded(tmp_path: Path) -> None:
    require("ip", "nft", "dnsmasq")
    figures = gate.run(tmp_path, 100, 1, 0.2)
    assert figures["packets_per_s_many"] > 0
    assert figures["kicked_ms"] > 0
