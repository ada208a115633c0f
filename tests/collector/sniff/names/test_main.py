"""The program as a whole: every packet is told, dropped or left out, and that is counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from collector.records import FrameKind
from collector.settings import Names
from tests.collector.receive.home import SITE, coverage, payloads, receiver, until
from tests.collector.sniff.names import wire
from tests.conftest import REPO
from tests.integration.machine import Machine, require, stop, wait_for

SENT = 40_000
FLOOD = f"""
import socket, sys
head = bytes.fromhex("02005e00530202005e0053010800")
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind(("eth0", 0))
    packet = head + bytes.fromhex(sys.argv[1])
    for _ in range({SENT}):
        out.send(packet)
"""


def _command(home: Path, interface: str) -> list[str]:
    words = ["--interface", interface, "--site", SITE, "--socket", str(home / "run/receive.sock")]
    return [sys.executable, "-m", "collector.sniff.names", *words]


def test_of_a_flood_every_packet_is_told_dropped_or_left_out(tmp_path: Path) -> None:
    require("ip")
    home, env = tmp_path / "home", {"PYTHONPATH": str(REPO)}
    answer = wire.answer(("www.example.org.", "A", "203.0.113.9", 60)).hex()
    with Machine(tmp_path) as machine, receiver(home, names=Names(reason="a test")):
        one, other = machine.namespace("one"), machine.namespace("other")
        machine.link((one, "eth0"), (other, "eth0"))
        program = machine.start(_command(home, "eth0"), within=one, name="names", env=env)
        wait_for("the ear", lambda: "reading names on" in machine.log("names").read_text())
        until(lambda: coverage(home, "sniff-restart"))
        machine.run([sys.executable, "-c", FLOOD, answer], within=other)
        assert stop(program, seconds=30) == 0
        told = len(payloads(home, FrameKind.NAME))
        dropped = sum(each.lost or 0 for each in coverage(home, "kernel-drop"))
        left_out = sum(each.lost or 0 for each in coverage(home, "sniff-rows"))
    assert told + dropped + left_out == SENT
    assert dropped + left_out > 0
    assert told > 1000


def test_where_no_reason_is_set_names_are_refused_and_that_is_told(tmp_path: Path) -> None:
    require("ip")
    home, env = tmp_path / "home", {"PYTHONPATH": str(REPO)}
    answer = wire.answer(("www.example.org.", "A", "203.0.113.9", 60)).hex()
    with Machine(tmp_path) as machine, receiver(home):
        one, other = machine.namespace("one"), machine.namespace("other")
        machine.link((one, "eth0"), (other, "eth0"))
        program = machine.start(_command(home, "eth0"), within=one, name="names", env=env)
        wait_for("the ear", lambda: "reading names on" in machine.log("names").read_text())
        flood = FLOOD.replace(str(SENT), "3")
        machine.run([sys.executable, "-c", flood, answer], within=other)
        refused = "names of hosts are not kept: names.reason is empty"
        wait_for("the refusal", lambda: refused in machine.log("names").read_text())
        stop(program, seconds=30)
        assert payloads(home, FrameKind.NAME) == []


@pytest.mark.parametrize(
    ("interface", "told"), [("none0", "none0: No such device"), ("x" * 40, "x: ")]
)
def test_what_is_wrong_is_one_line(tmp_path: Path, interface: str, told: str) -> None:
    require()
    done = subprocess.run(_command(tmp_path, interface), cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
