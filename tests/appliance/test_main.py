"""The process `web`: it opens its port, answers, stops, and says in one line why it cannot."""

from __future__ import annotations

import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.__main__ import API_TOKEN, run
from appliance.errors import BoxError
from appliance.hub import errands
from appliance.settings import BoxSettings
from collector.control import ControlServer
from tests.test_house import WITNESS


def settings(port: int) -> BoxSettings:
    return BoxSettings.model_validate({"sites": [{"id": "default"}], "admin": {"port": port}})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_it_serves_until_told_to_stop(tmp_path: Path) -> None:
    stop, ready, port = threading.Event(), threading.Event(), free_port()
    thread = threading.Thread(
        target=lambda: run(tmp_path, settings(port), stop, clock=time.time_ns, ready=ready.set)
    )
    thread.start()
    try:
        assert ready.wait(20)
        base = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{base}/healthz").text == "ok\n"
        assert httpx.get(f"{base}/").headers["location"] == "/sign-in"
        token = tmp_path / API_TOKEN
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        headers = {"Authorization": f"Bearer {token.read_text()}"}
        assert httpx.get(f"{base}/api/v1/status", headers=headers).status_code == 200
        # The receiving process is not there: nothing may be asked that cannot be written down.
        answer = httpx.get(f"{base}/api/v1/search", headers=headers)
        assert answer.status_code == 503
        assert answer.json()["error"]
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert not (tmp_path / API_TOKEN).exists()


def test_it_carries_questions_of_the_sealer_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "LOOK_S", 0.05)
    answers: list[dict[str, Any]] = []
    carried, stop, ready = threading.Event(), threading.Event(), threading.Event()
    nowhere = "http://127.0.0.1:1/add-checkpoint"
    question = {"id": "1", "whom": "w", "site": "default", "url": nowhere, "type": "text/plain"}
    questions = [[{**question, "body": "", "timeout_s": 5}]]

    def answered(request: dict[str, Any]) -> dict[str, Any]:
        answers.append(request)
        carried.set()
        return {"told": "kept"}

    doors = {
        "outside-due": lambda _: {"questions": questions.pop() if questions else []},
        "outside-answer": answered,
    }
    witness = {"key": WITNESS, "url": "http://127.0.0.1:1"}
    told = settings(free_port()).model_dump() | {"witnesses": [witness]}
    both = BoxSettings.model_validate(told)
    (tmp_path / "run").mkdir()
    with ControlServer(tmp_path / "run" / "seal.sock", doors):
        thread = threading.Thread(
            target=lambda: run(tmp_path, both, stop, clock=time.time_ns, ready=ready.set)
        )
        thread.start()
        try:
            assert carried.wait(20)
            assert ready.wait(20)
        finally:
            stop.set()
            thread.join(20)
    assert not thread.is_alive()
    assert answers[0]["id"] == "1"
    assert "does not answer" in answers[0]["error"]


def test_a_busy_port_is_one_line_that_names_port_and_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BoxError, match=rf"{port} is taken; .*\[admin\] port"):
            run(tmp_path, settings(port), threading.Event(), clock=time.time_ns)
