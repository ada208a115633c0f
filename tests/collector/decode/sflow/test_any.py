"""Whatever the bytes: sFlow never raises, is bounded, and batches read what single ones read."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.decode import listing
from collector.decode.decoder import Decoded, FlowDecoder
from collector.records import Frame
from tests.collector.decode import rows, wire
from tests.collector.decode.sflow import wire as sw

FRAME = bytes.fromhex(
    "00005e0053020000 5e00530188a80014 8100001e86dd6000 00000030003f2001 0db8000000000000"
    "0000000000052001 0db8000000010000 0000000000092c00 0104000000000600 0000000000019c41"
    "01bb000000000000 0000501220000000 0000"
)
RECORDS = [
    sw.frame(FRAME),
    sw.frame(FRAME[22:], protocol=12),
    sw.frame(bytes.fromhex("00005e005302 00005e005301 0800 45000028000100004006 0000"
                           "0a000005cb0071099c4101bb0000000000000000501220000000 0000")),
    sw.ipv4("10.0.0.5", "203.0.113.9"),
    sw.ipv6("2001:db8::5", "2001:db8::1"),
    sw.ethernet("00:00:5e:00:53:01", "00:00:5e:00:53:02", 0x0806),
    sw.switch(30, 31),
    sw.router("198.51.100.1", 24, 16),
    sw.gateway("2001:db8::1", (64496, 64499, 64498), [(2, [64500, 64501]), (1, [64502])]),
    sw.user("somchai", "malee"),
    sw.nat("198.51.100.7", "203.0.113.9"),
    sw.nat_port(40211, 443),
    sw.tagged(1015, sw.text("school") + bytes(20)),
    sw.tagged(1036, bytes(4)),
    sw.tagged(1037, bytes(4) + sw.text("rule") + bytes(4)),
    sw.tagged(1038, sw.text("drop")),
    sw.tagged(4413 << 12 | 1, bytes(9)),
]  # fmt: skip
LARGEST = 65_507


@st.composite
def samples(draw: st.DrawFn) -> bytes:
    """Samples of all kinds, of any records."""
    records = draw(st.lists(st.sampled_from(RECORDS), max_size=4))
    sequence = draw(st.integers(0, 60))
    kind = draw(st.sampled_from(["plain", "plain", "expanded", "discard", "counters"]))
    if kind == "counters":
        return sw.counters()
    if kind == "expanded":
        return sw.flow_expanded(*records, sequence=sequence)
    if kind == "discard":
        return sw.discard(*records, sequence=sequence)
    return sw.flow(*records, sequence=sequence)


@st.composite
def datagrams(draw: st.DrawFn) -> bytes:
    """Datagrams of several agents, now and then with wrong bytes, cut, or with a false count."""
    payload = sw.datagram(
        *draw(st.lists(samples(), max_size=5)),
        sequence=draw(st.integers(0, 80)),
        agent=draw(st.sampled_from([sw.AGENT, sw.AGENT, "198.51.100.4", "2001:db8::4", ""])),
        sub_agent=draw(st.sampled_from([0, 0, 0, 7])),
        uptime=draw(st.sampled_from([5000, 5000, 9000])),
        count=draw(st.sampled_from([None, None, None, 2, 0xFFFFFFFF])),
    )
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = draw(st.integers(0, len(payload) - 1))
        payload = payload[:at] + draw(st.binary(min_size=1, max_size=4)) + payload[at + 1 :]
    return (
        payload[: draw(st.integers(0, len(payload)))] if draw(st.integers(0, 9)) == 0 else payload
    )


def frames(payloads: list[bytes]) -> list[Frame]:
    found = wire.frames(*payloads)
    return [wire.frame(f.payload, f.number, port=40000 + f.number % 7 // 6) for f in found]


def outcome(decoder: FlowDecoder, decoded: list[Decoded]) -> dict[str, Any]:
    return {
        "rows": [row for one in decoded for row in rows.of(one)],
        "coverage": [told for one in decoded for told in one.coverage],
        "state": decoder.snapshot(),
    }


@settings(max_examples=40)
@given(st.lists(datagrams(), max_size=16))
def test_datagrams_read_together_give_what_each_gives_alone(payloads: list[bytes]) -> None:
    together, alone = FlowDecoder(wire.SITE), FlowDecoder(wire.SITE)
    all_frames = frames(payloads)
    one = outcome(together, [together.decode(all_frames)])
    each = outcome(alone, [alone.decode([frame]) for frame in all_frames])
    assert one["rows"] == each["rows"]
    assert one["coverage"] == each["coverage"]
    assert one["state"] == each["state"]


@given(st.lists(datagrams(), max_size=8))
def test_every_row_is_a_whole_sample(payloads: list[bytes]) -> None:
    decoder = FlowDecoder(wire.SITE)
    heaps = decoder.heaps(frames(payloads))
    found = [record for record in listing.records(heaps) if not record.is_counter]
    assert len(found) == sum(_walked(payload) for payload in payloads)
    assert len(found) == decoder.counters.records
    assert all(record.elements["packetDeltaCount"] == 1 for record in found)


def _walked(payload: bytes) -> int:
    """Count the samples that become rows, one after the other."""
    ends = {0: 12, 1: 16, 2: 28}
    if payload[:4] != b"\0\0\0\5" or len(payload) < 8:
        return 0
    at = ends.get(int.from_bytes(payload[4:8]), 1 << 20) + 8
    if len(payload) < at + 4:
        return 0
    found, count = 0, int.from_bytes(payload[at : at + 4])
    at += 4
    while count and at + 8 <= len(payload):
        tag, size = struct.unpack_from(">II", payload, at)
        at, count = at + 8 + size, count - 1
        if at > len(payload):
            break
        found += size >= {1: 32, 3: 44, 5: 32}.get(tag, 1 << 40)
    return found


@given(st.binary(max_size=400), st.sampled_from([4, 0, 12, 16]))
def test_any_bytes_end_in_rows_or_in_coverage(body: bytes, kept: int) -> None:
    payload = sw.datagram(sw.flow(sw.frame(FRAME)))[:kept] + body
    decoder = FlowDecoder(wire.SITE)
    decoded = decoder.decode(wire.frames(payload))
    assert len(rows.of(decoded)) == decoder.counters.records
    assert decoder.counters.datagrams == 1


@given(st.binary(max_size=200), st.sampled_from([1, 11, 12, 13, 7]))
def test_any_frame_is_read_as_far_as_it_goes(octets: bytes, protocol: int) -> None:
    (found,) = rows.decode(sw.datagram(sw.flow(sw.frame(octets, protocol=protocol, length=77))))
    assert found["bytes"] == 77


def test_the_most_samples_that_fit_are_read_in_bounded_steps() -> None:
    """As many empty things as a datagram can hold: samples, records, segments of a path."""
    room = LARGEST - 100
    payloads = [
        sw.datagram(*[sw.tagged(77, b"")] * (room // 8)),
        sw.datagram(*[sw.flow(sequence=n) for n in range(room // 40)]),
        sw.datagram(sw.flow(*[sw.tagged(1001, b"")] * (room // 8))),
        sw.datagram(sw.flow(sw.gateway("192.0.2.9", (1, 2, 3), [(2, [])] * (room // 8)))),
    ]
    decoder = FlowDecoder(wire.SITE)
    decoded, taken = decoder.some(wire.frames(*payloads * 5))
    assert taken == 20
    assert decoder.counters.unknown_samples == room // 8 * 5
    assert len(rows.of(decoded)) == (room // 40 + 2) * 5
