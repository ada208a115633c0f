"""What exporters tell of themselves goes the way of every row: stored once, sealed, verified."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from collector.records import Frame, FrameKind
from tests.collector.decode import wire
from tests.collector.homes import BEGIN, Home, ns

TEMPLATES = (
    wire.v9_options(260, [(1, 4)], [(10, 4), (82, 8)]),
    wire.v9_template(256, [(7, 2), (10, 4)]),
)
PORTS = 24
TIMES = 40
RENAMED_AT = 30


def _sent() -> Iterator[Frame]:
    """Yield what a router sends: all of its interfaces each minute, and a flow; one is renamed."""
    for number in range(TIMES):
        at = BEGIN + timedelta(seconds=60 * number)
        names = [b"wan" if p == 7 and number >= RENAMED_AT else b"ge-%d" % p for p in range(PORTS)]
        table = b"".join(struct.pack(">II8s", 1, port, name) for port, name in enumerate(names))
        options, flow = wire.a_set(260, table), wire.a_set(256, struct.pack(">HI", 80, 7))
        sets = (*TEMPLATES, options, flow) if not number else (options, flow)
        payload = wire.v9(*sets, sequence=number, sent_s=int(at.timestamp()))
        yield Frame(
            kind=FrameKind.FLOW,
            site="school-a",
            received_ns=ns(at),
            wire_ns=ns(at),
            address="192.0.2.60",
            port=40000,
            local_port=2055,
            payload=payload,
        )


def _rows(home: Home) -> list[tuple[int, str]]:
    return [(row["interface"], row["name"]) for row in home.sealed("counters").to_pylist()]


def test_names_of_interfaces_are_sealed_once_and_again_when_they_change(tmp_path: Path) -> None:
    home = Home(tmp_path, rows=16)
    home.write(list(_sent()))
    home.clock.now = BEGIN + timedelta(minutes=TIMES)
    home.run()
    assert sorted(_rows(home)) == sorted([*((p, f"ge-{p}") for p in range(PORTS)), (7, "wan")])
    assert home.sealed("flows").num_rows == TIMES
    assert home.findings() == []


def test_a_restart_stores_the_same_rows(tmp_path: Path) -> None:
    home = Home(tmp_path, rows=16)
    home.write(list(_sent()))
    home.clock.now = BEGIN + timedelta(minutes=TIMES)
    pipeline, reader = home.start()
    pipeline.feed(reader.read(1 << 20)[:33])  # and it is killed: what is not sealed is read again
    pipeline.close()
    home.run()
    assert sorted(_rows(home)) == sorted([*((p, f"ge-{p}") for p in range(PORTS)), (7, "wan")])
    assert home.findings() == []
