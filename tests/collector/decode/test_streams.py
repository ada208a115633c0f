"""Whose templates serve whom, and how little a forger can claim."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from collector.decode.streams import TEMPLATE
from collector.records import Frame
from tests.collector.decode import rows, wire

FORWARD = wire.v9_template(256, [(7, 2), (11, 2)])
SWAPPED = wire.v9_template(256, [(11, 2), (7, 2)])
DATA = wire.a_set(256, b"\0\1\0\2")


def ports(decoded_rows: list[dict[str, int]]) -> list[tuple[int, int]]:
    return [(row["src_port"], row["dst_port"]) for row in decoded_rows]


def test_domains_ports_exporters_and_versions_have_their_own_templates() -> None:
    decoder = FlowDecoder(wire.SITE)
    teach = [
        wire.frame(wire.v9(FORWARD), 0),
        wire.frame(wire.v9(SWAPPED, domain=1), 1),
        wire.frame(wire.v9(SWAPPED), 2, port=40001),
        wire.frame(wire.v9(SWAPPED), 3, address="192.0.2.2"),
        wire.frame(wire.ipfix(wire.ipfix_template(256, [(11, 2), (7, 2)])), 4),
    ]
    asked = [
        wire.frame(wire.v9(DATA, sequence=1), 5),
        wire.frame(wire.v9(DATA, domain=1, sequence=1), 6),
        wire.frame(wire.v9(DATA, sequence=1), 7, port=40001),
        wire.frame(wire.v9(DATA, sequence=1), 8, address="192.0.2.2"),
        wire.frame(wire.ipfix(DATA), 9),
    ]
    found = rows.of(decoder.decode(teach + asked))
    assert ports(found) == [(1, 2), (2, 1), (2, 1), (2, 1), (2, 1)]


def test_a_known_exporter_on_a_new_port_is_read_by_its_last_templates() -> None:
    decoder = FlowDecoder(wire.SITE)
    frames = [
        wire.frame(wire.v9(FORWARD, DATA), 0),
        wire.frame(wire.v9(DATA, sequence=1), 1, port=40001),
        wire.frame(wire.v9(SWAPPED, DATA, sequence=2), 2, port=40001),
    ]
    assert ports(rows.of(decoder.decode(frames))) == [(1, 2), (1, 2), (2, 1)]
    assert decoder.streams.fallbacks == 1


def test_templates_of_the_last_port_do_not_serve_sets_that_cannot_be_theirs() -> None:
    wide = wire.v9_template(256, [(8, 4), (12, 4), (7, 2), (11, 2)])
    decoder = FlowDecoder(wire.SITE)
    frames = [wire.frame(wire.v9(wide), 0), wire.frame(wire.v9(DATA, sequence=1), 1, port=40001)]
    assert decoder.decode(frames).flows is None
    assert len(decoder.waiting) == 1


def test_a_port_that_still_speaks_is_another_process() -> None:
    decoder = FlowDecoder(wire.SITE)
    frames = [
        wire.frame(wire.v9(FORWARD, DATA), 0),
        wire.frame(wire.v9(sequence=1), 1, port=40001),
        wire.frame(wire.v9(DATA, sequence=1), 2),
        wire.frame(wire.v9(DATA, sequence=2), 3, port=40001),
    ]
    assert len(rows.of(decoder.decode(frames))) == 2
    assert len(decoder.waiting) == 1


def test_a_repeated_template_is_no_new_one() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(wire.frames(*(wire.v9(FORWARD, sequence=n) for n in range(50))))
    assert decoder.streams.fields == TEMPLATE + 2


def bomb(ports: range, fields: int = 50) -> list[Frame]:
    template = wire.v9_template(256, [(number, 4) for number in range(1, fields + 1)])
    payload = wire.v9(template)
    return [
        wire.frame(payload, n, port=n % 65536, address=f"198.51.100.{n // 65536}") for n in ports
    ]


def test_forged_ports_cannot_push_out_a_stream_that_gave_records() -> None:
    limits = Limits(streams_per_exporter=8, streams=32, fields=4000)
    decoder = FlowDecoder(wire.SITE, limits)
    decoder.decode([wire.frame(wire.v9(FORWARD, DATA), 0, address="198.51.100.0", port=9)])

    decoder.decode(bomb(range(10, 5000)))

    assert len(decoder.streams) <= limits.streams
    assert decoder.streams.fields <= limits.fields
    real = wire.frame(wire.v9(DATA, sequence=1), 5001, address="198.51.100.0", port=9)
    assert ports(rows.of(decoder.decode([real]))) == [(1, 2)]
    assert decoder.streams.evicted >= 4900


def test_who_has_very_many_templates_loses_its_own_and_not_those_of_others() -> None:
    limits = Limits(fields=4000)
    decoder = FlowDecoder(wire.SITE, limits)
    decoder.decode([wire.frame(wire.v9(FORWARD, DATA), 0)])
    for number in range(100):
        large = wire.v9_template(256 + number, [(n, 4) for n in range(1, 51)])
        told = wire.v9(large, wire.a_set(256 + number, bytes(200)), sequence=number)
        decoder.decode([wire.frame(told, 1 + number, address="192.0.2.66")])
    for number in range(100):
        other = wire.v9(FORWARD, DATA)
        decoder.decode([wire.frame(other, 101 + number, address=f"198.51.100.{number}")])

    assert decoder.streams.fields <= limits.fields
    real = [wire.frame(wire.v9(DATA, sequence=1), 201)]
    real += [
        wire.frame(wire.v9(DATA, sequence=1), 202 + n, address=f"198.51.100.{n}")
        for n in range(100)
    ]
    assert ports(rows.of(decoder.decode(real))) == [(1, 2)] * 101


def test_addresses_that_are_made_up_do_not_push_out_a_router_that_reports_for_long() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(streams=64))
    decoder.decode([wire.frame(wire.v9(FORWARD), 0)])
    decoder.decode([wire.frame(wire.v9(DATA, sequence=n), n) for n in range(1, 40)])
    for number in range(1000):
        forged = wire.v9(FORWARD, DATA)
        address = f"198.51.{number >> 8}.{number & 255}"
        decoder.decode([wire.frame(forged, 100 + number, address=address)])
    real = wire.frame(wire.v9(DATA, sequence=40), 2000)
    assert ports(rows.of(decoder.decode([real]))) == [(1, 2)]


def test_many_templates_of_one_stream_are_bounded() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(templates_per_stream=16))
    for number in range(256, 2000):
        decoder.decode([wire.frame(wire.v9(wire.v9_template(number, [(7, 2)])), number)])
    assert decoder.streams.fields == 16 * (TEMPLATE + 1)


def test_a_template_that_is_repeated_outlives_those_that_are_not() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(templates_per_stream=4))
    for n in range(60):
        other = wire.v9_template(300 + n, [(7, 2)])
        decoder.decode([wire.frame(wire.v9(FORWARD, other, sequence=n), n)])
    (stream,) = decoder.streams
    assert list(stream.templates) == [357, 358, 256, 359]


def churn(count: int, first: int = 0) -> list[Frame]:
    """Return datagrams that each bring another template of 20 fields, and one record of it."""
    found = []
    for number in range(first, first + count):
        fields = [(500 + (number * 20 + n) % 32_000, 2) for n in range(20)]
        told = wire.v9(wire.v9_template(256, fields), wire.a_set(256, bytes(40)), sequence=number)
        found.append(wire.frame(told, number))
    return found


def test_templates_without_end_are_refused_aloud_and_go_on_in_the_next_minute() -> None:
    most = 10 * (TEMPLATE + 20)
    decoder = FlowDecoder(wire.SITE, Limits(learnt_per_exporter=most))
    decoded = decoder.decode(churn(25))
    assert len(rows.of(decoded)) == 10
    assert decoder.counters.refused_templates == 15
    assert ("template-limit", 1) in rows.kinds(decoded), "the others follow within the minute"
    assert ("unknown-template", 1) in rows.kinds(decoded)
    assert len(decoder.waiting) == 0, "no later template may make other records of these"

    later = [
        wire.frame(each.payload, 100 + n, received_ns=each.received_ns + 61 * 10**9)
        for n, each in enumerate(churn(3, first=30))
    ]
    after = decoder.decode(later)
    assert {("template-limit", 14), ("unknown-template", 14)} <= set(rows.kinds(after))
    assert len(rows.of(after)) == 3


def test_the_budget_for_templates_is_of_each_exporter_and_survives_a_restart() -> None:
    limits = Limits(learnt_per_exporter=10 * (TEMPLATE + 20))
    decoder = FlowDecoder(wire.SITE, limits)
    decoder.decode(churn(25))
    again = FlowDecoder(wire.SITE, limits)
    again.restore(json.loads(json.dumps(decoder.snapshot())))
    again.decode(churn(1, first=26))
    assert again.counters.refused_templates == 16
    router = wire.frame(wire.v9(FORWARD, DATA), 50, address="198.51.100.1")
    assert ports(rows.of(again.decode([router]))) == [(1, 2)]


def test_a_template_is_marked_as_restored_until_its_exporter_repeats_it() -> None:
    decoder, other = FlowDecoder(wire.SITE), wire.v9_template(257, [(7, 2)])
    decoder.decode([wire.frame(wire.v9(FORWARD, other, DATA), 0)])
    again = FlowDecoder(wire.SITE)
    again.restore(json.loads(json.dumps(decoder.snapshot())))
    (stream,) = again.streams
    assert [age.restored for age in stream.ages.values()] == [True, True]
    assert [age.first_us for age in stream.ages.values()] == [wire.SENT_S * 1_000_000] * 2

    again.decode([wire.frame(wire.v9(FORWARD, sequence=1), 1)])
    assert {number: age.restored for number, age in stream.ages.items()} == {257: True, 256: False}


def test_a_template_of_too_many_fields_is_refused() -> None:
    decoder = FlowDecoder(wire.SITE)
    fields = [(n % 400 + 1, 1) for n in range(16_000)]
    decoded = decoder.decode(wire.frames(wire.v9(wire.v9_template(256, fields))))
    assert rows.kinds(decoded) == [("malformed", 1)]
    assert decoder.streams.fields == 0


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(256, 260), st.integers(1, 40)), max_size=60)
)
def test_the_count_of_fields_is_what_is_kept(steps: list[tuple[int, int, int]]) -> None:
    decoder = FlowDecoder(wire.SITE, Limits(streams=10, templates_per_stream=3, fields=150))
    for number, (port, template, fields) in enumerate(steps):
        payload = wire.v9(wire.v9_template(template, [(n + 1, 2) for n in range(fields)]))
        decoder.decode([wire.frame(payload, number, port=port)])
    layouts = [x for s in decoder.streams for x in s.templates.values()]
    kept = sum(TEMPLATE + len(layout.fields) for layout in layouts)
    assert all(stream.ages.keys() == stream.templates.keys() for stream in decoder.streams)
    assert decoder.streams.fields == kept <= 150
    by_exporter = {id(s.exporter): s.exporter.fields for s in decoder.streams}
    assert sum(by_exporter.values()) == kept
    assert len(decoder.streams) <= 10


def test_records_of_one_byte_are_decoded_in_bounded_bites() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(cells=50_000))
    tiny, many = wire.ipfix_template(256, [(4, 1)]), wire.a_set(256, b"\6" * 1000)
    frames = wire.frames(wire.ipfix(tiny), *(wire.ipfix(many) for _ in range(10)))
    bites = []
    while frames:
        decoded, taken = decoder.some(frames)
        frames = frames[taken:]
        bites.append(len(rows.of(decoded)))
    assert bites == [3000, 3000, 3000, 1000]


def test_a_template_that_many_sets_waited_for_releases_them_in_bounded_bites() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(cells=50_000))
    tiny, many = wire.ipfix_template(256, [(4, 1)]), wire.a_set(256, b"\6" * 1000)
    waiting = [wire.frame(wire.ipfix(many), n) for n in range(7)]
    assert decoder.some(waiting) == (decoder.decode([]), 7)
    taught = [wire.frame(wire.ipfix(tiny), n) for n in range(7, 10)]
    assert [len(rows.of(decoder.decode([frame]))) for frame in taught] == [3000, 3000, 1000]
    assert decoder.counters.late_sets == 7
    assert not decoder.waiting
