"""The control socket: one line of JSON there, one back, and clear words when it cannot be."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector import control
from collector.control import ControlServer, NobodyListens, ask
from collector.errors import Busy, CollectorError


def _echo(request: dict[str, Any]) -> dict[str, Any]:
    return {"said": request["say"]}


def _refuse(request: dict[str, Any]) -> dict[str, Any]:
    raise CollectorError(f"will not {request['do']}", hint="never")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    with ControlServer(tmp_path / "run.sock", {"echo": _echo, "refuse": _refuse}):
        yield tmp_path / "run.sock"


def _raw(path: Path, data: bytes) -> list[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(10)
        caller.connect(str(path))
        caller.sendall(data)
        caller.shutdown(socket.SHUT_WR)
        with caller.makefile("rb") as lines:
            return [json.loads(line) for line in lines]


def test_a_request_gets_its_reply(path: Path) -> None:
    assert ask(path, {"do": "echo", "say": "สวัสดี"}) == {"said": "สวัสดี"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_several_requests_on_one_connection_are_answered_in_order(path: Path) -> None:
    lines = b"".join(b'{"do":"echo","say":%d}\n' % n for n in range(50))
    assert [reply["said"] for reply in _raw(path, lines)] == list(range(50))


def test_a_refusal_is_raised_with_its_hint(path: Path) -> None:
    with pytest.raises(CollectorError, match=r"^will not refuse; never$"):
        ask(path, {"do": "refuse"})


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"\n", "not a line of JSON"),
        (b"[1]\n", "not a JSON object"),
        (b"{}\n", "known: echo, refuse"),
        (b'{"do":"fly"}\n', "cannot do 'fly'; known: echo, refuse"),
        (b'{"do":["echo"]}\n', "cannot do"),
        (b'{"do":"echo"}\n', "'say'"),
        (b'{"do":"echo","say":1}', "cut short"),
        (b"\xff\xfe\n", "not a line of JSON"),
        (b"[" * 100_000 + b"\n", "not a line of JSON"),
    ],
)
def test_a_bad_request_gets_one_clear_error(path: Path, line: bytes, error: str) -> None:
    (reply,) = _raw(path, line)
    assert reply["ok"] is False
    assert error in reply["error"]
    assert "\n" not in reply["error"]


def test_a_request_past_the_limit_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MAX_REQUEST", 1000)
    with pytest.raises(CollectorError, match="at most 1000"):
        ask(path, {"do": "echo", "say": "x" * 1000})
    (reply,) = _raw(path, b'{"do":"echo","say":"' + b"x" * 981)
    assert "cut short, or longer" in reply["error"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_get_an_error_or_nothing(path: Path, data: bytes) -> None:
    for reply in _raw(path, data):
        assert reply["ok"] is False


def test_nobody_listening_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NobodyListens, match="prathu up"):
        ask(tmp_path / "none.sock", {"do": "echo"})


def test_a_socket_file_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(NobodyListens):
        ask(path, {"do": "echo"})
    with ControlServer(path, {"echo": _echo}):
        assert ask(path, {"do": "echo", "say": 1}) == {"said": 1}
    assert not path.exists()


def test_a_living_server_is_not_replaced(path: Path) -> None:
    with pytest.raises(Busy, match="answers on"):
        ControlServer(path, {}).start()
    assert ask(path, {"do": "echo", "say": 1}) == {"said": 1}


def test_an_ordinary_file_is_not_taken_for_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "run.sock"
    path.write_text("mine")
    with pytest.raises(CollectorError, match=r"run\.sock"):
        ControlServer(path, {}).start()
    assert path.read_text() == "mine"


def test_a_path_too_long_for_an_address_works(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    with ControlServer(folder / "run.sock", {"echo": _echo}):
        assert ask(folder / "run.sock", {"do": "echo", "say": 2}) == {"said": 2}


def test_a_slow_handler_is_waited_for_only_so_long(tmp_path: Path) -> None:
    hold = threading.Event()

    def wait(request: dict[str, Any]) -> dict[str, Any]:
        hold.wait(10)
        return {}

    with ControlServer(tmp_path / "s.sock", {"wait": wait, "echo": _echo}):
        with pytest.raises(CollectorError, match=r"no reply .* within 0\.1 s"):
            ask(tmp_path / "s.sock", {"do": "wait"}, timeout=0.1)
        assert ask(tmp_path / "s.sock", {"do": "echo", "say": 3}) == {"said": 3}
        hold.set()


def test_stopping_lets_a_request_under_way_end(tmp_path: Path) -> None:
    begun, replies = threading.Event(), []

    def slow(request: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        threading.Event().wait(0.3)
        return {"done": True}

    server = ControlServer(tmp_path / "s.sock", {"slow": slow})
    server.start()
    caller = threading.Thread(
        target=lambda: replies.append(ask(tmp_path / "s.sock", {"do": "slow"}))
    )
    caller.start()
    assert begun.wait(5)
    server.stop()
    caller.join(5)
    assert replies == [{"done": True}]


def test_a_silent_client_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "s.sock", {})
    server.start()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(tmp_path / "s.sock"))
        server.stop()
        assert silent.recv(1) == b""
