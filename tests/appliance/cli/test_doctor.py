"""`prathu doctor` from outside: status, words for people, and JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.cli import doctor
from appliance.health.doctor import examine as examining
from appliance.health.doctor.finding import Finding, Ground, State, good
from tests.appliance.cli.boxes import Box

BAD = Finding(
    check="clock",
    state=State.BAD,
    english="the clock is [bold]off[/]",
    thai="เวลาคลาด",
    mend="set it",
    mend_thai="ตั้งเวลา",
)


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, capsys, monkeypatch)


def found(box: Box, *findings: Finding) -> None:
    def look(_: Ground) -> tuple[Finding, ...]:
        return findings

    def examine(home: Path, now: object) -> object:
        return examining.examine(home, now, looks={"all": look})  # type: ignore[arg-type]  # as is

    box.patch.setattr(doctor, "examine", examine)


def test_what_is_wrong_is_told_in_both_languages_with_status_1(box: Box) -> None:
    found(box, good("disk", "free"), BAD)
    said = box.prathu("doctor")
    assert said.status == 1
    assert said.out.splitlines() == [
        "BAD  clock the clock is [bold]off[/]",
        "       → set it",
        "       เวลาคลาด",
        "       → ตั้งเวลา",
        "3 looked at: 1 bad, 0 doubtful",
    ]
    assert "disk free" in box.prathu("doctor", "--all").out
    found(box, good("disk", "free"))
    assert box.prathu("doctor").status == 0


def test_json_has_a_line_for_each_look(box: Box) -> None:
    found(box, BAD)
    said = box.prathu("--json", "doctor")
    assert said.status == 1
    assert [(one["check"], one["state"]) for one in said.lines()] == [
        ("settings", "good"),
        ("clock", "bad"),
    ]


def test_the_machine_that_it_runs_on_is_looked_at(box: Box) -> None:
    said = box.prathu("--json", "doctor")
    assert said.status in (0, 1)
    checks = {one["check"] for one in said.lines()}
    assert checks >= {"settings", "home", "database", "ports", "kernel", "clock", "disk"}
