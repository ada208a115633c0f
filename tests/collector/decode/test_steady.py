"""Datagrams read many at once give what each gives alone: rows, losses, and what is remembered."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.decode import steady
from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from collector.records import Frame
from tests.collector.decode import rows, wire

FIELDS = [(8, 4), (12, 4), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2), (4, 1)]
UPTIME_OF_IPFIX = [(160, 8)]
SAMPLING = wire.v9_options(300, [(1, 4)], [(34, 4)])
MOST = 60

Step = tuple[str, int]
"""What a sender does, and how many times or how far."""
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "data", "data", "data", "template", "other template", "sampling", "gap",
                "restart", "padding", "two sets", "other domain", "wrong time", "slow clock",
                "nothing", "garbage", "repeat", "counts records", "empty", "lying",
            ]
        ),
        st.integers(1, 12),
    ),
    max_size=14,
)  # fmt: skip


@dataclass
class Sender:
    """A router that exports, and has its moods."""

    version: int
    port: int
    sequence: int = 100
    uptime: int = wire.UPTIME_MS
    sent_s: int = wire.SENT_S
    by_datagrams: bool = True

    def payloads(self, steps: list[Step]) -> list[bytes]:
        """Return what it sends."""
        found = [self._template(256)] if self.version != 5 else []
        for mood, times in steps:
            found += [self._one(mood, times) for _ in range(times if mood in _OFTEN else 1)]
        return [payload for payload in found if payload]

    def _one(self, mood: str, times: int) -> bytes:
        self.sent_s += 1
        self.uptime += 1000
        self._change(mood, times)
        if mood == "garbage":
            return bytes(range(times * 3))
        if mood in ("template", "other template"):
            return self._template(256, extra=times * (mood != "template"))
        if mood == "sampling" and self.version == 9:
            body = wire.a_set(300, struct.pack(">II", 0, times))
            return self._send([SAMPLING, body], 1)
        payload = self._data(mood, times)
        if mood == "lying":  # the count of NetFlow, the length of IPFIX
            payload = payload[:2] + struct.pack(">H", times * 50) + payload[4:]
        return payload

    def _change(self, mood: str, times: int) -> None:
        if mood == "gap":
            self.sequence += times
        elif mood == "restart":
            self.uptime, self.sequence = times, 0
        elif mood == "repeat":
            self.sequence -= times
        elif mood == "slow clock":
            self.sent_s -= 1000 * times
        elif mood == "counts records":
            self.by_datagrams = not self.by_datagrams

    def _data(self, mood: str, times: int) -> bytes:
        if self.version == 5:
            records = [wire.v5_record(src_port=1000 + n) for n in range(times)]
            sampling = times % 2 if mood == "sampling" else 0
            sent_s = 7 if mood == "wrong time" else self.sent_s
            payload = wire.v5(
                records, sequence=self._next(times), sent_s=sent_s, uptime=self.uptime,
                engine_id=int(mood == "other domain"), sampling=sampling,
            )  # fmt: skip
            return payload + bytes(3) * (mood == "padding")
        body = b"".join(self._record(n) for n in range(0 if mood == "empty" else times))
        sets = [wire.a_set(256, body + bytes(3) * (mood == "padding"))]
        sets *= 2 if mood == "two sets" else 0 if mood == "nothing" else 1
        return self._send(sets, times * len(sets), mood)

    def _record(self, number: int) -> bytes:
        return struct.pack(
            ">4s4sIIIIHHB",
            wire.ip4("10.0.0.1"), wire.ip4("203.0.113.9"), number, self.sequence % 977,
            (self.uptime - 5000) % (1 << 32), (self.uptime - 100) % (1 << 32),
            5000 + number, 443, 6,
        )  # fmt: skip

    def _template(self, number: int, extra: int = 0) -> bytes:
        fields = [*FIELDS, *[(5, 1)] * extra]
        make = wire.v9_template if self.version == 9 else wire.ipfix_template
        return b"" if self.version == 5 else self._send([make(number, fields)], 0)

    def _send(self, sets: list[bytes], records: int, mood: str = "") -> bytes:
        domain, sent_s = int(mood == "other domain"), 7 if mood == "wrong time" else self.sent_s
        number = self._next(records)
        if self.version == 9:
            return wire.v9(*sets, sequence=number, domain=domain, uptime=self.uptime, sent_s=sent_s)
        return wire.ipfix(*sets, sequence=number, domain=domain, sent_s=sent_s)

    def _next(self, records: int) -> int:
        number = self.sequence % (1 << 32)
        self.sequence += 1 if self.by_datagrams == (self.version == 9) else records
        return number


_OFTEN = ("data", "padding", "two sets", "other domain", "wrong time", "nothing", "empty", "lying")


def frames_of(senders: list[tuple[Sender, list[Step]]], burst: int) -> list[Frame]:
    """Return the frames of all senders, `burst` of one after `burst` of the other."""
    left = [(sender, sender.payloads(steps)[:MOST]) for sender, steps in senders]
    frames: list[Frame] = []
    while any(payloads for _, payloads in left):
        for sender, payloads in left:
            for payload in payloads[:burst]:
                frames.append(wire.frame(payload, len(frames), port=sender.port))
            del payloads[:burst]
    return frames


def told(decoder: FlowDecoder, frames: list[list[Frame]]) -> tuple[Any, ...]:
    """Return rows, losses, and state after these calls."""
    found: list[Any] = []
    coverage: list[Any] = []
    for some in frames:
        decoded = decoder.decode(some)
        found += rows.of(decoded)
        coverage += decoded.coverage
    return found, coverage, decoder.snapshot()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([5, 9, 10]), STEPS), min_size=1, max_size=3),
    st.integers(1, 30),
    st.integers(0, 2**32 - 1),
)
@example([(9, [("data", 12)])], 30, 2**32 - 5)
@example([(10, [("data", 12), ("slow clock", 1), ("data", 12), ("gap", 5), ("data", 9)])], 30, 0)
@example([(5, [("data", 12), ("sampling", 3), ("data", 12), ("restart", 1)])], 30, 1)
def test_many_at_once_give_what_each_gives_alone(
    senders: list[tuple[int, list[Step]]], burst: int, sequence: int
) -> None:
    made = [
        (Sender(version, port, sequence), steps)
        for port, (version, steps) in enumerate(senders, 40000)
    ]
    frames = frames_of(made, burst)
    at_once = told(FlowDecoder(wire.SITE), [frames])
    alone = told(FlowDecoder(wire.SITE), [[frame] for frame in frames])
    assert at_once == alone


@pytest.mark.parametrize("version", [5, 9, 10])
def test_what_routers_send_all_day_is_read_at_once(version: int) -> None:
    frames = frames_of([(Sender(version, 40000), [("data", 12)] * 5)], 100)
    runs = [end - start for start, end, headers in steady.pieces(frames) if headers is not None]
    assert sum(runs) >= len(frames) - 1


def test_runs_are_cut_where_the_bite_is_full() -> None:
    frames = frames_of([(Sender(9, 40000), [("data", 12)] * 5)], 100)
    whole = FlowDecoder(wire.SITE).decode(frames)
    decoder = FlowDecoder(wire.SITE, Limits(cells=2000))
    bites = []
    while frames:
        decoded, taken = decoder.some(frames)
        bites += rows.of(decoded)
        assert 0 < taken <= 8
        frames = frames[taken:]
    assert bites == rows.of(whole)
