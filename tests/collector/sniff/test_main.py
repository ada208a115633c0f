"""The program as a whole: a flood does not take the machine; what is wrong is one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.collector.receive.home import SITE, coverage, receiver, until
from tests.conftest import REPO
from tests.integration.machine import Machine, require, stop, wait_for

FLOOD = """
import socket, sys
head = bytes.fromhex("ffffffffffff02005e005301080600010800060400020200" "5e005301")
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind(("eth0", 0))
    for i in range(60_000):
        ip = bytes((10, 0, i >> 8 & 255, i & 255))
        out.send(head + ip + bytes(6) + ip + bytes(18))
"""


def _command(home: Path, interface: str) -> list[str]:
    socket = str(home / "run" / "receive.sock")
    words = ["--interface", interface, "--site", SITE, "--socket", socket]
    return [sys.executable, "-m", "collector.sniff", *words]


def test_a_flood_is_dropped_by_the_kernel_and_counted(tmp_path: Path) -> None:
    require("ip")
    home = tmp_path / "home"
    with Machine(tmp_path) as machine, receiver(home):
        one, other = machine.namespace("one"), machine.namespace("other")
        machine.link((one, "eth0"), (other, "eth0"))
        env = {"PYTHONPATH": str(REPO)}
        sniff = machine.start(_command(home, "eth0"), within=one, name="sniff", env=env)
        wait_for("the sniffer", lambda: "watching eth0" in machine.log("sniff").read_text())
        until(lambda: coverage(home, "sniff-restart"))
        machine.run([sys.executable, "-c", FLOOD], within=other)
        stop(sniff, seconds=20)
        dropped = sum(told.lost or 0 for told in coverage(home, "kernel-drop"))
        left_out = sum(told.lost or 0 for told in coverage(home, "sniff-rows"))
    assert dropped + left_out > 10_000


@pytest.mark.parametrize(
    ("interface", "told"), [("none0", "none0: No such device"), ("x" * 40, "x: ")]
)
def test_what_is_wrong_is_one_line(tmp_path: Path, interface: str, told: str) -> None:
    require()
    done = subprocess.run(_command(tmp_path, interface), cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert told in done.stderr


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    command = [*_command(tmp_path, "eth0"), "--router", "nonsense"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
