"""When backups and rehearsals are due, what is told of them, and that wrong clocks stop nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.backup import standing
from appliance.backup.standing import BANGKOK, DAY_US, HOUR_US
from appliance.settings import Backup

SETTINGS = Backup(to="/mnt/usb")


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=BANGKOK).timestamp()) * 1_000_000


NOW = us("2026-11-22 12:00")


def test_the_first_is_due_at_once_and_the_next_at_its_hour(tmp_path: Path) -> None:
    standing.watched(tmp_path, NOW)
    made, rehearsed = standing.read(tmp_path, SETTINGS, NOW)
    assert (made.due_us, rehearsed.due_us, made.ok_us) == (NOW, NOW, None)
    standing.good(tmp_path, "backup", "a.tar.age", NOW)
    standing.good(tmp_path, "rehearsal", "whole", NOW)
    made, rehearsed = standing.read(tmp_path, SETTINGS, NOW + HOUR_US)
    assert made.due_us == us("2026-11-23 03:00")
    assert rehearsed.due_us == us("2026-12-22 03:00")
    assert (made.told, made.alarm, rehearsed.alarm) == ("a.tar.age", "", "")


def test_what_failed_is_an_alarm_and_is_tried_again(tmp_path: Path) -> None:
    standing.good(tmp_path, "backup", "a.tar.age", NOW)
    standing.good(tmp_path, "rehearsal", "whole", NOW)
    later = NOW + 40 * DAY_US
    standing.bad(tmp_path, "backup", "nobody there", later)
    standing.bad(tmp_path, "rehearsal", "not whole", later)
    made, rehearsed = standing.read(tmp_path, SETTINGS, later)
    assert made.alarm == "the last backup failed: nobody there"
    assert (made.ok_us, made.due_us, made.late) == (NOW, later + HOUR_US, True)
    assert rehearsed.due_us == later + DAY_US
    standing.good(tmp_path, "backup", "b.tar.age", later + HOUR_US)
    assert standing.read(tmp_path, SETTINGS, later + HOUR_US)[0].alarm == ""
    assert "backup failed" not in str(standing.plain(standing.read(tmp_path, SETTINGS, later)))


def test_an_overdue_one_is_an_alarm_also_where_nothing_failed(tmp_path: Path) -> None:
    standing.watched(tmp_path, NOW)
    standing.watched(tmp_path, NOW + 30 * DAY_US)
    assert standing.read(tmp_path, SETTINGS, NOW + DAY_US)[0].alarm == ""
    made, rehearsed = standing.read(tmp_path, SETTINGS, NOW + 2 * DAY_US)
    assert "overdue" in made.alarm
    assert rehearsed.alarm == ""
    assert "overdue" in standing.read(tmp_path, SETTINGS, NOW + 8 * DAY_US)[1].alarm


@pytest.mark.parametrize("settings", [Backup(), Backup(to="/mnt/usb", days=0, rehearse_days=0)])
def test_where_people_make_them_nothing_is_due(tmp_path: Path, settings: Backup) -> None:
    standing.good(tmp_path, "backup", "a.tar.age", NOW)
    made, _ = standing.read(tmp_path, settings, NOW + 400 * DAY_US)
    assert (made.due_us, made.late, made.alarm) == (None, False, "")


def test_a_clock_that_was_years_ahead_puts_nothing_off(tmp_path: Path) -> None:
    ahead = NOW + 2000 * DAY_US
    standing.good(tmp_path, "backup", "a.tar.age", ahead)
    standing.bad(tmp_path, "rehearsal", "no", ahead)
    made, rehearsed = standing.read(tmp_path, SETTINGS, NOW)
    assert made.due_us == NOW
    assert rehearsed.due_us == NOW


@given(st.binary(max_size=60) | st.from_regex(rb'\{"backup": ?(\{"ok_us": ?.{0,30}\}|.{0,30})\}'))
def test_any_bytes_in_the_state_are_read(
    tmp_path_factory: pytest.TempPathFactory, b: bytes
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "state").mkdir()
    (home / standing.STATE).write_bytes(b)
    assert len(standing.read(home, SETTINGS, NOW)) == 2
    standing.bad(home, "backup", "x" * 1000, NOW)
    assert len(standing.read(home, SETTINGS, NOW)[0].fault) == 500


@given(
    ok=st.integers(0, 10**16),
    days=st.integers(1, 366),
    hour=st.integers(0, 23),
)
def test_the_next_is_never_before_the_last(ok: int, days: int, hour: int) -> None:
    due = standing.due_us(ok, days=days, hour=hour)
    assert (days - 1) * DAY_US < due - ok + DAY_US
    assert due - ok <= (days + 1) * DAY_US
    assert datetime.fromtimestamp(due / 1e6, BANGKOK).hour == hour
