"""What sFlow agents count: columns of interfaces, other counters in words, one row in minutes."""

from __future__ import annotations

import json
import struct
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.decoder import Decoded, FlowDecoder
from collector.decode.limits import Limits
from collector.records import Frame
from collector.store.schema import COUNTERS
from tests.collector.decode import wire
from tests.collector.decode.sflow import wire as sw

GENERIC = (3, 6, 10**10, 1, 3, 2**40, 11, 12, 13, 14, 15, 16, 2**41, 21, 22, 23, 24, 25, 2)
"""As RFC 2863 orders them, with the speed and the octets in eight bytes."""
ROW = {
    "interface": 3, "if_type": 6, "if_speed": 10**10, "duplex": 1, "admin_up": 1, "oper_up": 1,
    "bytes_in": 2**40, "unicast_in": 11, "multicast_in": 12, "broadcast_in": 13,
    "discards_in": 14, "errors_in": 15, "unknown_in": 16, "bytes_out": 2**41, "unicast_out": 21,
    "multicast_out": 22, "broadcast_out": 23, "discards_out": 24, "errors_out": 25,
    "promiscuous": 2,
}  # fmt: skip
EVERY = Limits(counters_every_s=0)


def generic(*values: int) -> bytes:
    return sw.tagged(1, struct.pack(">IIQIIQ6IQ6I", *(values or GENERIC)))


OTHERS: list[tuple[bytes, dict[str, Any]]] = [
    (sw.tagged(2, struct.pack(">13I", *range(13))), {"dot3StatsFCSErrors": 1}),
    (sw.tagged(5, struct.pack(">IQ4I", 30, 2**33, 1, 2, 3, 4)), {"vlanOctets": 2**33}),
    (sw.tagged(6, struct.pack(">20I", *range(20))), {"dot11AssociatedStationCount": 15}),
    (sw.tagged(1001, struct.pack(">3I2Q", 1, 2, 3, 4, 5)), {"cpu1m": 2, "freeMemory": 5}),
    (sw.tagged(1002, struct.pack(">3I", 1, 2, 3)), {"radioOnChannelBusyTime": 3}),
    (
        sw.tagged(2003, struct.pack(">3f14I", 0.5, 0.25, 0, *range(14))),
        {"cpuLoadOne": 0.5, "cpuNum": 2, "cpuContexts": 13},
    ),
    (sw.tagged(2004, struct.pack(">7Q4I", *range(11))), {"memFree": 1, "memSwapOut": 10}),
    (sw.tagged(2005, struct.pack(">QQIIQIIQI", *range(9))), {"diskWriteTime": 8}),
    (sw.tagged(2006, struct.pack(">Q3IQ3I", *range(8))), {"nioBytesIn": 0, "nioDropsOut": 7}),
    (
        sw.tagged(
            2000,
            sw.text("ครู-1") + UUID(int=7).bytes + struct.pack(">II", 3, 2) + sw.text("6.1.0"),
        ),
        {"hostName": "ครู-1", "hostUuid": f"{7:032x}", "hostOsRelease": "6.1.0"},
    ),
]
RECORDS = [generic(), sw.tagged(1005, sw.text("ge-0/0/3")), *(record for record, _ in OTHERS)]


def sample(*records: bytes, sequence: int = 1, source: int = 3) -> bytes:
    head = struct.pack(">III", sequence, source, len(records))
    return sw.tagged(2, head + b"".join(records))


def expanded(*records: bytes, source: tuple[int, int] = (0, 3)) -> bytes:
    return sw.tagged(4, struct.pack(">IIII", 1, *source, len(records)) + b"".join(records))


def told(decoded: Decoded) -> list[dict[str, Any]]:
    """Return the rows without their nulls; the store's schema takes them as they are."""
    found = []
    for rows in decoded.counters:
        assert (np.diff(rows.frame) >= 0).all()
        table = COUNTERS.table(rows)
        table.validate(full=True)
        found += table.to_pylist()
    return [{k: v for k, v in row.items() if v is not None} for row in found]


def decode(*samples: bytes, limits: Limits = EVERY, **more: Any) -> list[dict[str, Any]]:
    decoder = FlowDecoder(wire.SITE, limits)
    return told(decoder.decode([wire.frame(sw.datagram(*samples, **more))]))


@pytest.mark.parametrize("form", [sample, expanded])
def test_an_interface_fills_its_columns(form: Any) -> None:
    (row,) = decode(form(generic()), sub_agent=7)
    head = {name: row.pop(name) for name in ("time", "received", "source", "site", "sub_agent")}
    assert (head["source"], head["sub_agent"], head["time"]) == ("192.0.2.1", 7, head["received"])
    assert row == {**ROW, "source_class": 0, "source_index": 3}


def test_all_ones_are_what_the_agent_cannot_tell() -> None:
    ones = (3, 6, 2**64 - 1, 0, 1, 2**64 - 1, *[2**32 - 1] * 6, 5, *[2**32 - 1] * 4, 0, 1)
    (row,) = decode(sample(generic(*ones)))
    assert "if_speed" not in row
    assert "bytes_in" not in row
    assert (row["bytes_out"], row["errors_out"], row["oper_up"]) == (5, 0, 0)
    assert "errors_in" not in row


@pytest.mark.parametrize(("record", "expected"), OTHERS)
def test_other_counters_stand_under_their_names(record: bytes, expected: dict[str, Any]) -> None:
    (row,) = decode(sample(record, source=2 << 24 | 1))
    assert (row["source_class"], row["source_index"]) == (2, 1)
    assert expected.items() <= json.loads(row["extra"]).items()
    assert "interface" not in row


def test_the_name_of_a_port_has_a_column() -> None:
    (row,) = decode(sample(generic(), sw.tagged(1005, sw.text("ge-0/0/3"))))
    assert (row["name"], row["interface"]) == ("ge-0/0/3", 3)
    assert "extra" not in row


@pytest.mark.parametrize("agent", ["198.51.100.4", "2001:db8::4", "", "192.0.2.1"])
def test_an_agent_behind_another_address_is_named(agent: str) -> None:
    (row,) = decode(sample(generic()), agent=agent)
    assert row.get("agent", "192.0.2.1") == (agent or "192.0.2.1")


def test_what_says_nothing_is_no_row() -> None:
    decoder = FlowDecoder(wire.SITE, EVERY)
    short = sw.tagged(1, bytes(84))
    nothing = sample(), sample(sw.tagged(99, bytes(8))), sample(short)
    payload = sw.datagram(*nothing, sample(generic()))
    (row,) = told(decoder.decode([wire.frame(payload)]))
    assert row["interface"] == 3
    counters = decoder.counters
    assert (counters.counter_samples, counters.counter_rows, counters.unknown_records) == (4, 1, 2)
    assert counters.records == 0


def _sent(number: int, *sources: int, at_s: int) -> Frame:
    samples = [sample(generic(source, *GENERIC[1:]), source=source) for source in sources]
    payload = sw.datagram(*samples, sequence=number)
    return wire.frame(payload, number, received_ns=at_s * 10**9)


def test_one_sample_of_each_source_is_kept_in_five_minutes() -> None:
    begin = 1_800_000_000
    frames = [_sent(n, 3, 4, at_s=begin + 20 * n) for n in range(31)]
    frames.append(_sent(31, 5, at_s=begin + 620))
    decoder = FlowDecoder(wire.SITE)
    rows = told(decoder.decode(frames))
    seconds = [(row["interface"], int(row["received"].timestamp()) - begin) for row in rows]
    assert seconds == [(3, 0), (4, 0), (3, 300), (4, 300), (3, 600), (4, 600), (5, 620)]
    assert (decoder.counters.counter_samples, decoder.counters.counter_rows) == (63, 7)


def test_a_source_that_tells_in_several_samples_has_each_kept() -> None:
    begin, decoder = 1_800_000_000, FlowDecoder(wire.SITE)
    ethernet, nothing = sample(OTHERS[0][0]), sample(sw.tagged(7, bytes(56)))
    payload = sw.datagram(nothing, ethernet, sample(generic()))
    frames = [wire.frame(payload, n, received_ns=(begin + 30 * n) * 10**9) for n in range(10)]
    rows = told(decoder.decode(frames))
    assert [row.get("interface") for row in rows] == [None, 3]
    assert (decoder.counters.counter_rows, decoder.counters.unknown_records) == (2, 10)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 4), max_size=4), st.integers(-400, 400)), max_size=24
    ),
    st.integers(1, 24),
)
def test_what_is_kept_hangs_on_the_frames_alone(
    sent: list[tuple[list[int], int]], step: int
) -> None:
    at_s, frames = 1_800_000_000, []
    for number, (sources, later) in enumerate(sent):
        at_s += later
        frames.append(_sent(number, *sources, at_s=at_s))
    whole = FlowDecoder(wire.SITE)
    expected = told(whole.decode(frames))
    found, decoder = [], FlowDecoder(wire.SITE)
    for at in range(0, len(frames), step):
        found += told(decoder.decode(frames[at : at + step]))
        state = json.loads(json.dumps(decoder.snapshot()))
        decoder = FlowDecoder(wire.SITE)
        decoder.restore(state)
    assert found == expected
    assert decoder.snapshot() == whole.snapshot()


_records = st.one_of(
    st.sampled_from([generic(), sw.tagged(1005, sw.text("e1")), sw.tagged(2000, sw.text("h"))]),
    st.builds(
        sw.tagged,
        st.sampled_from([1, 2, 3, 5, 6, 1001, 1002, 1005, 2000, 2003, 2004, 2005, 2006, 5000]),
        st.binary(max_size=120),
    ),
)


@given(st.lists(st.lists(_records, max_size=3), max_size=5), st.integers(0, 400))
def test_any_records_give_rows_that_the_log_takes(records: list[list[bytes]], cut: int) -> None:
    payload = sw.datagram(*(sample(*each, source=n) for n, each in enumerate(records)))
    decoder = FlowDecoder(wire.SITE, EVERY)
    for whole in (payload, payload[: max(28, len(payload) - cut)]):
        assert len(told(decoder.decode([wire.frame(whole)]))) <= len(records)
    assert decoder.counters.records == decoder.counters.malformed == 0
