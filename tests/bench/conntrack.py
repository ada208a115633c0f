"""Messages of the kernel about connections, as many as wanted, made of the captured ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from collector.decode.conntrack import message
from collector.records import Frame, FrameKind
from tests.captures import make_conntrack

PER_FRAME = 100
"""What 5,000 connections a second bring in one handful."""
VARIED = ("id", "orig_src_port", "reply_dst_port", "orig_dst4", "reply_src4")
NOW_NS = 1_795_400_000_000_000_000


def messages(count: int) -> Iterator[bytes]:
    """Yield beginnings and ends, with ids, ports and times of their own."""
    patterns = []
    for frame in make_conntrack.read():
        for at, size in zip(*message.split(frame.payload)[:2], strict=True):
            one = frame.payload[at : at + size]
            patterns.append((one, message.read(one).places))
    random = np.random.default_rng(1)
    for number, values in enumerate(random.integers(0, 2**16, (count, len(VARIED))).tolist()):
        pattern, places = patterns[number % len(patterns)]
        made = bytearray(pattern)
        for name, value in zip(VARIED, values, strict=True):
            if name in places:
                at, size = places[name]
                made[at + size - 2 : at + size] = struct.pack(">H", value)
        for name, later in (("start_ns", 0), ("stop_ns", 50_000_000)):
            if name in places:
                struct.pack_into(">Q", made, places[name][0], NOW_NS + number * 1000 + later)
        yield bytes(made)


def frames(count: int) -> list[Frame]:
    """Return the messages as the receiver stores them."""
    made = list(messages(count))
    return [
        Frame(
            kind=FrameKind.CONNTRACK,
            site="bench",
            received_ns=NOW_NS + at * 1000,
            wire_ns=NOW_NS + at * 1000,
            transport="local",
            payload=b"".join(made[at : at + PER_FRAME]),
            number=at,
        )
        for at in range(0, count, PER_FRAME)
    ]
