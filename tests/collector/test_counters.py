"""What sFlow agents count goes the way of every row: stored, sealed once, and verified."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from collector.records import Frame, FrameKind
from tests.collector.decode.sflow import wire as sw
from tests.collector.homes import BEGIN, Home, flow_frame, ns

PORTS = 8
EVERY_S = 30


def _sent(count: int) -> Iterator[Frame]:
    """Yield what a switch sends: counters of all its ports each half minute, and a flow between."""
    for number in range(count):
        at = BEGIN + timedelta(seconds=EVERY_S * number)
        samples = [sw.counters(sequence=number, source=port) for port in range(1, PORTS + 1)]
        payload = sw.datagram(*samples, sequence=number, uptime=number * EVERY_S * 1000)
        yield Frame(
            kind=FrameKind.FLOW,
            site="school-a",
            received_ns=ns(at),
            wire_ns=ns(at),
            address="192.0.2.60",
            port=6343,
            local_port=6343,
            payload=payload,
        )
        yield flow_frame(at, 1000 + number, 1)


def _rows(home: Home) -> list[tuple[int, int]]:
    """Return source and second of each sealed row."""
    return [
        (row["source_index"], int((row["time"] - BEGIN).total_seconds()))
        for row in home.sealed("counters").to_pylist()
    ]


def test_counters_are_sealed_once_every_five_minutes(tmp_path: Path) -> None:
    home = Home(tmp_path, rows=16)
    home.write(list(_sent(61)))
    home.clock.now = BEGIN + timedelta(minutes=31)
    home.run()
    expected = [(port, s) for s in range(0, 1801, 300) for port in range(1, PORTS + 1)]
    assert sorted(_rows(home)) == sorted(expected)
    assert home.sealed("flows").num_rows == 61
    assert home.findings() == []


def test_a_restart_stores_the_same_rows(tmp_path: Path) -> None:
    home = Home(tmp_path, rows=16)
    home.write(list(_sent(61)))
    home.clock.now = BEGIN + timedelta(minutes=31)
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20)[:37])  # and it is killed: what is not sealed is read again
    pipeline.close()
    home.run()
    expected = [(port, s) for s in range(0, 1801, 300) for port in range(1, PORTS + 1)]
    assert sorted(_rows(home)) == sorted(expected)
    assert home.findings() == []


def test_every_sample_is_kept_when_that_is_set(tmp_path: Path) -> None:
    home = Home(tmp_path)
    every = home.settings.sflow.model_copy(update={"counters_every_s": 0})
    home.settings = home.settings.model_copy(update={"sflow": every})
    home.write(list(_sent(5)))
    home.clock.now = BEGIN + timedelta(minutes=3)
    home.run()
    assert len(_rows(home)) == 5 * PORTS
    assert ns(BEGIN) == home.sealed("counters")["time"][0].value * 1000
