"""Losses add up per source, wait while there is no room, and stay bounded."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from collector.errors import SpoolFull
from collector.receive import losses
from collector.receive.losses import Losses, What
from collector.records import CoverageEvent, Frame, FrameKind, moment


class Spool:
    """Takes frames while there is room."""

    def __init__(self) -> None:
        self.room = True
        self.frames: list[Frame] = []

    def append(self, frame: Frame) -> int:
        if not self.room:
            raise SpoolFull("no room")
        self.frames.append(frame)
        return len(self.frames)

    @property
    def events(self) -> list[CoverageEvent]:
        return [CoverageEvent.from_json(frame.payload) for frame in self.frames]


def _what(source: str = "192.0.2.1") -> What:
    return What(site="school-a", kind="disk-full", source=source, unit="datagrams")


def test_losses_of_one_source_become_one_event_from_first_to_last() -> None:
    spool, now = Spool(), [1_000_000_000]
    sums = Losses(spool.append, clock=lambda: now[0])
    sums.add(_what(), 2)
    now[0] = 4_000_000_000
    sums.add(_what(), 3)
    sums.flush()
    sums.flush()
    (event,) = spool.events
    assert (event.lost, event.unit, event.source) == (5, "datagrams", "192.0.2.1")
    assert event.time == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert event.end == datetime(1970, 1, 1, 0, 0, 4, tzinfo=UTC)
    assert spool.frames[0].kind == FrameKind.COVERAGE
    assert spool.frames[0].received_ns == 4_000_000_000


def test_what_cannot_be_written_waits_and_adds_up() -> None:
    spool, now = Spool(), [1_000_000_000]
    sums = Losses(spool.append, clock=lambda: now[0])
    spool.room = False
    for second in (1, 2, 3):
        now[0] = second * 1_000_000_000
        sums.add(_what(), 1)
        sums.flush()
    spool.room = True
    sums.flush()
    (event,) = spool.events
    assert event.lost == 3
    assert (event.time, event.end) == (moment(1_000_000), moment(3_000_000))


def test_many_sources_share_one_row_past_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "_SOURCES", 10)
    spool = Spool()
    sums = Losses(spool.append, clock=lambda: 0)
    for n in range(100):
        sums.add(_what(f"192.0.2.{n}"), 1)
    sums.flush()
    assert len(spool.events) == 11
    assert sum(event.lost or 0 for event in spool.events) == 100
    assert [event.lost for event in spool.events if not event.source] == [90]
