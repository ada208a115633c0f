"""NetFlow v5: header, records, uptimes and the sampling interval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from collector.decode import netflow5
from collector.errors import Malformed
from tests.collector.decode import rows, wire

SENT = datetime.fromtimestamp(wire.SENT_S, UTC)


def test_every_field_of_a_record_reaches_its_column() -> None:
    record = wire.v5_record("10.1.2.3", "203.0.113.9", tos=40, src_as=64500, dst_as=15169)

    (row,) = rows.decode(wire.v5([record], engine_type=1, engine_id=2, sampling=0x4064))

    assert row == {
        "time": SENT - timedelta(seconds=5),
        "time_end": SENT - timedelta(seconds=1),
        "exporter_sent": SENT,
        "received": SENT,
        "clock": "ok",
        "source": "192.0.2.1",
        "site": wire.SITE,
        "observation_domain": 258,
        "src_ip": "10.1.2.3",
        "src_port": 50000,
        "dst_ip": "203.0.113.9",
        "dst_port": 443,
        "protocol": 6,
        "packets": 3,
        "bytes": 400,
        "tcp_flags": 27,
        "tos": 40,
        "in_if": 1,
        "out_if": 2,
        "next_hop": "0.0.0.0",
        "src_as": 64500,
        "dst_as": 15169,
        "sampling_rate": 100,
        "sampling_origin": "header",
        "extra": '{"sourceIPv4PrefixLength":24,"destinationIPv4PrefixLength":16}',
    }


def test_an_uptime_before_the_32_bit_wrap_is_still_in_the_past() -> None:
    record = wire.v5_record(first=2**32 - 1000, last=500)

    (row,) = rows.decode(wire.v5([record], uptime=2000))

    assert row["time"] == SENT - timedelta(seconds=3)
    assert row["time_end"] == SENT - timedelta(seconds=1.5)
    assert row["clock"] == "ok"


def test_icmp_stands_in_the_destination_port() -> None:
    ping = wire.v5_record(protocol=1, src_port=0, dst_port=0x0800)
    web = wire.v5_record()

    first, second = rows.decode(wire.v5([ping, web]))

    assert first["icmp_type_code"] == 0x0800
    assert "icmp_type_code" not in second


@pytest.mark.parametrize("count", [0, 2, 31, 65535])
def test_a_count_beyond_the_room_is_one_malformed_datagram(count: int) -> None:
    payload = wire.v5([wire.v5_record()], count=count)
    with pytest.raises(Malformed, match=f"promises {count} records"):
        netflow5.read(payload)
    assert rows.decode(payload) == []


def test_bytes_behind_the_last_record_are_not_read() -> None:
    assert len(rows.decode(wire.v5([wire.v5_record()]) + b"\xff" * 40)) == 1
