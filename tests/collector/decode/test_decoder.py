"""The whole decoder: restarts, order, and bytes that nobody meant."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from collector.records import Frame
from tests.collector.decode import rows, wire

V9 = wire.v9_template(256, [(8, 4), (12, 4), (7, 2), (11, 2), (1, 4), (22, 4), (21, 4), (48, 1)])
IPFIX = wire.ipfix_template(300, [(27, 16), (371, 65535), (1, 8), (154, 8), (95, 4)])
OPTIONS = wire.v9_options(257, [(1, 4)], [(48, 1), (50, 4)])
APPS = wire.ipfix_template(301, [(95, 4), (96, 65535)], scopes=1)


def v9_data(seed: int, records: int) -> bytes:
    return wire.a_set(256, random.Random(seed).randbytes(25 * records))


def ipfix_data(seed: int, records: int) -> bytes:
    dice = random.Random(seed)
    one = [
        dice.randbytes(16) + wire.variable(b"u%d" % n) + dice.randbytes(20) for n in range(records)
    ]
    return wire.a_set(300, b"".join(one))


def story() -> list[Frame]:
    """Datagrams of four exporters: late templates, gaps, options, garbage, changes, a new port."""
    rate = wire.a_set(257, struct.pack(">IBI", 0, 1, 100))
    names = wire.a_set(301, b"\x03\0\0\x50" + wire.variable(b"http"))
    swapped = wire.v9_template(256, [(12, 4), (8, 4), (7, 2), (11, 2), (1, 4), (22, 4), (48, 1)])
    told: list[tuple[bytes, str, int]] = []
    for n in range(12):
        told += [
            (
                wire.v9(v9_data(n, 3), *([V9] if n == 3 else []), sequence=n + n // 5),
                "192.0.2.1",
                1,
            ),
            (wire.ipfix(ipfix_data(n, 2), sequence=n * 2), "192.0.2.2", 2),
            (
                wire.v5([wire.v5_record()] * 2, sequence=n * 2 + (n > 7) * 9, sent_s=n),
                "192.0.2.3",
                3,
            ),
            (b"\0\x63" * n, "192.0.2.4", 4),
        ]
        if n == 5:
            told += [(wire.v9(OPTIONS, rate, sequence=n + 2), "192.0.2.1", 1)]
            told += [(wire.ipfix(APPS, names, IPFIX, sequence=n * 2 + 2), "192.0.2.2", 2)]
        if n == 8:
            told += [(wire.v9(swapped, v9_data(9, 2), sequence=20), "192.0.2.1", 1)]
        if n == 10:
            told += [(wire.v9(v9_data(11, 2), sequence=0), "192.0.2.1", 77)]
    return [
        wire.frame(
            payload, n, address=address, port=port, received_ns=(wire.SENT_S + 7 * n) * 10**9
        )
        for n, (payload, address, port) in enumerate(told)
    ]


Outcome = tuple[list[dict[str, Any]], list[tuple[int, object]], list[int]]


def outcome(decoder: FlowDecoder, frames: list[Frame]) -> Outcome:
    decoded = decoder.decode(frames)
    positions = [] if decoded.flows is None else decoded.flows.frame.tolist()
    return rows.of(decoded), list(decoded.coverage), positions


@pytest.mark.parametrize("step", [1, 3, 17])
def test_a_restart_at_any_datagram_changes_nothing(step: int) -> None:
    frames = story()
    whole = outcome(FlowDecoder(wire.SITE), frames)
    found: list[list[Any]] = [[], [], []]
    state = FlowDecoder(wire.SITE).snapshot()
    for at in range(0, len(frames), step):
        decoder = FlowDecoder(wire.SITE)
        decoder.restore(json.loads(json.dumps(state)))
        parts = outcome(decoder, frames[at : at + step])
        for n in range(3):
            found[n].extend(parts[n])
        state = decoder.snapshot()
    assert tuple(found) == whole
    assert len(whole[0]) > 60
    assert {kind for _, event in whole[1] for kind in [getattr(event, "kind", "")]} >= {
        "malformed",
        "sequence-gap",
    }


def test_a_snapshot_keeps_every_count() -> None:
    decoder = rows.state_after(story())
    again = FlowDecoder(wire.SITE)
    again.restore(json.loads(json.dumps(decoder.snapshot())))
    assert again.snapshot() == decoder.snapshot()
    assert again.streams.fields == decoder.streams.fields > 0
    assert again.waiting.bytes == decoder.waiting.bytes
    with pytest.raises(ValueError, match="format"):
        again.restore({"format": "something else"})


def test_rows_stand_in_the_order_of_their_frames() -> None:
    _, _, positions = outcome(FlowDecoder(wire.SITE), story())
    assert positions == sorted(positions)


def test_records_of_several_templates_keep_the_order_they_came_in() -> None:
    one, two = wire.v9_template(256, [(7, 2)]), wire.v9_template(257, [(11, 2), (7, 2)])
    data = [wire.a_set(256 + n % 2, (b"\0\0" if n % 2 else b"") + n.to_bytes(2)) for n in range(30)]
    found = rows.decode(wire.v9(one, two, *data[:15]), wire.v9(*data[15:], sequence=1))
    assert [row["src_port"] for row in found] == list(range(30))


def payloads() -> list[bytes]:
    told = [frame.payload for frame in story() if len(frame.payload) > 30]
    return [
        *told[:12],
        wire.v9(V9, OPTIONS, v9_data(1, 2)),
        wire.ipfix(IPFIX, APPS, ipfix_data(1, 2)),
    ]


def test_a_datagram_cut_at_any_byte_gives_its_whole_records_or_none() -> None:
    for payload in payloads():
        whole = rows.decode(payload)
        for end in range(len(payload)):
            found = rows.decode(payload[:end])
            assert found == whole[: len(found)]


def test_any_flipped_byte_is_survived() -> None:
    decoder = FlowDecoder(wire.SITE)
    for payload in payloads():
        for at in range(0, len(payload), 1 if len(payload) < 90 else 5):
            broken = bytearray(payload)
            broken[at] ^= 0xFF
            rows.of(decoder.decode([wire.frame(bytes(broken)), wire.frame(payload)]))


headers = st.sampled_from(
    [b"\0\5", b"\0\x09\0\1" + b"\0" * 16, b"\0\x0a\0\xff" + b"\0" * 12, b"", b"\0\0\0\5"]
)
sets = st.builds(
    lambda number, length, body: struct.pack(">HH", number, length) + body,
    st.sampled_from([0, 1, 2, 3, 4, 255, 256, 257, 300]),
    st.integers(0, 200) | st.integers(0, 65535),
    st.binary(max_size=120),
)


@given(st.lists(st.builds(lambda h, s: h + b"".join(s), headers, st.lists(sets, max_size=6))))
def test_garbage_never_raises_and_is_never_forgotten(garbage: list[bytes]) -> None:
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(wire.frames(*payloads()))
    rows.of(decoder.decode(wire.frames(*garbage)))
    counters = decoder.counters
    assert counters.datagrams == len(payloads()) + len(garbage)
    again = FlowDecoder(wire.SITE)
    again.restore(json.loads(json.dumps(decoder.snapshot())))
    assert again.snapshot() == decoder.snapshot()


@given(st.binary(max_size=400))
def test_any_template_and_any_data_end_in_rows_or_in_counts(body: bytes) -> None:
    half = len(body) // 2
    for make in (wire.v9, wire.ipfix):
        for number in range(4):
            sent = make(wire.a_set(number, body[:half]), wire.a_set(256, body[half:]))
            rows.decode(sent, sent)


def test_a_set_of_65_thousand_records_is_read() -> None:
    body = bytes(range(256)) * 254
    flows = wire.v9(wire.v9_template(256, [(4, 1)]), wire.a_set(256, body))
    empty = wire.ipfix(wire.ipfix_template(256, [(371, 65535)]), wire.a_set(256, b"\0" * 60_000))
    for payload, expected in ((flows, 65_024), (empty, 60_000)):
        decoded = FlowDecoder(wire.SITE).decode(wire.frames(payload))
        assert decoded.flows is not None
        assert len(decoded.flows) == expected


def forged(numbers: range) -> list[Frame]:
    """Return datagrams that each come from elsewhere, with another template and a set to wait."""
    found = []
    for n in numbers:
        fields = struct.pack(">64H", *([7, 2] * 32))[:-2] + (n & 0xFF).to_bytes(2)
        template = wire.a_set(0, struct.pack(">HH", 256 + n % 60_000, 32) + fields)
        found.append(
            wire.frame(
                wire.v9(template, wire.a_set(999, b"\0" * 40), domain=n),
                n,
                address=f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
                port=n & 0xFFFF,
                received_ns=wire.SENT_S * 10**9,
            )
        )
    return found


def test_templates_from_forged_exporters_stay_within_bounds() -> None:
    limits = Limits(streams=256, fields=1 << 12, waiting_sets=500)
    decoder = FlowDecoder(wire.SITE, limits)
    sizes = []
    tracemalloc.start()
    for at in range(0, 6000, 500):
        decoder.decode(forged(range(at, at + 500)))
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    # What grows last are the names of those whose losses are told once a minute, up to 4096.
    assert sizes[-1] < 5_000_000
    assert len(decoder.streams) <= 256
    assert decoder.streams.fields <= 1 << 12
    assert 500 - 500 // 64 <= len(decoder.waiting) <= 500, "one in so many goes at once"


@pytest.mark.soak
def test_a_million_forged_templates_stay_within_bounds() -> None:
    decoder = FlowDecoder(wire.SITE)
    for at in range(0, 1_000_000, 1000):
        decoder.decode(forged(range(at, at + 1000)))
    assert len(decoder.streams) <= decoder.limits.streams
    assert decoder.streams.fields <= decoder.limits.fields
    assert len(json.dumps(decoder.snapshot())) < 200_000_000


def test_fields_that_no_table_names_are_kept_and_counted() -> None:
    decoder = FlowDecoder(wire.SITE)
    fields: list[wire.Spec] = [(9, 2, 4242), (7, 2), (20_000, 2)]
    data = wire.a_set(300, struct.pack(">6H", 1, 80, 2, 3, 81, 4))
    decoded = decoder.decode(wire.frames(wire.ipfix(wire.ipfix_template(300, fields), data)))
    kept = [json.loads(row["extra"]) for row in rows.of(decoded)]
    assert kept == [{"4242/9": 1, "20000": 2}, {"4242/9": 3, "20000": 4}]
    assert decoder.status()["unknown_elements"] == {"4242/9": 2, "20000": 2}
    assert decoder.status()["records"] == 2


def test_made_up_fields_are_counted_within_bounds() -> None:
    decoder = FlowDecoder(wire.SITE)
    for start in range(0, 6000, 100):
        fields = [(n, 1, 4242) for n in range(start, start + 100)]
        payload = wire.ipfix(wire.ipfix_template(300, fields), wire.a_set(300, bytes(100)))
        decoder.decode([wire.frame(payload, start)])
    status = decoder.status()["unknown_elements"]
    assert len(status) == 50
    assert status["others"] == 6000 - 1024
