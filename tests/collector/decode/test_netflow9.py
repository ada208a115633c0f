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


def test_an_unknown_set_costs_no_other_one() -> None:
    decoder = FlowDecoder(wire.SITE)
    data, unknown = wire.a_set(256, b"\0\1\0\2"), wire.a_set(999, b"\0\7\0\7")
    payload = wire.v9(unknown, wire.v9_template(256, PORTS), data, unknown, data)
    assert len(rows.of(decoder.decode(wire.frames(payload)))) == 2
    assert len(decoder.waiting) == 2


@pytest.mark.parametrize("rest", [b"\7\7\7", b"\0" * 9])
def test_padding_is_no_fault(rest: bytes) -> None:
    template = wire.v9_template(256, [(7, 2), (1, 8)])
    decoder = FlowDecoder(wire.SITE)
    payload = wire.v9(template, wire.a_set(256, bytes(10) + rest))
    decoded = decoder.decode(wire.frames(payload))
    assert (len(rows.of(decoded)), decoded.coverage) == (1, [])


@pytest.mark.parametrize("records", [0, 1, 3])
def test_a_set_that_does_not_fit_its_template_is_told(records: int) -> None:
    """As of an exporter that changed its template and did not say so."""
    template, body = wire.v9_template(256, [(7, 2), (1, 8)]), b"\0\x50" + bytes(8)
    data = wire.a_set(256, body * records + b"\1" * 9)
    for early in (False, True):
        decoder = FlowDecoder(wire.SITE)
        decoded = decoder.decode(wire.frames(wire.v9(*((data, template)[:: 1 if early else -1]))))
        assert len(rows.of(decoded)) == records
        assert rows.kinds(decoded) == [("malformed", 1)]
        assert "template 256" in decoded.coverage[0][1].note
        assert decoder.counters.broken_sets == 1


def test_each_of_many_sets_that_do_not_fit_is_told() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(wire.frames(wire.v9(wire.v9_template(256, [(7, 2), (1, 8)]))))
    data = wire.a_set(256, bytes(10) + b"\1" * 9)
    late = [wire.frame(wire.v9(data, sequence=n), n) for n in range(1, 40)]
    assert len(rows.of(decoder.decode(late))) == 39
    assert decoder.counters.broken_sets == 39


def test_values_of_variable_length_may_come_in_version_9() -> None:
    body = wire.variable(b"somchai") + b"\0\x50" + wire.variable(b"x" * 300) + b"\0\x51"
    template = wire.v9_template(256, [(371, 65535), (7, 2)])
    found = listed(wire.v9(template, wire.a_set(256, body)))
    assert [each.elements["sourceTransportPort"] for each in found] == [80, 81]
    assert [each.elements["userName"] for each in found] == ["somchai", "x" * 300]


def test_a_scope_may_have_no_length() -> None:
    template = wire.v9_options(260, [(1, 0)], [(34, 4)])
    (record,) = listed(wire.v9(template, wire.a_set(260, struct.pack(">I", 100))))
    assert (record.scope, record.elements) == ({"scopeSystem": None}, {"samplingInterval": 100})


def test_forty_templates_may_come_over_two_datagrams() -> None:
    first, second = (
        wire.v9(*(wire.v9_template(256 + n, [(7, 2), (n + 30, 4)]) for n in range(*part)))
        for part in ((0, 20), (20, 40))
    )
    data = [wire.a_set(256 + n, struct.pack(">HI", n, n)) for n in range(40)]
    found = listed(first, second, wire.v9(*data))
    assert [record.template for record in found] == [*range(256, 296)]
    assert [record.elements["sourceTransportPort"] for record in found] == [*range(40)]


def test_a_template_of_a_reserved_number_is_told() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoded = decoder.decode(wire.frames(wire.v9(wire.v9_template(17, PORTS))))
    assert rows.kinds(decoded) == [("malformed", 1)]
    assert decoder.counters.broken_templates == 1


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
