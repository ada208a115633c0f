"""IPFIX: all types, variable length, enterprise and reverse elements, withdrawals."""

from __future__ import annotations

import math
import struct

import pytest

from collector.decode import listing
from collector.decode.decoder import FlowDecoder
from tests.collector.decode import rows, wire


def listed(*payloads: bytes) -> list[listing.Record]:
    return listing.records(FlowDecoder(wire.SITE).heaps(wire.frames(*payloads)))


def only(fields: list[wire.Spec], body: bytes) -> dict[str, object]:
    payload = wire.ipfix(wire.ipfix_template(300, fields), wire.a_set(300, body))
    (record,) = listed(payload)
    return record.elements


def test_every_type_is_read() -> None:
    fields: list[wire.Spec] = [
        (4, 1),
        (7, 2),
        (10, 4),
        (1, 8),
        (434, 4),
        (434, 1),
        (320, 8),
        (321, 4),
        (276, 1),
        (276, 1),
        (56, 6),
        (8, 4),
        (27, 16),
        (28, 16),
        (82, 8),
        (313, 12),
        (150, 4),
        (152, 8),
    ]
    body = struct.pack(">BHIQibdfBB", 6, 443, 9, 2**64 - 1, -5, -2, 0.5, 0.25, 1, 2)
    body += bytes.fromhex("0050569a0b0c") + wire.ip4("10.0.0.1")
    body += bytes.fromhex("20010db8000000000000000000000001")
    body += bytes.fromhex("00000000000000000000ffff0a000001")
    body += b"eth0\0\0\0\0" + b"\x45" * 12 + struct.pack(">IQ", wire.SENT_S, wire.SENT_S * 1000)
    assert only(fields, body) == {
        "protocolIdentifier": 6,
        "sourceTransportPort": 443,
        "ingressInterface": 9,
        "octetDeltaCount": 2**64 - 1,
        "mibObjectValueInteger": -5,
        "mibObjectValueInteger#2": -2,
        "absoluteError": 0.5,
        "relativeError": 0.25,
        "dataRecordsReliability": True,
        "dataRecordsReliability#2": False,
        "sourceMacAddress": "00:50:56:9a:0b:0c",
        "sourceIPv4Address": "10.0.0.1",
        "sourceIPv6Address": "2001:db8::1",
        "destinationIPv6Address": "::ffff:10.0.0.1",
        "interfaceName": "eth0",
        "ipHeaderPacketSection": "45" * 12,
        "flowStartSeconds": wire.SENT_S,
        "flowStartMilliseconds": wire.SENT_S * 1000,
    }


def test_a_float_that_is_no_number_is_null() -> None:
    assert only([(320, 8)], struct.pack(">d", math.nan)) == {"absoluteError": None}


def test_variable_values_of_both_length_forms() -> None:
    long = b"x" * 300
    fields: list[wire.Spec] = [(371, 65535), (7, 2), (460, 65535), (293, 65535), (11, 2)]
    body = wire.variable(b"somchai") + b"\0\x50" + wire.variable(long)
    body += wire.variable(b"\x03\xc0", long=True) + b"\x01\xbb"
    assert only(fields, body + b"\0\0") == {
        "userName": "somchai",
        "sourceTransportPort": 80,
        "httpRequestHost": "x" * 300,
        "subTemplateMultiList": "03c0",
        "destinationTransportPort": 443,
    }


def test_enterprise_and_reverse_elements_have_their_names() -> None:
    fields: list[wire.Spec] = [(1, 8, 29305), (40, 2, 6871), (16424, 2, 6871), (7, 4, 4242), (7, 2)]
    body = struct.pack(">QHHIH", 5, 1, 2, 3, 80)
    assert only(fields, body) == {
        "reverseOctetDeltaCount": 5,
        "flowAttributes": 1,
        "reverseFlowAttributes": 2,
        "4242/7": 3,
        "sourceTransportPort": 80,
    }


def test_the_header_length_ends_the_message() -> None:
    good = wire.ipfix(wire.ipfix_template(300, [(7, 2)]), wire.a_set(300, b"\0\x50"))
    assert len(rows.decode(good + wire.a_set(300, b"\0\x51"))) == 1


def test_a_message_that_breaks_off_gives_its_whole_sets() -> None:
    decoder = FlowDecoder(wire.SITE)
    sets = (
        wire.ipfix_template(300, [(7, 2)]),
        wire.a_set(300, b"\0\x50"),
        wire.a_set(300, b"\0\x51"),
    )
    decoded = decoder.decode(wire.frames(wire.ipfix(*sets)[:-1]))
    assert [row["src_port"] for row in rows.of(decoded)] == [80]
    assert rows.kinds(decoded) == [("malformed", 1)]


@pytest.mark.parametrize("sets", [1, 40])
def test_a_record_that_breaks_off_within_its_set_is_told(sets: int) -> None:
    decoder = FlowDecoder(wire.SITE)
    template = wire.ipfix_template(300, [(371, 65535), (7, 2)])
    good, broken = wire.variable(b"somchai") + b"\0\x50", b"\x40somsri"
    payloads = [wire.ipfix(template)]
    payloads += [wire.ipfix(wire.a_set(300, good * n + broken)) for n in range(sets)]
    payloads += [wire.ipfix(wire.a_set(300, good * n + bytes(2))) for n in range(sets)]
    decoded = decoder.decode(wire.frames(*payloads))
    assert len(rows.of(decoded)) == sets * (sets - 1)
    assert decoder.counters.broken_sets == sets
    told = [event for _, event in decoded.coverage if event.kind == "malformed"]
    assert "template 300" in told[0].note


@pytest.mark.parametrize("element", [291, 292, 293])
def test_lists_are_read_by_length_and_keep_their_bytes(element: int) -> None:
    for long in (False, True):
        body = wire.variable(b"\xff\0\x08\0\4\1\2\3\4", long=long) + b"\x01\xbb"
        found = only([(element, 65535), (11, 2)], body)
        assert list(found.values()) == ["ff0008000401020304", 443]


def test_a_template_of_a_reserved_number_is_told() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoded = decoder.decode(wire.frames(wire.ipfix(wire.ipfix_template(17, [(7, 2)]))))
    assert rows.kinds(decoded) == [("malformed", 1)]
    assert decoder.counters.broken_templates == 1


def test_a_withdrawal_over_datagrams_is_counted_and_ignored() -> None:
    decoder = FlowDecoder(wire.SITE)
    one = wire.a_set(2, struct.pack(">HH", 300, 0))
    every = wire.a_set(2, struct.pack(">HH", 2, 0))
    data = wire.a_set(300, b"\0\x50")
    payload = wire.ipfix(wire.ipfix_template(300, [(7, 2)]), one, every, data)
    assert len(rows.of(decoder.decode(wire.frames(payload)))) == 1
    assert decoder.counters.withdrawals == 2


def test_long_values_in_many_sets_are_walked_together() -> None:
    template = wire.ipfix_template(300, [(371, 65535), (7, 2), (460, 65535)])
    values = [(b"u" * (n * 40), b"h" * (n * 7 % 300)) for n in range(40)]
    sets = [
        wire.a_set(300, wire.variable(user) + n.to_bytes(2) + wire.variable(host))
        for n, (user, host) in enumerate(values)
    ]
    found = listed(wire.ipfix(template), *(wire.ipfix(each) for each in sets))
    assert [list(record.elements.values()) for record in found] == [
        [user.decode(), n, host.decode()] for n, (user, host) in enumerate(values)
    ]
