"""What is due is destroyed by an entry, wholly, lawfully, and to the end whatever comes between."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector import durable
from collector.seal import destroy, holds
from collector.seal.fault import Refused
from collector.seal.holds import Account, Book
from collector.seal.sealer import Sealer
from tests.collector.seal import checking
from tests.collector.seal.school import BEGIN, DAY, HOUR, SITE, School
from tests.collector.seal.test_crash import Killed

DAYS = {"demo": 90, "quiet": 90}


def book(home: Path) -> Book:
    """Return the account of the school as its ledgers tell it."""
    told = Book(home, SITE)
    told.refresh()
    return told


def run(school: School, sealer: Sealer | None = None) -> destroy.Plan:
    """Destroy what is due."""
    sealer = sealer or school.sealer
    told = destroy.plan(book(school.home), days=DAYS, now_us=school.now_us)
    listed = destroy.entries(
        told.due, days=DAYS, now_us=school.now_us, size=sealer.size, actor="box"
    )
    for entry in listed:
        sealer.destroy(entry)
    return told


def filled(home: Path) -> School:
    """Return a school with two days of March and one of June, in the middle of June."""
    school = School(home, begin_us=BEGIN)
    school.start()
    for rows in (5, 6):
        school.hour(rows)
    school.now_us += DAY
    school.start()
    school.hour(7)
    school.now_us = BEGIN + 91 * DAY - HOUR
    school.start()
    school.hour(4)
    return school


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("prepared") / "home"
    home.mkdir()
    filled(home).sealer.stop()
    return home


@pytest.fixture
def school(prepared: Path, tmp_path: Path) -> School:
    home = Path(shutil.copytree(prepared, tmp_path / "home"))
    school = School(home, begin_us=BEGIN + 91 * DAY, seed=3)
    school.start()
    return school


def names(home: Path) -> list[str]:
    """Return the segments that are there, and the rings."""
    found = [*home.rglob("*.parquet"), *home.rglob("*.groups"), *home.rglob("*.ring")]
    return sorted(path.name for path in found)


def test_what_is_due_is_destroyed_and_no_more(school: School) -> None:
    rollup = next((school.home / "logs").rglob("0.parquet")).relative_to(school.home / "logs")
    (school.home / "rollup" / rollup).parent.mkdir(parents=True)
    (school.home / "rollup" / rollup).write_bytes(b"counts")
    plan = run(school)
    assert [(one.log, one.seq) for one in plan.due] == [("demo", 0), ("demo", 1)]
    left = {"2.parquet", "2.groups", "3.parquet", "3.groups", "2027-03-05.ring", "2027-06-03.ring"}
    assert set(names(school.home)) == left
    assert not list((school.home / "rollup").rglob("*.parquet"))
    assert not list((school.home / "logs").rglob("2027/03/04"))
    report = checking.verify(school.home)
    assert report.findings == []
    assert [(d.log, d.first, d.last, d.policy) for d in report.destroyed] == [
        ("demo", 0, 1, "days-90")
    ]
    assert report.destroyed[0].time_us == school.now_us


def test_a_ring_that_is_partly_due_loses_only_those_keys(school: School) -> None:
    ring = next((school.home / "keys").rglob("2027-03-04.ring"))
    keys = ring.read_bytes().splitlines(keepends=True)
    (scope,) = holds.scope(
        list(book(school.home).kept.values()), logs=["demo"], from_us=None, to_us=BEGIN + 1
    )
    school.sealer.record(hold("h", [scope]))
    run(school)
    assert ring.read_bytes() == keys[0]
    assert checking.verify(school.home).findings == []
    assert not list((school.home / "stage").rglob("*.dead"))


def hold(name: str, scope: list[list[Any]], until: int | None = None) -> dict[str, Any]:
    """Return a hold entry."""
    return {
        "type": "hold",
        "hold": name,
        "scope": scope,
        "bundle": None,
        "until": until,
        "ref_commit": "00" * 32,
    }


def test_a_hold_keeps_until_it_is_released_or_ends(school: School) -> None:
    school.sealer.record(hold("first", [["demo", 0, 0]], school.now_us + DAY))
    school.sealer.record(hold("second", [["demo", 1, 2]]))
    plan = run(school)
    assert plan.due == ()
    assert [(one.seq, why.hold) for one, why in plan.held] == [(0, "first"), (1, "second")]
    school.now_us += DAY
    assert [one.seq for one in run(school).due] == [0]
    school.sealer.record({"type": "release", "hold": "second", "ref_commit": "00" * 32})
    assert [one.seq for one in run(school).due] == [1, 2]
    assert checking.verify(school.home).findings == []


def test_destruction_goes_on_in_the_next_year_and_after_it(school: School) -> None:
    school.now_us = BEGIN + 310 * DAY
    school.start()
    school.hour(3)
    school.start()
    assert [one.seq for one in run(school).due] == [0, 1, 2, 3]
    report = checking.verify(school.home)
    assert report.findings == []
    assert report.ledgers == 2
    school.start()
    assert checking.verify(school.home).findings == []


def unlawful(**changed: Any) -> dict[str, Any]:
    entry = {
        "type": "destroyed",
        "segments": [],
        "policy": "days-90",
        "due": BEGIN,
        "holds_checked": 0,
        "actor": "box",
        "second": "policy",
        "method": "overwrite-unlink",
        "backups_gone_by": 0,
    }
    return {**entry, **changed}


def rows(home: Path, *seqs: int) -> list[list[Any]]:
    kept = book(home).kept
    return [["demo", seq, kept["demo", seq].root] for seq in seqs]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda s: {"segments": rows(s.home, 3)}, "within 90 days of its receipt"),
        (lambda _: {"segments": [["demo", 0, "00" * 32]]}, "another root"),
        (lambda _: {"segments": [["demo", 9, "00" * 32]]}, "was never sealed"),
        (lambda s: {"segments": rows(s.home, 0), "due": s.now_us + 1}, "before it was due"),
        (lambda s: {"segments": rows(s.home, 1)}, "while kept held it"),
    ],
)
def test_destruction_that_is_not_lawful_is_found(
    school: School, wrong: Callable[[School], dict[str, Any]], told: str
) -> None:
    school.sealer.record(hold("kept", [["demo", 1, 1]]))
    school.sealer.destroy(unlawful(**wrong(school)))
    report = checking.verify(school.home)
    assert [(f.number, told in f.text) for f in report.findings] == [("E-02", True)]
    assert "/tile/entries/000.p/" in report.findings[0].place


def test_nobody_destroys_alone(school: School) -> None:
    with pytest.raises(Refused) as found:
        school.sealer.destroy(unlawful(segments=rows(school.home, 0), second="box"))
    assert found.value.number == "E-02"
    assert "0.parquet" in names(school.home)
    entry = {**unlawful(second="box"), "time": BEGIN}
    with pytest.raises(Refused, match="one person alone"):
        Account().take(entry)


def test_what_was_destroyed_once_is_not_destroyed_again(school: School) -> None:
    again = rows(school.home, 0)
    school.sealer.destroy(unlawful(segments=again))
    school.sealer.destroy(unlawful(segments=again))
    (found,) = checking.verify(school.home).findings
    assert found.number == "E-02"
    assert "destroyed before" in found.text


def test_a_segment_that_comes_back_or_goes_without_entry_is_found(school: School) -> None:
    path = next((school.home / "logs").rglob("0.parquet"))
    data = path.read_bytes()
    run(school)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    (found,) = checking.verify(school.home).findings
    place = str(path.relative_to(school.home))
    assert (found.number, found.place) == ("E-02", place)
    assert "after its destruction" in found.text
    path.unlink()
    lost = next((school.home / "logs").rglob("2.parquet"))
    lost.unlink()
    (found,) = checking.verify(school.home).findings
    assert (found.number, found.text) == ("E-02", "the file is missing")


def test_a_segment_destroyed_while_the_verifier_runs_is_no_fault(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def each(check: Any, tasks: Any) -> Any:
        run(school)
        return map(check, tasks)

    report = checking.verify(school.home, each=each)
    assert report.findings == []


# Crashes.


def steps(prepared: Path, home: Path, kill: Callable[[str], None], held: bool) -> School:
    shutil.copytree(prepared, home)
    school = School(home, begin_us=BEGIN + 91 * DAY, seed=3)
    school.start()
    if held:
        school.sealer.record(hold("kept", [["demo", 1, 1]]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "fault", kill)
        with contextlib.suppress(Killed):
            run(school)
    return school


def finished(prepared: Path, home: Path, number: int, held: bool) -> None:
    """Kill the run before its step `number`, start again and check."""
    seen: list[str] = []

    def kill(step: str) -> None:
        seen.append(step)
        if len(seen) > number:
            raise Killed

    school = steps(prepared, home, kill, held)
    school.start()
    assert checking.verify(school.home).findings == [], seen[-1]
    run(school)
    assert checking.verify(school.home).findings == [], seen[-1]
    assert "0.parquet" not in names(school.home), seen[-1]
    assert ("1.parquet" in names(school.home)) is held, seen[-1]
    assert not list(school.home.rglob("*.dead")), seen[-1]
    assert school.sealer.alarms == [], seen[-1]
    school.sealer.stop()
    shutil.rmtree(home)


def points(prepared: Path, home: Path, held: bool) -> int:
    """Return how many steps a run takes."""
    told: list[str] = []
    steps(prepared, home, told.append, held).sealer.stop()
    shutil.rmtree(home)
    assert any(".dead" in step for step in told)
    return len(told)


@pytest.mark.parametrize("held", [False, True])
def test_a_crash_at_a_step_is_finished_at_start(prepared: Path, tmp_path: Path, held: bool) -> None:
    """Every fourth step; `make soak` takes them all."""
    for number in range(int(held), points(prepared, tmp_path / "home", held), 4):
        finished(prepared, tmp_path / "home", number, held)


@pytest.mark.soak
@pytest.mark.parametrize("held", [False, True])
def test_a_crash_at_every_step_is_finished_at_start(
    prepared: Path, tmp_path: Path, held: bool
) -> None:
    for number in range(points(prepared, tmp_path / "home", held)):
        finished(prepared, tmp_path / "home", number, held)


def test_dead_keys_are_overwritten_before_they_go(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = next((school.home / "keys").rglob("2027-03-04.ring"))
    secret = json.loads(ring.read_bytes().splitlines()[0])["k"].encode()
    left: list[bytes] = []

    def look(step: str) -> None:
        if step.startswith("unlink") and step.endswith(".dead"):
            left.append(Path(step.removeprefix("unlink ")).read_bytes())

    monkeypatch.setattr(durable, "fault", look)
    run(school)
    assert left
    assert all(secret not in data for data in left)
