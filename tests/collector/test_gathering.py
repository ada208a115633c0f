"""When the sealing process reads the spool: twice a second, or once for each part."""

from __future__ import annotations

import time

import pytest

from collector.gathering import FAST_BYTES_S, GATHER_S, READ_BYTES, Gathering
from collector.records import Frame, FrameKind

PART_S = 2.0


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def frames(kind: FrameKind, octets: int) -> list[Frame]:
    return [Frame(kind, "school", 0, 0, "192.0.2.1", 1, 2055, payload=bytes(octets))]


def waits(gather: Gathering, clock: Clock, *, unread: int = 1) -> float:
    """Return how long the loop waits until it reads."""
    begun = clock.now
    while not gather.over(unread):
        assert 0 < gather.left_s <= GATHER_S
        clock.now += gather.left_s
    return clock.now - begun


def test_what_comes_slowly_is_read_twice_a_second(clock: Clock) -> None:
    gather = Gathering(patient=True)
    assert gather.over(0)
    for came in (frames(FrameKind.FLOW, 10_000), [], frames(FrameKind.SYSLOG, 3 * FAST_BYTES_S)):
        clock.now += 0.1
        gather.begin(came, clock.now + PART_S)
        assert waits(gather, clock) == pytest.approx(GATHER_S)


def test_flows_that_come_fast_are_read_once_for_each_part(clock: Clock) -> None:
    gather = Gathering(patient=True)
    for _ in range(3):
        clock.now += 1.0
        gather.begin(frames(FrameKind.FLOW, 2 * FAST_BYTES_S), clock.now + PART_S)
        assert waits(gather, clock) == pytest.approx(PART_S)
        gather.begin(frames(FrameKind.FLOW, FAST_BYTES_S), clock.now + PART_S)
        assert waits(gather, clock) == pytest.approx(GATHER_S)


def test_nothing_gathers_longer_where_the_portal_waits_for_lines(clock: Clock) -> None:
    gather = Gathering(patient=False)
    gather.begin(frames(FrameKind.FLOW, 9 * FAST_BYTES_S), clock.now + PART_S)
    assert waits(gather, clock) == pytest.approx(GATHER_S)


def test_what_is_enough_for_one_reading_is_read_at_once(clock: Clock) -> None:
    gather = Gathering(patient=True)
    gather.begin(frames(FrameKind.FLOW, 2 * FAST_BYTES_S), clock.now + PART_S)
    assert not gather.over(READ_BYTES - 1)
    assert gather.over(READ_BYTES)
    clock.now += 1.0
    gather.begin(frames(FrameKind.SYSLOG, 2 * FAST_BYTES_S), clock.now + PART_S)
    assert gather.over(READ_BYTES // 2)


def test_what_lies_there_but_is_not_durable_yet_is_not_asked_for_again_and_again(
    clock: Clock,
) -> None:
    gather = Gathering(patient=True)
    gather.begin([], clock.now + PART_S)
    assert waits(gather, clock, unread=2 * READ_BYTES) == pytest.approx(GATHER_S)


def test_time_goes_on_by_itself() -> None:
    gather = Gathering(patient=True)
    gather.begin([], 0.0)
    begun = time.monotonic()
    assert not gather.over(0)
    time.sleep(gather.left_s)
    assert gather.over(0)
    assert time.monotonic() - begun >= GATHER_S
