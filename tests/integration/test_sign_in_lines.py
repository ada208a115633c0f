"""Real rsyslog sends sign-in lines over TCP: those of a believed address tie flows to the person.

It sends to two addresses of the box, so that the box hears it from two: 127.0.0.1 is believed, ::1
is not.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.box import PORTS, Box, free_ports, loopback_settings
from tests.integration.load import netflow5
from tests.integration.machine import Machine, require, wait_for

RSYSLOG = """
global(workDirectory="{folder}")
module(load="imuxsock" SysSock.Use="off" SysSock.RateLimit.Interval="0")
input(type="imuxsock" Socket="{folder}/log" RateLimit.Interval="0"
    IgnoreTimestamp="off" UseSysTimeStamp="off")
template(name="whole" type="string"
    string="<%PRI%>1 %TIMESTAMP:::date-rfc3339% gw-1 %APP-NAME% - - - %msg:2:$%")
if $programname == "logportalauth" then action(type="omfwd" target="127.0.0.1" port="{port}"
    protocol="tcp" TCP_Framing="octet-counted" template="whole")
if $programname == "captiveportal" then action(type="omfwd" target="::1" port="{port}"
    protocol="tcp" TCP_Framing="octet-counted" template="whole")
"""
BELIEVED = """
[[believed_senders]]
site = "school-a"
address = "127.0.0.1"
"""
SOMCHAI, MALEE = "10.21.0.1", "10.21.0.2"
FLOWS = {SOMCHAI: 1, MALEE: 2}
"""The number by which a flow of each is made."""


@dataclass
class Told:
    """The box, and rsyslog that sends it lines."""

    box: Box
    ports: dict[str, int]
    folder: Path

    def log(self, program: str, text: str, *, ago_s: int = 0) -> None:
        """Log a line as a program, of some time ago: a flow here began ten seconds ago."""
        then = time.strftime("%b %e %H:%M:%S", time.localtime(time.time() - ago_s))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.connect(str(self.folder / "log"))
            door.send(f"<38>{then} {program}: {text}".encode())

    def flow(self, address: str) -> None:
        """Send a flow of an address that ended just now."""
        datagram = netflow5(FLOWS[address], 0, int(time.time()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.sendto(datagram, ("127.0.0.1", self.ports["flows"]))

    def flows(self, address: str) -> list[dict[str, Any]]:
        """Return the flows of an address, in their order."""
        return self.rows("flows", f"src:{address}")

    def rows(self, log: str, question: str) -> list[dict[str, Any]]:
        """Return rows of a log, in their order."""
        command = ["search", question, "--log", log, "--from", "-2h", "--format", "jsonl"]
        return sorted(self.box.rows(*command), key=lambda row: str(row["time"]))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    require("rsyslogd", root=False)
    folder: Path = tmp_path_factory.mktemp("lines")
    with Machine(folder) as machine:
        box = Box(machine, folder / "home")
        ports = free_ports(*PORTS)
        one = f'syslog_tcp = ["127.0.0.1:{ports["syslog"]}"'
        settings = loopback_settings(ports).replace(one, f'{one}, "[::1]:{ports["syslog"]}"')
        box.init(settings=settings + BELIEVED)
        box.up()
        config = folder / "rsyslog.conf"
        config.write_text(RSYSLOG.format(folder=folder, port=ports["syslog"]))
        machine.start(["rsyslogd", "-n", "-f", str(config), "-i", str(folder / "pid")])
        wait_for("rsyslog's socket", (folder / "log").exists)
        yield Told(box, ports, folder)


def test_a_believed_line_ties_later_flows_to_the_person_until_the_sign_out_line(told: Told) -> None:
    accept = f"Zone: s - ACCEPT: somchai, 02:00:00:00:00:01, {SOMCHAI}"
    told.log("logportalauth", accept, ago_s=30)
    told.log("captiveportal", f"AUTH malee ({MALEE}) zone 0", ago_s=30)
    wait_for("both lines", lambda: len(told.rows("events", "vendor:pfsense")) == 2)
    wait_for("the session", lambda: told.rows("sessions", "method:syslog"))
    for address in FLOWS:
        told.flow(address)
    wait_for("the flows", lambda: all(told.flows(address) for address in FLOWS))
    [flow] = told.flows(SOMCHAI)[-1:]
    assert (flow["account"], flow["method"], flow["certainty"]) == ("somchai", "syslog", "sure")
    [other] = told.flows(MALEE)[-1:]
    assert other.get("account") is None
    assert other["certainty"] == "unknown"

    told.log("logportalauth", f"Zone: s - DISCONNECT: somchai, 02:00:00:00:00:01, {SOMCHAI}")
    wait_for("the stop", lambda: len(told.rows("sessions", "method:syslog")) == 2)
    start, stop = told.rows("sessions", "method:syslog")
    assert (start["event"], stop["event"], stop["cause"]) == ("start", "stop", "sign-out line")
    assert start["nas"] == "127.0.0.1"
    assert start["mac"] == "02:00:00:00:00:01"


def test_sources_tell_who_is_not_believed(told: Told) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        line = f"<38>1 - gw-1 captiveportal - - - AUTH malee ({MALEE}) zone 0"
        wire.sendto(line.encode(), ("127.0.0.1", told.ports["syslog"]))

    def sign_ins() -> dict[str, dict[str, int]]:
        found = json.loads(told.box.prathu("sources"))["sources"]
        return {s["name"]: s["sign_ins"] for s in found if s["kind"] == "syslog"}

    wait_for("the line over UDP", lambda: "over-udp" in sign_ins().get("127.0.0.1", {}))
    assert sign_ins() == {
        "127.0.0.1": {"believed": 2, "over-udp": 1},
        "::1": {"not-believed": 1},
    }
    assert len(told.rows("sessions", "*")) == 2
