"""A steady load whose every item carries a number of its own, told twice by nobody.

Each stream runs in a thread and remembers what it sent and, where the box acknowledges, what was
acknowledged: that has been promised and must be stored exactly once. A UDP datagram is promised
nothing. Markers are text such as `udp-flow 17`; a flow carries its number in the bytes counter.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import override

from collector.control import ask
from collector.errors import CollectorError

LOCAL_BASE = 1 << 30
"""Numbers of flows that travel over the local socket begin here, those over UDP at 1."""
RECORDS = 10


@dataclass
class Stream:
    """One thread that sends numbered items until it is stopped."""

    pause_s: float
    sent: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def send(self, number: int) -> None:
        """Send item `number`; overridden."""
        raise NotImplementedError

    def run(self) -> None:
        """Send one item after the other."""
        number = 1
        while not self._stop.wait(self.pause_s):
            self.send(number)
            number += 1

    @property
    def alive(self) -> bool:
        """Whether it sends; False once something ended it."""
        return self._thread is not None and self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.run, name=type(self).__name__, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(30)


def netflow5(first: int, sequence: int, unix_s: int) -> bytes:
    """Return a NetFlow v5 datagram of RECORDS flows whose byte counters are first, first+1, …"""
    header = struct.pack("!HHIIIIBBH", 5, RECORDS, 3_600_000, unix_s, 0, sequence, 0, 0, 0)
    flows = b"".join(
        struct.pack(
            "!IIIHHIIIIHHBBBBHHBBH",
            0x0A150000 + number % 250, 0xC6336450, 0, 1, 2, 1, number, 3_590_000, 3_599_000,
            40000, 443, 0, 0x1B, 6, 0, 0, 0, 24, 24, 0,
        )
        for number in range(first, first + RECORDS)
    )  # fmt: skip
    return header + flows


@dataclass
class UdpFlows(Stream):
    """Flows over UDP: nothing is acknowledged."""

    port: int = 0

    @override
    def send(self, number: int) -> None:
        first = 1 + (number - 1) * RECORDS
        datagram = netflow5(first, first - 1, int(time.time()))
        self.sent.update(range(first, first + RECORDS))
        _send_udp(datagram, self.port)


@dataclass
class LocalFlows(Stream):
    """Flows over the local socket, as `prathu ingest` brings them: acknowledged when durable."""

    path: Path = Path()
    site: str = ""

    @override
    def send(self, number: int) -> None:
        first = LOCAL_BASE + (number - 1) * RECORDS
        now = time.time_ns()
        frame = {
            "kind": 1, "site": self.site, "received_ns": now, "wire_ns": now,
            "address": "127.0.0.9", "port": 9999, "label": "", "transport": "local",
            "payload": base64.b64encode(
                netflow5(first, first - LOCAL_BASE, now // 10**9)
            ).decode(),
        }  # fmt: skip
        items = range(first, first + RECORDS)
        self.sent.update(items)
        try:
            answer = ask(self.path, {"do": "frames", "frames": [frame]}, timeout=10)
        except (CollectorError, OSError, ValueError):
            return
        if answer.get("ok"):
            self.acknowledged.update(items)


@dataclass
class UdpSyslog(Stream):
    """Syslog over UDP."""

    port: int = 0

    @override
    def send(self, number: int) -> None:
        self.sent.add(number)
        _send_udp(f"<134>Jan  1 00:00:00 gateway test: udp-line {number} end".encode(), self.port)


@dataclass
class TcpSyslog(Stream):
    """Syslog over TCP with octet counting; what was in flight when the box died may be lost."""

    port: int = 0
    _wire: socket.socket | None = None

    @override
    def send(self, number: int) -> None:
        line = f"<134>1 2026-01-01T00:00:00Z gateway test - - - tcp-line {number} end".encode()
        self.sent.add(number)
        try:
            if self._wire is None:
                self._wire = socket.create_connection(("127.0.0.1", self.port), timeout=2)
            self._wire.sendall(b"%d %s" % (len(line), line))
        except OSError:
            if self._wire is not None:
                self._wire.close()
            self._wire = None


@dataclass
class Accounting(Stream):
    """RADIUS accounting by the handful, each request repeated until it is answered (RFC 2866)."""

    port: int = 0
    secret: bytes = b""

    @override
    def send(self, number: int) -> None:
        first = 1 + (number - 1) * RECORDS
        waiting = {item & 255: item for item in range(first, first + RECORDS)}
        self.sent.update(waiting.values())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.connect(("127.0.0.1", self.port))
            wire.settimeout(0.5)
            while waiting and not self._stop.is_set():
                with contextlib.suppress(OSError):
                    for item in waiting.values():
                        wire.send(accounting_request(item, self.secret))
                    self._take(wire, waiting)
                if waiting:
                    time.sleep(0.1)

    def _take(self, wire: socket.socket, waiting: dict[int, int]) -> None:
        """Note the answers, until there are none; raises OSError then."""
        while waiting:
            answer = wire.recv(4096)
            item = waiting.pop(answer[1], None) if answer[0] == 5 else None
            if item is not None:
                self.acknowledged.add(item)


def accounting_request(
    number: int, secret: bytes, *, prefix: str = "kill", status: int = 1
) -> bytes:
    """Return an Accounting-Request Start (1) or Stop (2) of the session `<prefix>-<number>`."""
    address = socket.inet_aton(f"10.22.{number >> 8 & 255}.{number & 255}")
    attributes = b"".join(
        bytes([kind, 2 + len(value)]) + value
        for kind, value in (
            (40, struct.pack("!I", status)),
            (44, f"{prefix}-{number}".encode()),
            (1, f"pupil{number % 50}".encode()),
            (8, address),
            (4, socket.inet_aton("127.0.0.1")),
            (5, struct.pack("!I", number)),
        )
    )
    head = struct.pack("!BBH", 4, number & 255, 20 + len(attributes))
    authenticator = hashlib.md5(head + bytes(16) + attributes + secret).digest()
    return head + authenticator + attributes


def exchange(wire: socket.socket, request: bytes) -> bool:
    """Send a request once; return whether an answer that belongs to it came."""
    try:
        wire.send(request)
        answer = wire.recv(4096)
    except OSError:
        time.sleep(0.1)
        return False
    return answer[0] == 5 and hmac.compare_digest(answer[1:2], request[1:2])


def _send_udp(datagram: bytes, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.sendto(datagram, ("127.0.0.1", port))
