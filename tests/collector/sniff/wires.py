"""A wire between two namespaces: what goes in at one end, what a filter lets out at the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import REPO
from tests.integration.machine import Machine, require, wait_for

HEAR = """
import json, sys
{opening} as wire:
    print("ready", flush=True)
    heard = []
    while not heard or heard[-1] != sys.argv[1]:
        told = wire.next()
        if told is not None:
            heard.append(told.packet.hex())
print(json.dumps(heard))
"""
SEND = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind(("eth0", 0))
    for packet in sys.argv[1:]:
        out.send(bytes.fromhex(packet))
"""


def heard(folder: Path, opening: str, packets: Sequence[bytes], last: bytes) -> list[bytes]:
    """Return what came through of packets.

    Args:
        folder: For logs.
        opening: Python that imports a filter and says `with Wire("eth0", ...)`.
        packets: Sent one after the other.
        last: What is heard of the last one.
    """
    require("ip")
    python = str(REPO / ".venv/bin/python")
    with Machine(folder) as machine:
        one, other = machine.namespace("one"), machine.namespace("other")
        for space in (one, other):
            machine.run(["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"], within=space)
        machine.link((one, "eth0"), (other, "eth0"))
        command = [python, "-c", HEAR.format(opening=opening), last.hex()]
        hearing = machine.start(command, within=one, name="hear", env={"PYTHONPATH": str(REPO)})
        wait_for("the socket", lambda: "ready" in machine.log("hear").read_text())
        machine.run([python, "-c", SEND, *(packet.hex() for packet in packets)], within=other)
        assert hearing.wait(20) == 0, machine.log("hear").read_text()
        found = json.loads(machine.log("hear").read_text().splitlines()[-1])
    return [bytes.fromhex(packet) for packet in found]
