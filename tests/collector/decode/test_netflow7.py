"""NetFlow v7: as v5, with the router that a Catalyst switch works for."""

from __future__ import annotations

import json
import struct

from hypothesis import given
from hypothesis import strategies as st

from collector.decode.decoder import FlowDecoder
from tests.collector.decode import rows, wire


def v7(*records: bytes, sequence: int = 0, count: int | None = None) -> bytes:
    head = len(records) if count is None else count, wire.UPTIME_MS, wire.SENT_S, 0, sequence, 0
    return struct.pack(">HHIIIII", 7, *head) + b"".join(records)


def record(packets: int = 3, octets: int = 400) -> bytes:
    """Return one record of 52 bytes."""
    return wire.v5_record(packets=packets, octets=octets) + wire.ip4("192.0.2.77")


def test_records_are_those_of_v5_and_the_router_stands_beside() -> None:
    (row,) = rows.decode(v7(record(packets=7, octets=900)))
    (old,) = rows.decode(wire.v5([wire.v5_record(packets=7, octets=900)]))
    told = json.loads(row.pop("extra"))
    assert told["catalystRouterIPv4Address"] == "192.0.2.77"
    del old["extra"]
    assert row | {"sampling_origin": ""} == old | {"sampling_origin": ""}


def test_lost_records_are_told() -> None:
    decoder = FlowDecoder(wire.SITE)
    payloads = [v7(record(), record(), sequence=n) for n in (0, 2, 4, 9)]
    decoded = decoder.decode(wire.frames(*payloads))
    assert rows.kinds(decoded) == [("sequence-gap", 3)]


def test_a_count_that_lies_is_one_malformed_datagram() -> None:
    decoded = FlowDecoder(wire.SITE).decode(wire.frames(v7(record(), count=30)))
    assert decoded.flows is None
    assert rows.kinds(decoded) == [("malformed", 1)]


@given(st.binary(max_size=200))
def test_any_bytes_end_in_rows_or_in_coverage(body: bytes) -> None:
    decoder = FlowDecoder(wire.SITE)
    decoded = decoder.decode(wire.frames(b"\0\7" + body))
    assert len(rows.of(decoded)) == decoder.counters.records
    assert decoder.counters.records or decoded.coverage
