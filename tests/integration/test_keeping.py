"""A running box is asked over its socket: holds, retention, a backup and its rehearsal."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.load import netflow5
from tests.integration.machine import Machine, wait_for


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Machine(tmp_path) as machine:
        ports = free_ports(*PORTS)
        box = Box(machine, tmp_path / "home")
        box.init(settings=loopback_settings(ports))
        json.loads(box.prathu("--json", "keys", "recovery"))
        box.up()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.sendto(netflow5(1, 0, int(time.time())), ("127.0.0.1", ports["flows"]))
        wait_for("the flows", lambda: box.rows("search", "*", "--format", "jsonl"))
        yield box


def test_a_running_box_holds_keeps_and_is_backed_up(box: Box, tmp_path: Path) -> None:
    held = json.loads(box.prathu("--json", "hold", "add", "--case", "1/2569", "--days", "100"))
    assert "flows" in {log for log, _, _ in held["scopes"]["school-a"]}
    done = json.loads(box.prathu("--json", "retention", "run"))
    assert (done["destroyed"], done["held"]) == (0, 0)
    told = json.loads(box.prathu("--json", "backup", str(tmp_path / "disk"), "--logs"))
    assert told["segments_new"] > 0
    os.kill(box.pid("seal"), signal.SIGKILL)
    wait_for("the sealing process", lambda: json.loads(box.prathu("--json", "status"))["seal"])
    (row,) = box.rows("hold", "list")
    assert (row["hold"], row["reference"], row["in_force"]) == (held["hold"], "1/2569", True)
    box.prathu("hold", "release", held["hold"])
    box.down()
    box.prathu("verify", "--deep")


def test_a_running_box_backs_itself_up_and_rehearses(box: Box, tmp_path: Path) -> None:
    box.down()
    place = tmp_path / "disk"
    (box.home / "prathu.d" / "backup.toml").write_text(f'[backup]\nto = "{place}"\nlogs = true\n')
    box.up()
    state = box.home / "state" / "backup.json"
    wait_for(
        "the rehearsal", lambda: state.exists() and b'"rehearsal"' in state.read_bytes(), seconds=90
    )
    status = json.loads(box.prathu("--json", "status"))
    assert status["processes"]["backup"]
    assert status["backup"]["backup"]["fault"] == ""
    assert ": whole; " in status["backup"]["rehearsal"]["told"]
    assert not list((box.home / "stage").glob("rehearsal-*"))
    wait_for("its row", lambda: box.rows("search", "act:rehearsal", "--log", "audit"))
    rows = box.rows("search", "act:rehearsal", "--log", "audit", "--format", "jsonl")
    assert [row["actor"] for row in rows] == ["box"]
