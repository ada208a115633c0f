"""Syslog over TCP: every framing, many senders, slow and hostile ones, and a full disk."""

from __future__ import annotations

import contextlib
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector.errors import SpoolFull
from collector.receive import stream
from collector.receive.accounts import Account, Accounts
from collector.receive.framing import LONGEST
from collector.receive.receiver import Receiver
from collector.records import FrameKind
from collector.settings import Exporter, Limits, Listen
from collector.spool import SpoolReader, SpoolWriter
from tests.collector.receive.home import (
    SITE,
    coverage,
    frames,
    payloads,
    receiver,
    tcp_port,
    until,
)


def _connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))


def test_both_framings_come_through_one_port(tmp_path: Path) -> None:
    with receiver(tmp_path) as running:
        port = tcp_port(running)
        with _connect(port, "127.0.0.3") as counting, _connect(port) as lines:
            counting.sendall(b"7 <13>one11 <13>two\n tw")
            lines.sendall(b"<13>three\n<13>fo")
            until(lambda: running.status()["tcp"]["messages"] == 3)
            lines.sendall(b"ur\n<13>five without end")
        until(lambda: running.status()["tcp"]["messages"] == 5)
        until(lambda: running.status()["tcp"]["connections"] == 0)
    found = frames(tmp_path, FrameKind.SYSLOG)
    assert {(f.address, f.payload) for f in found} == {
        ("127.0.0.3", b"<13>one"),
        ("127.0.0.3", b"<13>two\n tw"),
        ("127.0.0.1", b"<13>three"),
        ("127.0.0.1", b"<13>four"),
        ("127.0.0.1", b"<13>five without end"),
    }
    assert {(f.site, f.transport, f.local_port) for f in found} == {(SITE, "tcp", port)}


def test_lines_that_come_together_lie_in_few_frames(tmp_path: Path) -> None:
    with receiver(tmp_path) as running, _connect(tcp_port(running)) as sender:
        sender.sendall(b"".join(b"<13>%d\n" % n for n in range(3000)))
        until(lambda: running.status()["tcp"]["messages"] == 3000)
    with SpoolReader(tmp_path / "spool", 0) as reader:
        found = [frame for frame in reader.read(1 << 20) if frame.kind is FrameKind.LINES]
    assert len(found) <= 30
    assert payloads(tmp_path, FrameKind.SYSLOG) == [b"<13>%d" % n for n in range(3000)]


def test_what_was_sent_before_stopping_is_kept(tmp_path: Path) -> None:
    running = receiver(tmp_path)
    running.start()
    with _connect(tcp_port(running)) as sender:
        sender.sendall(b"".join(b"<13>%d\n" % n for n in range(5000)) + b"<13>half")
        running.stop()
    expected = [b"<13>%d" % n for n in range(5000)]
    assert payloads(tmp_path, FrameKind.SYSLOG) == [*expected, b"<13>half"]


def test_ipv6_senders_are_heard(tmp_path: Path) -> None:
    listen = Listen(
        flows=(), syslog_udp=(), syslog_tcp=("[::1]:0",), syslog_tls=(), ipfix_tcp=(), ipfix_tls=()
    )
    with receiver(tmp_path, listen=listen) as running:
        with socket.create_connection(("::1", tcp_port(running)), timeout=10) as sender:
            sender.sendall(b"<13>six\n")
        until(lambda: running.status()["tcp"]["messages"] == 1)
    assert frames(tmp_path, FrameKind.SYSLOG)[0].address == "::1"


def test_unknown_senders_are_hung_up_on(tmp_path: Path) -> None:
    exporters = (Exporter(address="127.0.0.1", site=SITE),)
    with receiver(tmp_path, exporters=exporters) as running:
        with _connect(tcp_port(running), "127.0.0.66") as stranger:
            assert stranger.recv(1) == b""
        status = running.status()
    assert status["tcp"]["refused"] == 1
    assert status["unknown_senders"][0]["address"] == "127.0.0.66"


def test_a_message_too_long_is_cut_and_written_down(tmp_path: Path) -> None:
    with receiver(tmp_path) as running:
        with _connect(tcp_port(running), "127.0.0.4") as sender:
            sender.sendall(b"<13>" + b"x" * (5 * LONGEST) + b"\n<13>next\n")
        until(lambda: running.status()["tcp"]["messages"] == 2)
        status = running.status()["tcp"]
    assert (status["cut"], status["skipped_bytes"]) == (1, 4 * LONGEST + 4)
    assert [len(payload) for payload in payloads(tmp_path, FrameKind.SYSLOG)] == [LONGEST, 8]
    (event,) = coverage(tmp_path, "message-cut")
    assert (event.lost, event.unit, event.source) == (1, "messages", "127.0.0.4")


def test_a_sender_that_is_too_fast_waits_and_the_others_do_not(tmp_path: Path) -> None:
    sent = [b"<13>%06d" % n for n in range(14_000)]
    limits = Limits(stream_per_second=2000)
    with receiver(tmp_path, limits=limits) as running:
        port = tcp_port(running)
        with _connect(port, "127.0.0.6") as fast, _connect(port, "127.0.0.7") as slow:
            fast.sendall(b"\n".join(sent) + b"\n")
            until(lambda: running.status()["tcp"]["held_back"] == 1)
            slow.sendall(b"<13>in time\n")
            until(lambda: _senders(running)["127.0.0.7"]["datagrams"] == 1)
            assert running.status()["tcp"]["held_back"] == 1
        until(lambda: running.status()["tcp"]["messages"] == 14_001)
        assert running.status()["tcp"]["held_back"] == 0
        senders = _senders(running)
        assert senders["127.0.0.6"]["held_s"] > 2
        assert senders["127.0.0.7"]["held_s"] == 0
    found = frames(tmp_path, FrameKind.SYSLOG)
    assert [f.payload for f in found if f.address == "127.0.0.6"] == sent
    (row,) = coverage(tmp_path, "held-back")
    assert (row.source, row.lost) == ("127.0.0.6", None)
    assert row.end is not None
    assert (row.end - row.time).total_seconds() > 2
    assert "limits.stream_per_second = 2000" in row.note


def test_what_waits_for_its_time_is_kept_when_the_box_stops(tmp_path: Path) -> None:
    sent = [b"<13>%06d" % n for n in range(5000)]
    running = receiver(tmp_path, limits=Limits(stream_per_second=10))
    running.start()
    with _connect(tcp_port(running)) as sender:
        sender.sendall(b"\n".join(sent) + b"\n")
        until(lambda: running.status()["tcp"]["held_back"] == 1)
        running.stop()
    assert payloads(tmp_path, FrameKind.SYSLOG) == sent


def _senders(running: Receiver) -> dict[str, Any]:
    return {each["name"]: each for each in running.status()["senders"]}


def test_a_full_disk_holds_senders_back_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = SpoolWriter.append_all, [False]

    def append_all(self: SpoolWriter, draft: Any, messages: list[bytes]) -> int:
        if full[0]:
            raise SpoolFull("no room")
        return real(self, draft, messages)

    monkeypatch.setattr(SpoolWriter, "append_all", append_all)
    sent = [b"<13>%06d %s" % (n, b"x" * 500) for n in range(20_000)]
    with receiver(tmp_path) as running:
        with _connect(tcp_port(running)) as sender:
            sender.sendall(sent[0] + b"\n")
            until(lambda: running.status()["tcp"]["messages"] == 1)
            full[0] = True
            sender.settimeout(0.3)
            rest, at = b"\n".join(sent[1:]) + b"\n", 0
            with pytest.raises(TimeoutError):
                while True:
                    at += sender.send(rest[at : at + 65536])
            assert running.status()["tcp"]["bytes"] < 1 << 20  # the rest waits in the kernel
            assert running.status()["tcp"]["waiting"] == 1
            full[0] = False
            sender.settimeout(30)
            sender.sendall(rest[at:])
        until(lambda: running.status()["tcp"]["connections"] == 0)
        assert running.status()["tcp"]["not_stored"] == 0
    assert payloads(tmp_path, FrameKind.SYSLOG) == sent


def test_what_is_held_at_stopping_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise SpoolFull("no room")

    monkeypatch.setattr(SpoolWriter, "append_all", refuse)
    running = receiver(tmp_path)
    running.start()
    with _connect(tcp_port(running)) as sender:
        sender.sendall(b"<13>a\n<13>b\n")
        until(lambda: running.status()["tcp"]["bytes"] == 12)
        running.stop()
    (event,) = coverage(tmp_path, "disk-full")
    assert (event.lost, event.unit) == (2, "messages")


def test_one_sender_cannot_take_all_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_EACH", 3)
    with receiver(tmp_path) as running:
        port = tcp_port(running)
        held = [_connect(port) for _ in range(3)]
        until(lambda: running.status()["tcp"]["connections"] == 3)
        with _connect(port) as fourth, _connect(port, "127.0.0.2") as other:
            assert fourth.recv(1) == b""
            other.sendall(b"<13>other\n")
            held[0].sendall(b"<13>first\n")
            until(lambda: running.status()["tcp"]["messages"] == 2)
        assert running.status()["tcp"]["crowded_out"] == 1
        for each in held:
            each.close()


def test_the_longest_idle_connection_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST", 2)
    monkeypatch.setattr(stream, "IDLE_S", 0.0)
    with receiver(tmp_path) as running:
        port = tcp_port(running)
        with _connect(port) as idle, _connect(port) as busy, _connect(port) as third:
            idle.settimeout(10)
            assert idle.recv(1) == b""
            busy.sendall(b"<13>busy\n")
            third.sendall(b"<13>third\n")
            until(lambda: running.status()["tcp"]["messages"] == 2)


def _came(running: Receiver, messages: int) -> bool:
    return bool(running.status()["tcp"]["messages"] == messages)


def test_who_holds_most_places_gives_one_up_though_it_goes_on_sending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST", 6)
    with receiver(tmp_path) as running, contextlib.ExitStack() as opened:
        port = tcp_port(running)
        held = [opened.enter_context(_connect(port, "127.0.0.66")) for _ in range(6)]
        for each in held:
            each.sendall(b"<13>hog\n")
        until(lambda: running.status()["tcp"]["messages"] == 6)
        for number in range(3):  # until each has no more than the others
            other = opened.enter_context(_connect(port, f"127.0.0.{2 + number}"))
            other.sendall(b"<13>other\n")
            until(partial(_came, running, 7 + number))
        assert running.status()["tcp"]["connections"] == 6
    (row,) = coverage(tmp_path, "exporter-limit")
    assert (row.source, row.lost, row.unit) == ("127.0.0.66", 3, "connections")


def test_a_sender_that_drips_costs_others_nothing(tmp_path: Path) -> None:
    with receiver(tmp_path) as running:
        port = tcp_port(running)
        with _connect(port) as slow, _connect(port) as fast:
            for byte in b"<13>slow":
                slow.sendall(bytes([byte]))
                fast.sendall(b"<13>fast\n")
            slow.sendall(b"\n")
            until(lambda: running.status()["tcp"]["messages"] == 9)
    assert sorted(payloads(tmp_path, FrameKind.SYSLOG)) == [b"<13>fast"] * 8 + [b"<13>slow"]


def test_a_connection_reset_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    with receiver(tmp_path) as running:
        port = tcp_port(running)
        broken = _connect(port)
        broken.sendall(b"<13>whole\n<13>par")
        until(lambda: running.status()["tcp"]["messages"] == 1)
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        broken.close()
        with _connect(port) as other:
            other.sendall(b"<13>other\n")
        until(lambda: running.status()["tcp"]["messages"] == 3)
    assert sorted(payloads(tmp_path, FrameKind.SYSLOG)) == [b"<13>other", b"<13>par", b"<13>whole"]


def test_a_sender_that_has_its_share_of_the_queue_waits_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, crowded = Accounts.room, [True]

    def room(self: Accounts, account: Account, size: int) -> bool:
        return real(self, account, size) and not (crowded[0] and account.name == "127.0.0.66")

    monkeypatch.setattr(Accounts, "room", room)
    with receiver(tmp_path) as running:
        port = tcp_port(running)
        with _connect(port, "127.0.0.66") as greedy, _connect(port, "127.0.0.2") as modest:
            greedy.sendall(b"<13>a\n<13>b\n")
            until(lambda: running.status()["tcp"]["waiting"] == 1)
            modest.sendall(b"<13>c\n")
            until(lambda: running.status()["tcp"]["messages"] == 1)
            crowded[0] = False
            until(lambda: running.status()["tcp"]["messages"] == 3)
    assert payloads(tmp_path, FrameKind.SYSLOG) == [b"<13>c", b"<13>a", b"<13>b"]
