"""The hand-over to a new day's key: killed for real after each write, and with keys lost."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector import durable
from collector.errors import SealError
from collector.seal import note
from collector.seal.note import SigningKey
from collector.seal.vault import KEK, Secrets
from tests.collector.seal import checking
from tests.collector.seal.school import BEGIN, DAY, HOUR, SITE, School
from tests.collector.seal.test_sealer import entries_of, types_of

MIDNIGHT = int(datetime(2027, 3, 5, tzinfo=UTC).timestamp()) * 1_000_000
WRAP = b"w" * 32
EPOCH, LOG = f"secrets/prathu.epoch.{SITE}", f"secrets/prathu.log.{SITE}"


class Killed(BaseException):
    """The process is gone."""


def evening(home: Path) -> School:
    """Return a school in whose home the last hour of a day was sealed."""
    home.mkdir()
    school = School(home, begin_us=MIDNIGHT - 2 * HOUR)
    school.start()
    school.hour(3)
    school.sealer.stop()
    return school


def hand_over(home: Path, at_step: Callable[[str], None]) -> None:
    """Start behind midnight: the clock, a gap, and the hand-over to the new key."""
    school = School(home, seed=5)
    school.now_us = MIDNIGHT + HOUR
    durable.fault = at_step
    school.start()
    school.sealer.stop()


def killed_at(number: int, home: Path) -> bool:
    """Run the hand-over in a process that is killed at a step; say whether it came so far."""
    child = os.fork()
    if child == 0:
        left = [number]

        def count(_: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            hand_over(home, count)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_killed_after_any_write_of_the_hand_over_the_next_start_is_whole(tmp_path: Path) -> None:
    evening(tmp_path / "evening")
    old = (tmp_path / "evening" / EPOCH).read_bytes()
    steps = 0
    for number in range(1000):
        home = tmp_path / "home"
        shutil.copytree(tmp_path / "evening", home)
        came = killed_at(number, home)
        steps += came
        school = School(home, seed=6)
        school.now_us = MIDNIGHT + 2 * HOUR
        school.start()
        school.hour(2)
        school.sealer.stop()
        assert checking.verify(home).findings == [], number
        assert not any(old in p.read_bytes() for p in home.rglob("*") if p.is_file()), number
        assert len(list((home / "secrets").iterdir())) == len(
            list((tmp_path / "evening/secrets").iterdir())
        )
        shutil.rmtree(home)
        if not came:
            break
    assert steps > 60


def lose_between_commit_and_publish(
    home: Path, name: str, patch: pytest.MonkeyPatch, *, seed: int = 5
) -> School:
    """Seal an hour, killed when it is committed and not yet published; then lose a key."""

    def kill(point: str) -> None:
        if point.startswith("open") and committed:
            raise Killed
        if point.startswith("rename") and point.endswith("/state"):
            committed.append(point)

    committed: list[str] = []
    school = School(home, begin_us=BEGIN, seed=seed)
    school.start()
    school.hour(3)
    with patch.context() as inner:
        inner.setattr(durable, "fault", kill)
        with pytest.raises(Killed):
            school.hour(5)
    (home / name).unlink()
    return school


@pytest.mark.parametrize("name", [EPOCH, LOG])
def test_what_can_never_be_signed_is_committed_again_when_two_people_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    school = lose_between_commit_and_publish(tmp_path, name, monkeypatch)
    with pytest.raises(SealError, match="prathu keys replace"):
        school.start()
    school.start(approvals=("a1", "b2"))
    assert school.sealer.position("demo").spool == 8
    assert [alarm for alarm in school.sealer.alarms if "was lost" not in alarm] == []
    school.hour(1)
    report = checking.verify(tmp_path)
    assert report.findings == []
    assert any("was lost" in note for note in report.notes)
    assert report.rows == 9


def test_a_checkpoint_that_was_signed_is_shown_and_never_signed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = School(tmp_path)
    school.start()

    def kill(point: str) -> None:
        if point.startswith("rename") and point.endswith("2027/checkpoint"):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault", kill)
        with pytest.raises(Killed):
            school.hour(5)
    (tmp_path / EPOCH).unlink()
    with pytest.raises(SealError, match="epoch key"):
        school.start()
    school.start(approvals=("a1", "b2"))
    assert school.sealer.position("demo").spool == 5
    assert checking.verify(tmp_path).findings == []


def test_a_first_ledger_whose_key_was_lost_before_anybody_saw_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(point: str) -> None:
        if point.startswith("open") and (tmp_path / f"ledger/{SITE}/2027/state").exists():
            raise Killed

    school = School(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault", kill)
        with pytest.raises(Killed):
            school.start()
    (tmp_path / LOG).unlink()
    with pytest.raises(SealError, match="prathu keys replace"):
        school.start()
    school.start(approvals=("a1", "b2"))
    school.hour(2)
    assert checking.verify(tmp_path).findings == []


def test_a_hand_over_bears_the_old_key_before_the_new_and_a_broken_one_only_the_new(
    tmp_path: Path,
) -> None:
    school = School(tmp_path)
    school.start()
    school.hour(2, step_us=DAY)
    school.sealer.stop()
    (tmp_path / EPOCH).unlink()
    school.start(approvals=("a1", "b2"))
    school.sealer.stop()
    whole, broken = (e for e in entries_of(tmp_path) if e["type"] == "epoch")
    assert (whole["broken"], whole["approvals"]) == (False, [])
    assert (broken["broken"], broken["approvals"]) == (True, ["a1", "b2"])
    kept = tmp_path / f"ledger/{SITE}/2027/checkpoints"
    first = entries_of(tmp_path)[0]["epoch_vkey"]
    for entry, keys in ((whole, [first, whole["vkey"]]), (broken, [broken["vkey"]])):
        signed = note.parse((kept / str(entry["index"] + 1)).read_bytes())
        ids = [line.key_id for line in signed.lines if line.name.endswith("/epoch")]
        assert ids == [note.parse_vkey(key).key_id for key in keys]
    assert checking.verify(tmp_path).findings == []


@pytest.mark.parametrize("lines", [["log", "new"], ["log", "new", "old"], ["old", "new"], ["log"]])
def test_a_hand_over_without_the_old_key_is_found(tmp_path: Path, lines: list[str]) -> None:
    school = School(tmp_path)
    school.start()
    old = SigningKey.parse((tmp_path / EPOCH).read_text())
    school.hour(2, step_us=DAY)
    school.sealer.stop()
    keys = {
        "old": old,
        "new": SigningKey.parse((tmp_path / EPOCH).read_text()),
        "log": SigningKey.parse((tmp_path / LOG).read_text()),
    }
    index = types_of(tmp_path).index("epoch")
    place = f"ledger/{SITE}/2027/checkpoints/{index + 1}"
    text = note.parse((tmp_path / place).read_bytes()).text
    signed = text + b"\n" + b"".join(keys[name].sign(text) for name in lines)
    for name in (place, f"ledger/{SITE}/2027/checkpoint"):
        (tmp_path / name).write_bytes(signed)
    found = [(f.number, f.place) for f in checking.verify(tmp_path).findings]
    assert ("E-03", place) in found


def test_on_new_years_day_the_clock_goes_back_a_day_and_the_new_ledger_goes_on(
    tmp_path: Path,
) -> None:
    eve = int(datetime(2027, 12, 31, 23, 0, tzinfo=UTC).timestamp()) * 1_000_000
    school = School(tmp_path, begin_us=eve)
    school.start()
    school.hour(2)
    assert school.sealer.origin.endswith("/2028")
    school.now_us -= DAY
    school.hour(2)
    school.start()
    school.now_us += 2 * DAY
    school.hour(2)
    school.start()
    assert types_of(tmp_path)[-1] == "close"
    assert [e["seq"] for e in entries_of(tmp_path, "2028") if e["type"] == "segment"] == [1, 2]
    assert checking.verify(tmp_path).findings == []


def test_after_a_month_without_the_box_the_ledger_says_so_and_goes_on(tmp_path: Path) -> None:
    school = School(tmp_path)
    school.start()
    school.hour(2)
    school.now_us += 31 * DAY
    school.start(cause="power")
    school.hour(2)
    gap = next(e for e in entries_of(tmp_path) if e["type"] == "gap")
    assert (gap["end"] - gap["start"], gap["cause"]) == (31 * DAY, "power")
    assert checking.verify(tmp_path).findings == []


def test_a_crash_in_the_hand_over_of_wrapped_keys_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every seventh step; the ledger also has an ML-DSA key, whose signatures never repeat."""
    made = School(tmp_path / "evening", begin_us=MIDNIGHT - 2 * HOUR, wrap=WRAP, ml_dsa=True)
    made.home.mkdir()
    made.start()
    made.hour(3)
    made.sealer.stop()
    kek = Secrets(made.home, random=made.noise, wrap=WRAP).read(KEK)
    for number in range(0, 1000, 7):
        home = tmp_path / "home"
        shutil.copytree(made.home, home)
        left = [number]

        def count(_: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        school = School(home, seed=5, wrap=WRAP, ml_dsa=True)
        school.now_us = MIDNIGHT + HOUR
        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(durable, "fault", count)
            school.start()
        school.now_us += HOUR
        school.start()
        school.hour(2)
        school.sealer.stop()
        assert checking.verify(home, kek=kek).findings == [], number
        names = {path.name for path in (home / "secrets").iterdir()}
        assert names == {path.name for path in (made.home / "secrets").iterdir()}, number
        shutil.rmtree(home)
        if left[0] >= 0:
            assert number > 60
            break
