"""The witness as a real process, asked over HTTP by the box's own errands."""

from __future__ import annotations

import http.client
import json
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from appliance.hub import service
from appliance.hub.errands import carry_all, post
from appliance.hub.witness_state import Witness
from collector.outside.asking import KEPT, Outside
from collector.seal import ledger, outside
from collector.seal.witness import Cosigner
from collector.settings import CollectorSettings
from tests.appliance.hub.test_witness_state import LOG, asked
from tests.collector.seal.school import HOUR, SITE, School
from tests.collector.seal.tsa import Authority, serving

PRATHU = [sys.executable, "-m", "appliance.cli.main"]
SETTINGS = """
[[sites]]
id = "default"
[hub]
name = "hub.example.go.th/witness"
listen = "127.0.0.1:0"
"""


def prathu(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PRATHU, "--home", str(home), *words], capture_output=True, text=True, timeout=60
    )


@contextmanager
def running(home: Path) -> Iterator[int]:
    """Run the witness; give its port."""
    command = [*PRATHU, "--home", str(home), "hub", "witness"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "http://127.0.0.1:" in line, line + process.stderr.read()
        try:
            yield int(line.partition("127.0.0.1:")[2].partition("/")[0])
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "hub-home").mkdir()
    (tmp_path / "hub-home" / "prathu.toml").write_text(SETTINGS)
    return tmp_path / "hub-home"


def test_a_witness_answers_as_the_protocol_has_it(home: Path) -> None:
    said = prathu(home, "hub", "allow", LOG.vkey.text)
    assert said.returncode == 0, said.stderr
    with running(home) as port:
        at = f"http://127.0.0.1:{port}/add-checkpoint"

        def status(body: bytes) -> tuple[int, bytes]:
            return post(at, "text/plain", body, 10)

        code, line = status(asked(0, 5))
        assert (code, line[:4]) == (200, "— ".encode())
        assert status(asked(0, 8)) == (409, b"5\n")
        assert status(b"nonsense")[0] == 400
        assert status(asked(5, 9).replace(b"school.", b"pupils."))[0] == 404
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/add-checkpoint", asked(0, 8))
        assert connection.getresponse().headers["Content-Type"] == "text/x.tlog.size"
        connection.close()
        assert status(b"x" * 1_100_000)[0] == 413
        again = prathu(home, "hub", "witness")
        assert again.returncode == 3
        assert "in use by process" in again.stderr
        assert len(again.stderr.splitlines()) == 1
    seen = prathu(home, "--json", "hub", "seen")
    assert json.loads(seen.stdout)["size"] == 5


def test_connections_that_say_nothing_keep_nobody_out_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE_S", 6.0)
    stop, ports = threading.Event(), queue.SimpleQueue[int]()
    witness = Witness(
        tmp_path, Cosigner("hub.example/w", bytes(32)), tmp_path / "logs", clock=time.time_ns
    )
    app = service.create_app(witness, "a witness\n")
    serve = partial(service.serve, app, "127.0.0.1:0", stop, ready=ports.put)
    thread = threading.Thread(target=serve)
    thread.start()
    port = ports.get(timeout=20)
    lines: list[socket.socket] = []
    try:
        for _ in range(service.MOST_AT_ONCE + 8):
            lines.append(socket.create_connection(("127.0.0.1", port)))
        _wait_for(503, port)
        _wait_for(200, port)
    finally:
        for line in lines:
            line.close()
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def _wait_for(status: int, port: int) -> None:
    until = time.monotonic() + 60
    while (found := _healthy(port)) != status and time.monotonic() < until:
        time.sleep(0.1)
    assert found == status


def _healthy(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def test_a_box_asks_a_real_witness_and_a_real_authority(home: Path, tmp_path: Path) -> None:
    school = School(tmp_path / "box")
    school.now_us = int(home.stat().st_mtime) * 1_000_000
    school.start()
    key = prathu(home, "hub", "key").stdout.strip()
    assert prathu(home, "hub", "allow", school.sealer.log_vkey).returncode == 0
    with running(home) as port, serving(Authority(tmp_path / "tsa")) as authority:
        (tmp_path / "box" / "roots.pem").write_bytes(authority.roots_pem)
        settings = CollectorSettings.model_validate(
            {
                "sites": [{"id": SITE}],
                "witnesses": [{"key": key, "url": f"http://127.0.0.1:{port}"}],
                "timestamp_authorities": [
                    {"name": "one", "url": authority.url, "roots": "roots.pem"}
                ],
            }
        )
        asking = Outside(
            school.home,
            settings,
            clock=lambda: school.now_us * 1000,
            tell=lambda _, entry: school.sealer.record(entry),
        )
        doors = asking.handlers()

        def sealer(request: Any) -> dict[str, Any]:
            return doors[request["do"]](dict(json.loads(json.dumps(request))))

        told: list[str] = []
        carry_all(sealer, lambda: False, lambda came: told.append(came.told))
        assert set(told) == {KEPT}
        authority.away = True
        school.hour()
        asking.status(now=True)
        carry_all(sealer, lambda: False, lambda came: told.append(came.told))
        assert "answered HTTP 503" in told
    school.now_us += HOUR
    told.clear()
    school.hour()
    asking.status(now=True)
    carry_all(sealer, lambda: False, lambda came: told.append(came.told))
    assert all("does not answer" in one for one in told)
    (folder,) = ledger.folders(school.home, SITE)
    kinds = [kept.kind for kept in outside.listed(folder)]
    assert kinds.count("tsr") == kinds.count("pem") == 1
    assert kinds.count("cosig") >= 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hub", "allow", "nonsense"), "nonsense"),
        (("hub", "witness"), "name is not set"),
        (("hub", "key"), "name is not set"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (tmp_path / "prathu.toml").write_text('[[sites]]\nid = "default"\n')
    said = prathu(tmp_path, *words)
    assert said.returncode == 2
    assert told in said.stderr
    assert len(said.stderr.splitlines()) == 1
