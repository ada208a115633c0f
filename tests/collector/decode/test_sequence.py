"""Gaps, reordering, restarts and exporters that count otherwise or not at all."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from collector.decode.decoder import FlowDecoder
from collector.decode.sequence import Kind, Sequence
from tests.collector.decode import rows, wire

RECORD = wire.v5_record()
IPFIX_TEMPLATE = wire.ipfix_template(256, [(7, 2)])
V9_TEMPLATE = wire.v9_template(256, [(7, 2)])


def v5(sequence: int, records: int = 2, **head: int) -> bytes:
    return wire.v5([RECORD] * records, sequence=sequence, **head)


def told(*payloads: bytes) -> list[tuple[str, int | None]]:
    return rows.kinds(FlowDecoder(wire.SITE).decode(wire.frames(*payloads)))


def test_no_gap_is_told_where_there_is_none() -> None:
    assert told(*(v5(n * 2) for n in range(20))) == []
    assert told(*(v5((2**32 - 6 + n * 2) % 2**32) for n in range(8))) == []


def test_v5_counts_records() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoded = decoder.decode(wire.frames(v5(0), v5(2), v5(4), v5(6), v5(8), v5(40)))
    assert rows.kinds(decoded) == [("sequence-gap", 30)]
    ((frame, event),) = decoded.coverage
    assert frame == 5
    assert event.source == "192.0.2.1"
    assert event.unit == "records"
    assert event.time == datetime.fromtimestamp(wire.SENT_S + 4, UTC)
    assert event.end == datetime.fromtimestamp(wire.SENT_S + 5, UTC)
    assert decoder.counters.lost_records == 30


def test_v9_counts_datagrams_and_records_are_estimated() -> None:
    data = wire.a_set(256, b"\0\1" * 12)
    payloads = [wire.v9(V9_TEMPLATE, data, sequence=n) for n in (0, 1, 2, 3, 4, 9)]
    decoded = FlowDecoder(wire.SITE).decode(wire.frames(*payloads))
    assert rows.kinds(decoded) == [("sequence-gap", 48)]
    assert decoded.coverage[0][1].note.startswith("4 datagrams")


def test_ipfix_counts_data_and_options_records() -> None:
    options = wire.ipfix_template(257, [(149, 4), (41, 4)], scopes=1)
    both = wire.a_set(256, b"\0\1" * 3) + wire.a_set(257, b"\0" * 16)
    first = wire.ipfix(IPFIX_TEMPLATE, options)
    follow = [wire.ipfix(both, sequence=n * 5) for n in range(6)]
    assert told(first, *follow) == []
    assert told(first, *follow, wire.ipfix(both, sequence=37)) == [("sequence-gap", 7)]


def test_records_of_variable_size_are_counted_too() -> None:
    template = wire.ipfix_template(256, [(371, 65535)])
    data = wire.a_set(256, wire.variable(b"somchai") + wire.variable(b"malee"))
    payloads = [wire.ipfix(template), *(wire.ipfix(data, sequence=n * 2) for n in range(8))]
    assert told(*payloads) == []
    assert told(*payloads, wire.ipfix(data, sequence=20)) == [("sequence-gap", 4)]


def test_a_set_that_waits_is_no_gap() -> None:
    data = wire.a_set(256, b"\0\1" * 3)
    payloads = [wire.ipfix(data, sequence=n * 3) for n in range(5)]
    assert told(*payloads, wire.ipfix(IPFIX_TEMPLATE, sequence=15)) == []


def test_a_small_step_back_is_reordering() -> None:
    found = told(*(v5(n * 2) for n in range(6)), v5(14), v5(12), v5(16))
    assert found == [("sequence-gap", 2), ("sequence-late", None)]


def test_a_restart_is_no_loss() -> None:
    before = [v5(10_000_000 + n * 2, uptime=900_000_000) for n in range(6)]
    assert told(*before, v5(0, uptime=5000), v5(2, uptime=6000)) == [("exporter-restart", None)]


def test_a_far_jump_is_a_new_beginning() -> None:
    found = told(*(v5(n * 2) for n in range(6)), v5(2_000_000_000), v5(2_000_000_002))
    assert found == [("exporter-restart", None)]


def test_an_exporter_that_never_counts_is_told_once() -> None:
    data = wire.ipfix(IPFIX_TEMPLATE, wire.a_set(256, b"\0\1" * 3))
    assert told(*[data] * 50) == [("sequence-frozen", None)]


def test_an_exporter_that_counts_the_other_thing_is_understood() -> None:
    assert told(*(v5(n, records=3) for n in range(20))) == []
    data = wire.a_set(256, b"\0\1" * 12)
    assert told(*(wire.v9(V9_TEMPLATE, data, sequence=n * 12) for n in range(20))) == []


def test_other_exporters_do_not_disturb() -> None:
    frames = [wire.frame(v5(n // 2 * 2), n, address=f"192.0.2.{n % 2}") for n in range(20)] + [
        wire.frame(v5(n), 20 + n, port=50000) for n in range(0, 20, 2)
    ]
    assert rows.kinds(FlowDecoder(wire.SITE).decode(frames)) == []


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(-1, 50), st.booleans())))
def test_any_numbers_give_sensible_steps(steps: list[tuple[int, int, bool]]) -> None:
    sequence = Sequence()
    for number, records, restarted in steps:
        step = sequence.step(number, records, restarted=restarted)
        assert step.lost >= 0
        assert step.records >= step.lost
        again = Sequence.restore(sequence.snapshot())
        assert again.snapshot() == sequence.snapshot()


@given(
    lost=st.sets(st.integers(8, 60), max_size=20),
    sizes=st.lists(st.integers(2, 30), min_size=62, max_size=62),
)
def test_the_gaps_add_up_to_what_was_lost(lost: set[int], sizes: list[int]) -> None:
    sequence, number, found = Sequence(), 2**32 - 100, 0
    for at, size in enumerate(sizes):
        if at not in lost:
            step = sequence.step(number % 2**32, size)
            found += step.records if step.kind is Kind.GAP else 0
        number += size
    assert found == sum(sizes[at] for at in lost)
