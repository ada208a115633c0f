"""What the sealing process answers to those who ask it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import collector.__main__ as process
from collector.control import ControlServer, ask
from collector.errors import CollectorError
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
        process._Pulse(door, home.clock).beat(pipeline)

    home.clock.now += timedelta(minutes=30)
    beat()  # nobody listens: it is tried again
    with ControlServer(door, {"event": event}):
        beat()
        home.clock.now -= timedelta(minutes=10)
        beat()
    pipeline.close()
    assert came == [("coverage", "pulse", "school-a")], "once: nobody is awaited before"
