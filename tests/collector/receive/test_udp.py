"""Datagrams: each one kept with the kernel's time, or counted."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from collector.errors import SpoolFull
from collector.receive import drops, sockets, udp
from collector.receive import receiver as receiving
from collector.records import Clock, FrameKind
from collector.settings import Exporter, Listen, Site
from collector.spool import SpoolWriter
from tests.collector.receive.home import (
    SITE,
    coverage,
    frames,
    payloads,
    receiver,
    send,
    udp_ports,
    until,
)


def test_a_datagram_is_kept_with_its_sender_and_the_kernels_time(tmp_path: Path) -> None:
    with receiver(tmp_path) as running:
        flows, syslog = udp_ports(running)
        before = time.time_ns()
        send(flows, b"\x00\x09flow", source="127.0.0.5")
        send(syslog, b"<13>hello\n")
        until(lambda: sum(each["datagrams"] for each in running.status()["udp"]) == 2)
        after = time.time_ns()
    (flow,) = frames(tmp_path, FrameKind.FLOW)
    (message,) = frames(tmp_path, FrameKind.SYSLOG)
    assert (flow.site, flow.address, flow.local_port) == (SITE, "127.0.0.5", flows)
    assert (flow.payload, flow.transport, flow.label) == (b"\x00\x09flow", "udp", "")
    assert flow.port > 0
    assert before <= flow.received_ns == flow.wire_ns <= after
    assert (message.address, message.payload) == ("127.0.0.1", b"<13>hello\n")


@pytest.mark.parametrize("size", [0, 1, 1472, 9000, 65507])
def test_datagrams_of_every_size_are_whole(tmp_path: Path, size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    with receiver(tmp_path) as running:
        send(udp_ports(running)[0], payload)
        until(lambda: running.status()["udp"][0]["datagrams"])
    assert payloads(tmp_path, FrameKind.FLOW) == [payload]


def test_what_lies_in_the_kernel_at_stopping_is_kept(tmp_path: Path) -> None:
    running = receiver(tmp_path)
    running.start()
    port = udp_ports(running)[0]
    sent = [b"%05d" % n for n in range(3000)]
    send(port, *sent)
    running.stop()
    assert payloads(tmp_path, FrameKind.FLOW) == sent


def test_unknown_senders_are_refused_counted_and_listed(tmp_path: Path) -> None:
    allowed = (Exporter(address="127.0.0.1", site=SITE),)
    with receiver(tmp_path, exporters=allowed) as running:
        port = udp_ports(running)[0]
        send(port, b"a", b"b", source="127.0.0.66")
        send(port, b"c")
        until(lambda: running.status()["udp"][0]["datagrams"])
        status = running.status()
    assert status["refused"] == status["udp"][0]["refused"] == 2
    (stranger,) = status["unknown_senders"]
    assert (stranger["address"], stranger["local_port"], stranger["refused"]) == (
        "127.0.0.66",
        port,
        2,
    )
    assert payloads(tmp_path, FrameKind.FLOW) == [b"c"]


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_an_exporters_own_port_tells_its_site_and_takes_flows_and_syslog(tmp_path: Path) -> None:
    port = _free_port()
    with receiver(
        tmp_path,
        sites=(Site(id=SITE), Site(id="school-b")),
        exporters=(
            Exporter(address="127.0.0.1", site=SITE),
            Exporter(address="127.0.0.1", site="school-b", port=port),
        ),
    ) as running:
        general = udp_ports(running)[0]
        assert udp_ports(running)[-1] == port
        send(general, b"\0\x05general")
        send(port, b"\0\x05own", b"<13>own")
        until(lambda: running.status()["udp"][-1]["datagrams"] == 2)
        until(lambda: running.status()["udp"][0]["datagrams"])
    found = {(frame.site, frame.kind, frame.payload) for frame in frames(tmp_path)}
    assert (SITE, FrameKind.FLOW, b"\0\x05general") in found
    assert ("school-b", FrameKind.FLOW, b"\0\x05own") in found
    assert ("school-b", FrameKind.SYSLOG, b"<13>own") in found


def test_ipv6_and_ipv4_come_through_one_wildcard(tmp_path: Path) -> None:
    listen = Listen(
        flows=("[::]:0",), syslog_udp=(), syslog_tcp=(), syslog_tls=(), ipfix_tcp=(), ipfix_tls=()
    )
    with receiver(tmp_path, listen=listen) as running:
        (port,) = udp_ports(running)
        send(port, b"six", host="::1")
        send(port, b"four")
        until(lambda: running.status()["udp"][0]["datagrams"] == 2)
    assert [(frame.address, frame.payload) for frame in frames(tmp_path, FrameKind.FLOW)] == [
        ("::1", b"six"),
        ("127.0.0.1", b"four"),
    ]


def test_ipv6_and_ipv4_wildcards_share_a_port(tmp_path: Path) -> None:
    port = _free_port()
    listen = Listen(
        flows=(f"0.0.0.0:{port}", f"[::]:{port}"),
        syslog_udp=(),
        syslog_tcp=(),
        syslog_tls=(),
        ipfix_tcp=(),
        ipfix_tls=(),
    )
    with receiver(tmp_path, listen=listen) as running:
        send(port, b"six", host="::1")
        send(port, b"four")
        until(lambda: sum(each["datagrams"] for each in running.status()["udp"]) == 2)
    assert {frame.address for frame in frames(tmp_path, FrameKind.FLOW)} == {"::1", "127.0.0.1"}


def test_what_the_kernel_drops_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "WATCH_S", 0.05)
    monkeypatch.setattr(receiving, "COVERAGE_S", 0.05)
    real = sockets.open_udp

    def small(at: sockets.Endpoint, **more: Any) -> list[socket.socket]:
        found = real(at, **more)
        for opened in found:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        return found

    monkeypatch.setattr(sockets, "open_udp", small)
    real_hold = udp.UdpPort._hold
    first: list[bytes] = []

    def slow(self: udp.UdpPort, payloads: list[bytes], *rest: Any) -> None:
        if not first:
            first.extend(payloads)
            time.sleep(0.5)
        real_hold(self, payloads, *rest)

    monkeypatch.setattr(udp.UdpPort, "_hold", slow)
    with receiver(tmp_path) as running:
        port = udp_ports(running)[0]
        send(port, b"begin")
        until(lambda: first)
        send(port, *(b"x" * 500 for _ in range(200)))
        until(lambda: running.status()["udp"][0]["kernel_drops"] > 0)
        until(lambda: coverage(tmp_path, "kernel-drop"))
    kept = len(payloads(tmp_path, FrameKind.FLOW))
    told = coverage(tmp_path, "kernel-drop")
    assert sum(event.lost or 0 for event in told) == 201 - kept > 0
    assert {(event.unit, event.site) for event in told} == {("datagrams", SITE)}
    assert f"udp 127.0.0.1:{port}" in told[0].note
    assert told[0].end is not None
    assert told[0].time <= told[0].end


@pytest.mark.parametrize(
    ("before", "now", "lost"), [(0, 5, 5), (0xFFFFFFFE, 3, 5), (7, 7, 0), (7, 6, 0)]
)
def test_the_kernels_counter_may_wrap(
    monkeypatch: pytest.MonkeyPatch, before: int, now: int, lost: int
) -> None:
    told: list[int] = []

    class Sums:
        def add(self, what: object, lost: int, *, since_ns: int) -> None:
            told.append(lost)

    class Quiet:
        def warn(self, topic: str, message: str) -> None: ...

    clock: Clock = lambda: 1  # noqa: E731
    parts = udp.Parts(
        append=lambda _: 0,
        append_all=lambda _, payloads, *__: len(payloads),
        admission=None,  # type: ignore[arg-type]
        accounts=None,  # type: ignore[arg-type]
        losses=Sums(),  # type: ignore[arg-type]
        log=Quiet(),  # type: ignore[arg-type]
        clock=clock,
        failed=lambda _: None,
    )
    opened = sockets.open_udp(("127.0.0.1", 0), count=1, buffer_bytes=65536, beside=[])
    each = udp.UdpPort(opened, FrameKind.FLOW, [SITE], parts)
    each._sockets[0].told = before
    monkeypatch.setattr(drops, "at_socket", lambda _: now)
    each.tell_drops(each.new_drops())
    each.tell_drops(each.new_drops())
    opened[0].close()
    assert told == ([lost] if lost else [])
    assert each.kernel_drops == lost


def test_a_full_disk_is_counted_and_written_down_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "WATCH_S", 0.05)
    monkeypatch.setattr(receiving, "COVERAGE_S", 0.05)
    full = [False]
    real = SpoolWriter.append_all

    def append_all(self: SpoolWriter, *frames: Any) -> int:
        if full[0]:
            raise SpoolFull("no room")
        return real(self, *frames)

    monkeypatch.setattr(SpoolWriter, "append_all", append_all)
    with receiver(tmp_path) as running:
        port = udp_ports(running)[0]
        send(port, b"one")
        until(lambda: running.status()["udp"][0]["datagrams"] == 1)
        full[0] = True
        send(port, b"two", b"three", source="127.0.0.9")
        until(lambda: running.status()["udp"][0]["not_stored"] == 2)
        full[0] = False
        send(port, b"four")
        until(lambda: coverage(tmp_path, "disk-full"))
    (event,) = coverage(tmp_path, "disk-full")
    assert (event.lost, event.unit, event.source) == (2, "datagrams", "127.0.0.9")
    assert payloads(tmp_path, FrameKind.FLOW) == [b"one", b"four"]


def test_the_buffer_got_is_said_with_the_knob_when_it_is_small(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sockets, "SO_RCVBUFFORCE", 0xFFFF)  # as without CAP_NET_ADMIN
    opened = sockets.open_udp(("127.0.0.1", 0), count=3, buffer_bytes=1 << 29, beside=[])
    got = sockets.buffer_got(opened[0])
    for each in opened:
        each.close()
    (record,) = caplog.records
    assert f"got {got};" in record.message
    assert f"sysctl -w net.core.rmem_max={1 << 29}" in record.message
