"""What exporters say that they lost themselves."""

from __future__ import annotations

import struct

from collector.decode.decoder import FlowDecoder
from collector.records import CoverageEvent
from tests.collector.decode import wire

Told = tuple[str, str, int | None]
SCOPE: wire.Spec = (144, 4)


def reports(fields: list[wire.Spec], *values: tuple[int, ...]) -> list[bytes]:
    """Return a template with the first report, and one message for each other."""
    body = "".join({4: "I", 8: "Q"}[size] for _, size in fields)
    sets = [wire.a_set(310, struct.pack(f">I{body}", 7, *each)) for each in values]
    template = wire.ipfix_template(310, [SCOPE, *fields], scopes=1)
    first, *others = sets
    later = (wire.ipfix(each, sequence=n) for n, each in enumerate(others, 1))
    return [wire.ipfix(template, first), *later]


def told(decoder: FlowDecoder, payloads: list[bytes], start: int = 0) -> list[CoverageEvent]:
    frames = [wire.frame(each, start + 100 * n) for n, each in enumerate(payloads)]
    return [event for _, event in decoder.decode(frames).coverage]


def brief(events: list[CoverageEvent]) -> list[Told]:
    return [(event.kind, event.unit, event.lost) for event in events]


def test_records_that_were_not_sent_are_told_as_they_grow() -> None:
    payloads = reports([(166, 8)], (1000,), (1000,), (1042,), (1043,))
    events = told(FlowDecoder(wire.SITE), payloads)
    assert brief(events) == [("exporter-drop", "records", 42), ("exporter-drop", "records", 1)]
    first = events[0]
    assert first.end is not None
    assert (first.end - first.time).total_seconds() == 100
    assert first.source == "192.0.2.1"


def test_what_was_lost_before_the_box_listened_is_not_its_loss() -> None:
    assert told(FlowDecoder(wire.SITE), reports([(166, 8)], (1 << 40,))) == []


def test_counters_that_begin_anew_tell_what_they_have() -> None:
    events = told(FlowDecoder(wire.SITE), reports([(166, 4)], (1000,), (5,), (0,)))
    assert brief(events) == [("exporter-drop", "records", 5)]


def test_packets_that_were_not_looked_at_are_no_records() -> None:
    events = told(FlowDecoder(wire.SITE), reports([(164, 8), (167, 8)], (0, 0), (9, 0), (9, 8)))
    assert brief(events) == [("exporter-drop", "packets", None)] * 2
    assert [event.note for event in events] == [
        "9 not looked at, as the exporter says",
        "8 not sent, as the exporter says",
    ]


def test_packets_of_records_that_were_not_sent_are_not_told_twice() -> None:
    events = told(FlowDecoder(wire.SITE), reports([(166, 8), (167, 8)], (0, 0), (3, 90)))
    assert brief(events) == [("exporter-drop", "records", 3)]


def test_version_9_has_them_too_and_each_scope_counts_for_itself() -> None:
    template = wire.v9_options(310, [(1, 4)], [(166, 4)])
    bodies = [((1, 10), (2, 500)), ((1, 11), (2, 500)), ((2, 502), (1, 11))]
    sets = [
        wire.a_set(310, b"".join(struct.pack(">II", *pair) for pair in each)) for each in bodies
    ]
    payloads = [wire.v9(template, sets[0])]
    payloads += [wire.v9(each, sequence=n) for n, each in enumerate(sets[1:], 1)]
    lost = [event.lost for event in told(FlowDecoder(wire.SITE), payloads)]
    assert lost == [1, 2]


def test_a_restart_between_two_reports_changes_nothing() -> None:
    first, second = reports([(166, 8)], (1000,), (1042,))
    before, after = FlowDecoder(wire.SITE), FlowDecoder(wire.SITE)
    assert told(before, [first]) == []
    after.restore(before.snapshot())
    assert [event.lost for event in told(after, [second], 100)] == [42]


def test_made_up_scopes_are_bounded() -> None:
    decoder = FlowDecoder(wire.SITE)
    template = wire.ipfix_template(310, [SCOPE, (166, 4)], scopes=1)
    many = b"".join(struct.pack(">II", n, n) for n in range(5000))
    told(decoder, [wire.ipfix(template, wire.a_set(310, many))])
    (stream,) = decoder.streams
    assert len(stream.totals.snapshot()) == 64
