"""Leases told by a NAT's records and by other programs are of one log, each stored once."""

from __future__ import annotations

import struct
from datetime import timedelta
from pathlib import Path

from collector.records import Frame, FrameKind, LeaseEvent
from tests.collector.decode import wire
from tests.collector.homes import BEGIN, Home, flow_frame, ns

TEMPLATE = [(323, 8), (8, 4), (225, 4), (230, 1), (361, 2), (362, 2)]


def block_frame(number: int) -> Frame:
    """Return a datagram that lends a block of ports, with its template."""
    record = struct.pack(">Q", ns(BEGIN) // 1_000_000) + wire.ip4(f"10.0.0.{number}")
    record += wire.ip4("198.51.100.7") + struct.pack(">BHH", 16, number * 64, number * 64 + 63)
    payload = wire.ipfix(
        wire.ipfix_template(300, TEMPLATE),
        wire.a_set(300, record),
        sequence=number,
        sent_s=int(BEGIN.timestamp()),
    )
    return flow_frame(BEGIN, 1, 1)._replace(payload=payload, address="192.0.2.50")


def lease_frame(number: int) -> Frame:
    """Return what another program tells of a lease."""
    event = LeaseEvent(
        time=BEGIN - timedelta(minutes=1),
        site="school-a",
        kind="dhcp",
        event="add",
        ip=f"10.0.1.{number}",
        mac="02:00:00:00:00:01",
    )
    return flow_frame(BEGIN, 1, 1)._replace(kind=FrameKind.LEASE, payload=event.to_json())


def test_blocks_and_leases_take_turns_in_full_segments(tmp_path: Path) -> None:
    home = Home(tmp_path, rows=16)
    home.write([make(n) for n in range(60) for make in (block_frame, lease_frame)])
    home.run()
    rows = home.sealed("leases").to_pylist()
    blocks = [row for row in rows if row["kind"] == "block"]
    assert sorted(row["port_first"] for row in blocks) == [n * 64 for n in range(60)]
    assert {row["nat_ip"] for row in blocks} == {"198.51.100.7"}
    assert sorted(row["ip"] for row in rows) == sorted(
        f"10.0.{net}.{n}" for net in (0, 1) for n in range(60)
    )
    assert home.sealed("flows").num_rows == 60
    assert home.findings() == []
