"""A box as the gateway of a small school: real DHCP, a bad neighbour, and a provider's NAT.

```
 client ─┐                          ┌─ provider 100.64.0.1: says "203.0.113.50" of whoever asks
 rogue  ─┤ br0 10.20.0.1 gateway ───┘ 100.64.0.2
```
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.search.duck import Limits
from appliance.search.engine_local import Asker, LocalEngine
from appliance.search.question import Asked
from collector.records import AuditEvent
from tests.conftest import REPO
from tests.integration.box import PORTS, Box, loopback_settings
from tests.integration.machine import Machine, require, stop, wait_for

ASKER = Asker(actor="local:tester")
MAC = "02:00:5e:00:53:01"
SETTINGS = """
[[lease_files]]
site = "school-a"
format = "dnsmasq"
path = "{folder}/dnsmasq.leases"
server = "10.20.0.1"

[[neighbours]]
site = "school-a"
interface = "br0"

[[uplinks]]
site = "school-a"
interface = "outside"
ask = "http://100.64.0.1:8000/ip"

[[sniff]]
site = "school-a"
interface = "br0"
dhcp_servers = ["10.20.0.1"]
routers = ["fe80::1"]
"""
CLIENT = """#!/bin/sh
[ "$1" = bound ] && ip address add "$ip/24" dev "$interface"
exit 0
"""
PYTHON = str(REPO / ".venv/bin/python")


@dataclass
class Gateway:
    """The namespaces and the box."""

    machine: Machine
    engine: LocalEngine
    gateway: str
    client: str
    rogue: str

    def rows(self, question: str, log: str = "leases") -> list[dict[str, Any]]:
        now_us = time.time_ns() // 1000
        asked = Asked(log=log, start_us=now_us - 3_600_000_000, end_us=now_us + 60_000_000)
        table = self.engine.ask(self.engine.parse(question, asked), ASKER).table
        return [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]

    def send(self, *words: str) -> None:
        command = [PYTHON, "-m", "tests.integration.wire", *words]
        self.machine.run(command, within=self.rogue, env={"PYTHONPATH": str(REPO)})


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    require("ip", "dnsmasq", "busybox")
    folder = tmp_path_factory.mktemp("leases")
    with Machine(folder) as machine:
        names = [machine.namespace(name) for name in ("gateway", "client", "rogue", "provider")]
        gateway, client, rogue, provider = names
        _lay(machine, gateway, client, rogue, provider)
        (folder / "ip").write_text("203.0.113.50\n")
        served = [PYTHON, "-m", "http.server", "--directory", str(folder), "8000"]
        machine.start(served, within=provider, name="provider")
        _serve_dhcp(machine, gateway, folder)
        box = Box(machine, folder / "home", within=gateway)
        ports = {name: 20_000 + place for place, name in enumerate(PORTS)}
        box.init(settings=SETTINGS.format(folder=folder) + loopback_settings(ports))
        box.up()
        box.await_ready("watch", "sniff")
        wait_for("the sniffer", lambda: "watching br0" in machine.log("up").read_text())
        sites = {"school-a": ("10.20.0.0/24",)}
        acts: list[AuditEvent] = []
        asking = LocalEngine(box.home, Limits(), acts.append, clock=time.time_ns, sites=sites)
        with asking as engine:
            yield Gateway(machine, engine, gateway, client, rogue)
        box.down()
        box.prathu("verify", "--deep")


def _lay(machine: Machine, gateway: str, client: str, rogue: str, provider: str) -> None:
    machine.run(["ip", "link", "add", "br0", "type", "bridge"], within=gateway)
    for space, name in ((client, "client"), (rogue, "rogue")):
        machine.link((space, "eth0"), (gateway, f"to-{name}"))
        machine.run(["ip", "link", "set", f"to-{name}", "master", "br0"], within=gateway)
    machine.run(["ip", "link", "set", "eth0", "address", MAC], within=client)
    machine.run(["ip", "link", "set", "br0", "up"], within=gateway)
    machine.run(["ip", "address", "add", "10.20.0.1/24", "dev", "br0"], within=gateway)
    machine.link((gateway, "outside"), (provider, "eth0"))
    machine.run(["ip", "address", "add", "100.64.0.2/24", "dev", "outside"], within=gateway)
    machine.run(["ip", "address", "add", "100.64.0.1/24", "dev", "eth0"], within=provider)


def _serve_dhcp(machine: Machine, gateway: str, folder: Path) -> None:
    command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0"]
    command += ["--interface=br0", "--dhcp-range=10.20.0.50,10.20.0.90,255.255.255.0,2m"]
    command += [f"--dhcp-leasefile={folder}/dnsmasq.leases", f"--pid-file={folder}/dnsmasq.pid"]
    machine.start([*command, "--user=root", "--log-facility=-"], within=gateway)
    wait_for("dnsmasq", (folder / "dnsmasq.leases").exists)


def test_a_lease_of_a_real_server_to_a_real_client_is_told_by_all_who_see_it(
    school: Gateway,
) -> None:
    script = school.machine.folder / "client.sh"
    script.write_text(CLIENT)
    script.chmod(0o755)
    command = ["busybox", "udhcpc", "-f", "-i", "eth0", "-s", str(script), "-x", "hostname:phone"]
    client = school.machine.start([*command, "-R"], within=school.client)
    wait_for("the lease", lambda: school.rows("kind:dhcp event:add"), seconds=40)
    ip = school.rows("kind:dhcp event:add")[0]["ip"]
    school.machine.run(["ping", "-qc1", "10.20.0.1"], within=school.client)
    sources = {"source:box kind:arp", "kind:dhcp source:sniff*", "kind:dhcp NOT source:sniff*"}
    for source in sources:
        wait_for(source, lambda at=source: school.rows(f"{at} ip:{ip}"))  # type: ignore[misc]
        row = school.rows(f"{source} ip:{ip} event:(add OR seen)")[-1]
        assert row["mac"] == MAC
    (lease,) = school.rows("kind:dhcp event:add NOT source:sniff*")
    assert (lease["hostname"], lease["server"]) == ("phone", "10.20.0.1")
    assert lease["expires"] > lease["time"]
    assert school.rows("kind:rogue-dhcp", "coverage") == []

    stop(client)  # gives it back: -R
    wait_for("the end", lambda: school.rows("kind:dhcp event:release NOT source:sniff*"))
    assert school.rows("kind:dhcp event:release source:sniff*")[0]["ip"] == ip


@pytest.mark.parametrize(
    ("words", "kind", "source"),
    [
        (["dhcp", "eth0"], "rogue-dhcp", "10.20.0.66"),
        (["ra", "eth0"], "rogue-ra", "fe80::66"),
        (["double", "eth0", "10.20.0.40", MAC], "double-address", "10.20.0.40"),
    ],
)
def test_a_bad_neighbour_raises_one_alarm(
    school: Gateway, words: list[str], kind: str, source: str
) -> None:
    school.send(*words)
    wait_for(kind, lambda: school.rows(f"kind:{kind}", "coverage"))
    (alarm,) = school.rows(f"kind:{kind}", "coverage")
    assert alarm["source"] == source
    assert "02:00:5e:00:53:66" in alarm["note"]


def test_the_uplink_and_a_nat_further_out_are_told(school: Gateway) -> None:
    wait_for("what the outside sees", lambda: school.rows("kind:uplink nat_ip:203.0.113.50"))
    row = school.rows("kind:uplink nat_ip:203.0.113.50")[0]
    assert (row["ip"], row["interface"]) == ("100.64.0.2", "outside")
    alarms = school.rows("kind:double-nat", "coverage")
    assert any("the outside sees 203.0.113.50" in alarm["note"] for alarm in alarms)

    address = ["ip", "address", "del", "100.64.0.2/24", "dev", "outside"]
    school.machine.run(address, within=school.gateway)
    wait_for("the loss", lambda: school.rows("kind:uplink event:release"))
