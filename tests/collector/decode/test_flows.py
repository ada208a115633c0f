"""Decoded fields to columns of the log: NAT, both directions, sampling, what has no column."""

from __future__ import annotations

import json
import struct
from ipaddress import IPv4Address
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode.addresses import key_of_source
from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from tests.collector.decode import rows, wire


def ipfix_rows(fields: list[wire.Spec], *bodies: bytes) -> list[dict[str, Any]]:
    payload = wire.ipfix(wire.ipfix_template(300, fields), wire.a_set(300, b"".join(bodies)))
    return rows.decode(payload)


def ends(src: str, src_port: int, dst: str, dst_port: int) -> bytes:
    return wire.ip4(src) + wire.ip4(dst) + struct.pack(">HH", src_port, dst_port)


NAT: list[wire.Spec] = [
    *((8, 4), (12, 4), (7, 2), (11, 2)),
    *((225, 4), (226, 4), (227, 2), (228, 2)),
]
PUBLIC = int.from_bytes(wire.ip4("198.51.100.7"))


def test_a_translated_source_gives_the_key() -> None:
    body = ends("10.0.0.5", 50000, "203.0.113.9", 443) + ends(
        "198.51.100.7", 40211, "203.0.113.9", 443
    )
    (row,) = ipfix_rows(NAT, body)
    assert row["nat_key"] == PUBLIC << 16 | 40211
    assert (row["nat_src_ip"], row["nat_src_port"]) == ("198.51.100.7", 40211)
    assert {"nat_dst_ip", "nat_dst_port"}.isdisjoint(row), "the far end was not translated"


def test_a_translated_destination_gives_the_key_when_the_source_is_as_it_was() -> None:
    body = ends("203.0.113.9", 443, "198.51.100.7", 40211) + ends(
        "203.0.113.9", 443, "10.0.0.5", 50000
    )
    (row,) = ipfix_rows(NAT, body)
    assert row["nat_key"] == PUBLIC << 16 | 40211, "the public side of the inside end"
    assert (row["nat_dst_ip"], row["nat_dst_port"]) == ("10.0.0.5", 50000)


_ENDS = st.tuples(
    st.sampled_from(("10.0.0.5", "100.64.0.9", "198.51.100.7", "203.0.113.9", "0.0.0.0")),
    st.sampled_from((0, 443, 40211)),
)


@given(src=_ENDS, dst=_ENDS, nat_src=_ENDS, nat_dst=_ENDS)
def test_whoever_became_a_public_end_has_its_key(
    src: tuple[str, int], dst: tuple[str, int], nat_src: tuple[str, int], nat_dst: tuple[str, int]
) -> None:
    (row,) = ipfix_rows(NAT, ends(*src, *dst) + ends(*nat_src, *nat_dst))
    if "nat_src_ip" in row:
        address = int(IPv4Address(row["nat_src_ip"]))
        key = key_of_source(address, row.get("nat_src_port", 0))
        assert key is None or row["nat_key"] == key


def test_a_private_end_has_no_key_of_its_own() -> None:
    assert key_of_source(int(IPv4Address("10.0.0.5")), 443) is None
    assert key_of_source(PUBLIC, 443) == PUBLIC << 16 | 443


def test_nothing_translated_gives_no_key() -> None:
    same = ends("10.0.0.5", 50000, "203.0.113.9", 443)
    zeros = ends("0.0.0.0", 0, "0.0.0.0", 0)
    first, second = ipfix_rows(NAT, same + same, same + zeros)
    assert "nat_key" not in first
    assert {"nat_key", "nat_src_ip", "nat_src_port"}.isdisjoint(second)


def test_a_port_alone_may_be_translated() -> None:
    before = ends("198.51.100.7", 50000, "203.0.113.9", 443)
    (row,) = ipfix_rows(NAT, before + ends("198.51.100.7", 40211, "203.0.113.9", 443))
    assert row["nat_key"] == PUBLIC << 16 | 40211


def test_translated_addresses_may_come_without_ports() -> None:
    fields: list[wire.Spec] = [*NAT[:4], (225, 4), (281, 16)]
    body = ends("10.0.0.5", 50000, "203.0.113.9", 443) + wire.ip4("198.51.100.7") + b"\0" * 16
    (row,) = ipfix_rows(fields, body)
    assert row["nat_key"] == PUBLIC << 16


SIX, NO_SIX = bytes.fromhex("20010db8" + "0" * 23 + "1"), b"\0" * 16
MIXED: list[wire.Spec] = [
    *((8, 4), (12, 4), (27, 16), (28, 16), (60, 1), (7, 2), (11, 2)),
    *((225, 4), (226, 4), (281, 16), (282, 16), (227, 2), (228, 2)),
]


def mixed(*parts: str, version: int, ports: tuple[int, int, int, int]) -> dict[str, Any]:
    """Return the row of a record with room for both families, `""` for zeros."""
    sizes = (4, 4, 16, 16, 4, 4, 16, 16)
    ends = [
        bytes(size) if not part else SIX if size == 16 else wire.ip4(part)
        for part, size in zip(parts, sizes, strict=True)
    ]
    before = b"".join(ends[:4]) + struct.pack(">BHH", version, *ports[:2])
    (row,) = ipfix_rows(MIXED, before + b"".join(ends[4:]) + struct.pack(">HH", *ports[2:]))
    return row


def test_a_nat_between_the_families_keeps_what_it_made_of_the_address() -> None:
    row = mixed(
        *("", "", "six", "six", "198.51.100.7", "203.0.113.9", "", ""),
        version=6,
        ports=(50000, 443, 40211, 443),
    )
    assert (row["src_ip"], row["dst_ip"]) == ("2001:db8::1", "2001:db8::1")
    assert (row["nat_src_ip"], row["nat_src_port"]) == ("198.51.100.7", 40211)
    assert row["nat_dst_ip"] == "203.0.113.9"
    assert row["nat_key"] == PUBLIC << 16 | 40211


def test_the_answer_through_such_a_nat_has_the_key_of_its_public_side() -> None:
    row = mixed(
        *("203.0.113.9", "198.51.100.7", "", "", "", "", "six", "six"),
        version=4,
        ports=(443, 40211, 443, 50000),
    )
    assert (row["dst_ip"], row["nat_dst_ip"]) == ("198.51.100.7", "2001:db8::1")
    assert row["nat_key"] == PUBLIC << 16 | 40211, "the public side of the inside end"


def test_a_private_address_that_becomes_ipv6_gives_no_key() -> None:
    row = mixed(
        *("10.0.0.5", "203.0.113.9", "", "", "", "203.0.113.9", "six", ""),
        version=4,
        ports=(50000, 443, 50000, 443),
    )
    assert (row["src_ip"], row["nat_src_ip"]) == ("10.0.0.5", "2001:db8::1")
    assert {"nat_key", "nat_dst_ip"}.isdisjoint(row)


def test_both_families_in_one_template_are_told_apart_by_row() -> None:
    fields: list[wire.Spec] = [(8, 4), (27, 16), (12, 4), (28, 16)]
    six = bytes.fromhex("20010db8" + "0" * 23 + "1")
    four = wire.ip4("10.0.0.5") + b"\0" * 16 + wire.ip4("10.0.0.6") + b"\0" * 16
    first, second = ipfix_rows(fields, four, b"\0" * 4 + six + b"\0" * 4 + six)
    assert (first["src_ip"], first["dst_ip"]) == ("10.0.0.5", "10.0.0.6")
    assert (second["src_ip"], second["dst_ip"]) == ("2001:db8::1", "2001:db8::1")


def test_reverse_counters_stand_beside_the_forward_ones() -> None:
    fields: list[wire.Spec] = [(1, 4), (2, 4), (1, 4, 29305), (2, 4, 29305), (6, 1, 29305)]
    (row,) = ipfix_rows(fields, struct.pack(">IIIIB", 100, 2, 0, 0, 18))
    assert (row["bytes"], row["packets"]) == (100, 2)
    assert (row["bytes_reverse"], row["packets_reverse"]) == (0, 0)
    assert json.loads(row["extra"]) == {"reverseTcpControlBits": 18}


def test_initiator_and_responder_are_the_two_directions() -> None:
    fields: list[wire.Spec] = [(231, 4), (232, 2), (298, 4), (299, 4)]
    (row,) = ipfix_rows(fields, struct.pack(">IHII", 700, 60, 5, 1))
    assert (row["bytes"], row["bytes_reverse"]) == (700, 60)
    assert (row["packets"], row["packets_reverse"]) == (5, 1)


def test_a_responders_counter_without_the_initiators_is_a_vendors_own() -> None:
    (row,) = ipfix_rows([(1, 4), (232, 2), (299, 2)], struct.pack(">IHH", 700, 60, 5))
    assert {"bytes_reverse", "packets_reverse"}.isdisjoint(row)
    assert json.loads(row["extra"]) == {"responderOctets": 60, "responderPackets": 5}


def test_counters_after_the_router_are_no_reverse_direction() -> None:
    (row,) = ipfix_rows([(1, 4), (2, 4), (23, 4), (24, 4)], struct.pack(">4I", 700, 5, 690, 5))
    assert {"bytes_reverse", "packets_reverse"}.isdisjoint(row)
    assert json.loads(row["extra"]) == {"postOctetDeltaCount": 690, "postPacketDeltaCount": 5}


@pytest.mark.parametrize(
    ("octets", "packets", "doubt"),
    [
        (1 << 40, 1, "rate"),
        (70_000, 1, "size"),
        (10, 1, "size"),
        (100, 0, "size"),
        ((1 << 63) - 1, 1 << 60, "rate"),
        (65_535, 1, None),
        (20, 1, None),
        (0, 0, None),
    ],
)
def test_counters_that_cannot_be_are_kept_and_marked(
    octets: int, packets: int, doubt: str | None
) -> None:
    plain = struct.pack(">QQ", 400, 4)
    rows_of = ipfix_rows([(1, 8), (2, 8)], plain, struct.pack(">QQ", octets, packets))
    assert [(row["bytes"], row["packets"]) for row in rows_of] == [(400, 4), (octets, packets)]
    assert "extra" not in rows_of[0]
    assert (json.loads(rows_of[1]["extra"])["doubt"] if "extra" in rows_of[1] else None) == doubt


def test_a_connection_may_count_payloads_without_their_packets_headers() -> None:
    fields: list[wire.Spec] = [(231, 4), (232, 4), (298, 4), (299, 4)]
    (row,) = ipfix_rows(fields, struct.pack(">4I", 0, 0, 3, 2))
    assert "extra" not in row


def test_texts_that_are_no_utf_8_keep_their_bytes() -> None:
    fields: list[wire.Spec] = [(371, 65535), (96, 8)]
    good = wire.variable("สมชาย".encode()) + b"https\0\0\0"
    bad = wire.variable(b"som\xff\0") + b"\xe0\xb8ttp\0\0\0"
    first, second = ipfix_rows(fields, good, bad)
    assert json.loads(first["extra"]) == {"userName": "สมชาย"}
    assert (first["app"], second["app"]) == ("https", "\ufffdttp")
    assert json.loads(second["extra"]) == {
        "userName": "som\ufffd",
        "userName#raw": "736f6dff00",
        "applicationName#raw": "e0b8747470000000",
    }


def test_what_is_too_large_for_its_column_is_kept_beside_it() -> None:
    fields: list[wire.Spec] = [(1, 8), (4, 2), (7, 2)]
    first, second = ipfix_rows(
        fields, struct.pack(">QHH", 2**63, 6, 80), struct.pack(">QHH", 2**63 - 1, 300, 81)
    )
    assert "bytes" not in first
    assert first["protocol"] == 6
    assert json.loads(first["extra"]) == {"octetDeltaCount": 2**63}
    assert second["bytes"] == 2**63 - 1
    assert "protocol" not in second
    assert json.loads(second["extra"]) == {"protocolIdentifier": 300}


def test_elements_without_a_column_are_kept_by_name() -> None:
    fields: list[wire.Spec] = [(7, 2), (148, 8), (371, 65535), (9, 4, 4242), (210, 3), (7, 2)]
    bodies = [
        struct.pack(">HQ", 80, n) + wire.variable(b's"k\0') + struct.pack(">I3xH", 7, 81)
        for n in (5, 2**64 - 1)
    ]
    found = [json.loads(row["extra"]) for row in ipfix_rows(fields, *bodies)]
    shared = {"userName": 's"k', "4242/9": 7, "sourceTransportPort#2": 81}
    assert found == [{"flowId": 5, **shared}, {"flowId": 2**64 - 1, **shared}]


def test_no_extra_where_every_field_has_a_column() -> None:
    (row,) = ipfix_rows([(7, 2), (60, 1), (210, 1)], b"\0\x50\x04\0")
    assert "extra" not in row


def test_many_distinct_values_share_no_object() -> None:
    fields: list[wire.Spec] = [(148, 8), (185, 8), (186, 8)]
    bodies = [struct.pack(">QQQ", n, 2**63 + n * n, n % 7) for n in range(2000)]
    found = [json.loads(row["extra"]) for row in ipfix_rows(fields, *bodies)]
    names = ("flowId", "tcpAcknowledgementNumber", "tcpWindowSize")
    expected = [(n, 2**63 + n * n, n % 7) for n in range(2000)]
    assert [tuple(each[name] for name in names) for each in found] == expected


def test_mac_vlan_and_end_reason() -> None:
    fields: list[wire.Spec] = [(81, 6), (57, 6), (58, 2), (136, 1), (61, 1), (230, 1)]
    (row,) = ipfix_rows(fields, bytes.fromhex("0050569a0b0c 0050569a0b0d 0064 03 01 04"))
    assert (row["src_mac"], row["dst_mac"]) == ("00:50:56:9a:0b:0c", "00:50:56:9a:0b:0d")
    assert (row["vlan"], row["end_reason"], row["direction"], row["nat_event"]) == (100, 3, 1, 4)


def test_icmp_type_and_code_in_two_elements() -> None:
    (row,) = ipfix_rows([(4, 1), (176, 1), (177, 1)], b"\x01\x03\x0d")
    assert row["icmp_type_code"] == 0x030D


@pytest.mark.parametrize(
    ("fields", "body", "rate"),
    [
        ([(305, 4), (306, 4)], struct.pack(">II", 1, 99), 100),
        ([(305, 4), (306, 4)], struct.pack(">II", 10, 90), 10),
        ([(309, 4), (310, 4)], struct.pack(">II", 1, 500), 500),
        ([(34, 4)], struct.pack(">I", 64), 64),
        ([(50, 4)], struct.pack(">I", 32), 32),
        ([(305, 4), (34, 4)], struct.pack(">II", 0, 16), 16),
    ],
)
def test_a_rate_in_the_record(fields: list[wire.Spec], body: bytes, rate: int) -> None:
    (row,) = ipfix_rows([(1, 4), *fields], struct.pack(">I", 1000) + body)
    assert (row["sampling_rate"], row["sampling_origin"]) == (rate, "record")
    assert row["bytes"] == 1000


@pytest.mark.parametrize("rate", [1, 100, 1000, 65_535])
def test_a_rate_with_its_lowest_byte_first_is_turned_round_and_marked(rate: int) -> None:
    (row,) = ipfix_rows([(1, 4), (34, 4)], struct.pack(">I", 1000) + rate.to_bytes(4, "little"))
    assert (row["sampling_rate"], row["sampling_origin"]) == (rate, "record-swapped")
    assert row["bytes"] == 1000


def test_a_high_rate_that_may_be_one_stays() -> None:
    (row,) = ipfix_rows([(34, 4)], struct.pack(">I", 1 << 20))
    assert (row["sampling_rate"], row["sampling_origin"]) == (1 << 20, "record")


def test_a_sampler_of_another_number_says_nothing_of_a_record() -> None:
    template = wire.v9_template(256, [(48, 1), (1, 4)])
    options = wire.v9_options(257, [(1, 4)], [(48, 1), (50, 4)])
    told = wire.a_set(257, struct.pack(">IBI", 0, 7, 100))
    data = wire.a_set(256, struct.pack(">BIBI", 7, 10, 5, 20))
    one, other = rows.decode(wire.v9(template, options, told, data))
    assert (one["sampling_origin"], one["sampling_rate"]) == ("options", 100)
    assert other["sampling_origin"] == "none"


def test_a_sampler_without_a_number_serves_records_that_name_one() -> None:
    template = wire.v9_template(256, [(48, 1), (1, 4)])
    options = wire.v9_options(257, [(1, 4)], [(34, 4)])
    told, data = wire.a_set(257, struct.pack(">II", 0, 64)), wire.a_set(256, b"\1\0\0\0\x0a")
    (row,) = rows.decode(wire.v9(template, options, told, data))
    assert (row["sampling_origin"], row["sampling_rate"]) == ("options", 64)


def test_rates_from_options_hold_from_then_on_and_by_sampler() -> None:
    template = wire.v9_template(256, [(48, 1), (1, 4)])
    options = wire.v9_options(257, [(1, 4)], [(48, 1), (50, 4)])
    data = wire.a_set(256, struct.pack(">BIBI", 1, 10, 2, 20))
    told = wire.a_set(257, struct.pack(">IBIIBI", 0, 1, 100, 0, 2, 200))
    found = rows.decode(
        wire.v9(template, options, data), wire.v9(told, sequence=1), wire.v9(data, sequence=2)
    )
    origins = [(row["sampling_origin"], row.get("sampling_rate")) for row in found]
    assert origins == [("none", None), ("none", None), ("options", 100), ("options", 200)]


def test_the_only_rate_serves_records_that_name_no_sampler() -> None:
    options = wire.v9_options(257, [(1, 4)], [(34, 4), (35, 1)])
    told = wire.a_set(257, struct.pack(">IIB", 0, 512, 1))
    data = wire.v9_template(256, [(1, 4)]) + wire.a_set(256, struct.pack(">I", 10))
    (row,) = rows.decode(wire.v9(options, told, data))
    assert (row["sampling_rate"], row["sampling_origin"]) == (512, "options")


def test_applications_have_the_names_that_options_told() -> None:
    options = wire.v9_options(257, [(1, 4)], [(95, 4), (96, 8)])
    told = wire.a_set(257, struct.pack(">I4s8s", 0, b"\x0d\0\x01\xc5", b"https"))
    data = wire.v9_template(256, [(95, 4)]) + wire.a_set(256, b"\x0d\0\x01\xc5\x03\0\0\x50")
    before, _, known, unknown = rows.decode(wire.v9(options, data), wire.v9(told, data, sequence=1))
    assert before["app"] == "13:453"
    assert (known["app"], unknown["app"]) == ("https", "3:80")


def test_fortinet_applications_show_their_pen() -> None:
    (row,) = ipfix_rows([(95, 9)], bytes.fromhex("140000304400008f34"))
    assert row["app"] == "20:12356:36660"


def test_columns_of_text_hold_each_word_once() -> None:
    records = [wire.v5_record(src=f"10.0.0.{n % 5}") for n in range(200)]
    payloads = [wire.v5(records[n : n + 20], sequence=n) for n in range(0, 200, 20)]
    decoded = FlowDecoder(wire.SITE).decode(wire.frames(*payloads))
    assert decoded.flows is not None
    column = decoded.flows.columns["src_ip"]
    assert column.type == pa.dictionary(pa.int32(), pa.string())
    assert isinstance(column, pa.DictionaryArray)
    assert sorted(map(str, column.dictionary.to_pylist())) == [f"10.0.0.{n}" for n in range(5)]


def test_a_single_sampler_serves_records_that_name_none() -> None:
    options = wire.v9_options(257, [(1, 4)], [(48, 1), (50, 4)])
    told = wire.a_set(257, struct.pack(">IBI", 0, 7, 100))
    data = wire.v9_template(256, [(1, 4)]) + wire.a_set(256, struct.pack(">I", 10))
    (row,) = rows.decode(wire.v9(options, told, data))
    assert (row["sampling_rate"], row["sampling_origin"]) == (100, "options")


def test_two_samplers_do_not_serve_records_that_name_none() -> None:
    options = wire.v9_options(257, [(1, 4)], [(48, 1), (50, 4)])
    told = wire.a_set(257, struct.pack(">IBIIBI", 0, 7, 100, 0, 8, 200))
    data = wire.v9_template(256, [(1, 4)]) + wire.a_set(256, struct.pack(">I", 10))
    (row,) = rows.decode(wire.v9(options, told, data))
    assert row["sampling_origin"] == "none"


def test_combinations_beyond_64_bits_are_kept_apart() -> None:
    """2047 distinct values make a column 2048 wide, so that seven of them pass 64 bits."""
    ids = (148, 184, 185, 186, 187, 204, 205)
    fields: list[wire.Spec] = [(number, 4) for number in ids]
    values = [[n] * 7 for n in range(2047)]
    values += [[n + 1, *[n] * 6] for n in range(40)]
    bodies = [struct.pack(">7I", *each) for each in values]
    found = [list(json.loads(row["extra"]).values()) for row in ipfix_rows(fields, *bodies)]
    assert found == values


def test_a_counter_beyond_the_column_is_kept_beside_rows_that_have_nothing_there() -> None:
    fields: list[wire.Spec] = [(8, 4), (2, 8)]
    body = b"".join(wire.ip4("10.0.0.1") + n.to_bytes(8) for n in (1, (1 << 64) - 1, 2))
    told = ipfix_rows(fields, body)
    assert [row.get("packets") for row in told] == [1, None, 2]
    assert [row.get("extra") for row in told] == [
        None,
        '{"packetDeltaCount":18446744073709551615}',
        None,
    ]


def test_a_field_without_bytes_and_without_column_says_nothing() -> None:
    (row,) = ipfix_rows([(8, 4), (82, 0)], wire.ip4("10.0.0.1"))
    assert "extra" not in row


def test_the_rate_of_the_settings_is_over_all_that_the_exporter_says() -> None:
    limits = Limits(sampling=(("192.0.2.0/24", 1000), ("192.0.2.1", 500), ("2001:db8::/32", 7)))
    template = wire.v9_template(256, [(1, 4), (34, 4)])
    options = wire.v9_options(257, [(1, 4)], [(34, 4)])
    told = wire.a_set(257, struct.pack(">II", 0, 64))
    plain = wire.v9_template(258, [(1, 4)])
    data = wire.a_set(256, struct.pack(">II", 10, 32)) + wire.a_set(258, struct.pack(">I", 10))
    payload = wire.v9(options, told, template, plain, data)
    v5 = wire.v5([wire.v5_record()], sampling=100)
    decoder = FlowDecoder(wire.SITE, limits)
    frames = [wire.frame(payload), wire.frame(v5, 1, address="192.0.2.9")]
    found = rows.of(decoder.decode([*frames, wire.frame(v5, 2, address="198.51.100.1")]))
    told_by = [(row["sampling_rate"], row["sampling_origin"]) for row in found]
    assert told_by == [(500, "setting"), (500, "setting"), (1000, "setting"), (100, "header")]


def test_a_rate_that_is_set_holds_for_what_was_known_before_and_for_what_waited() -> None:
    before = FlowDecoder(wire.SITE)
    data = wire.a_set(256, struct.pack(">I", 10))
    before.decode([wire.frame(wire.v9(data)), wire.frame(wire.v5([wire.v5_record()]), 1)])
    after = FlowDecoder(wire.SITE, Limits(sampling=(("192.0.2.1", 500),)))
    after.restore(before.snapshot())
    template = wire.v9_template(256, [(1, 4)])
    v5 = wire.frame(wire.v5([wire.v5_record()], sequence=1), 2)
    found = rows.of(after.decode([v5, wire.frame(wire.v9(template, data, sequence=1), 3)]))
    origins = [row["sampling_origin"] for row in found]
    assert origins == ["setting", "none", "setting"], "what waited came before the setting"


def test_what_a_wlan_controller_counts_is_the_stations() -> None:
    fields: list[wire.Spec] = [
        *((95, 4), (61, 1), (1, 8), (2, 8), (147, 33), (365, 6), (366, 4), (367, 6)),
    ]
    station, point = bytes.fromhex("02000000000a"), bytes.fromhex("020000000a01")
    body = b"\x0d\0\x01\xc5" + struct.pack(">BQQ", 0, 9000, 9) + b"school".ljust(33, b"\0")
    template = wire.v9_template(256, fields)
    data = wire.a_set(256, body + station + wire.ip4("10.0.0.5") + point)
    (row,) = rows.decode(wire.v9(template, data))
    assert (row["src_ip"], row["src_mac"]) == ("10.0.0.5", "02:00:00:00:00:0a")
    assert json.loads(row["extra"]) == {
        "staMacAddress": "02:00:00:00:00:0a",
        "wlanSSID": "school",
        "wtpMacAddress": "02:00:00:00:0a:01",
    }


def test_a_station_beside_both_ends_is_one_of_them_and_nobody_says_which() -> None:
    fields: list[wire.Spec] = [(8, 4), (12, 4), (365, 6), (366, 4)]
    ends_of = wire.ip4("203.0.113.9") + wire.ip4("10.0.0.5")
    station = bytes.fromhex("02000000000a") + wire.ip4("10.0.0.5")
    (row,) = ipfix_rows(fields, ends_of + station)
    assert (row["src_ip"], row["dst_ip"], row.get("src_mac")) == ("203.0.113.9", "10.0.0.5", None)
    assert json.loads(row["extra"]) == {
        "staMacAddress": "02:00:00:00:00:0a",
        "staIPv4Address": "10.0.0.5",
    }
