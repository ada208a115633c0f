"""A flood of losses is told promptly and in few rows."""

from __future__ import annotations

from collector.decode.decoder import FlowDecoder
from tests.collector.decode import rows, wire


def test_the_first_is_told_at_once_and_the_rest_by_the_minute() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoded = decoder.decode(wire.frames(*[b"\xff\xff"] * 130))
    assert rows.kinds(decoded) == [("malformed", 1), ("malformed", 59), ("malformed", 60)]
    assert [frame for frame, _ in decoded.coverage] == [0, 60, 120]
    assert decoder.counters.malformed == 130


def test_what_is_gathered_is_told_by_any_exporters_next_datagram() -> None:
    decoder = FlowDecoder(wire.SITE)
    decoder.decode(wire.frames(b"\0", b"", b"\xff"))
    later = wire.frame(wire.v5([wire.v5_record()]), 99, address="192.0.2.99")
    ((frame, event),) = decoder.decode([later]).coverage
    assert (frame, event.kind, event.lost, event.source) == (99, "malformed", 2, "192.0.2.1")


def test_versions_that_are_not_read_have_their_name() -> None:
    decoder = FlowDecoder(wire.SITE)
    sflow, v1 = b"\0\0\0\4\0\0\0\1", b"\0\1\0\2"
    frames = [wire.frame(sflow, 0), wire.frame(v1, 1, address="192.0.2.2")]
    decoded = decoder.decode(frames)
    notes = [(event.kind, event.note) for _, event in decoded.coverage]
    assert notes == [
        ("unsupported-version", "sFlow v4 is not read"),
        ("unsupported-version", "NetFlow v1 is not read"),
    ]


def test_many_exporters_do_not_make_many_rows_wait() -> None:
    decoder = FlowDecoder(wire.SITE)
    frames = [
        wire.frame(b"", n, address=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", received_ns=10**18)
        for n in range(6000)
    ]
    decoder.decode(frames)
    state = decoder.snapshot()
    assert len(state["losses"]) <= 4097


def test_each_exporter_has_a_window_of_its_own() -> None:
    decoder = FlowDecoder(wire.SITE)
    frames = [wire.frame(b"", n, address=f"192.0.2.{n // 30}") for n in (0, 1, 30, 31)]
    decoder.decode(frames)
    later = wire.frame(wire.v5([wire.v5_record()]), 65, address="192.0.2.99")
    told = [event.source for _, event in decoder.decode([later]).coverage]
    assert told == ["192.0.2.0"]
