"""pmacctd's nfprobe, another real exporter than softflowd: it watches real traffic for us."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector.decode.decoder import Decoded, FlowDecoder
from collector.records import Frame, FrameKind
from tests.collector.decode import rows
from tests.conftest import REPO
from tests.integration.machine import Machine, require, stop, wait_for

PYTHON = str(REPO / ".venv/bin/python")
HERE, THERE = "192.0.2.1", "192.0.2.2"
HERE6, THERE6 = "2001:db8::1", "2001:db8::2"
VERSIONS = (5, 9, 10)
ASKED, ANSWERED = 3000, 40_000
CONFIG = """
daemonize: false
pcap_interface: eth0
aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags
plugins: nfprobe
nfprobe_receiver: 127.0.0.1:{port}
nfprobe_version: {version}
nfprobe_timeouts: tcp=1:tcp.fin=1:udp=1:icmp=1:general=1:maxlife=3:expint=1
"""
TALK = """
import socket, sys
host, port, own, sizes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as wire:
    wire.bind(("", own))
    for size in map(int, sizes.split(",")):
        wire.sendto(bytes(size), (host, port))
"""
SERVE = f"""
import socket
with socket.create_server(("{THERE}", 8080)) as listening:
    print("listening", flush=True)
    talk, _ = listening.accept()
    with talk:
        left = {ASKED}
        while left:
            left -= len(talk.recv(left))
        talk.sendall(bytes({ANSWERED}))
"""
ASK = f"""
import socket
with socket.create_connection(("{THERE}", 8080), source_address=("{HERE}", 40001)) as talk:
    talk.sendall(bytes({ASKED}))
    while talk.recv(65536):
        pass
"""


@dataclass(frozen=True)
class Heard:
    """What one exporter told of the traffic."""

    rows: list[dict[str, Any]]
    decoded: Decoded
    decoder: FlowDecoder

    def flow(self, **values: Any) -> dict[str, Any]:
        """Return the one flow with these values."""
        [found] = [row for row in self.rows if values.items() <= row.items()]
        return found


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Heard]]:
    require("ip", "pmacctd")
    with Machine(tmp_path_factory.mktemp("nfprobe")) as machine:
        here, there = machine.namespace("here"), machine.namespace("there")
        machine.link((here, "eth0"), (there, "eth0"))
        for space, four, six in ((here, HERE, HERE6), (there, THERE, THERE6)):
            machine.run(["ip", "address", "add", f"{four}/24", "dev", "eth0"], within=space)
            six_up = ["ip", "address", "add", f"{six}/64", "dev", "eth0", "nodad"]
            machine.run(six_up, within=space)
        watching = [_watch(machine, here, version) for version in VERSIONS]
        _traffic(machine, here, there)
        told = {version: machine.folder / f"told-{version}" for version in VERSIONS}
        for version, path in told.items():
            wait_for(f"what v{version} tells", partial(_has_all, path))
        for process in watching:
            stop(process, seconds=20)
        yield {version: _heard(path) for version, path in told.items()}


def _watch(machine: Machine, space: str, version: int) -> Any:
    told, config = (machine.folder / f"{kind}-{version}" for kind in ("told", "config"))
    port = 20000 + version
    catch = str(Path(__file__).with_name("catch.py"))
    command = [PYTHON, "-I", catch, "127.0.0.1", str(port), str(told)]
    machine.start(command, within=space, name=f"catch-{version}")
    wait_for("the catcher", lambda: told.exists() and told.stat().st_size)
    config.write_text(CONFIG.format(port=port, version=version), encoding="ascii")
    process = machine.start(["pmacctd", "-f", str(config)], within=space, name=f"pmacctd-{version}")
    wait_for("pmacctd", lambda: "eth0" in machine.log(f"pmacctd-{version}").read_text())
    return process


def _traffic(machine: Machine, here: str, there: str) -> None:
    """Names asked for over UDP, and a page over TCP."""
    serving = machine.start([PYTHON, "-I", "-c", SERVE], within=there, name="serve")
    wait_for("the server", lambda: "listening" in machine.log("serve").read_text())
    machine.run([PYTHON, "-I", "-c", ASK], within=here)
    serving.wait(20)
    for host in (THERE, THERE6):
        talk = [PYTHON, "-I", "-c", TALK, host, "53", "40002", "100,200,1000"]
        machine.run(talk, within=here)


def _has_all(path: Path) -> bool:
    """Tell whether the flows that each version can tell of have come."""
    ports = {row.get("src_port") for row in _heard(path).rows if ":" not in row["src_ip"]}
    return {40001, 40002, 8080} <= ports


def _heard(path: Path) -> Heard:
    frames = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines()[1:]):
        received, sender, port, payload = line.split()
        frames.append(
            Frame(
                kind=FrameKind.FLOW,
                site="school-a",
                received_ns=int(received),
                wire_ns=int(received),
                address=sender,
                port=int(port),
                payload=bytes.fromhex(payload),
                number=number,
            )
        )
    decoder = FlowDecoder("school-a")
    decoded = decoder.decode(frames)
    return Heard(rows.of(decoded), decoded, decoder)


@pytest.mark.parametrize("version", VERSIONS)
def test_datagrams_are_counted_to_the_byte(heard: dict[int, Heard], version: int) -> None:
    row = heard[version].flow(dst_ip=THERE, dst_port=53, protocol=17)
    assert (row["src_ip"], row["src_port"]) == (HERE, 40002)
    assert (row["packets"], row["bytes"]) == (3, 1300 + 3 * 28)


@pytest.mark.parametrize("version", [9, 10])
def test_datagrams_over_ipv6_too(heard: dict[int, Heard], version: int) -> None:
    row = heard[version].flow(dst_ip=THERE6, dst_port=53, protocol=17)
    assert (row["src_ip"], row["src_port"]) == (HERE6, 40002)
    assert (row["packets"], row["bytes"]) == (3, 1300 + 3 * 48)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_page_is_told_in_both_directions(heard: dict[int, Heard], version: int) -> None:
    up = heard[version].flow(src_ip=HERE, src_port=40001, dst_ip=THERE, dst_port=8080, protocol=6)
    down = heard[version].flow(src_ip=THERE, src_port=8080, dst_ip=HERE, dst_port=40001, protocol=6)
    assert up["bytes"] >= ASKED + 40 * up["packets"]
    assert down["bytes"] >= ANSWERED + 40 * down["packets"]
    for row in (up, down):
        assert row["tcp_flags"] & 0x13 == 0x13, "begun, acknowledged and ended"


@pytest.mark.parametrize("version", VERSIONS)
def test_all_exporters_counted_the_same(heard: dict[int, Heard], version: int) -> None:
    names = ("src_ip", "src_port", "dst_ip", "dst_port", "protocol", "packets", "bytes")

    def four(told: Heard) -> set[tuple[Any, ...]]:
        flows = [row for row in told.rows if row.get("src_port") in (40001, 40002, 8080)]
        return {tuple(row[n] for n in names) for row in flows if ":" not in row["src_ip"]}

    assert four(heard[version]) == four(heard[5])
    assert len(four(heard[version])) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_clocks_are_right_and_nothing_is_missing(heard: dict[int, Heard], version: int) -> None:
    told = heard[version]
    assert told.rows
    assert {row["clock"] for row in told.rows} == {"ok"}
    for row in told.rows:
        assert row["time"] <= row["time_end"] <= row["received"]
    assert told.decoded.coverage == []
    assert told.decoder.counters.malformed == told.decoder.counters.broken_sets == 0
