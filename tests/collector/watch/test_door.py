"""Events reach the spool, or are counted."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collector.records import FrameKind, LeaseEvent, moment
from collector.watch import door as doors
from collector.watch.door import Door
from tests.collector.receive.home import SITE, coverage, payloads, receiver, until


def lease(i: int = 5, *, event: str = "seen") -> LeaseEvent:
    now = moment(time.time_ns() // 1000)
    return LeaseEvent(time=now, site=SITE, kind="arp", event=event, ip=f"10.0.0.{i}")


def test_events_wait_until_somebody_listens(tmp_path: Path) -> None:
    door = Door(tmp_path / "run" / "receive.sock", clock=time.time_ns)
    for i in range(10):
        door.put(lease(i))
    assert "nobody listens" in door.flush()
    with receiver(tmp_path):
        assert door.flush() == ""
        assert len(payloads(tmp_path, FrameKind.LEASE)) == 10


def test_what_is_lost_is_told_when_somebody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "MOST_WAITING", 4)
    door = Door(tmp_path / "run" / "receive.sock", clock=time.time_ns)
    for i in range(10):
        door.put(lease(i))
    with receiver(tmp_path):
        assert door.flush() == ""
        (told,) = coverage(tmp_path, "leases-unread")
    assert (told.lost, told.unit) == (6, "records")


def test_what_is_refused_again_and_again_is_given_up(tmp_path: Path) -> None:
    door = Door(tmp_path / "run" / "receive.sock", clock=time.time_ns)
    with receiver(tmp_path):
        door.put(lease(event="fly"))
        said = [door.flush() for _ in range(doors.TRIES)]
        assert "given up" in said[-1]
        door.put(lease())
        assert door.flush() == ""
        assert len(payloads(tmp_path, FrameKind.LEASE)) == 1
        assert [told.lost for told in coverage(tmp_path, "leases-unread")] == [1]


def test_one_that_is_refused_takes_no_other_with_it(tmp_path: Path) -> None:
    door = Door(tmp_path / "run" / "receive.sock", clock=time.time_ns)
    with receiver(tmp_path):
        for i in range(200):
            door.put(lease(i))
        door.put(lease(event="fly"))
        for i in range(50):
            door.put(lease(i))
        until(lambda: door.flush() == "")
        assert len(payloads(tmp_path, FrameKind.LEASE)) == 250
        assert [told.lost for told in coverage(tmp_path, "leases-unread")] == [1]
