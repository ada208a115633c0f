"""What the sealing process answers to those who ask it."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import collector.__main__ as process
from collector import gathering
from collector.control import ControlServer, ask
from collector.errors import CollectorError
from collector.seal import tiles
from collector.timekeeping import Timekeeper
from tests.collector.homes import Home, stream


def test_a_request_that_is_not_done_in_time_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "REQUEST_S", 0.01)
    pipeline, _ = Home(tmp_path).start()
    requests = process._Requests(
        tmp_path / "spool"
    )  # its other end is the main loop, which does not come here
    door = tmp_path / "run" / "seal.sock"
    server = ControlServer(door, requests.handlers(pipeline, lambda: 0))
    with server, pytest.raises(CollectorError, match="behind what was received"):
        ask(door, {"do": "seal"}, timeout=5)
    pipeline.close()


def test_what_is_asked_waits_for_what_was_durable_then_and_for_no_more(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write(list(stream(2)))
    requests = process._Requests(tmp_path / "spool")
    done: list[str] = []
    asking = threading.Thread(target=lambda: requests._ask(lambda: done.append("sealed")))
    asking.start()
    while not requests._waiting:
        time.sleep(0.01)
    requests.serve(1)
    assert done == []
    requests.serve(2)
    asking.join()
    assert done == ["sealed"], "though a read without frames may never come"


def test_when_everybody_is_silent_the_box_lets_time_pass_itself(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write(list(stream(20, timedelta(minutes=1))))
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    door, came = tmp_path / "run" / "receive.sock", []

    def event(request: dict[str, Any]) -> dict[str, Any]:
        came.append((request["kind"], request["event"]["kind"], request["event"]["site"]))
        return {}

    def beat() -> None:
        process._Pulse(door, home.clock, Timekeeper()).beat(pipeline)

    home.clock.now += timedelta(minutes=30)
    beat()  # nobody listens: it is tried again
    with ControlServer(door, {"event": event}):
        beat()
        home.clock.now -= timedelta(minutes=10)
        beat()
    pipeline.close()
    assert came == [("coverage", "pulse", "school-a")], "once: nobody is awaited before"


def ledger(home: Path) -> list[dict[str, Any]]:
    """Return the entries of the open year."""
    folder = max((home / "ledger" / "school-a").iterdir())
    reader = tiles.Tiles(folder, json.loads((folder / "state").read_bytes())["size"])
    return [json.loads(entry) for entry in reader.entries(0)]


def test_a_clock_that_is_set_is_noticed_and_one_that_drifts_is_not() -> None:
    now = {"clock": 10**18, "steady": 5 * 10**9}
    steps = process._Steps(lambda: now["clock"], lambda: now["steady"])
    seen = []
    for passed, by in ((10**9, 0), (10**9, 4 * 10**6), (3600 * 10**9, -(10**9)), (0, 10**7 + 1000)):
        now["steady"] += passed
        now["clock"] += passed + by
        seen.append(steps.look())
    assert seen == [0, 0, -1_000_000, 10_001]
    assert steps.look() == 0


def test_a_process_that_was_held_up_while_it_read_the_clocks_tells_of_no_step() -> None:
    passed = iter(range(0, 10**12, 5 * 10**7))
    steps = process._Steps(lambda: 10**18, lambda: next(passed))
    assert [steps.look() for _ in range(5)] == [0] * 5


def test_a_step_of_the_clock_stands_in_the_ledger_and_in_coverage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_spare_the_collector", lambda: None)
    monkeypatch.setattr(gathering, "GATHER_S", 0.01)
    home = Home(tmp_path)
    stop, came, set_by = threading.Event(), list[Any](), 0

    def clock() -> int:
        return time.time_ns() + set_by

    def event(request: dict[str, Any]) -> dict[str, Any]:
        came.append(request["event"])
        stop.set()
        return {}

    def set_back() -> None:
        nonlocal set_by
        set_by -= 3600 * 10**9

    def ready() -> None:
        for timer in timers:
            timer.start()

    pool = pa.default_memory_pool()
    with ControlServer(tmp_path / "run" / "receive.sock", {"event": event}):
        timers = [threading.Timer(0.3, set_back), threading.Timer(20, stop.set)]
        process.seal(tmp_path, home.settings, stop, clock=clock, ready=ready)
        timers[1].cancel()
    pa.set_memory_pool(pool)
    assert [(row["kind"], row["note"][:5]) for row in came] == [("clock-step", "-3600")]
    told = [e for e in ledger(tmp_path) if e["type"] == "clock" and e["step_us"]]
    assert [round(e["step_us"] / 1e6) for e in told] == [-3600]
    assert home.findings() == []
