"""Every form of time, the verdict on the exporter's clock, and what stands in for a wrong one."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collector.decode.decoder import FlowDecoder
from tests.collector.decode import rows, wire

SENT = datetime.fromtimestamp(wire.SENT_S, UTC)
START, END = SENT - timedelta(seconds=10), SENT - timedelta(seconds=4)
START_S, END_S = wire.SENT_S - 10, wire.SENT_S - 4
NTP = 2_208_988_800


def ipfix_row(fields: list[wire.Spec], body: bytes, **values: int | str) -> dict[str, Any]:
    payload = wire.ipfix(wire.ipfix_template(300, fields), wire.a_set(300, body))
    (row,) = rows.decode(payload, **values)
    return row


FORMS: list[tuple[list[wire.Spec], bytes]] = [
    ([(150, 4), (151, 4)], struct.pack(">II", START_S, END_S)),
    ([(152, 8), (153, 8)], struct.pack(">QQ", START_S * 1000, END_S * 1000)),
    ([(154, 8), (155, 8)], struct.pack(">IIII", START_S + NTP, 0, END_S + NTP, 0)),
    ([(156, 8), (157, 8)], struct.pack(">IIII", START_S + NTP, 0, END_S + NTP, 0)),
    ([(158, 4), (159, 4)], struct.pack(">II", 10_000_000, 4_000_000)),
    ([(152, 8), (161, 4)], struct.pack(">QI", START_S * 1000, 6000)),
    ([(153, 8), (162, 4)], struct.pack(">QI", END_S * 1000, 6_000_000)),
    ([(152, 8), (323, 8)], struct.pack(">QQ", START_S * 1000, END_S * 1000)),
    (
        [(22, 4), (21, 4), (160, 8)],
        struct.pack(">IIQ", 10_000, 16_000, (START_S - 10) * 1000),
    ),
]


@pytest.mark.parametrize(("fields", "body"), FORMS, ids=lambda value: str(value)[:24])
def test_every_form_gives_the_same_times(fields: list[wire.Spec], body: bytes) -> None:
    row = ipfix_row(fields, body)
    assert (row["time"], row["time_end"], row["clock"]) == (START, END, "ok")
    assert {"exporter_start", "exporter_end"}.isdisjoint(row)


@pytest.mark.parametrize("element", [322, 258])
def test_a_single_event_begins_and_ends_at_once(element: int) -> None:
    unit = 1 if element == 322 else 1000
    row = ipfix_row([(element, 8)], struct.pack(">Q", END_S * unit))
    assert (row["time"], row["time_end"], row["clock"]) == (END, END, "ok")


def test_ntp_fractions_are_binary_and_small_ones_microseconds() -> None:
    fields: list[wire.Spec] = [(154, 8), (155, 8)]
    half = ipfix_row(fields, struct.pack(">IIII", START_S + NTP, 2**31, END_S + NTP, 2**30))
    assert half["time"] == START + timedelta(milliseconds=500)
    assert half["time_end"] == END + timedelta(milliseconds=250)
    micros = ipfix_row(fields, struct.pack(">IIII", START_S + NTP, 500_000, END_S + NTP, 250_000))
    assert (micros["time"], micros["time_end"]) == (half["time"], half["time_end"])


def test_uptimes_in_ipfix_are_placed_by_a_start_told_in_options() -> None:
    boot_ms = (wire.SENT_S - 100) * 1000
    options = wire.ipfix_template(310, [(149, 4), (160, 8)], scopes=1)
    template = wire.ipfix_template(300, [(22, 4), (21, 4)])
    data = wire.a_set(300, struct.pack(">II", 90_000, 96_000))
    told = wire.a_set(310, struct.pack(">IQ", 0, boot_ms))

    (row,) = rows.decode(wire.ipfix(options, template, data, told))

    assert (row["time"], row["time_end"], row["clock"]) == (START, END, "ok")


def test_uptimes_come_round_after_49_days_of_running() -> None:
    boot_ms = (wire.SENT_S - 100) * 1000 - 2**32 * 3
    fields: list[wire.Spec] = [(22, 4), (21, 4), (160, 8)]
    row = ipfix_row(fields, struct.pack(">IIQ", 90_000, 96_000, boot_ms))
    assert (row["time"], row["time_end"], row["clock"]) == (START, END, "ok")


def test_a_wrong_start_of_the_exporter_is_not_believed() -> None:
    boot_ms = 759_538_800_000
    fields: list[wire.Spec] = [(22, 4), (21, 4), (160, 8)]
    row = ipfix_row(fields, struct.pack(">IIQ", 90_000, 96_000, boot_ms))
    assert row["clock"] == "implausible"
    assert (row["time"], row["time_end"]) == (SENT - timedelta(seconds=6), SENT)


def test_uptimes_without_any_start_end_at_receipt_and_keep_their_duration() -> None:
    row = ipfix_row([(22, 4), (21, 4)], struct.pack(">II", 2**32 - 1000, 5000))
    assert row["clock"] == "none"
    assert (row["time"], row["time_end"]) == (SENT - timedelta(seconds=6), SENT)
    assert "exporter_start" not in row


def test_a_flow_uptime_after_the_headers_is_implausible() -> None:
    record = wire.v5_record(first=wire.UPTIME_MS + 600_000_000, last=wire.UPTIME_MS + 600_009_000)
    (row,) = rows.decode(wire.v5([record]))
    assert row["clock"] == "implausible"
    assert (row["time"], row["time_end"]) == (SENT - timedelta(seconds=9), SENT)
    assert "exporter_start" not in row
    assert row["exporter_sent"] == SENT


@pytest.mark.parametrize(
    ("start_ms", "end_ms"),
    [
        (START_S, END_S),
        (START_S * 1000 + 543 * 31_556_952_000, END_S * 1000 + 543 * 31_556_952_000),
        (END_S * 1000, START_S * 1000),
        (2**64 - 1, 2**64 - 1),
        (0, 0),
        (START_S * 1000 + 7 * 3_600_000, END_S * 1000 + 7 * 3_600_000),
    ],
    ids=["seconds as ms", "Buddhist era", "end before start", "far away", "zero", "local time"],
)
def test_times_that_cannot_be_are_replaced_by_that_of_receipt(start_ms: int, end_ms: int) -> None:
    row = ipfix_row([(152, 8), (153, 8)], struct.pack(">QQ", start_ms, end_ms))
    assert row["clock"] == "implausible"
    assert row["time_end"] == SENT
    assert SENT - timedelta(seconds=6) <= row["time"] <= SENT


def test_a_header_of_1970_makes_its_uptimes_implausible() -> None:
    (row,) = rows.decode(wire.v5([wire.v5_record()], sent_s=502))
    assert row["clock"] == "implausible"
    assert row["time_end"] == SENT
    assert row["time"] == SENT - timedelta(seconds=4)


def test_a_clock_that_is_off_is_corrected_and_flagged() -> None:
    late = wire.SENT_S - 3600
    payloads = [wire.v5([wire.v5_record()], sent_s=late + n, sequence=n) for n in range(9)]
    found = rows.decode(*payloads)
    assert {row["clock"] for row in found} == {"skewed"}
    assert found[0]["time"] == SENT - timedelta(seconds=5)
    assert found[8]["time_end"] == SENT + timedelta(seconds=8 - 1)
    assert found[0]["exporter_start"] == SENT - timedelta(seconds=3605)


def test_one_datagram_held_up_on_the_way_moves_nothing() -> None:
    frames = wire.frames(*(wire.v5([wire.v5_record()], sequence=n) for n in range(9)))
    held = wire.frame(frames[4].payload, 4, received_ns=(wire.SENT_S + 120) * 10**9)
    frames = [wire.frame(f.payload, f.number, received_ns=wire.SENT_S * 10**9) for f in frames]
    frames[4] = held
    found = rows.of(FlowDecoder(wire.SITE).decode(frames))
    assert {row["clock"] for row in found} == {"ok"}
    assert {row["time"] for row in found} == {SENT - timedelta(seconds=5)}


def test_an_old_capture_is_compared_with_its_own_time_and_received_now() -> None:
    now = (wire.SENT_S + 10**8) * 10**9
    (row,) = rows.decode(
        wire.v5([wire.v5_record()]), received_ns=now, wire_ns=wire.SENT_S * 10**9, label="a.pcap"
    )
    assert row["clock"] == "ok"
    assert row["time"] == SENT - timedelta(seconds=5)
    assert row["received"] == SENT + timedelta(seconds=10**8)
    assert row["source"] == "a.pcap 192.0.2.1"


def test_a_clock_that_stands_still_is_not_followed() -> None:
    """As of boxes whose header says for ever when they were switched on."""
    frames = wire.frames(*(wire.v5([wire.v5_record()], sequence=n) for n in range(300)))
    decoder = FlowDecoder(wire.SITE)
    found = rows.of(decoder.decode(frames[:200]))
    found += rows.of(decoder.decode([frames[200]]))
    found += rows.of(decoder.decode(frames[201:]))
    assert [row["clock"] for row in found][62:] == ["implausible"] * 238
    assert {row["time_end"] - row["received"] for row in found[62:]} == {timedelta()}
    assert {row["exporter_sent"] for row in found} == {SENT}
    assert {row["time_end"] - row["time"] for row in found} == {timedelta(seconds=4)}


def test_a_clock_that_goes_on_is_believed_again() -> None:
    stood = [wire.v5([wire.v5_record()], sequence=n) for n in range(100)]
    went_on = [
        wire.v5([wire.v5_record()], sent_s=wire.SENT_S + n, sequence=n) for n in range(100, 120)
    ]
    found = rows.decode(*stood, *went_on)
    assert {row["clock"] for row in found[62:100]} == {"implausible"}
    assert {row["clock"] for row in found[100:]} == {"ok"}


def test_times_of_records_hold_where_only_the_headers_clock_stands() -> None:
    fields: list[wire.Spec] = [(152, 8), (153, 8)]
    payloads = [wire.ipfix(wire.ipfix_template(300, fields))]
    for n in range(1, 200):
        times = struct.pack(">QQ", (START_S + n) * 1000, (END_S + n) * 1000)
        payloads.append(wire.ipfix(wire.a_set(300, times), sequence=n - 1))
    found = rows.decode(*payloads)
    assert {row["clock"] for row in found[62:]} == {"ok"}
    assert [row["time"] for row in found[62:]] == [
        START + timedelta(seconds=n) for n in range(63, 200)
    ]


@pytest.mark.parametrize("element", [(22, 21), (158, 159)])
def test_what_hangs_on_a_standing_clock_is_implausible(element: tuple[int, int]) -> None:
    template = wire.v9_template(256, [(element[0], 4), (element[1], 4)])
    data = wire.a_set(256, struct.pack(">II", wire.UPTIME_MS - 5000, wire.UPTIME_MS - 1000))
    if element == (158, 159):
        data = wire.a_set(256, struct.pack(">II", 5_000_000, 1_000_000))
    found = rows.decode(wire.v9(template), *(wire.v9(data, sequence=n) for n in range(1, 100)))
    assert [row["clock"] for row in found[62:]] == ["implausible"] * 37


def test_seconds_may_come_in_version_9() -> None:
    template = wire.v9_template(256, [(150, 4), (151, 4)])
    (row,) = rows.decode(wire.v9(template, wire.a_set(256, struct.pack(">II", START_S, END_S))))
    assert (row["time"], row["time_end"], row["clock"]) == (START, END, "ok")
