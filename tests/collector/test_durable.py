"""What durable says is written is written, and what it cannot do it says."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import durable
from collector.errors import Busy, StoreError


class Stop(Exception):
    """A crash, for the purposes of a test."""


class Steps:
    """Records the steps taken and fails at one of them."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.fail_at = -1
        self.error: Exception = Stop()

    def __call__(self, point: str) -> None:
        if len(self.taken) == self.fail_at:
            raise self.error
        self.taken.append(point)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    recorder = Steps()
    monkeypatch.setattr(durable, "fault", recorder)
    yield recorder


def test_a_new_file_is_synced_before_its_folder(tmp_path: Path, steps: Steps) -> None:
    path = tmp_path / "leaf"
    durable.write_new(path, b"abc")
    assert path.read_bytes() == b"abc"
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0
    assert [step.split()[0] for step in steps.taken] == ["open", "write", "fsync", "fsync"]
    assert steps.taken[-1] == f"fsync {tmp_path}"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EACCES, "Permission denied; run it as the user of the box, or with sudo"),
        (errno.ENOSPC, "No space left on device; see the disk (df, dmesg)"),
    ],
)
def test_missing_rights_are_no_fault_of_the_disk(
    tmp_path: Path, steps: Steps, number: int, hint: str
) -> None:
    steps.fail_at, steps.error = 0, OSError(number, os.strerror(number))
    with pytest.raises(StoreError) as found:
        durable.write_new(tmp_path / "leaf", b"abc")
    assert hint in str(found.value)


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "leaf"
    path.write_bytes(b"old")
    with pytest.raises(StoreError, match=f"could not write {path}"):
        durable.write_new(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("step", range(6))
def test_a_crash_at_any_step_of_replace_leaves_old_or_new_whole(
    tmp_path: Path, steps: Steps, step: int
) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(b"old")
    steps.fail_at = step
    if step < 5:
        with pytest.raises(Stop):
            durable.replace(path, b"newer")
    else:
        durable.replace(path, b"newer")
        assert len(steps.taken) == 5  # no step of it is left untried above
    assert path.read_bytes() == (b"old" if step < 4 else b"newer")
    steps.fail_at = -1
    durable.replace(path, b"third")
    assert path.read_bytes() == b"third"
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint"]


def test_a_failed_fsync_is_an_error_that_names_the_file(tmp_path: Path, steps: Steps) -> None:
    steps.fail_at, steps.error = 2, OSError(errno.EIO, os.strerror(errno.EIO))
    with pytest.raises(StoreError, match=r"could not write .*leaf: Input/output error"):
        durable.write_new(tmp_path / "leaf", b"abc")
    assert not [step for step in steps.taken if step.startswith("fsync")]


def test_append_adds_to_the_end(tmp_path: Path) -> None:
    durable.append(tmp_path / "log", b"one ")
    durable.append(tmp_path / "log", b"two")
    assert (tmp_path / "log").read_bytes() == b"one two"


def test_folders_are_made_with_their_rights_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        durable.make_dir(tmp_path / "a" / "b", 0o770)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o770
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o770
    durable.make_dir(tmp_path / "a" / "b")  # once more is no error
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o770


def test_renaming_to_another_folder_syncs_both(tmp_path: Path, steps: Steps) -> None:
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "x").write_bytes(b"1")
    durable.rename(tmp_path / "stage" / "x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"1"
    assert {f"fsync {tmp_path}", f"fsync {tmp_path / 'stage'}"} <= set(steps.taken)


def test_a_dead_key_is_overwritten_before_its_name_goes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"k" * 64)
    other_name = tmp_path / "seen"
    os.link(path, other_name)
    durable.overwrite_and_unlink(path)
    assert not path.exists()
    assert len(other_name.read_bytes()) == 64
    assert other_name.read_bytes() != b"k" * 64


def test_removing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    durable.remove(tmp_path / "nothing")


def test_a_second_process_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from collector.durable import Lock\n"
        "from collector.errors import Busy\n"
        "try:\n    Lock(Path(sys.argv[1])).take()\nexcept Busy as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with durable.Lock(tmp_path / "lock"):
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert f"{tmp_path} is in use by process {os.getpid()}; " in told
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_the_lock_can_be_taken_again_after_it_was_let_go(tmp_path: Path) -> None:
    lock = durable.Lock(tmp_path / "lock")
    with lock, pytest.raises(Busy):
        durable.Lock(tmp_path / "lock").take()
    with lock:
        pass
