"""`prathu up` and `make run`: start, revive, refuse, stop."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.integration.box import COMMAND, PORTS, PROCESSES, Box, free_ports, loopback_settings
from tests.integration.load import netflow5
from tests.integration.machine import Machine, wait_for


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path) as machine:
        yield machine


def test_a_killed_process_is_started_again_and_the_box_goes_on(machine: Machine) -> None:
    ports = free_ports(*PORTS)
    box = _box(machine, ports)
    box.up()
    for name in PROCESSES:
        _kill_and_await(box, name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.sendto(netflow5(1, 0, int(time.time())), ("127.0.0.1", ports["flows"]))
    wait_for("the flows", lambda: box.rows("search", "*", "--format", "jsonl"))
    box.down()


def test_asking_it_to_stop_ends_every_process_and_status_zero(machine: Machine) -> None:
    box = _box(machine, free_ports(*PORTS))
    box.up()
    pids = [box.pid(name) for name in PROCESSES]

    box.down()

    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    box.prathu("verify", "--deep")


@pytest.mark.parametrize("name", ["flows", "syslog", "sign_in", "admin"])
def test_a_busy_port_is_one_clear_line(machine: Machine, name: str) -> None:
    ports = free_ports(*PORTS)
    box = _box(machine, ports)
    kind = socket.SOCK_DGRAM if name in ("flows", "syslog") else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", ports[name]))
        if kind == socket.SOCK_STREAM:
            held.listen()
        command = [*COMMAND, "--home", str(box.home), "up"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, cwd=REPO)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if "cannot listen" in line]
    assert len(told) == 1, done.stderr
    assert str(ports[name]) in told[0]


def test_a_second_box_on_the_same_home_is_refused(machine: Machine) -> None:
    box = _box(machine, free_ports(*PORTS))
    box.up()
    command = [*COMMAND, "--home", str(box.home), "up"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPO)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr


def test_run_makes_a_home_and_tells_where_and_how_to_sign_in(machine: Machine) -> None:
    home = machine.folder / "var"
    (home / "prathu.d").mkdir(parents=True)
    settings = loopback_settings(free_ports(*PORTS))
    (home / "prathu.d" / "ports.toml").write_text(settings, encoding="utf-8")
    process = machine.start([str(REPO / "packaging/setup/run"), str(home)], name="run")
    log = machine.log("run")
    wait_for("the greeting", lambda: "sign-in page" in log.read_text(), seconds=60)
    told = log.read_text()
    assert "one_time_password" in told
    assert "http://127.0.0.1:" in told
    process.terminate()
    assert process.wait(60) == 0


def _box(machine: Machine, ports: dict[str, int]) -> Box:
    box = Box(machine, machine.folder / "home")
    box.init(settings=loopback_settings(ports))
    return box


def _kill_and_await(box: Box, name: str) -> None:
    before = box.pid(name)
    box.kill(name)
    wait_for(f"{name} again", lambda: _pid(box, name) not in (None, before))


def _pid(box: Box, name: str) -> int | None:
    try:
        return box.pid(name)
    except (OSError, ValueError):
        return None
