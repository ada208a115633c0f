"""Floods of datagrams in a namespace: from one exporter, from strangers, from made-up addresses.

What a modest exporter sends meanwhile arrives, and what does not is written down.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.control import ask
from tests.collector.receive.home import coverage
from tests.conftest import REPO
from tests.integration.machine import Machine, require, stop, wait_for

SECONDS = 4.0
MODEST_PER_S = 400
SETTINGS = """
[[sites]]
id = "school-a"
[[exporters]]
address = "10.20.0.0/16"
site = "school-a"
[listen]
flows = ["10.20.0.2:2055"]
syslog_udp = []
syslog_tcp = []
syslog_tls = []
ipfix_tcp = []
ipfix_tls = []
receive_buffer = 1048576
udp_sockets = 1
[limits]
senders = 16
"""

MODEST = f"""
import socket, time
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind(("10.20.0.1", 0))
wire.connect(("10.20.0.2", 2055))
sent, began = 0, time.monotonic()
while (past := time.monotonic() - began) < {SECONDS}:
    while sent < past * {MODEST_PER_S}:
        wire.send(bytes(1000))
        sent += 1
    time.sleep(0.002)
print(sent)
"""

FLOOD = f"""
import socket, struct, sys, time, random
kind = sys.argv[1]
wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def packet(source):
    udp = struct.pack("!HHHH", 40000, 2055, 8 + 40, 0) + bytes(40)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton("10.20.0.2"))
    return head + udp
def made_up(begin):
    pick = random.randrange
    return [f"{{begin}}.{{pick(256)}}.{{pick(1, 255)}}" for _ in range(20000)]
sources = {{"one": ["10.20.0.66"], "stranger": ["10.99.0.66"],
           "made-up": made_up("10.20"), "made-up strangers": made_up("10.99")}}[kind]
packets = [packet(source) for source in sources]
end = time.monotonic() + {SECONDS}
sent = 0
while time.monotonic() < end:
    for _ in range(200):
        try:
            wire.sendto(packets[sent % len(packets)], ("10.20.0.2", 0))
        except OSError:
            continue
        sent += 1
print(sent)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    require("ip", "sysctl")
    with Machine(tmp_path) as made:
        yield made


def _school(machine: Machine) -> tuple[str, str]:
    """Make a place for the box and one for the senders, joined by a cable."""
    box, others = machine.namespace("box"), machine.namespace("others")
    machine.link((box, "eth0"), (others, "eth0"))
    machine.run(["ip", "address", "add", "10.20.0.2/16", "dev", "eth0"], within=box)
    machine.run(["ip", "route", "add", "10.99.0.0/16", "dev", "eth0"], within=box)
    machine.run(["ip", "address", "add", "10.20.0.1/16", "dev", "eth0"], within=others)
    machine.run(["sysctl", "-qw", "net.ipv4.icmp_ratelimit=0"], within=box, check=False)
    return box, others


@pytest.mark.parametrize("kind", ["one", "stranger", "made-up", "made-up strangers"])
def test_a_flood_leaves_room_for_a_modest_exporter(
    machine: Machine, tmp_path: Path, kind: str
) -> None:
    box, others = _school(machine)
    home = tmp_path / "home"
    home.mkdir()
    (home / "prathu.toml").write_text(SETTINGS)
    environment = {"PYTHONPATH": str(REPO)}
    command = [sys.executable, "-m", "collector", "receive", "--home", str(home)]
    receiver = machine.start(command, within=box, name="receive", env=environment)
    door = home / "run/receive.sock"
    wait_for("the receiver", door.exists)

    modest = machine.start([sys.executable, "-c", MODEST], within=others, name="modest")
    flood = machine.start([sys.executable, "-c", FLOOD, kind], within=others, name="flood")
    assert modest.wait(60) == flood.wait(60) == 0, machine.log("flood").read_text()
    sent = int(machine.log("modest").read_text())

    status = ask(door, {"do": "status"})
    receiver.send_signal(signal.SIGTERM)
    assert stop(receiver, seconds=30) == 0
    told = _told(status)
    assert told["modest"] >= sent * 0.6, told  # all but what came before the flood was noticed
    assert len(status["senders"]) <= 17  # sixteen, and the network's
    assert len(status["unknown_senders"]) <= 100
    rows = coverage(home, "kernel-drop") + coverage(home, "exporter-limit")
    rows += coverage(home, "unknown-sender")
    lost = sum(row.lost or 0 for row in rows)
    flooded = int(machine.log("flood").read_text())
    kept = sum(one["datagrams"] for one in status["senders"])
    print(json.dumps({**told, "sent": sent, "flooded": flooded, "kept": kept, "written": lost}))
    assert lost >= (sent + flooded - kept) * 0.99  # nothing is lost in silence
    assert len(rows) < 200


def _told(status: dict[str, Any]) -> dict[str, Any]:
    """Return what the status says of the modest exporter and of the flood."""
    modest = [one for one in status["senders"] if one["name"] == "10.20.0.1"]
    return {
        "modest": modest[0]["datagrams"] if modest else 0,
        "held_back": status["held_back"],
        "drops": status["udp"][0]["kernel_drops"],
        "refused": status["refused"],
    }
