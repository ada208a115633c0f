"""IPFIX over TCP from softflowd and from scapy's encoder, and a kill -9 in the middle of it."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from collector.decode.decoder import FlowDecoder
from collector.records import Frame, FrameKind
from collector.settings import Listen
from tests.captures import make
from tests.collector.decode import rows, wire
from tests.collector.receive.home import coverage, frames, receiver, until
from tests.conftest import REPO
from tests.integration import scapy_flows
from tests.integration.box import free_ports
from tests.integration.machine import require

RECEIVE = """
import sys
from pathlib import Path
from tests.collector.receive.home import receiver
from tests.integration.test_ipfix_tcp import listen
with receiver(Path(sys.argv[1]), listen=listen(int(sys.argv[2]))) as running:
    print("listening", flush=True)
    running.wait()
"""
NUMBERED = wire.ipfix_template(256, [(148, 8), (8, 4)])
"""A number for each record, as its flow id."""
OTHER = wire.ipfix_template(256, [(8, 4), (148, 8)])


def listen(port: int = 0) -> Listen:
    """Return where a test listens: for IPFIX over TCP alone."""
    return Listen(
        flows=(),
        syslog_udp=(),
        syslog_tcp=(),
        syslog_tls=(),
        ipfix_tcp=(f"127.0.0.1:{port}",),
        ipfix_tls=(),
    )


def _taken(home: Path) -> list[Frame]:
    return frames(home, FrameKind.FLOW)


def _decoded(found: list[Frame]) -> tuple[list[dict[str, Any]], FlowDecoder]:
    decoder = FlowDecoder(wire.SITE)
    return rows.of(decoder.decode(found)), decoder


def test_softflowd_is_heard_over_tcp(tmp_path: Path) -> None:
    require("softflowd")
    pcap = tmp_path / "traffic.pcap"
    make.traffic(pcap)
    with receiver(tmp_path, listen=listen()) as running:
        port = running.status()["ipfix_tcp"]["sockets"][0].rpartition(":")[2]
        command = ["softflowd", "-r", pcap.name, "-n", f"127.0.0.1:{port}", "-P", "tcp", "-d"]
        command += ["-v", "10", "-6", "-A", "milli", "-a"]
        subprocess.run(command, check=True, capture_output=True, timeout=30, cwd=tmp_path)
        until(lambda: running.status()["ipfix_tcp"]["messages"] > 0)
        until(lambda: running.status()["ipfix_tcp"]["connections"] == 0)
        assert running.status()["ipfix_tcp"]["malformed"] == 0
    found = _taken(tmp_path)
    assert (found[0].payload, found[-1].payload) == (b"", b"")
    flows, decoder = _decoded(found)
    names = ("src_ip", "src_port", "dst_ip", "dst_port")
    ends = {tuple(row.get(name) for name in names) for row in flows}
    assert ("10.0.0.5", 40001, "203.0.113.9", 80) in ends
    assert ("2001:db8:1::9", 80, "2001:db8::5", 40003) in ends
    [up] = [row for row in flows if row.get("src_port") == 40001]
    assert (up["packets"], up["bytes"]) == (4, 4 * 40 + 18)
    assert (decoder.counters.malformed, decoder.counters.lost_sets) == (0, 0)
    assert len(decoder.streams) == 0


def test_what_scapy_encodes_comes_whole_through_pieces(tmp_path: Path) -> None:
    import_module("scapy.layers.netflow")
    told = scapy_flows.exporter(7, 10)
    stream = b"".join(told.datagrams)
    with receiver(tmp_path, listen=listen()) as running:
        port = int(running.status()["ipfix_tcp"]["sockets"][0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(stream), 501):
                sender.sendall(stream[at : at + 501])
        until(lambda: running.status()["ipfix_tcp"]["messages"] == len(told.datagrams))
    found = _taken(tmp_path)
    assert [frame.payload for frame in found if frame.payload] == told.datagrams
    flows, _ = _decoded(found)
    assert len(flows) == len(told.flows)


def test_a_kill_costs_the_tail_alone_and_the_next_connection_is_read_right(tmp_path: Path) -> None:
    port = free_ports("ipfix")["ipfix"]
    first, started = _start(tmp_path, port), time.monotonic()
    sent = 0
    with _connect(port) as sender:
        own = sender.getsockname()[1]
        sender.sendall(wire.ipfix(NUMBERED))
        while time.monotonic() < started + 1.5:
            sender.sendall(_message(sent, struct.Struct(">Q4s")))
            sent += 1
            time.sleep(0.0005)
        first.kill()
        first.wait(20)
    kept = len([frame for frame in _taken(tmp_path) if frame.payload]) - 1
    second = _start(tmp_path, port)
    with _connect(port, own) as sender:
        sender.sendall(wire.ipfix(OTHER))  # the same numbers mean something else from now on
        later = [_message(n, struct.Struct(">4sQ"), base=1_000_000) for n in range(50)]
        for message in later:
            sender.sendall(message)
        until(lambda: any(frame.payload == later[-1] for frame in _taken(tmp_path)))
    second.terminate()
    second.wait(20)
    flows, decoder = _decoded(_taken(tmp_path))
    told = [int(row["extra"].partition('"flowId":')[2].partition("}")[0]) for row in flows]
    # What was written and not yet synced when the process died may be there all the same.
    whole = len(told) - len(later)
    assert told == [*range(whole), *range(1_000_000, 1_000_050)]
    assert 0 < kept <= whole <= sent
    assert {row["src_ip"] for row in flows} == {"10.0.0.1"}
    assert decoder.counters.lost_records == 0
    assert len(coverage(tmp_path, "restart")) == 2


def _message(number: int, record: struct.Struct, base: int = 0) -> bytes:
    address, told = bytes((10, 0, 0, 1)), base + number
    values = (told, address) if record.format == ">Q4s" else (address, told)
    return wire.ipfix(wire.a_set(256, record.pack(*values)), sequence=number)


def _start(home: Path, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RECEIVE, str(home), str(port)]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "listening\n"
    return process


def _connect(port: int, own: int = 0) -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sender.settimeout(10)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Nothing is left of a connection that is reset, so its port is free at once for the second.
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", not own, 0))
    sender.bind(("127.0.0.1", own))
    sender.connect(("127.0.0.1", port))
    return sender
