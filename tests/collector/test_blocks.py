"""Leases told by a NAT's records and by other programs are of one log, each stored once."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid5

from appliance.search import display
from collector.records import Binding, Frame, FrameKind, LeaseEvent
from collector.store.catalog import Catalog
from tests.collector.decode import wire
from tests.collector.homes import BEGIN, SPACE, Home, flow_frame, ns, session_frame

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


def outside_frame(port: int, at: datetime) -> Frame:
    """Return a datagram of a router behind the NAT: it sees the public address alone."""
    template = [(8, 4), (7, 2), (12, 4), (11, 2), (4, 1), (152, 8), (153, 8), (1, 4), (2, 4)]
    record = wire.ip4("198.51.100.7") + struct.pack(">H", port) + wire.ip4("203.0.113.9")
    record += struct.pack(">HB2Q2I", 443, 6, *[ns(at) // 1_000_000] * 2, 4000, 9)
    payload = wire.ipfix(
        wire.ipfix_template(301, template),
        wire.a_set(301, record),
        sequence=port,
        sent_s=int(at.timestamp()),
    )
    return flow_frame(at, 1, 1)._replace(payload=payload, address="192.0.2.51")


def line_frame(line: str, at: datetime) -> Frame:
    """Return a line of syslog."""
    return flow_frame(at, 1, 1)._replace(kind=FrameKind.SYSLOG, payload=line.encode())


def line(word: str, ip: str, first: int) -> str:
    return (
        f"<14>Nov 22 10:30:00 mx-1 RT_NAT: RT_SRC_NAT_PBA_{word}: Subscriber {ip} used/maximum "
        f"[1/4] blocks, allocates port block [{first}-{first + 63}] from 198.51.100.7 in source "
        "pool guest lsys_id: 0 epoch 0x0"
    )


def told(home: Home) -> dict[int, Any]:
    rows = home.sealed("flows").to_pylist()
    names = ("person", "via", "certainty")
    outside = [row for row in rows if row["src_ip"] == "198.51.100.7"]
    return {row["src_port"]: tuple(row[name] for name in names) for row in outside}


def learnt_late(home: Home) -> list[Binding]:
    with Catalog.open(home.folder / "catalog.sqlite") as catalog:
        return catalog.late_bindings(sites=["school-a"])


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


def test_a_flow_seen_outside_is_of_who_had_the_block(tmp_path: Path) -> None:
    home, later = Home(tmp_path), BEGIN + timedelta(minutes=1)
    home.write(
        [
            session_frame(BEGIN, "anan", "10.0.0.1"),
            session_frame(BEGIN, "malee", "10.0.0.2"),
            block_frame(1),
            line_frame(line("ALLOC", "10.0.0.2", 4096), BEGIN),
            outside_frame(100, later),
            outside_frame(4100, later),
            outside_frame(5000, later),
        ]
    )
    home.run()
    anan, malee = (str(uuid5(SPACE, name)) for name in ("anan", "malee"))
    assert told(home) == {
        100: (anan, "src_block", "sure"),
        4100: (malee, "src_block", "sure"),
        5000: (None, None, None),
    }
    kinds = [row["source"] for row in home.sealed("leases").to_pylist() if row["kind"] == "block"]
    assert sorted(kinds) == ["192.0.2.1", "192.0.2.50"]
    assert home.findings() == []


def test_a_block_told_of_late_reaches_open_rows_and_is_listed_for_sealed_ones(
    tmp_path: Path,
) -> None:
    home, later = Home(tmp_path), BEGIN + timedelta(minutes=1)
    home.write([session_frame(BEGIN, "anan", "10.0.0.1"), outside_frame(100, later)])
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20))
    pipeline.seal_now()
    block = block_frame(1)._replace(received_ns=ns(later + timedelta(minutes=5)))
    home.write([outside_frame(101, later), outside_frame(200, later), block])
    while frames := reader.read(1 << 20):
        pipeline.feed(frames)
    pipeline.stop()
    anan = str(uuid5(SPACE, "anan"))
    assert told(home) == {
        100: (None, None, None),
        101: (anan, "src_block", "sure"),
        200: (None, None, None),
    }
    late = learnt_late(home)
    assert [(one.address, one.person) for one in late] == [("198.51.100.7:64-127=10.0.0.1", anan)]
    (home.folder / "catalog.sqlite").unlink()
    pipeline, _ = home.start()
    pipeline.close()
    assert [one.address for one in learnt_late(home)] == [one.address for one in late]
    shown = display.with_late(home.sealed("flows"), late).to_pylist()
    named = {row["src_port"]: row["person"] for row in shown if row["src_ip"] == "198.51.100.7"}
    assert named == {100: anan, 101: anan, 200: None}
