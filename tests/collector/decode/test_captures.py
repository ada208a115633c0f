"""Own captures against the traffic they were made from (tests/captures/README.md)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collector.decode import capture
from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from collector.records import Frame, FrameKind
from collector.store.schema import COUNTERS
from tests.collector.decode import rows
from tests.conftest import REPO

BEGIN = datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
PRECISE = ["softflowd-v5", "softflowd-ipfix-milli", "softflowd-ipfix-uptime"]


def frames(name: str) -> list[Frame]:
    counts = capture.Counts()
    with (REPO / "tests" / "captures" / f"{name}.pcap").open("rb") as file:
        return [
            Frame(
                kind=FrameKind.FLOW,
                site="school-a",
                received_ns=datagram.wire_ns or 0,
                wire_ns=datagram.wire_ns or 0,
                address=datagram.address,
                port=datagram.port,
                payload=datagram.payload,
                number=number,
            )
            for number, datagram in enumerate(capture.datagrams(file, counts))
        ]


def flows(name: str) -> list[dict[str, Any]]:
    decoded = FlowDecoder("school-a").decode(frames(name))
    assert decoded.coverage == []
    return rows.of(decoded)


def ends(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("src_ip", "src_port", "dst_ip", "dst_port", "protocol"))


WEB = ("10.0.0.5", 40001, "203.0.113.9", 80, 6)
WEB_BACK = ("203.0.113.9", 80, "10.0.0.5", 40001, 6)
WEB6 = ("2001:db8::5", 40003, "2001:db8:1::9", 80, 6)
NAME = ("10.0.0.5", 40002, "10.0.0.1", 53, 17)


@pytest.mark.parametrize("name", [*PRECISE, "softflowd-v9"])
def test_each_direction_of_the_page_is_a_flow(name: str) -> None:
    found = {ends(row): row for row in flows(name)}
    up, down = found[WEB], found[WEB_BACK]
    assert (up["packets"], up["bytes"], up["tcp_flags"]) == (4, 4 * 40 + 18, 0x13)
    assert (down["packets"], down["bytes"], down["tcp_flags"]) == (4, 4 * 40 + 900, 0x1B)
    assert found[NAME]["packets"] == 1
    assert (WEB6 in found) is (name != "softflowd-v5")


@pytest.mark.parametrize("name", PRECISE)
def test_times_are_those_of_the_packets(name: str) -> None:
    row = next(row for row in flows(name) if ends(row) == WEB)
    assert row["exporter_start"] == BEGIN
    assert row["exporter_end"] == BEGIN + timedelta(milliseconds=875)
    assert row["clock"] == "skewed"
    assert row["time_end"] - row["time"] == timedelta(milliseconds=875)
    assert timedelta(0) < row["received"] - row["time_end"] < timedelta(seconds=5)


def test_nanoseconds_and_both_directions_in_one_row() -> None:
    row = next(row for row in flows("softflowd-ipfix-nano-biflow") if ends(row) == WEB)
    assert row["exporter_start"] == BEGIN
    assert (row["bytes"], row["bytes_reverse"]) == (178, 1060)
    assert (row["packets"], row["packets_reverse"]) == (4, 4)


def test_pings_have_their_type() -> None:
    found = flows("softflowd-v5")
    types = {row["icmp_type_code"] for row in found if row["protocol"] == 1}
    assert types == {0x0800, 0}


def test_sampled_flows_keep_their_counters_and_say_the_rate() -> None:
    found = flows("softflowd-v9-ether-sampled")
    assert {(row["sampling_rate"], row["sampling_origin"]) for row in found} == {(2, "options")}
    assert found[0]["src_mac"] == "00:00:5e:00:53:01"
    assert found[0]["dst_mac"] == "00:00:5e:00:53:02"


def test_every_packet_of_an_sflow_agent_is_a_row() -> None:
    found = flows("pmacct-sflow")
    assert len(found) == 20
    up, down = ([row for row in found if ends(row) == each] for each in (WEB, WEB_BACK))
    assert [row["bytes"] - 14 - 4 for row in up] == [40, 58, 40, 40]  # with the frame's own octets
    assert [row["tcp_flags"] for row in down] == [0x12, 0x18, 0x11, 0x10]
    assert len([row for row in found if ends(row) == WEB6]) == 4
    assert {row["icmp_type_code"] for row in found if row.get("protocol") == 1} == {0x0800, 0}
    origin = {(row["sampling_rate"], row["sampling_origin"], row["packets"]) for row in found}
    assert origin == {(1, "packet", 1)}
    assert up[0]["src_mac"] == "00:00:5e:00:53:01"
    assert "exporter_sent" not in up[0]


def test_nat_of_another_encoder() -> None:
    (row,) = flows("scapy-v9-nat")
    assert (row["nat_src_ip"], row["nat_src_port"]) == ("198.51.100.7", 40211)
    assert row["nat_key"] == int.from_bytes(bytes((198, 51, 100, 7))) << 16 | 40211
    assert (row["observation_domain"], row["nat_event"], row["clock"]) == (12, 1, "ok")
    assert row["time"] == BEGIN - timedelta(seconds=10)


def test_v5_of_another_encoder() -> None:
    found = flows("scapy-v5")
    assert [row["src_ip"] for row in found] == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]
    assert {(row["sampling_rate"], row["sampling_origin"]) for row in found} == {(64, "header")}


def test_a_switch_has_counted_what_it_sampled() -> None:
    """It samples every packet, so what an interface took in is known from both."""
    decoded = FlowDecoder("school-a", Limits(counters_every_s=0)).decode(frames("ovs-sflow"))
    (counted,) = decoded.counters
    packets = rows.of(decoded)
    told = COUNTERS.table(counted).to_pylist()
    assert [row["name"] for row in told] == ["vc", "br0", "va"] * 3
    assert decoded.flows is not None
    for frame, row in zip(counted.frame.tolist(), told, strict=True):
        before = zip(decoded.flows.frame.tolist(), packets, strict=True)
        came = [p for at, p in before if at <= frame and p.get("in_if") == row["interface"]]
        assert row["unicast_in"] == len(came)
        assert row["bytes_in"] == sum(p["bytes"] for p in came) - 4 * len(came)  # less their FCS
        assert (row["if_speed"], row["duplex"]) == (10**10, 1)
