"""Records reach the receiving process, or are counted."""

from __future__ import annotations

from pathlib import Path

from collector.records import FrameKind, LeaseEvent
from collector.sniff import door as doors
from collector.sniff.door import Door
from tests.collector.receive.home import SITE, payloads, receiver

LEASE = {
    "time": "2026-11-22T08:00:00+00:00",
    "site": SITE,
    "kind": "arp",
    "event": "seen",
    "ip": "10.0.0.9",
}


def test_records_wait_until_somebody_listens(tmp_path: Path) -> None:
    door = Door(tmp_path / "run" / "receive.sock", SITE)
    door.put("lease", LEASE)
    assert "nobody takes records" in door.flush()
    with receiver(tmp_path):
        assert door.flush() == ""
        (payload,) = payloads(tmp_path, FrameKind.LEASE)
    assert LeaseEvent.from_json(payload).ip == "10.0.0.9"


def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    home = tmp_path / ("a" * 100) / ("b" * 100)
    home.mkdir(parents=True)
    door = Door(home / "run" / "receive.sock", SITE)
    door.put("lease", LEASE)
    with receiver(home):
        assert door.flush() == ""


def test_what_is_refused_is_given_up_and_counted(tmp_path: Path) -> None:
    door = Door(tmp_path / "run" / "receive.sock", SITE)
    door.put("lease", {**LEASE, "event": "fly"})
    with receiver(tmp_path):
        said = [door.flush() for _ in range(doors.TRIES)]
        door.put("lease", LEASE)
        assert door.flush() == ""
        assert len(payloads(tmp_path, FrameKind.LEASE)) == 1
    assert "no event 'fly'" in said[0]
    assert "given up" in said[-1]
    assert door.lost == 1


def test_only_so_many_wait(tmp_path: Path) -> None:
    door = Door(tmp_path / "nobody.sock", SITE)
    for _ in range(doors.MOST_WAITING + 7):
        door.put("lease", LEASE)
    assert door.lost == 7
