"""What the sealing process answers to those who ask it."""

from __future__ import annotations

from pathlib import Path

import pytest

import collector.__main__ as process
from collector.control import ControlServer, ask
from collector.errors import CollectorError
from tests.collector.homes import Home


def test_a_request_that_is_not_done_in_time_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "REQUEST_S", 0.01)
    pipeline, _ = Home(tmp_path).start()
    requests = process._Requests()  # its other end is the main loop, which does not come here
    door = tmp_path / "run" / "seal.sock"
    server = ControlServer(door, requests.handlers(pipeline))
    with server, pytest.raises(CollectorError, match="behind what was received"):
        ask(door, {"do": "seal"}, timeout=5)
    pipeline.close()
