"""What the kernel tells of connections becomes flows: own captures, and messages made here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector.decode import merged
from collector.decode.conntrack import opened
from collector.decode.conntrack.decoder import ConntrackDecoder
from collector.decode.decoder import FlowDecoder
from collector.records import moment
from tests.captures import make_conntrack as capture
from tests.collector.decode import rows, wire
from tests.collector.decode.netlink import (
    DESTROY,
    NEW,
    NOW_NS,
    OPEN,
    S,
    attribute,
    counters,
    decode,
    decode_by,
    frames,
    message,
    number,
    stamps,
    translated,
    way,
)

PUBLIC = int.from_bytes(bytes([198, 51, 100, 7]), "big") << 16


def at(seconds: float) -> object:
    """Return a time so long after that of the first frame."""
    return moment((NOW_NS + int(seconds * S)) // 1000)


def extra(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.get("extra", "{}"))
    return found


def test_the_capture_gives_the_golden_rows() -> None:
    golden = [json.loads(line) for line in capture.GOLDEN.read_text().splitlines()]
    assert capture.decoded() == golden


def test_ends_in_the_capture_are_what_the_conntrack_program_listed() -> None:
    listed = json.loads(capture.LISTED.read_text())
    ends = [row for row in capture.decoded() if "packets" in row]
    names = {name for row in listed for name in row}
    found = [{name: row[name] for name in sorted(names & row.keys())} for row in ends]
    assert sorted(map(str, found)) == sorted(str(dict(sorted(row.items()))) for row in listed)


def test_a_translated_connection_that_ends_is_a_whole_flow() -> None:
    end = translated(
        DESTROY, counters(9, 3, 300), counters(10, 2, 2000), stamps(NOW_NS - 5 * S, NOW_NS - S)
    )
    [row] = decode(end)
    assert (row["src_ip"], row["src_port"], row["dst_ip"]) == ("10.0.0.5", 40000, "203.0.113.53")
    assert (row["nat_src_ip"], row["nat_src_port"]) == ("198.51.100.7", 61000)
    assert "nat_dst_ip" not in row
    assert "nat_dst_port" not in row
    assert (row["nat_key"], row["nat_event"]) == (PUBLIC | 61000, 5)
    counted = [row[n] for n in ("packets", "bytes", "packets_reverse", "bytes_reverse")]
    assert counted == [3, 300, 2, 2000]
    assert (row["time"], row["time_end"], row["clock"]) == (at(-5), at(-1), "ok")
    assert (row["source"], row["protocol"]) == ("conntrack", 17)
    assert "extra" not in row


def test_a_connection_that_begins_has_no_end_and_no_counters() -> None:
    [row] = decode(translated(NEW, number(27, NOW_NS - S, 8), counters(9, 1, 60)))
    assert (row["time"], row["nat_event"], row["clock"]) == (at(-1), 4, "ok")
    assert {"time_end", "packets", "bytes"} & row.keys() == set()
    assert extra(row) == {"conntrack": "new"}


def test_an_open_connection_ran_until_it_was_listed_and_is_not_counted_yet() -> None:
    [row] = decode(translated(OPEN, stamps(NOW_NS - 60 * S), counters(9, 1, 60)))
    assert (row["time"], row["time_end"], row["clock"]) == (at(-60), at(0), "ok")
    assert {"nat_event", "packets", "bytes"} & row.keys() == set()
    assert extra(row) == {"conntrack": "open"}


def test_a_port_forward_translates_the_destination() -> None:
    there = way(1, "203.0.113.9", "198.51.100.7", (6, 51000, 8443))
    back = way(2, "10.0.0.80", "203.0.113.9", (6, 443, 51000))
    [row] = decode(message(DESTROY, there, back))
    assert (row["nat_dst_ip"], row["nat_dst_port"]) == ("10.0.0.80", 443)
    assert "nat_src_ip" not in row
    assert row["nat_key"] == PUBLIC | 8443


def test_ipv6_without_translation_has_no_nat() -> None:
    there = way(1, "2001:db8::5", "2001:db8:1::9", (6, 40000, 443))
    back = way(2, "2001:db8:1::9", "2001:db8::5", (6, 443, 40000))
    [row] = decode(message(DESTROY, there, back))
    assert (row["src_ip"], row["dst_ip"], row["dst_port"]) == ("2001:db8::5", "2001:db8:1::9", 443)
    assert [name for name in row if name.startswith("nat_")] == []


def test_translated_ipv6_says_so() -> None:
    there = way(1, "fd00::5", "2001:db8:1::9", (6, 40000, 443))
    back = way(2, "2001:db8:1::9", "2001:db8::7", (6, 443, 40000))
    one, two = decode(message(NEW, there, back), message(DESTROY, there, back))
    assert (one["nat_src_ip"], one["nat_event"], two["nat_event"]) == ("2001:db8::7", 1, 2)


def test_families_may_mix_in_one_frame() -> None:
    six = message(
        DESTROY,
        way(1, "2001:db8::5", "2001:db8:1::9"),
        way(2, "2001:db8:1::9", "2001:db8::5", (17, 53, 40000)),
    )
    found = decode(translated(DESTROY) + six + translated(NEW))
    assert [row["src_ip"] for row in found] == ["10.0.0.5", "2001:db8::5", "10.0.0.5"]


def test_icmp_has_type_and_code_and_its_id_beside() -> None:
    there = way(1, "10.0.0.5", "203.0.113.9", (1, 77, 8, 0))
    back = way(2, "203.0.113.9", "198.51.100.7", (1, 5000, 0, 0))
    [row] = decode(message(DESTROY, there, back))
    assert (row["icmp_type_code"], row["nat_src_ip"]) == (8 << 8, "198.51.100.7")
    assert {"src_port", "dst_port", "nat_src_port"} & row.keys() == set()
    assert row["nat_key"] == PUBLIC
    assert extra(row) == {"icmp_id": 77, "nat_icmp_id": 5000}


def test_keys_of_a_tunnel_are_no_ports() -> None:
    there, back = way(1, "10.0.0.5", "203.0.113.9", (47, 9, 1)), way(2, "203.0.113.9", "10.0.0.5")
    [row] = decode(message(DESTROY, there, back))
    assert row["protocol"] == 47
    assert {"src_port", "dst_port"} & row.keys() == set()


def test_mark_and_zones_are_kept() -> None:
    there = way(1, "10.0.0.5", "203.0.113.9", zone=3)
    back = way(2, "203.0.113.9", "10.0.0.5", (17, 53, 40000), zone=4)
    one, two = decode(
        message(DESTROY, there, back, number(8, 0xABCD)),
        translated(DESTROY, number(18, 9, 2)),
    )
    assert extra(one) == {"mark": 0xABCD, "zone": 3, "reply_zone": 4}
    assert extra(two) == {"zone": 9}


def test_without_accounting_counters_are_unknown_and_not_zero() -> None:
    [row] = decode(translated(DESTROY, stamps(NOW_NS - S, NOW_NS)))
    assert {"packets", "bytes", "packets_reverse", "bytes_reverse"} & row.keys() == set()


def test_a_counter_past_63_bits_is_left_out() -> None:
    [row] = decode(translated(DESTROY, counters(9, 1 << 63, 12)))
    assert (row.get("packets"), row["bytes"]) == (None, 12)


def test_without_stamps_the_beginning_is_that_of_the_first_message() -> None:
    _, row = decode(translated(NEW), translated(DESTROY))
    assert (row["time"], row["time_end"], row["clock"]) == (at(0), at(1), "ok")


def test_without_stamps_and_first_message_the_beginning_is_unknown() -> None:
    [row] = decode(translated(DESTROY))
    assert (row["time"], row["time_end"], row["clock"]) == (at(0), at(0), "none")


def test_without_stamps_a_listed_connection_was_open_by_then() -> None:
    one, two, end = decode(translated(OPEN), translated(OPEN), translated(DESTROY))
    assert [row["clock"] for row in (one, two, end)] == ["none"] * 3
    assert (two["time"], two["time_end"]) == (at(0), at(1))
    assert (end["time"], end["time_end"]) == (at(0), at(2))


def test_connections_of_one_id_are_told_apart_by_port() -> None:
    _, _, row = decode(
        translated(NEW, port=1), translated(NEW, port=2), translated(DESTROY, port=1)
    )
    assert row["time"] == at(0)


def test_a_connection_that_follows_under_the_same_id_keeps_its_own_beginning() -> None:
    found = frames(*(translated(kind) for kind in (NEW, DESTROY, NEW, NEW, DESTROY)))
    whole = decode_by([], found)
    assert [row["time"] for row in whole] == [at(0), at(0), at(2), at(3), at(3)]
    assert decode_by([1] * 5, found) == decode_by([1, 2], found) == whole


def test_beginnings_are_not_remembered_where_the_kernel_stamps() -> None:
    decoder = ConntrackDecoder("school-a")
    decoder.decode(frames(translated(DESTROY, stamps(NOW_NS - S, NOW_NS)), translated(NEW, key=8)))
    assert decoder.snapshot()["opened"]["keys"] == []


def test_no_more_beginnings_are_remembered_than_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opened, "MOST", 10)
    decoder = ConntrackDecoder("school-a")
    decoder.decode(frames(*(translated(NEW, key=key) for key in range(50))))
    assert len(decoder.snapshot()["opened"]["keys"]) == 10


def test_a_clock_that_was_set_between_is_told() -> None:
    [row] = decode(translated(DESTROY, stamps(5 * S, NOW_NS)))
    assert (row["clock"], row["time"], row["time_end"]) == ("implausible", at(0), at(0))
    assert (row["exporter_start"], row["exporter_end"]) == (moment(5_000_000), at(0))


def test_other_messages_are_counted_and_no_rows() -> None:
    done = message((3, 2))
    decoder = ConntrackDecoder("school-a")
    decoded = decoder.decode(frames(done, translated(NEW) + done))
    assert len(rows.of(decoded)) == 1
    assert (decoder.counters.other, decoded.coverage) == (2, [])


@pytest.mark.parametrize(
    "bad",
    [
        b"\x01",
        translated(NEW)[:-1],
        message(NEW),
        message(NEW, way(1, "10.0.0.5", "203.0.113.9")),
        message(NEW, way(1, "10.0.0.5", "203.0.113.9"), way(2, "2001:db8::1", "2001:db8::2")),
        translated(NEW, attribute(8, b"\0\0\1")),
        translated(NEW, b"\xff\xff\1\0"),
        translated(NEW, b"\0\0\1\0"),
    ],
)
def test_what_cannot_be_read_is_told_and_costs_nothing_else(bad: bytes) -> None:
    decoder = ConntrackDecoder("school-a")
    decoded = decoder.decode(frames(translated(NEW), translated(NEW) + bad, translated(DESTROY)))
    assert len(rows.of(decoded)) == 3
    assert decoder.counters.malformed == 1
    assert [(frame, event.kind, event.lost) for frame, event in decoded.coverage] == [
        (1, "malformed", 1)
    ]


def test_a_flood_of_bad_messages_is_a_few_rows_of_coverage() -> None:
    decoder = ConntrackDecoder("school-a")
    decoded = decoder.decode(frames(*[message(NEW)] * 200))
    assert decoder.counters.malformed == 200
    assert len(decoded.coverage) <= 6


def test_pieces_and_a_restart_between_give_the_same() -> None:
    found = frames(
        translated(NEW), translated(OPEN, key=2), message(NEW), translated(DESTROY, key=2),
        translated(DESTROY), translated(NEW, stamps(NOW_NS), key=5), message(NEW),
        translated(OPEN, stamps(NOW_NS), key=6), translated(NEW, key=9), translated(DESTROY, key=9),
    )  # fmt: skip
    whole = decode_by([], list(found))
    assert decode_by([1] * 9, list(found)) == decode_by([4, 3], list(found)) == whole
    first, second = ConntrackDecoder("school-a"), ConntrackDecoder("school-a")
    made = rows.of(first.decode(found[:4]))
    second.restore(json.loads(json.dumps(first.snapshot())))
    assert made + rows.of(second.decode(found[4:])) == whole


def test_a_snapshot_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        ConntrackDecoder("school-a").restore({"format": "prathu-conntrack/99"})


def test_rows_of_several_decoders_lie_in_the_order_of_their_frames() -> None:
    told = ConntrackDecoder(wire.SITE).decode(frames(translated(NEW), translated(DESTROY), first=1))
    other = ConntrackDecoder(wire.SITE).decode(frames(translated(NEW), translated(NEW), first=0))
    joined = merged.join([told, other, FlowDecoder(wire.SITE).decode([])])
    assert joined.flows is not None
    assert joined.flows.frame.tolist() == [0, 1, 1, 2]
    assert [row.get("nat_event") for row in rows.of(joined)] == [4, 4, 4, 5]
