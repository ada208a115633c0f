"""sFlow samples become rows: of plain, expanded and discarded packets."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest

from collector.decode.decoder import FlowDecoder
from tests.collector.decode import rows, wire
from tests.collector.decode.sflow import wire as sw

scapy: Any = import_module("scapy.all")
SRC, DST = "00:00:5e:00:53:01", "00:00:5e:00:53:02"
ETHER = scapy.Ether(src=SRC, dst=DST)
V4 = scapy.IP(src="10.0.0.5", dst="203.0.113.9", tos=8)
V6 = scapy.IPv6(src="2001:db8::5", dst="2001:db8:1::9", tc=184)
TCP = scapy.TCP(sport=40001, dport=443, flags="SA")
FIVE = ("10.0.0.5", 40001, "203.0.113.9", 443, 6)
SIX = ("2001:db8::5", 40001, "2001:db8:1::9", 443, 6)


def row(*records: bytes, **values: Any) -> dict[str, Any]:
    """Return the row of one flow sample."""
    (found,) = rows.decode(sw.datagram(sw.flow(*records, **values)))
    return found


def ends(found: dict[str, Any]) -> tuple[Any, ...]:
    names = ("src_ip", "src_port", "dst_ip", "dst_port", "protocol")
    return tuple(found.get(name) for name in names)


def extra(found: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(found.get("extra", "{}"))
    return told


def test_a_sampled_packet_is_a_row_with_its_rate_beside_it() -> None:
    payload = sw.datagram(sw.flow(sw.frame(bytes(ETHER / V4 / TCP), length=1418)), sub_agent=2)
    (found,) = rows.decode(payload)
    moment = datetime.fromtimestamp(wire.SENT_S, UTC)
    assert found == {
        "time": moment,
        "time_end": moment,
        "received": moment,
        "source": "192.0.2.1",
        "site": wire.SITE,
        "observation_domain": 2,
        "clock": "none",
        "src_ip": "10.0.0.5",
        "src_port": 40001,
        "dst_ip": "203.0.113.9",
        "dst_port": 443,
        "protocol": 6,
        "tos": 8,
        "tcp_flags": 0x12,
        "packets": 1,
        "bytes": 1418,
        "src_mac": SRC,
        "dst_mac": DST,
        "in_if": 3,
        "out_if": 4,
        "direction": 0,
        "sampling_rate": 512,
        "sampling_origin": "packet",
    }


@pytest.mark.parametrize(
    ("packet", "wanted", "vlan"),
    [
        (ETHER / V4 / TCP, FIVE, None),
        (ETHER / V6 / TCP, SIX, None),
        (ETHER / scapy.Dot1Q(vlan=30) / V4 / TCP, FIVE, 30),
        (ETHER / scapy.Dot1AD(vlan=20) / scapy.Dot1Q(vlan=30) / V6 / TCP, SIX, 20),
        (ETHER / scapy.PPPoE(sessionid=1) / scapy.PPP(proto=0x21) / V4 / TCP, FIVE, None),
        (ETHER / scapy.PPPoE(sessionid=1) / scapy.PPP(proto=0x57) / V6 / TCP, SIX, None),
        (ETHER / V6 / scapy.IPv6ExtHdrHopByHop() / scapy.IPv6ExtHdrDestOpt() / TCP, SIX, None),
        (ETHER / V6 / scapy.IPv6ExtHdrFragment(offset=0, m=1) / TCP, SIX, None),
        (ETHER / scapy.IP(src=FIVE[0], dst=FIVE[2], options=[scapy.IPOption_NOP()] * 4) / TCP,
         FIVE, None),
        (scapy.Dot3(src=SRC, dst=DST) / scapy.LLC(dsap=0xAA, ssap=0xAA, ctrl=3)
         / scapy.SNAP(code=0x0800) / V4 / TCP, FIVE, None),
    ],
)  # fmt: skip
def test_what_lies_before_the_ports_is_passed(packet: Any, wanted: Any, vlan: int | None) -> None:
    found = row(sw.frame(bytes(packet)))
    assert ends(found) == wanted
    assert (found["src_mac"], found["dst_mac"]) == (SRC, DST)
    assert (found.get("vlan"), found["tcp_flags"]) == (vlan, 0x12)


def test_mpls_labels_are_passed_and_the_first_is_told() -> None:
    mpls = import_module("scapy.contrib.mpls").MPLS
    for inner, wanted in ((V4, FIVE), (V6, SIX)):
        packet = scapy.Ether(src=SRC, dst=DST, type=0x8847) / mpls(label=1000, s=0)
        found = row(sw.frame(bytes(packet / mpls(label=17, s=1) / inner / TCP)))
        assert ends(found) == wanted
        assert extra(found)["mplsTopLabelStackSection"] == 1000 << 4


@pytest.mark.parametrize(("protocol", "packet", "wanted"), [(11, V4, FIVE), (12, V6, SIX)])
def test_frames_may_begin_with_ip(protocol: int, packet: Any, wanted: Any) -> None:
    assert ends(row(sw.frame(bytes(packet / TCP), protocol=protocol))) == wanted


def test_only_the_first_fragment_has_ports() -> None:
    for packet in (
        ETHER / scapy.IP(src=FIVE[0], dst=FIVE[2], frag=185) / TCP,
        ETHER / V6 / scapy.IPv6ExtHdrFragment(offset=185) / TCP,
    ):
        found = row(sw.frame(bytes(packet)))
        assert found["protocol"] == 6
        assert "src_port" not in found
        assert "tcp_flags" not in found


def test_pings_have_their_type_and_no_ports() -> None:
    found = row(sw.frame(bytes(ETHER / V4 / scapy.ICMP(type=3, code=1))))
    assert (found["protocol"], found["icmp_type_code"]) == (1, 0x0301)
    assert "dst_port" not in found
    found = row(sw.frame(bytes(ETHER / V6 / scapy.ICMPv6EchoRequest())))
    assert (found["protocol"], found["icmp_type_code"]) == (58, 0x8000)


def test_sampled_bytes_may_end_anywhere() -> None:
    whole = bytes(ETHER / scapy.Dot1Q(vlan=30) / V4 / TCP)
    full = row(sw.frame(whole, length=100))
    for size in range(len(whole)):
        found = row(sw.frame(whole[:size], length=100))
        assert found.items() <= full.items() | {("extra", found.get("extra"))}
        assert found["bytes"] == 100


def test_what_is_not_ip_keeps_its_macs_and_type() -> None:
    found = row(sw.frame(bytes(ETHER / scapy.ARP(psrc="10.0.0.5", pdst="10.0.0.1"))))
    assert ends(found) == (None,) * 5
    assert (found["src_mac"], extra(found)) == (SRC, {"ethernetType": 0x0806})
    assert extra(row(sw.frame(b"\x01\x02", protocol=15))) == {"headerProtocol": 15}


def test_expanded_samples_say_the_same() -> None:
    record = sw.frame(bytes(ETHER / V4 / TCP))
    plain, expanded = (
        rows.decode(sw.datagram(sample)) for sample in (sw.flow(record), sw.flow_expanded(record))
    )
    assert plain == expanded
    (found,) = rows.decode(
        sw.datagram(sw.flow_expanded(record, source=(0, 1_000_100), came=(0, 1_000_100)))
    )
    assert (found["in_if"], found["direction"]) == (1_000_100, 0)


@pytest.mark.parametrize(
    ("went", "column", "more"),
    [
        (sw.INTERNAL, None, {}),
        (0, None, {}),
        (1 << 30 | 258, None, {"discardReason": 258}),
        (2 << 30 | 7, None, {"egressInterfaces": 7}),
        (9, 9, {}),
    ],
)
def test_an_interface_may_be_none_or_many_or_a_reason(
    went: int, column: int | None, more: dict[str, int]
) -> None:
    record = sw.frame(bytes(ETHER / V4 / TCP))
    found = row(record, ends=(3, went))
    assert (found.get("out_if"), extra(found)) == (column, more)
    sample = sw.flow_expanded(record, went=(went >> 30, went & sw.INTERNAL))
    (found,) = rows.decode(sw.datagram(sample))
    assert (found.get("out_if"), extra(found)) == (column, more)


def test_the_data_source_tells_the_direction() -> None:
    record = sw.frame(bytes(ETHER / V4 / TCP))
    assert row(record, source=3)["direction"] == 0
    assert row(record, source=4)["direction"] == 1
    found = row(record, source=2 << 24 | 77)
    assert "direction" not in found
    assert extra(found) == {"dataSourceClass": 2, "dataSourceIndex": 77}


def test_discarded_packets_are_marked() -> None:
    acl = sw.tagged(1037, struct.pack(">I", 42) + sw.text("guests") + struct.pack(">I", 1))
    function = sw.tagged(1038, struct.pack(">I", 6) + b"foobar")  # as some send it: not padded
    queue = sw.tagged(1036, struct.pack(">I", 5))
    record = sw.frame(bytes(ETHER / V4 / TCP), length=1418)
    (found,) = rows.decode(sw.datagram(sw.discard(record, acl, queue, function)))
    assert ends(found) == FIVE
    assert (found["packets"], found["bytes"], found["sampling_origin"]) == (1, 1418, "discard")
    assert "sampling_rate" not in found
    assert extra(found) == {
        "discardReason": 259,
        "egressQueue": 5,
        "aclNumber": 42,
        "aclName": "guests",
        "aclDirection": 1,
        "functionName": "foobar",
    }


def test_packets_without_their_frame_are_told_by_the_agent() -> None:
    found = row(sw.ipv4("10.0.0.5", "203.0.113.9"), sw.ethernet(SRC, DST, 0x0800))
    assert ends(found) == ("10.0.0.5", 40000, "203.0.113.9", 443, 6)
    assert (found["src_mac"], found["tcp_flags"], found["tos"]) == (SRC, 0x18, 8)
    found = row(sw.ipv6("2001:db8::5", "2001:db8::1"))
    assert ends(found) == ("2001:db8::5", 5353, "2001:db8::1", 53, 17)
    assert found["bytes"] == 900
    # A frame's own header is the better witness.
    both = row(sw.ipv4("10.9.9.9", "10.8.8.8"), sw.frame(bytes(ETHER / V6 / TCP), length=100))
    assert (ends(both), both["bytes"]) == (SIX, 100)


def test_what_the_switch_and_router_knew() -> None:
    record = sw.frame(bytes(ETHER / V4 / TCP))
    found = row(record, sw.switch(30, 31), sw.router("198.51.100.1", 24, 16))
    assert (found["vlan"], found["next_hop"]) == (30, "198.51.100.1")
    assert extra(found) == {
        "postDot1qVlanId": 31,
        "sourceIPv4PrefixLength": 24,
        "destinationIPv4PrefixLength": 16,
    }
    assert row(record, sw.router("2001:db8::1", 64, 32))["next_hop"] == "2001:db8::1"
    tagged = sw.frame(bytes(ETHER / scapy.Dot1Q(vlan=12) / V4 / TCP))
    assert row(tagged, sw.switch(30, 30))["vlan"] == 12
    assert "vlan" not in row(record, sw.switch(0xFFFFFFFF, 0))


def test_the_path_of_autonomous_systems() -> None:
    path = [(2, [64500, 64501]), (1, [64502, 64503])]
    found = row(sw.gateway("198.51.100.1", (64496, 64499, 64498), path))
    assert (found["src_as"], found["dst_as"], found["next_hop"]) == (64499, 64503, "198.51.100.1")
    assert extra(found) == {
        "bgpOwnAsNumber": 64496,
        "bgpSourcePeerAsNumber": 64498,
        "bgpPath": "64500 64501 {64502,64503}",
    }
    found = row(sw.gateway("198.51.100.1", (64496, 64499, 0), []))
    assert (found["src_as"], found.get("dst_as")) == (64499, None)


def test_translations_and_names_that_the_agent_tells() -> None:
    found = row(
        sw.frame(bytes(ETHER / V4 / TCP)),
        sw.nat("198.51.100.7", "203.0.113.9"),
        sw.nat_port(40211, 443),
        sw.user("somchai", "ครู"),
    )
    assert (found["nat_src_ip"], found["nat_src_port"]) == ("198.51.100.7", 40211)
    assert "nat_dst_ip" not in found
    assert found["nat_key"] == int.from_bytes(bytes((198, 51, 100, 7))) << 16 | 40211
    assert extra(found)["sourceUserName"] == "somchai"
    assert extra(found)["destinationUserName"] == "ครู"


def test_each_row_has_only_what_its_own_sample_tells() -> None:
    found = rows.decode(
        sw.datagram(
            sw.flow(sw.frame(bytes(ETHER / V4 / TCP)), sequence=1),
            sw.counters(),
            sw.flow(sw.ipv6("2001:db8::5", "2001:db8::1"), sw.user("somchai", ""), sequence=2),
            sw.discard(sw.frame(bytes(ETHER / V6 / TCP)), sw.switch(30, 30)),
            sw.flow(sequence=3),
        )
    )
    assert [ends(one)[0] for one in found] == ["10.0.0.5", "2001:db8::5", None, "2001:db8::5"]
    assert [one["sampling_origin"] for one in found] == ["packet"] * 3 + ["discard"]
    assert ["somchai" in str(one) for one in found] == [False, True, False, False]
    assert found[3]["vlan"] == 30
    assert [one["packets"] for one in found] == [1] * 4
    assert "bytes" not in found[2]


@pytest.mark.parametrize("agent", ["198.51.100.4", "2001:db8::4", ""])
def test_an_agent_behind_another_address_is_named(agent: str) -> None:
    payload = sw.datagram(sw.flow(sw.frame(bytes(ETHER / V4 / TCP))), agent=agent)
    (found,) = rows.decode(payload)
    named = {"198.51.100.4": "agentIPv4Address", "2001:db8::4": "agentIPv6Address"}
    assert extra(found) == ({named[agent]: agent} if agent else {})
    (found,) = rows.decode(payload, address=agent or "192.0.2.1")
    assert "extra" not in found


def test_a_datagram_without_samples_is_no_fault() -> None:
    decoded = FlowDecoder(wire.SITE).decode([wire.frame(sw.datagram())])
    assert (decoded.flows, decoded.coverage) == (None, [])


def test_unknown_samples_and_records_are_passed_over_and_counted() -> None:
    record = sw.frame(bytes(ETHER / V4 / TCP))
    decoder = FlowDecoder(wire.SITE)
    payload = sw.datagram(
        sw.tagged(4413 << 12 | 1, bytes(20)),
        sw.flow(sw.tagged(9 << 12 | 7, b"abc"), record, sw.tagged(2100, bytes(20))),
        sw.counters(),
        sw.tagged(77, b""),
    )
    decoded = decoder.decode(wire.frames(payload + b"more behind the last sample"))
    assert [ends(found) for found in rows.of(decoded)] == [FIVE]
    assert decoded.coverage == []
    counters = decoder.counters
    assert (counters.unknown_samples, counters.unknown_records) == (2, 2)
    assert (counters.counter_samples, counters.records, counters.broken_sets) == (1, 1, 0)


def test_a_broken_sample_costs_no_other_one() -> None:
    good = sw.flow(sw.frame(bytes(ETHER / V4 / TCP)))
    long = sw.flow(struct.pack(">II", 1, 1 << 31), sequence=2)
    payload = sw.datagram(good, long, sw.tagged(1, bytes(8)), sw.flow(sequence=3), count=9)
    decoded = FlowDecoder(wire.SITE).decode(wire.frames(payload))
    found = rows.of(decoded)
    assert [ends(one)[0] for one in found] == ["10.0.0.5", None, None]
    # One with a record that does not fit, one that is too short, and those that never came.
    assert rows.kinds(decoded) == [("malformed", 3)]
    (event,) = [event for _, event in decoded.coverage]
    assert (event.unit, event.source) == ("samples", "192.0.2.1")


def test_rows_of_a_run_stand_in_the_order_of_its_datagrams() -> None:
    record = sw.frame(bytes(ETHER / V4 / TCP))
    payloads = [
        sw.datagram((sw.discard if n % 2 else sw.flow)(record, sequence=n // 2), sequence=n)
        for n in range(12)
    ]
    decoded = FlowDecoder(wire.SITE).decode(wire.frames(*payloads))
    assert decoded.flows is not None
    assert decoded.flows.frame.tolist() == list(range(12))
    origins = [found["sampling_origin"] for found in rows.of(decoded)]
    assert origins == ["packet", "discard"] * 6
