"""What NATs and firewalls tell: creations, denials, translations, blocks of ports, both ways."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest

from collector.decode.decoder import FlowDecoder
from collector.store import schema
from tests.collector.decode import rows, wire
from tests.collector.decode.wire import Spec

INSIDE, OUTSIDE = wire.ip4("10.0.0.5"), wire.ip4("198.51.100.7")
START_MS = wire.SENT_S * 1000 - 5000
NOKIA = 637


def leases(fields: Sequence[Spec], *records: bytes) -> list[dict[str, Any]]:
    """Return the rows of `leases` that records of one template give."""
    payload = wire.ipfix(wire.ipfix_template(300, fields), wire.a_set(300, b"".join(records)))
    decoded = FlowDecoder(wire.SITE).decode(wire.frames(payload))
    found: list[dict[str, Any]] = []
    for lent in decoded.leases:
        table = schema.LEASES.table(lent)
        table.validate(full=True)
        found += [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
    return found


BLOCK = [(323, 8), (8, 4), (225, 4), (230, 1), (361, 2), (362, 2)]


def block(event: int, first: int = 1024, last: int = 2047) -> bytes:
    head = struct.pack(">Q", START_MS) + INSIDE + OUTSIDE
    return head + struct.pack(">BHH", event, first, last)


def test_blocks_of_ports_are_leases() -> None:
    lent, back = leases(BLOCK, block(16), block(17))
    assert (lent["kind"], lent["event"], back["event"]) == ("block", "add", "release")
    assert (lent["ip"], lent["nat_ip"]) == ("10.0.0.5", "198.51.100.7")
    assert (lent["port_first"], lent["port_last"]) == (1024, 2047)
    assert lent["time"] == lent["start"]
    assert lent["time"].timestamp() * 1000 == START_MS
    assert "start" not in back


@pytest.mark.parametrize(("first", "last", "event"), [(0, 0, 16), (9, 8, 16), (1, 2, 3), (1, 2, 0)])
def test_what_is_no_block_or_no_event_is_no_lease(first: int, last: int, event: int) -> None:
    assert leases(BLOCK, block(event, first, last)) == []


def test_a_block_may_be_told_by_its_size() -> None:
    fields = [(8, 4), (225, 4), (230, 1), (361, 2), (363, 2), (364, 2)]
    record = INSIDE + OUTSIDE + struct.pack(">BHHH", 16, 1000, 2, 64)
    (lent,) = leases(fields, record)
    assert (lent["port_first"], lent["port_last"]) == (1000, 1126)
    overlong = INSIDE + OUTSIDE + struct.pack(">BHHH", 16, 60000, 1, 60000)
    assert leases(fields, overlong) == []


@pytest.mark.parametrize(("moment", "event", "code"), [(152, "add", 16), (153, "release", 17)])
def test_a_nat_without_events_lends_by_a_start_and_takes_back_by_an_end(
    moment: int, event: str, code: int
) -> None:
    fields: list[Spec] = [
        (moment, 8), (8, 4), (225, 4), (361, 2), (362, 2), (91, 2, NOKIA), (92, 2, NOKIA),
        (93, 65535, NOKIA),
    ]  # fmt: skip
    record = struct.pack(">Q", START_MS) + INSIDE + OUTSIDE
    record += struct.pack(">HHHH", 1024, 2047, 10, 20) + wire.variable(b"sub-4711")
    (lent,) = leases(fields, record)
    assert (lent["event"], lent["note"]) == (event, "sub-4711")
    assert lent["time"].timestamp() * 1000 == START_MS
    payload = wire.ipfix(wire.ipfix_template(300, fields), wire.a_set(300, record))
    (row,) = rows.decode(payload)
    assert row["nat_event"] == code


def test_a_translation_without_event_is_one_by_its_only_time() -> None:
    fields: list[Spec] = [(153, 8), (8, 4), (225, 4), (7, 2), (227, 2), (91, 2, NOKIA)]
    record = struct.pack(">Q", START_MS) + INSIDE + OUTSIDE + struct.pack(">HHH", 4000, 5000, 1)
    payload = wire.ipfix(wire.ipfix_template(300, fields), wire.a_set(300, record))
    (row,) = rows.decode(payload)
    assert (row["nat_event"], row["nat_src_port"], row["src_port"]) == (5, 5000, 4000)


ASA = [
    (148, 4), (8, 4), (7, 2), (12, 4), (11, 2), (4, 1), (225, 4), (226, 4), (227, 2), (228, 2),
    (233, 1), (33002, 2), (323, 8), (231, 4), (232, 4), (298, 4), (299, 4), (33000, 12),
    (40000, 20),
]  # fmt: skip


def asa(event: int, counts: tuple[int, int, int, int] = (0, 0, 0, 0)) -> bytes:
    """Return a record of a Cisco ASA."""
    head = struct.pack(">I", 77) + INSIDE + struct.pack(">H", 40000)
    head += wire.ip4("203.0.113.9") + struct.pack(">HB", 443, 6)
    head += OUTSIDE + wire.ip4("203.0.113.9") + struct.pack(">HHBH", 40211, 443, event, 0)
    tail = struct.pack(">QIIII", START_MS, *counts) + bytes(range(12))
    return head + tail + b"somchai".ljust(20, b"\0")


def test_firewall_events_are_told_and_denied_flows_can_be_found() -> None:
    payload = wire.v9(
        wire.v9_template(263, ASA),
        wire.a_set(263, asa(1) + asa(2, (900, 1200, 4, 5)) + asa(3)),
    )
    created, ended, denied = rows.decode(payload)
    assert [row["firewall_event"] for row in (created, ended, denied)] == [1, 2, 3]
    assert (ended["bytes"], ended["bytes_reverse"]) == (900, 1200)
    assert (ended["packets"], ended["packets_reverse"]) == (4, 5)
    assert (created["nat_src_ip"], created["nat_src_port"]) == ("198.51.100.7", 40211)
    assert created["time"].timestamp() * 1000 == START_MS
    assert '"aaaUserName":"somchai"' in created["extra"]
    assert '"flowId":77' in created["extra"]


def test_the_first_asas_numbered_for_themselves() -> None:
    fields = [(8, 4), (12, 4), (40001, 4), (40002, 4), (40003, 2), (40004, 2), (40005, 1)]
    record = INSIDE + wire.ip4("203.0.113.9") + OUTSIDE + wire.ip4("203.0.113.9")
    record += struct.pack(">HHB", 40211, 443, 3)
    (row,) = rows.decode(wire.v9(wire.v9_template(263, fields), wire.a_set(263, record)))
    assert (row["nat_src_ip"], row["nat_src_port"], row["firewall_event"]) == (
        "198.51.100.7",
        40211,
        3,
    )
    assert "nat_dst_ip" not in row


def test_both_directions_of_a_flow_are_one_row() -> None:
    """RFC 5103: the reverse elements have the enterprise number 29305."""
    reverse = 29305
    fields: list[Spec] = [
        (8, 4), (12, 4), (1, 4), (2, 4), (1, 4, reverse), (2, 4, reverse), (6, 1, reverse),
        (239, 1),
    ]  # fmt: skip
    ends = INSIDE + wire.ip4("203.0.113.9")
    records = [
        ends + struct.pack(">IIIIBB", 900, 4, 1200, 5, 0x12, 1),
        ends + struct.pack(">IIIIBB", 60, 1, 0, 0, 0, 1),
    ]
    payload = wire.ipfix(wire.ipfix_template(300, fields), wire.a_set(300, b"".join(records)))
    both, alone = rows.decode(payload)
    assert (both["bytes"], both["packets"]) == (900, 4)
    assert (both["bytes_reverse"], both["packets_reverse"]) == (1200, 5)
    assert '"reverseTcpControlBits":18' in both["extra"]
    assert (alone["bytes_reverse"], alone["packets_reverse"]) == (0, 0)
