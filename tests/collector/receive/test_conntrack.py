"""The kernel's own words: kept as they come, losses counted, the table asked for again.

A pair of sockets stands for the kernel here; `tests/integration/test_conntrack.py` has a real one.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.errors import CollectorError, SpoolFull
from collector.metrics import SampledLog
from collector.receive import conntrack, drops
from collector.receive.conntrack import ConntrackSocket
from collector.receive.losses import Losses
from collector.records import CoverageEvent, Frame, FrameKind
from collector.settings import Conntrack
from tests.collector.decode.netlink import NEW, OPEN, message, translated
from tests.collector.receive.home import receiver, until

DONE = message((3, 2))


class Kernel:
    """What the socket talks to, instead of the kernel."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.failures: list[CollectorError] = []
        self.full = False
        self.drops = 0
        self.told: list[bytes | int] = []
        """Messages, or numbers of errors."""
        self.answer: list[bytes] = []
        self.questions = 0

    def append(self, frame: Any) -> int:
        if self.full:
            raise SpoolFull("no room")
        self.frames.append(frame)
        return len(self.frames) - 1

    def recvfrom(self, size: int, flags: int) -> tuple[bytes, tuple[int, int]]:
        if not self.told:
            if not flags:
                time.sleep(0.01)
            raise BlockingIOError
        next_one = self.told.pop(0)
        if isinstance(next_one, int):
            raise OSError(next_one, os.strerror(next_one))
        return next_one, (0, 1)

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        if option == drops.SO_MEMINFO:
            return struct.pack("@9I", *[0] * 8, self.drops & 0xFFFFFFFF)
        return 2 * conntrack.ROOMY_BYTES

    def send(self, request: bytes) -> int:
        assert struct.unpack_from("=IHHI", request) == (20, 0x101, 0x301, self.questions + 1)
        self.questions += 1
        return len(request)

    def part(self) -> tuple[bytes, tuple[int, int]]:
        """Return the next part of the table."""
        if not self.answer:
            raise BlockingIOError
        return self.numbered(self.answer.pop(0)), (0, 0)

    def numbered(self, part: bytes) -> bytes:
        """Return an answer to the newest question."""
        return part[:8] + struct.pack("=I", self.questions) + part[12:]

    def close(self) -> None:
        pass

    def payloads(self) -> list[bytes]:
        return [f.payload for f in self.frames if f.kind is FrameKind.CONNTRACK]

    def coverage(self, kind: str) -> list[CoverageEvent]:
        found = [f.payload for f in self.frames if f.kind is FrameKind.COVERAGE]
        events = [CoverageEvent.from_json(payload) for payload in found]
        return [event for event in events if event.kind == kind]


class Running:
    """A socket that receives from a kernel that is none."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.losses = Losses(self.kernel.append, clock=time.time_ns)
        parts: Any = type("Parts", (), {})()
        parts.append, parts.losses, parts.clock = self.kernel.append, self.losses, time.time_ns
        parts.log = SampledLog(logging.getLogger("test"))
        parts.failed = self.kernel.failures.append
        opened: Any = (self.kernel, Table(self.kernel))
        self.socket = ConntrackSocket(opened, "school-a", parts)


class Table:
    """The second socket, which asks for the whole table."""

    def __init__(self, kernel: Kernel) -> None:
        self.send, self.close = kernel.send, kernel.close
        self._kernel = kernel

    def recvfrom(self, size: int, flags: int) -> tuple[bytes, tuple[int, int]]:
        return self._kernel.part()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    monkeypatch.setattr(conntrack, "PROC", tmp_path)
    monkeypatch.setattr(conntrack, "ASK_EVERY_S", 0.1)
    made = Running()
    yield made
    made.socket.stop()


def test_what_comes_together_is_one_frame_and_what_comes_is_whole(running: Running) -> None:
    sent = [translated(NEW, port=port) for port in range(1000)]
    running.kernel.told = list(sent)
    running.kernel.answer = [DONE]
    running.socket.start()
    until(lambda: running.socket.messages == 1000)
    until(lambda: running.socket.answers == 1)
    payloads = running.kernel.payloads()
    assert b"".join(payloads) == b"".join(sent)
    assert 2 <= len(payloads) <= 10
    assert all(len(p) < conntrack.FRAME_BYTES + 400 for p in payloads)


def test_the_table_is_asked_for_at_the_start_and_kept(running: Running) -> None:
    part = translated(OPEN)
    running.kernel.answer = [part, DONE]
    running.socket.start()
    until(lambda: running.socket.answers == 1)
    assert running.kernel.payloads() == [running.kernel.numbered(part)]
    time.sleep(0.15)
    assert running.socket.asked == 1


def test_lost_messages_are_counted_and_the_table_is_asked_for_again(running: Running) -> None:
    running.kernel.answer = [DONE]
    running.socket.start()
    until(lambda: running.socket.answers == 1)
    running.kernel.drops = 70
    running.kernel.told = [errno.ENOBUFS, translated(NEW)]
    running.kernel.answer = [translated(OPEN), DONE]
    until(lambda: running.socket.answers == 2)
    running.losses.flush()
    [event] = running.kernel.coverage("conntrack-overflow")
    assert (event.lost, event.unit, event.source) == (70, "messages", "conntrack")
    assert (running.socket.overflows, running.socket.lost) == (1, 70)
    assert running.kernel.payloads()[-1] == running.kernel.numbered(translated(OPEN))


def test_the_kernels_count_may_come_round(running: Running) -> None:
    running.socket._drops = running.kernel.drops = 0xFFFFFFF0
    running.kernel.answer = [DONE]
    running.socket.start()
    running.kernel.drops += 0x20
    until(lambda: running.socket.lost)
    assert running.socket.lost == 0x20


def test_an_answer_with_an_error_is_asked_for_again(running: Running) -> None:
    refused = struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -errno.EBUSY)
    running.kernel.answer = [refused]
    running.socket.start()
    until(lambda: running.socket.asked == 2)
    running.kernel.answer = [DONE]
    until(lambda: running.socket.answers == 1)
    assert running.kernel.failures == []


def test_a_full_disk_is_told_and_the_table_asked_for_again(running: Running) -> None:
    running.kernel.answer = [DONE]
    running.socket.start()
    until(lambda: running.socket.answers == 1)
    running.kernel.full = True
    running.kernel.told = [translated(NEW)]
    until(lambda: running.socket.not_stored == 1)
    running.kernel.full = False
    running.kernel.answer = [DONE]
    until(lambda: running.socket.answers == 2)
    running.losses.flush()
    [event] = running.kernel.coverage("disk-full")
    assert (event.lost, event.source) == (1, "conntrack")


def test_a_broken_socket_ends_the_process(running: Running) -> None:
    running.kernel.told = [errno.EBADF]
    running.socket.start()
    until(lambda: running.kernel.failures)
    assert "conntrack: Bad file descriptor" in str(running.kernel.failures[0])


def test_what_the_kernel_leaves_out_is_told(running: Running, tmp_path: Path) -> None:
    (tmp_path / "nf_conntrack_acct").write_text("0\n")
    (tmp_path / "nf_conntrack_timestamp").write_text("1\n")
    (tmp_path / "nf_conntrack_events").write_text("2\n")
    running.socket.start()
    [event] = running.kernel.coverage("conntrack-acct-off")
    assert "no packets and bytes" in event.note
    assert running.socket.status()["switched_off"] == ["nf_conntrack_acct"]


def test_what_lies_in_the_kernel_at_stopping_is_kept() -> None:
    running = Running()
    running.socket.start()
    running.kernel.told = [translated(NEW)] * 3000
    running.socket.stop()
    assert sum(map(len, running.kernel.payloads())) == 3000 * len(translated(NEW))


def test_without_the_right_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(CollectorError) as told:
        conntrack.listen_to_kernel(Conntrack(enabled=True))
    words = "cannot listen to conntrack: Operation not permitted; it needs CAP_NET_ADMIN"
    assert str(told.value).startswith(words)


def test_it_is_off_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    with receiver(tmp_path) as running:
        assert running.status()["conntrack"] == {}
