"""Targets of what the box's own eyes see: the kernel's connections, and packets that pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.decode.decoder import Decoded
from collector.receive import local
from collector.records import CoverageEvent, Frame, FrameKind, LeaseEvent
from collector.sniff import packets
from collector.sniff.names.ear import UNREAD, Ear
from tests.captures import make_conntrack
from tests.collector.decode import rows
from tests.collector.sniff import test_judge
from tests.collector.sniff.names import test_ear, wire
from tests.fuzz.target import Part, Target, parts, whole

SITE = "school-a"
NOW_NS = 1_795_349_858 * 10**9


def conntrack(data: bytes) -> None:
    """Whatever comes, rows fit the schema, and a restart between two frames changes nothing."""
    if not data:
        return
    frames = [
        Frame(
            kind=FrameKind.CONNTRACK,
            site=SITE,
            received_ns=NOW_NS + part.mode * 10**9,
            wire_ns=NOW_NS + part.mode * 10**9,
            transport="local",
            payload=part.payload,
            number=number,
        )
        for number, part in enumerate(parts(data[1:]))
    ]
    halves = frames[: data[0]], frames[data[0] :]
    unbroken, again = ConntrackDecoder(SITE), ConntrackDecoder(SITE)
    for half in halves:
        expected = unbroken.decode(half)
        found = again.decode(half)
        assert rows.of(found) == rows.of(expected)
        assert _numbers(found) == _numbers(expected)
        assert found.coverage == expected.coverage
        assert again.snapshot() == unbroken.snapshot()
        state = json.loads(json.dumps(again.snapshot()))
        again = ConntrackDecoder(SITE)
        again.restore(state)


def _numbers(decoded: Decoded) -> list[int]:
    return [] if decoded.flows is None else decoded.flows.frame.tolist()


def conntrack_seeds() -> Iterator[bytes]:
    """Yield what a kernel told, one at a time and together."""
    told = [frame.payload for frame in make_conntrack.read()]
    for number, payload in enumerate(told):
        yield bytes([number % 3]) + whole([Part(0, payload), Part(1, payload)])
    yield b"\3" + whole(Part(number, payload) for number, payload in enumerate(told))


def sniff(data: bytes) -> None:
    """A packet is sightings or Unreadable, and what is made of them are events."""
    by = test_judge.judge()
    for number, part in enumerate(parts(data)):
        with suppress(packets.Unreadable):
            for sighting in packets.read(part.payload):
                for kind, record in by.take(sighting, NOW_NS + number * 10**9):
                    of = LeaseEvent if kind == "lease" else CoverageEvent
                    of.from_json(json.dumps(record))


def sniff_seeds() -> Iterator[bytes]:
    """Yield a claim, a lease and an advertisement of a router, and all after another."""
    for packet in test_judge.PACKETS:
        yield whole([Part(0, packet)])
    yield whole(Part(0, packet) for packet in test_judge.PACKETS)


def names(data: bytes) -> None:
    """Whatever passes, what is told are events that the receiving process takes, and all bounded.

    A piece is an IP packet; or, by its mode, the frames of a QUIC packet whose keys are right.
    """
    ear = Ear(SITE, "eth1")
    for number, part in enumerate(parts(data)):
        packet = part.payload
        if part.mode & 1:
            version = wire.V2 if part.mode & 2 else wire.V1
            made = wire.initial(packet[:1200], version=version, number=number, size=20)
            packet = _udp(made, port=part.mode >> 2)
        now_ns = NOW_NS + number * 10**9
        for kind, record in (*ear.hear(packet, now_ns), *ear.tally(now_ns)):
            local._read_event(FrameKind[kind.upper()], json.dumps(record))
    assert set(ear.unread) <= UNREAD.keys()


def _udp(payload: bytes, port: int) -> bytes:
    """Return a datagram to port 443; scapy would take most of the time."""
    size = len(payload) + 8
    head = b"\x45\0" + (20 + size).to_bytes(2) + bytes(4) + b"\x40\x11\0\0"
    ends = bytes((10, 0, 0, 5, 203, 0, 113, 9)) + port.to_bytes(2) + (443).to_bytes(2)
    return head + ends + size.to_bytes(2) + b"\0\0" + payload


def names_seeds() -> Iterator[bytes]:
    """Yield answers and hellos, whole and in pieces, and frames of QUIC in any order."""
    said = wire.hello(pad=200, ech=True)
    for packet in test_ear.GOOD:
        yield whole([Part(0, packet)])
    record = wire.record(said, 90)
    yield whole(Part(0, wire.tls(record[at : at + 150], 1000 + at)) for at in range(0, 600, 150))
    frames = [wire.crypto(said, at, 60) for at in range(0, len(said), 60)]
    for mode in (1, 3):
        yield whole(Part(mode, b"\1" + frame) for frame in reversed(frames))
        yield whole([Part(mode, b"\2\5\0\1\1\0\1" + b"".join(frames)), Part(mode, b"\x1c\0\0\0")])


TARGETS = (
    Target("conntrack", conntrack, conntrack_seeds),
    Target("sniff", sniff, sniff_seeds, 1024),
    Target("names", names, names_seeds, 2048),
)
