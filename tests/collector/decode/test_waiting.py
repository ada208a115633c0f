"""Sets that came before their template."""

from __future__ import annotations

from collector.decode.decoder import FlowDecoder
from collector.decode.limits import Limits
from tests.collector.decode import rows, wire

TEMPLATE = wire.v9_template(256, [(7, 2)])


def data(*numbers: int) -> bytes:
    return wire.a_set(256, b"".join(number.to_bytes(2) for number in numbers))


def test_they_are_decoded_when_it_comes_with_their_own_times() -> None:
    decoder = FlowDecoder(wire.SITE)
    early = [wire.v9(data(n), sequence=n) for n in range(3)]
    assert decoder.decode(wire.frames(*early)).flows is None

    decoded = decoder.decode([wire.frame(wire.v9(TEMPLATE, data(3), sequence=3), 9)])

    found = rows.of(decoded)
    assert [row["src_port"] for row in found] == [0, 1, 2, 3]
    assert [row["received"].timestamp() - wire.SENT_S for row in found] == [0, 1, 2, 9]
    assert decoded.flows is not None
    assert decoded.flows.frame.tolist() == [9, 9, 9, 9]
    assert (decoder.counters.waited_sets, decoder.counters.late_sets) == (3, 3)
    assert len(decoder.waiting) == decoder.waiting.bytes == 0


def test_they_are_decoded_within_one_datagram() -> None:
    found = rows.decode(wire.v9(data(1), TEMPLATE, data(2)))
    assert [row["src_port"] for row in found] == [1, 2]


def test_they_wait_for_their_own_stream_only() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(wire.frames(wire.v9(data(1))))
    other = wire.v9(TEMPLATE, domain=7)
    assert decoder.decode([wire.frame(other, 1)]).flows is None
    assert len(decoder.waiting) == 1


def test_the_oldest_goes_when_there_are_too_many_and_is_counted() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(waiting_sets_per_exporter=3, waiting_sets=5))
    decoded = decoder.decode(wire.frames(*(wire.v9(data(n), sequence=n) for n in range(4))))
    assert rows.kinds(decoded) == [("unknown-template", 1)]
    (_, event), *_ = decoded.coverage
    assert (event.source, event.unit) == ("192.0.2.1", "sets")
    assert "template 256 of domain 0" in event.note
    found = rows.of(decoder.decode([wire.frame(wire.v9(TEMPLATE, sequence=4), 4)]))
    assert [row["src_port"] for row in found] == [1, 2, 3]


def test_all_exporters_together_are_bounded() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(waiting_sets=5, waiting_bytes=12))
    for number in range(100):
        payload = wire.v9(data(number))
        decoder.decode([wire.frame(payload, number, address=f"192.0.2.{number}")])
    assert len(decoder.waiting) == 5
    for number in range(100):
        payload = wire.v9(data(*range(3)))
        decoder.decode([wire.frame(payload, 100 + number, address=f"192.0.2.{number}")])
    assert decoder.waiting.bytes <= 12
    assert decoder.counters.lost_sets == 200 - len(decoder.waiting)


def test_who_has_very_many_loses_its_own_and_not_those_of_others() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(waiting_sets=100))
    decoder.decode(wire.frames(wire.v9(data(7))))
    flood = [
        wire.frame(wire.v9(data(n), domain=n % 9), 1 + n, address="192.0.2.66") for n in range(1000)
    ]
    decoder.decode(flood)
    assert len(decoder.waiting) <= 100
    assert decoder.counters.lost_sets == 1001 - len(decoder.waiting)
    found = rows.of(decoder.decode([wire.frame(wire.v9(TEMPLATE, sequence=1), 1500)]))
    assert [row["src_port"] for row in found] == [7]


def test_bytes_of_one_exporter_are_bounded() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(waiting_bytes_per_exporter=10))
    decoder.decode(wire.frames(*(wire.v9(data(1, 2), sequence=n) for n in range(9))))
    assert decoder.waiting.bytes == 8


def test_they_are_given_up_when_they_are_too_old() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(waiting_s=60))
    decoder.decode(wire.frames(wire.v9(data(1))))
    later = wire.frame(wire.v9(TEMPLATE, sequence=1), 61)
    decoded = decoder.decode([later])
    assert decoded.flows is None
    assert rows.kinds(decoded) == [("unknown-template", 1)]


def test_each_template_that_never_came_is_named() -> None:
    decoder = FlowDecoder(wire.SITE, Limits(waiting_s=60))
    early = [wire.v9(wire.a_set(300 + n % 3, b"\0\1"), sequence=n) for n in range(9)]
    decoder.decode([wire.frame(each, n % 9) for n, each in enumerate(early)])
    events = [wire.frame(wire.v9(sequence=9 + n), at) for n, at in enumerate((90, 200))]
    told = [event for _, event in decoder.decode(events).coverage]
    assert [event.lost for event in told] == [1, 8]
    assert all(f"template {number} " in told[1].note for number in (300, 301, 302))
