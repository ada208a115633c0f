"""NetFlow v9: walking sets, shapes of templates, options with scopes."""

from __future__ import annotations

import struct

import pytest

from collector.decode import listing
from collector.decode.decoder import FlowDecoder
from tests.collector.decode import rows, wire

PORTS = [(7, 2), (11, 2)]


def listed(*payloads: bytes) -> list[listing.Record]:
    return listing.records(FlowDecoder(wire.SITE).heaps(wire.frames(*payloads)))


def test_sets_are_walked_by_length_whatever_the_count_says() -> None:
    body = wire.a_set(256, struct.pack(">HH", 1, 2) + b"\0\0\0")
    for count in (0, 1, 999):
        found = rows.decode(wire.v9(wire.v9_template(256, PORTS), body, body, count=count))
        assert [(row["src_port"], row["dst_port"]) for row in found] == [(1, 2), (1, 2)]


def test_zeros_behind_the_last_set_are_no_fault() -> None:
    decoder = FlowDecoder(wire.SITE)
    payload = wire.v9(wire.v9_template(256, PORTS), wire.a_set(256, b"\0\1\0\2"))
    decoded = decoder.decode(wire.frames(payload + b"\0" * 1220))
    assert len(rows.of(decoded)) == 1
    assert decoded.coverage == []


@pytest.mark.parametrize("length", [1, 3, 9, 65535])
def test_a_set_of_wrong_length_costs_only_what_follows(length: int) -> None:
    decoder = FlowDecoder(wire.SITE)
    good = wire.v9_template(256, PORTS) + wire.a_set(256, b"\0\1\0\2")
    decoded = decoder.decode(wire.frames(wire.v9(good, struct.pack(">HHI", 256, length, 0))))
    assert len(rows.of(decoded)) == 1
    assert rows.kinds(decoded) == [("malformed", 1)]
    assert decoder.counters.broken_sets == 1


def test_options_have_scopes_by_name() -> None:
    template = wire.v9_options(260, [(1, 4), (2, 2)], [(34, 4), (82, 8)])
    body = struct.pack(">IHI8s", 7, 3, 100, b"ge-0/0")
    (record,) = listed(wire.v9(template, wire.a_set(260, body)))
    assert record.is_option
    assert record.scope == {"scopeSystem": 7, "scopeInterface": 3}
    assert record.elements == {"samplingInterval": 100, "interfaceName": "ge-0/0"}


def test_types_above_32767_are_plain_types_of_the_vendor() -> None:
    template = wire.v9_template(256, [(40005, 1), (50000, 2), (7, 2)])
    (record,) = listed(wire.v9(template, wire.a_set(256, b"\x02\x00\x09\x00\x50")))
    assert record.elements == {"fwEvent": 2, "50000": 9, "sourceTransportPort": 80}


def test_odd_sizes_duplicates_and_empty_fields_keep_their_places() -> None:
    fields = [(7, 3), (7, 2), (7, 2), (1, 5), (2, 6), (4, 0), (11, 7), (0, 1), (95, 9)]
    body = bytes.fromhex("000050 0051 0052 0000000100 000000000003 000000000001bb ff") + b"\x14" * 9
    (record,) = listed(wire.v9(wire.v9_template(256, fields), wire.a_set(256, body)))
    assert record.elements == {
        "sourceTransportPort": 80,
        "sourceTransportPort#2": 81,
        "sourceTransportPort#3": 82,
        "octetDeltaCount": 256,
        "packetDeltaCount": 3,
        "protocolIdentifier": None,
        "destinationTransportPort": 443,
        "0": 255,
        "applicationId": "14" * 9,
    }


def test_a_template_in_the_middle_of_data_changes_what_follows() -> None:
    data = wire.a_set(256, b"\0\1\0\2")
    swapped = wire.v9_template(256, [(11, 2), (7, 2)])
    found = rows.decode(wire.v9(wire.v9_template(256, PORTS), data, swapped, data))
    assert [(row["src_port"], row["dst_port"]) for row in found] == [(1, 2), (2, 1)]


def test_two_templates_and_padding_share_a_set() -> None:
    one = struct.pack(">HHHH", 256, 1, 7, 2)
    two = struct.pack(">HHHH", 257, 1, 11, 2)
    payload = wire.v9(wire.a_set(0, one + two + b"\0\0"), wire.a_set(257, b"\0\x35\0\0"))
    assert [row["dst_port"] for row in rows.decode(payload)] == [53, 0]


def test_a_template_longer_than_its_set_is_counted() -> None:
    decoder = FlowDecoder(wire.SITE)
    lying = wire.a_set(0, struct.pack(">HHHH", 256, 65535, 7, 2))
    decoded = decoder.decode(wire.frames(wire.v9(lying, wire.a_set(256, b"\0\1"))))
    assert rows.of(decoded) == []
    assert ("malformed", 1) in rows.kinds(decoded)
    assert decoder.counters.broken_templates == 1


def test_a_template_of_no_length_is_refused() -> None:
    decoder = FlowDecoder(wire.SITE)
    empty = wire.v9(wire.v9_template(256, [(7, 0), (0, 0)]), wire.a_set(256, b"\0" * 100))
    assert rows.of(decoder.decode(wire.frames(empty))) == []
    assert decoder.counters.broken_templates == 1
    assert len(decoder.waiting) == 1
