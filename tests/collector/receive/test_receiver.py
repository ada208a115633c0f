"""The receiving process as a whole: starts, says why not, restarts, ends, loses nothing."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector import durable
from collector.control import ask
from collector.errors import Busy, CollectorError
from collector.records import CoverageEvent, FrameKind
from collector.settings import Exporter, Listen, Site
from tests.collector.receive.home import (
    SITE,
    coverage,
    frames,
    payloads,
    receiver,
    send,
    tcp_port,
    udp_ports,
    until,
)


@contextmanager
def _taken(kind: socket.SocketKind) -> Iterator[int]:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("name", ["flows", "syslog_udp", "syslog_tcp"])
def test_a_busy_port_is_one_clear_line(tmp_path: Path, name: str) -> None:
    kind = socket.SOCK_STREAM if name == "syslog_tcp" else socket.SOCK_DGRAM
    with _taken(kind) as port:
        nowhere = Listen(
            flows=(), syslog_udp=(), syslog_tcp=(), syslog_tls=(), ipfix_tcp=(), ipfix_tls=()
        )
        listen = nowhere.model_copy(update={name: (f"127.0.0.1:{port}",)})
        running = receiver(tmp_path, listen=listen)
        with pytest.raises(CollectorError) as caught:
            running.start()
    told = str(caught.value)
    assert f"127.0.0.1:{port}" in told
    assert "[listen]" in told
    assert "ss -lntup" in told
    assert "\n" not in told
    with receiver(tmp_path):  # nothing of the first stayed behind
        pass


def test_an_address_that_is_not_here_is_one_clear_line(tmp_path: Path) -> None:
    listen = Listen(
        flows=("192.0.2.123:2055",),
        syslog_udp=(),
        syslog_tcp=(),
        syslog_tls=(),
        ipfix_tcp=(),
        ipfix_tls=(),
    )
    with pytest.raises(CollectorError, match=r"192\.0\.2\.123:2055: .*; this machine has no such"):
        receiver(tmp_path, listen=listen).start()


def test_two_receivers_in_one_home_are_one_too_many(tmp_path: Path) -> None:
    with receiver(tmp_path), pytest.raises(Busy, match="in use by process"):
        receiver(tmp_path).start()


def test_a_restart_is_written_down_for_every_site(tmp_path: Path) -> None:
    sites = (Site(id=SITE), Site(id="school-b"))
    with receiver(tmp_path, sites=sites) as running:
        send(udp_ports(running)[0], b"last")
        until(lambda: running.status()["udp"][0]["datagrams"])
    (last,) = frames(tmp_path, FrameKind.FLOW)
    begun = time.time_ns()
    with receiver(tmp_path, sites=sites):
        pass
    events = coverage(tmp_path, "restart")[2:]
    assert [event.site for event in events] == [SITE, "school-b"]
    for event in events:
        assert event.end is not None
        assert abs(event.time.timestamp() - last.received_ns / 1e9) < 1e-5
        assert event.end.timestamp() >= begun / 1e9 - 1e-5


def test_durable_frames_that_are_gone_are_written_down(tmp_path: Path) -> None:
    with receiver(tmp_path) as running:
        send(udp_ports(running)[0], b"one", b"two")
        until(lambda: running.status()["udp"][0]["datagrams"] == 2)
    (path,) = (tmp_path / "spool").glob("*.spool")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3)
    with receiver(tmp_path):
        pass
    (event,) = coverage(tmp_path, "spool-damage")
    assert (event.lost, event.unit) == (1, "frames")
    assert path.name in event.note
    assert payloads(tmp_path, FrameKind.FLOW) == [b"one"]


def test_a_failed_fsync_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = receiver(tmp_path)
    running.start()
    assert running.wait(timeout_s=0.05) is False

    def fail(point: str) -> None:
        if point.endswith(".spool"):
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault", fail)
        send(udp_ports(running)[0], b"x")
        with pytest.raises(CollectorError, match="Input/output error"):
            running.wait(timeout_s=10)
        with pytest.raises(CollectorError, match="Input/output error"):
            running.stop()
    assert not (tmp_path / "run" / "receive.sock").exists()
    with receiver(tmp_path):  # and the next one goes on
        pass


def test_stopping_ends_the_wait(tmp_path: Path) -> None:
    running = receiver(tmp_path)
    running.start()
    threading.Timer(0.1, running.stop).start()
    assert running.wait(timeout_s=10)


def test_stopping_what_never_started_does_nothing(tmp_path: Path) -> None:
    receiver(tmp_path).stop()
    assert list(tmp_path.iterdir()) == []


def test_each_exporter_stays_in_order_over_several_sockets(tmp_path: Path) -> None:
    listen = Listen(
        flows=("127.0.0.1:0",),
        syslog_udp=(),
        syslog_tcp=(),
        syslog_tls=(),
        ipfix_tcp=(),
        ipfix_tls=(),
        udp_sockets=4,
    )
    exporters = [f"127.0.0.{n}" for n in range(1, 17)]
    with receiver(tmp_path, listen=listen) as running:
        (port,) = udp_ports(running)
        for begin in range(0, 1000, 20):
            for exporter in exporters:  # from another port each time
                numbers = range(begin, begin + 20)
                send(port, *(n.to_bytes(4, "big") for n in numbers), source=exporter)
        until(lambda: running.status()["udp"][0]["datagrams"] == 16_000)
        status = running.status()["udp"][0]
        assert (status["sockets"], status["kernel_drops"]) == (4, 0)
    found = frames(tmp_path, FrameKind.FLOW)
    for exporter in exporters:
        came = [int.from_bytes(f.payload, "big") for f in found if f.address == exporter]
        assert came == list(range(1000))


def test_a_burst_is_kept_whole_and_in_order(tmp_path: Path) -> None:
    sent = [n.to_bytes(4, "big") + bytes(1396) for n in range(20_000)]
    with receiver(tmp_path) as running:
        port = udp_ports(running)[0]
        for begin in range(0, len(sent), 1000):
            send(port, *sent[begin : begin + 1000])
        until(lambda: running.status()["udp"][0]["datagrams"] == len(sent), 30)
        assert running.status()["udp"][0]["kernel_drops"] == 0
    assert payloads(tmp_path, FrameKind.FLOW) == sent


@pytest.mark.parametrize(
    "options", [["--udp"], ["--tcp"], ["--tcp", "--octet-count"], ["--tcp", "--rfc3164"]]
)
def test_the_real_logger_is_understood(tmp_path: Path, options: list[str]) -> None:
    from collector.decode.syslog.messages import decode

    with receiver(tmp_path) as running:
        port = udp_ports(running)[1] if "--udp" in options else tcp_port(running)
        command = ["logger", "--server", "127.0.0.1", "--port", str(port), "--tag", "prathu-test"]
        command += ["--priority", "auth.warning", *options, "เข้าสู่ระบบ from 10.0.0.7"]
        subprocess.run(command, check=True, timeout=20)
        until(lambda: len(frames(tmp_path, FrameKind.SYSLOG)) == 1)
    columns = {
        name: column.to_pylist()[0]
        for name, column in decode(frames(tmp_path, FrameKind.SYSLOG)).columns.items()
    }
    assert columns["format"] == ("rfc3164" if "--rfc3164" in options else "rfc5424")
    assert str(columns["raw"])[columns["message_at"] or 0 :] == "เข้าสู่ระบบ from 10.0.0.7"
    assert (columns["facility"], columns["severity"]) == (4, 4)
    assert (columns["app_name"], columns["fault"]) == ("prathu-test", None)
    assert columns["hostname"]


_RSYSLOG = """
module(load="imtcp")
input(type="imtcp" port="{from_port}" address="127.0.0.1")
action(type="omfwd" target="127.0.0.1" port="{to_port}" protocol="{protocol}" {framing}
       template="RSYSLOG_SyslogProtocol23Format")
"""


@contextmanager
def _rsyslog(folder: Path, text: str) -> Iterator[None]:
    (folder / "rsyslog.conf").write_text(text)
    command = ["rsyslogd", "-n", "-f", str(folder / "rsyslog.conf")]
    command += ["-i", str(folder / "pid")]
    with subprocess.Popen(command, cwd=folder) as daemon:
        try:
            yield
        finally:
            daemon.terminate()
            daemon.wait(20)


@pytest.mark.parametrize(
    ("protocol", "framing"),
    [("udp", ""), ("tcp", 'TCP_Framing="octet-counted"'), ("tcp", 'TCP_Framing="traditional"')],
)
def test_the_real_rsyslog_is_understood(tmp_path: Path, protocol: str, framing: str) -> None:
    with _taken(socket.SOCK_STREAM) as from_port:
        pass
    with receiver(tmp_path) as running:
        to_port = udp_ports(running)[1] if protocol == "udp" else tcp_port(running)
        (tmp_path / "rsyslog").mkdir()
        text = _RSYSLOG.format(
            from_port=from_port, to_port=to_port, protocol=protocol, framing=framing
        )
        with _rsyslog(tmp_path / "rsyslog", text):
            until(lambda: _says(from_port, b"".join(b"<38>1 - h a 1 - - m%d\n" % n
                                                    for n in range(500))))  # fmt: skip
            until(lambda: len(frames(tmp_path, FrameKind.SYSLOG)) >= 500, 20)
    found = [p for p in payloads(tmp_path, FrameKind.SYSLOG) if b" h a 1 " in p]
    assert [p.rstrip(b"\n").rpartition(b" ")[2] for p in found] == [b"m%d" % n for n in range(500)]
    assert all(payload.startswith(b"<38>1 ") for payload in found)


def _says(port: int, data: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sender:
            sender.sendall(data)
    except OSError:
        return False
    return True


_RUN = """
import sys
from pathlib import Path
from tests.collector.receive.home import receiver
with receiver(Path(sys.argv[1])) as running:
    print("ready", flush=True)
    running.wait()
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_receiver_has_kept_every_acknowledged_event_once(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    acknowledged: dict[int, int] = {}
    for _ in range(3):
        command = [sys.executable, "-c", _RUN, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            killing = threading.Timer(rng.uniform(0.05, 0.4), process.kill)
            killing.start()
            with contextlib.suppress(CollectorError):
                while True:
                    lost = len(acknowledged)
                    event = {"time": "2026-01-25T00:00:00Z", "site": SITE, "kind": "test"}
                    request = {"do": "event", "kind": "coverage", "event": {**event, "lost": lost}}
                    reply = ask(tmp_path / "run" / "receive.sock", request, timeout=10)
                    acknowledged[lost] = reply["position"]
            killing.join()
    with receiver(tmp_path):  # repairs what was torn
        pass
    kept = {
        frame.number: CoverageEvent.from_json(frame.payload).lost
        for frame in frames(tmp_path, FrameKind.COVERAGE)
    }
    assert len(acknowledged) > 10
    for lost, position in acknowledged.items():
        assert kept[position] == lost
    numbers = [frame.number for frame in frames(tmp_path)]
    assert numbers == list(range(len(numbers)))


def test_events_name_the_site_of_the_exporters_network(tmp_path: Path) -> None:
    exporters = (
        Exporter(address="127.0.0.0/24", site=SITE),
        Exporter(address="127.0.0.64/26", site="school-b"),
    )
    sites = (Site(id=SITE), Site(id="school-b"))
    with receiver(tmp_path, sites=sites, exporters=exporters) as running:
        for source in ("127.0.0.5", "127.0.0.70"):
            send(udp_ports(running)[1], b"<13>x", source=source)
        until(lambda: running.status()["udp"][1]["datagrams"] == 2)
    found = {(f.site, f.address) for f in frames(tmp_path, FrameKind.SYSLOG)}
    assert found == {(SITE, "127.0.0.5"), ("school-b", "127.0.0.70")}
    assert all(
        isinstance(CoverageEvent.from_json(p), CoverageEvent)
        for p in payloads(tmp_path, FrameKind.COVERAGE)
    )
