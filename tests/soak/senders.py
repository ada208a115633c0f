"""What a school's devices send to the box all day, item by item numbered, losses on purpose.

Each exporter keeps a number range of its own. Now and then it skips datagrams, as if the network
had lost them: it notes how many records the box must say that it misses. Now and then it restarts,
from the same port or from another one, and its templates come seconds after its data.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from tests.collector.decode.sflow import wire as sw
from tests.integration.load import Stream, accounting_request, exchange

LAYOUT = np.dtype(
    [
        ("src", ">u4"),
        ("dst", ">u4"),
        ("bytes", ">u4"),
        ("packets", ">u4"),
        ("src_port", ">u2"),
        ("dst_port", ">u2"),
        ("protocol", "u1"),
        ("flags", "u1"),
        ("first", ">u4"),
        ("last", ">u4"),
    ]
)
V9_ELEMENTS = (8, 12, 1, 2, 7, 11, 4, 6, 22, 21)
IPFIX_ELEMENTS = (8, 12, 1, 2, 7, 11, 4, 6, 150, 151)
"""Of IPFIX begin and end are seconds since 1970 (flowStartSeconds, flowEndSeconds)."""
RECORDS = 24
FIRST_TEMPLATE = 260
CALM = 100
"""Datagrams after a restart, and before one, of which none is skipped."""
DATA_FIRST_S = 2.0
"""After a restart so long no template comes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things go wrong."""

    seconds: float
    """The whole run; its last `tail_s` are without accidents, so that all of them are told."""
    tail_s: float = 75.0

    @property
    def gap_s(self) -> float:
        """Return the time between two losses of an exporter."""
        return min(45.0, max(4.0, self.seconds / 100))

    @property
    def restart_s(self) -> float:
        """Return the time between two restarts of an exporter."""
        return min(600.0, max(40.0, self.seconds / 12))

    @property
    def template_s(self) -> float:
        """Return the time between two templates."""
        return min(30.0, max(5.0, self.seconds / 60))


@dataclass
class Exporter(Stream):
    """One exporter of flows; overridden for each protocol."""

    address: str = ""
    port: int = 0
    base: int = 0
    """Its numbers begin here."""
    records: int = RECORDS
    pace: Pace = field(default_factory=lambda: Pace(0))
    skipped: set[int] = field(default_factory=set)
    """Numbers never sent."""
    skipped_datagrams: int = 0
    restarts: int = 0
    restarts_seen: int = 0
    """From the same port: the box can see them."""
    templates: int = 0
    next: int = 0
    """Numbers past this one were not used."""
    sequence: int = 0
    _wire: socket.socket | None = None
    _since: int = 0
    """Datagrams since the last restart."""
    _due: dict[str, float] = field(default_factory=dict)
    _boot: float = 0.0
    _began: float = 0.0

    def datagram(self, numbers: range, uptime_ms: int, *, template: bool) -> bytes:
        """Return the datagram of these records; overridden."""
        raise NotImplementedError

    def step(self) -> int:
        """Return by how much a datagram advances the sequence; overridden where it is not 1."""
        return 1

    @override
    def send(self, number: int) -> None:
        """Send a datagram, after what goes wrong before it."""
        now = time.monotonic()
        if self._wire is None:
            self._began = self._boot = now
            self.next = self.base
            self._due = {"gap": now + 2 * self.pace.gap_s, "restart": now + self.pace.restart_s}
            self._open()
        self._accidents(now)
        template = now >= self._due["template"]
        if template:
            self._due["template"] = now + self.pace.template_s
            self.templates += 1
        numbers = range(self.next, self.next + self.records)
        uptime_ms = int((now - self._boot) * 1000) + 1000
        self._send(self.datagram(numbers, uptime_ms, template=template))
        self.next += self.records
        self.sequence += self.step()
        self._since += 1

    def restart_due(self, now: float) -> bool:
        """Return whether the time has come to restart."""
        return now >= self._due["restart"]

    def _accidents(self, now: float) -> None:
        if now - self._began > self.pace.seconds - self.pace.tail_s:
            return
        if self._since > 2 * CALM and self.restart_due(now):
            self._restart(now)
        elif now >= self._due["gap"] and self._since > CALM and not self._soon(now):
            self._due["gap"] = now + self.pace.gap_s
            count = 1 + len(self.skipped) % 3
            self.skipped.update(range(self.next, self.next + count * self.records))
            self.skipped_datagrams += count
            self.next += count * self.records
            self.sequence += count * self.step()

    def _soon(self, now: float) -> bool:
        """Whether a restart is near: what is lost right before it, nobody can tell."""
        return now > self._due["restart"] - CALM * self.pause_s

    def _restart(self, now: float) -> None:
        self._due["restart"] = now + self.pace.restart_s
        self.restarts += 1
        self.sequence, self._since, self._boot = 0, 0, now
        if self.restarts % 2:
            self._open()
        else:
            self.restarts_seen += 1
        self._due["template"] = now + DATA_FIRST_S

    def _open(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wire.bind((self.address, 0))
        self._wire.connect(("127.0.0.1", self.port))
        self._due["template"] = 0.0

    def _send(self, datagram: bytes) -> None:
        """Send; a refusal means that the box died, which the reckoning will show."""
        assert self._wire is not None
        try:
            self._wire.send(datagram)
        except OSError:
            self.skipped.update(range(self.next, self.next + self.records))

    def body(self, numbers: range, first: int, last: int) -> bytes:
        """Return the records of a data set."""
        rows = np.zeros(len(numbers), LAYOUT)
        count: npt.NDArray[np.int64] = np.arange(numbers.start, numbers.stop)
        rows["src"] = 0x0A150000 + count % 5000
        rows["dst"] = 0xC6336400 + count % 251
        rows["bytes"], rows["packets"] = count, 7
        rows["src_port"], rows["dst_port"] = 20_000 + count % 40_000, 443
        rows["protocol"], rows["flags"] = 6, 0x1B
        rows["first"], rows["last"] = first, last
        return rows.tobytes()

    def template(self, elements: tuple[int, ...]) -> bytes:
        """Return the records of a template set; each restart brings an id never used before."""
        sizes = [LAYOUT[place].itemsize for place in range(len(elements))]
        fields = b"".join(struct.pack("!HH", *pair) for pair in zip(elements, sizes, strict=True))
        return struct.pack("!HH", self.template_id, len(elements)) + fields

    @property
    def template_id(self) -> int:
        """Return the id of the template since the last restart."""
        return FIRST_TEMPLATE + self.restarts


@dataclass
class NetFlow9(Exporter):
    """NetFlow v9 (RFC 3954): the sequence counts datagrams."""

    @override
    def datagram(self, numbers: range, uptime_ms: int, *, template: bool) -> bytes:
        sets = _set(self.template_id, self.body(numbers, max(0, uptime_ms - 900), uptime_ms))
        count = len(numbers)
        if template:
            sets, count = _set(0, self.template(V9_ELEMENTS)) + sets, count + 1
        head = (9, count, uptime_ms, int(time.time()), self.sequence, 7)
        return struct.pack("!HHIIII", *head) + sets


@dataclass
class Ipfix(Exporter):
    """IPFIX (RFC 7011): the sequence counts records."""

    @override
    def step(self) -> int:
        return self.records

    @override
    def datagram(self, numbers: range, uptime_ms: int, *, template: bool) -> bytes:
        now = int(time.time())
        sets = _set(self.template_id, self.body(numbers, now - 1, now))
        if template:
            sets = _set(2, self.template(IPFIX_ELEMENTS)) + sets
        return struct.pack("!HHIII", 10, 16 + len(sets), now, self.sequence, 7) + sets


@dataclass
class NetFlow5(Exporter):
    """NetFlow v5: the sequence counts records."""

    @override
    def step(self) -> int:
        return self.records

    @override
    def datagram(self, numbers: range, uptime_ms: int, *, template: bool) -> bytes:
        now = time.time()
        seconds, nano = int(now), int(now % 1 * 1e9)
        head = (5, len(numbers), uptime_ms, seconds, nano, self.sequence, 0, 0, 0)
        first = max(0, uptime_ms - 900)
        flows = b"".join(
            struct.pack(
                "!IIIHHIIIIHHBBBBHHBBH",
                0x0A150000 + number % 5000, 0xC6336450, 0, 1, 2, 1, number, first, uptime_ms,
                40000, 443, 0, 0x1B, 6, 0, 0, 0, 24, 24, 0,
            )
            for number in numbers
        )  # fmt: skip
        return struct.pack("!HHIIIIBBH", *head) + flows


@dataclass
class SFlow(Exporter):
    """sFlow v5: datagrams and samples are counted; an item's number is in its two ports."""

    @override
    def restart_due(self, now: float) -> bool:
        # Sample numbers that go back by less than a thousand would be late ones.
        return self._since * self.records > 2000 and super().restart_due(now)

    @override
    def datagram(self, numbers: range, uptime_ms: int, *, template: bool) -> bytes:
        samples = [
            sw.flow(
                sw.ipv4("10.21.0.9", "198.51.100.80", ports=divmod(number, 1 << 16)),
                sequence=self.sequence * self.records + place + 1,
            )
            for place, number in enumerate(numbers)
        ]
        agent = self.address
        return sw.datagram(
            *samples, sequence=self.sequence + 1, agent=agent, uptime=uptime_ms & 0xFFFFFFFF
        )


LINES = (
    "<134>Jan  1 00:00:00 gateway test: {mark}",
    "<134>1 2026-01-01T00:00:00Z gateway test - - - {mark}",
    '<189>date=2026-01-01 time=00:00:00 devname="fw" devid="FG1" logid="0000000013" '
    'type="traffic" subtype="forward" level="notice" vd="root" srcip=10.21.0.5 srcport=40000 '
    "dstip=198.51.100.80 dstport=443 proto=6 action=close policyid=1 sessionid={number} "
    'sentbyte=100 rcvdbyte=200 sentpkt=2 rcvdpkt=2 msg="{mark}"',
    "<30>Jan  1 00:00:00 gateway sshd[{number}]: Failed password for root from 203.0.113.9: {mark}",
    "<4>Jan  1 00:00:00 gateway kernel: DROP IN=eth0 OUT=eth1 SRC=203.0.113.9 DST=10.21.0.5 "
    "LEN=60 PROTO=TCP SPT=40000 DPT=22 {mark}",
)


def line(kind: str, number: int) -> bytes:
    """Return a line of a device; what it is of turns with its number."""
    mark = f"{kind} {number} end"
    return LINES[number % len(LINES)].format(mark=mark, number=number).encode()


@dataclass
class UdpLines(Stream):
    """Syslog over UDP from one socket."""

    port: int = 0
    address: str = "127.0.3.1"
    _wire: socket.socket | None = None

    @override
    def send(self, number: int) -> None:
        if self._wire is None:
            self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._wire.bind((self.address, 0))
            self._wire.connect(("127.0.0.1", self.port))
        self.sent.add(number)
        self._wire.send(line("udp-line", number))


@dataclass
class TcpLines(Stream):
    """Syslog over TCP, a new connection every so often; all that was written must be stored."""

    port: int = 0
    each: int = 2000
    """Lines of one connection."""
    _wire: socket.socket | None = None

    @override
    def send(self, number: int) -> None:
        if self._wire is None or number % self.each == 0:
            if self._wire is not None:
                self._wire.close()
            self._wire = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        text = line("tcp-line", number)
        self._wire.sendall(b"%d %s" % (len(text), text))
        self.sent.add(number)


@dataclass
class Sessions(Stream):
    """RADIUS accounting: a session starts, and the one that started `lasting` before stops."""

    port: int = 0
    secret: bytes = b""
    lasting: int = 200
    stopped: set[int] = field(default_factory=set)
    """Of the sessions in `acknowledged`, those whose end was acknowledged."""

    @override
    def send(self, number: int) -> None:
        self.sent.add(number)
        if self._tell(number, 1):
            self.acknowledged.add(number)
        if number > self.lasting and self._tell(number - self.lasting, 2):
            self.stopped.add(number - self.lasting)

    def _tell(self, number: int, status: int) -> bool:
        request = accounting_request(number, self.secret, prefix="soak", status=status)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.connect(("127.0.0.1", self.port))
            wire.settimeout(1.0)
            return any(exchange(wire, request) for _ in range(10))


@dataclass
class Leases(Stream):
    """A lease file of dnsmasq, written anew with one lease changed; the hostname has its number."""

    path: Path = Path()
    clients: int = 200
    _held: dict[int, str] = field(default_factory=dict)

    @override
    def send(self, number: int) -> None:
        client = number % self.clients
        until = int(time.time()) + 86_400
        self._held[client] = (
            f"{until} 02:00:5e:01:00:{client:02x} 10.21.1.{client} soak-{number} *\n"
        )
        new = self.path.with_suffix(".new")
        new.write_text("".join(self._held.values()), encoding="ascii")
        new.replace(self.path)
        self.sent.add(number)


def _set(number: int, body: bytes) -> bytes:
    return struct.pack("!HH", number, 4 + len(body)) + body
