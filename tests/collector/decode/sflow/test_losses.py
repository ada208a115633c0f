"""What sFlow agents could not take or what never came, by the numbers of their samples."""

from __future__ import annotations

import json

from collector.decode.decoder import Decoded, FlowDecoder
from collector.decode.limits import Limits
from collector.records import Frame
from tests.collector.decode import rows, wire
from tests.collector.decode.sflow import wire as sw

Told = list[tuple[str, int | None, str]]


def frames(*numbers: tuple[int, int], drops: int = 0, uptime: int = 1_000_000) -> list[Frame]:
    """Return datagrams of one sample each, by the numbers of both."""
    payloads = [
        sw.datagram(sw.flow(sequence=of_sample, drops=drops), sequence=number, uptime=uptime)
        for number, of_sample in numbers
    ]
    return wire.frames(*payloads)


def told(decoded: Decoded) -> Told:
    return [(event.kind, event.lost, event.unit) for _, event in decoded.coverage]


def decode(*numbers: tuple[int, int]) -> Told:
    return told(FlowDecoder(wire.SITE).decode(frames(*numbers)))


def test_samples_that_follow_one_another_lose_nothing() -> None:
    assert decode(*((n, n + 70) for n in range(1, 40))) == []


def test_lost_datagrams_and_their_samples_are_told_apart() -> None:
    assert decode((1, 10), (2, 11), (5, 16)) == [
        ("sequence-gap", 2, "datagrams"),
        ("sequence-gap", 4, "records"),
    ]


def test_samples_can_be_lost_without_a_datagram() -> None:
    assert decode((1, 10), (2, 13)) == [("sequence-gap", 2, "records")]


def test_what_a_datagram_lost_is_told_with_its_frame_wherever_it_came_in_a_run() -> None:
    numbers = [(n, n if n < 20 else n + 3) for n in range(1, 40)]
    decoded = FlowDecoder(wire.SITE).decode(frames(*numbers))
    ((frame, event),) = decoded.coverage
    assert (frame, event.lost, event.unit) == (19, 3, "records")
    assert event.time.timestamp() == wire.SENT_S + 19


def test_numbers_come_round() -> None:
    assert decode((0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (1, 1)) == []


def test_what_came_late_is_no_new_beginning() -> None:
    assert decode((1, 10), (3, 12), (2, 11), (4, 13)) == [
        ("sequence-gap", 1, "datagrams"),
        ("sequence-gap", 1, "records"),
        ("sequence-late", None, "datagrams"),
        ("sequence-late", None, "records"),
    ]


def test_a_restart_is_told_and_its_numbers_are_no_loss() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(frames((70_000, 900_000), (70_001, 900_001)))
    decoded = decoder.decode(frames((1, 1), (2, 2), uptime=500))
    assert told(decoded) == [("exporter-restart", None, "datagrams")]
    assert decoder.counters.lost_records == 0


def test_what_the_agent_dropped_is_told() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(frames((1, 1), drops=40))
    decoded = decoder.decode(frames((2, 2), drops=47))
    assert told(decoded) == [("exporter-drop", 7, "records")]


def test_each_data_source_and_sub_agent_counts_for_itself() -> None:
    payloads = [
        sw.datagram(
            sw.flow(sequence=100 + n, source=3),
            sw.flow(sequence=5000 + n, source=4),
            sw.discard(sequence=n),
            sequence=n,
            sub_agent=sub,
        )
        for n in range(1, 10)
        for sub in (0, 1)
    ]
    decoder = FlowDecoder(wire.SITE)
    decoded = decoder.decode(wire.frames(*payloads))
    assert len(rows.of(decoded)) == 54
    assert decoded.coverage == []


def test_agents_behind_one_sender_have_their_own_numbers() -> None:
    payloads = [
        sw.datagram(sw.flow(sequence=base + n), sequence=base + n, agent=agent)
        for n in range(1, 10)
        for agent, base in (("198.51.100.4", 0), ("198.51.100.5", 7000), ("2001:db8::4", 90))
    ]
    decoded = FlowDecoder(wire.SITE).decode(wire.frames(*payloads))
    assert decoded.coverage == []
    assert len(rows.of(decoded)) == 27


def test_what_is_known_survives_a_restart() -> None:
    first = FlowDecoder(wire.SITE)
    first.decode(frames((1, 10), (2, 11)))
    second = FlowDecoder(wire.SITE)
    second.restore(json.loads(json.dumps(first.snapshot())))
    assert told(second.decode(frames((3, 14)))) == [("sequence-gap", 2, "records")]


def test_data_sources_are_bounded() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(data_sources=50))
    payloads = [sw.datagram(sw.flow(source=n), sequence=n) for n in range(1, 200)]
    decoder.decode(wire.frames(*payloads))
    assert len(decoder.snapshot()["samples"]) == 25  # an address has half of the room


def test_made_up_data_sources_do_not_hide_what_others_lost() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(data_sources=50))
    decoder.decode(wire.frames(sw.datagram(sw.flow(sequence=7))))
    flood = sw.datagram(*(sw.flow(source=n) for n in range(1, 500)))
    decoder.decode([wire.frame(flood, 1, address="192.0.2.66")])
    late = wire.frame(sw.datagram(sw.flow(sequence=10), sequence=2), 2)
    assert told(decoder.decode([late])) == [("sequence-gap", 2, "records")]
