"""Targets of what the box's own eyes see: the kernel's connections, and packets that pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.decode.decoder import Decoded
from collector.records import CoverageEvent, Frame, FrameKind, LeaseEvent
from collector.sniff import packets
from tests.captures import make_conntrack
from tests.collector.decode import rows
from tests.collector.sniff import test_judge
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


TARGETS = (
    Target("conntrack", conntrack, conntrack_seeds),
    Target("sniff", sniff, sniff_seeds, 1024),
)
