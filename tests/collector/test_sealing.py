"""What the sealing thread tells the ledgers and the status, beside the rows."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.errors import SealError
from collector.pipeline import Pipeline
from collector.seal.chain import ClockState
from collector.seal.tiles import Tiles
from collector.sealing import AtStart
from collector.spool import first_position
from tests.collector.homes import BEGIN, BOOT, Home, flow_frame, stream


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def entries(home: Home, kind: str) -> list[dict[str, Any]]:
    folder = home.folder / "ledger/school-a/2026"
    size = json.loads((folder / "state").read_bytes())["size"]
    told = [json.loads(entry) for entry in Tiles(folder, size).entries(0)]
    return [entry for entry in told if entry["type"] == kind]


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("stopped", "any", "stopped"),
        ("full", "any", "disk-full"),
        ("running", "another boot", "power"),
        ("running", BOOT, "unknown"),
    ],
)
def test_a_gap_says_how_the_last_process_ended(
    home: Home, name: str, content: str, cause: str
) -> None:
    home.write(list(stream(3)))
    home.run()
    for path in (home.folder / "state").iterdir():
        if path.name in ("running", "stopped", "full"):
            path.unlink()
    (home.folder / "state" / name).write_text(content)
    home.clock.now += timedelta(hours=5)
    home.run()
    assert [entry["cause"] for entry in entries(home, "gap")] == [cause]
    assert home.findings() == []


def test_another_keeper_of_the_clock_is_told_once_and_its_offset_with_each_segment(
    home: Home,
) -> None:
    pipeline, reader = home.start()
    pipeline.worker.tell_clock(ClockState(source="chrony", offset_us=40, stratum=2))
    pipeline.worker.tell_clock(ClockState(source="chrony", offset_us=-70, stratum=2))
    home.write(list(stream(3)))
    pipeline.feed(reader.read(1 << 20))
    pipeline.seal_now()
    pipeline.worker.tell_clock(ClockState(source="unsynchronised"))
    pipeline.worker.drain()
    told = [(e["source"], e["stratum"], e["offset_us"]) for e in entries(home, "clock")]
    assert told[-2:] == [("chrony", 2, 40), ("unsynchronised", None, 0)]
    assert [e["clock"]["offset_us"] for e in entries(home, "segment")] == [-70]
    status = pipeline.status()
    assert "no time service" in status["time"]["alarm"]
    assert (status["alarms"], status["keys_wrapped"]) == ([], False)
    pipeline.stop()
    assert home.findings() == []


@pytest.mark.parametrize(
    ("error", "traced"), [(SealError("a refusal"), False), (KeyError("a mistake"), True)]
)
def test_only_a_mistake_of_ours_leaves_a_traceback(
    home: Home, error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(*_: object) -> None:
        raise error

    pipeline, _ = home.start()
    with caplog.at_level(logging.INFO):
        pipeline.worker.aside(wrong)
        with pytest.raises(type(error)):
            pipeline.close()
    assert ("sealing failed" in caplog.text) is traced


def test_what_is_known_of_the_clock_at_start_stands_before_the_first_interval(home: Home) -> None:
    pipeline = Pipeline(home.folder, home.settings, clock=home.clock, boot_id=BOOT)
    state = ClockState(source="ntp", offset_us=9)
    pipeline.start(first_position(home.folder / "spool"), AtStart(clock_state=state))
    pipeline.stop()
    assert {entry["source"] for entry in entries(home, "clock")} == {"ntp"}


def test_what_was_found_at_start_is_an_alarm_in_the_status(home: Home) -> None:
    home.write([flow_frame(BEGIN, 10_000, 3)])
    home.run()
    odd = home.folder / "logs/school-a/flows/2026/11/22/1.parquet"
    odd.write_bytes(b"who put this here?")
    pipeline, _ = home.start()
    (alarm,) = pipeline.status()["alarms"]
    assert "has no entry and was moved" in alarm
    pipeline.stop()
    assert home.findings() == []
