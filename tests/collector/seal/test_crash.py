"""A crash before any single write, rename, fsync or unlink; then a start, and all is whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector import durable
from collector.seal import tiles
from tests.collector.seal import checking
from tests.collector.seal.school import BEGIN, HOUR, LOGS, SITE, School

EVE = int(datetime(2027, 12, 31, 23, 0, tzinfo=UTC).timestamp()) * 1_000_000
MIDNIGHT = int(datetime(2027, 3, 5, tzinfo=UTC).timestamp()) * 1_000_000
SCENES = {"new site": BEGIN, "new day": MIDNIGHT - HOUR, "new year": EVE}


class Killed(BaseException):
    """The process is gone: nothing catches this."""


def rehearse(home: Path, scene: str, prepared: Path | None) -> School:
    """Return the school as it stands before the scene."""
    if prepared is not None:
        shutil.copytree(prepared, home)
    else:
        home.mkdir()
    return School(home, begin_us=SCENES[scene], seed=9)


def prepare(folder: Path, scene: str) -> Path | None:
    """Return a home in which the hour before the scene was sealed."""
    if scene == "new site":
        return None
    folder.mkdir()
    school = School(folder, begin_us=SCENES[scene] - HOUR)
    school.start()
    school.hour(5)
    school.sealer.stop()
    return folder


def play(school: School, kill: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Start and seal an hour, until killed."""
    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault", kill)
        try:
            school.start()
            school.hour(5)
        except Killed:
            pass


def go_on(school: School, scene: str) -> None:
    """Start again and seal what is still to be sealed, twice."""
    school.start(begin_us=SCENES[scene])
    school.now_us = SCENES[scene] + HOUR
    for _ in range(2):
        school.hour(5, step_us=HOUR // 2)
    school.sealer.stop()


def check(school: School, told: str) -> None:
    """Everything is whole, and nothing lies about."""
    report = checking.verify(school.home)
    assert report.findings == [], told
    assert school.sealer.alarms == [], told
    assert list((school.home / "stage" / SITE).iterdir()) == [], told
    assert not list(school.home.rglob("*.tmp")), told
    assert not list((school.home / "secrets").glob("*.next")), told
    for log, _ in LOGS:
        assert school.sealer.position(log).spool == rows(school.home, log), told


def rows(home: Path, log: str) -> int:
    """Return how many rows of a log were sealed: in these tests one frame is one row."""
    total = 0
    for path in sorted((home / "logs" / SITE / log).rglob("*.parquet")):
        total += sum(piece.num_rows for piece in checking.read(path))
    return total


def points(home: Path, scene: str, prepared: Path | None, patch: pytest.MonkeyPatch) -> list[str]:
    """Return every step that the scene takes."""
    told: list[str] = []
    school = rehearse(home, scene, prepared)
    play(school, told.append, patch)
    school.sealer.stop()
    shutil.rmtree(home)
    return told


def crash_at(
    number: int, home: Path, scene: str, prepared: Path | None, patch: pytest.MonkeyPatch
) -> None:
    """Play the scene, killed before its step `number`, go on and check."""
    told: list[str] = []

    def kill(point: str) -> None:
        told.append(point)
        if len(told) > number:
            raise Killed

    school = rehearse(home, scene, prepared)
    play(school, kill, patch)
    go_on(school, scene)
    check(school, f"killed before {told[-1]}")
    shutil.rmtree(home)


@pytest.mark.parametrize("scene", SCENES)
def test_a_crash_at_a_step_loses_nothing(
    scene: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every ninth step of each scene; `make soak` takes them all."""
    prepared = prepare(tmp_path / "prepared", scene)
    steps = points(tmp_path / "home", scene, prepared, monkeypatch)
    assert len(steps) > 100
    for number in range(0, len(steps), 9):
        crash_at(number, tmp_path / "home", scene, prepared, monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("scene", SCENES)
def test_a_crash_at_every_step_loses_nothing(
    scene: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(tmp_path / "prepared", scene)
    for number in range(len(points(tmp_path / "home", scene, prepared, monkeypatch))):
        crash_at(number, tmp_path / "home", scene, prepared, monkeypatch)


def test_a_batch_that_was_planned_is_committed_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = rehearse(tmp_path / "home", "new site", None)

    def kill(point: str) -> None:
        if point.startswith("rename") and point.endswith(".groups"):
            raise Killed

    play(school, kill, monkeypatch)
    school.start()
    assert school.sealer.position("demo").seq == 1
    assert school.sealer.position("demo").spool == 5
    assert checking.verify(school.home).whole


def test_a_planned_batch_that_does_not_verify_is_sealed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = rehearse(tmp_path / "home", "new site", None)

    def kill(point: str) -> None:
        if point.startswith("rename") and "tile" in point and "/5" in point:
            raise Killed

    play(school, kill, monkeypatch)
    named = next((school.home / "logs").rglob("*.parquet"))
    named.write_bytes(named.read_bytes()[:-1])
    school.start()
    assert "sealed again" in school.sealer.alarms[0]
    assert school.sealer.position("demo").seq == 0
    assert not named.exists()
    school.hour(5)
    assert checking.verify(school.home).whole


def test_tiles_beyond_the_state_are_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = rehearse(tmp_path / "home", "new site", None)

    def kill(point: str) -> None:
        if point.startswith("rename") and point.endswith("/state") and school.now_us > BEGIN:
            raise Killed

    play(school, kill, monkeypatch)
    folder = school.home / "ledger" / SITE / "2027"
    beyond = [p for p in folder.rglob("*.p/*") if p.name == "5"]
    assert len(beyond) == 2
    for path in beyond:
        path.write_bytes(b"other entries that were never committed")
    school.start()
    assert checking.verify(school.home).whole
    assert tiles.Tiles(folder, school.sealer.size).entries(0)


def test_a_committed_state_without_checkpoint_is_published_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = rehearse(tmp_path / "home", "new site", None)

    def kill(point: str) -> None:
        if point.startswith("rename") and "checkpoints/5" in point:
            raise Killed

    play(school, kill, monkeypatch)
    folder = school.home / "ledger" / SITE / "2027"
    assert b"\n3\n" in (folder / "checkpoint").read_bytes()
    school.start()
    assert (folder / "checkpoints" / "5").exists()
    assert checking.verify(school.home).whole
