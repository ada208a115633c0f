"""What lies in the place of a file may be anything: it is named, and nothing waits or fills up."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.collector.seal import checking
from tests.collector.seal.school import School
from tests.collector.seal.test_verify import evidence

LONGEST_S = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setattr("os.fdatasync", lambda _: None)
        school = School(tmp_path_factory.mktemp("whole") / "home")
        school.start()
        school.hour()
        school.hour()
        school.sealer.stop()
        return school.home


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy; whoever waits for a pipe in it is ended, which fails the test."""
    shutil.copytree(whole, tmp_path / "home")
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LONGEST_S)
    yield tmp_path / "home"
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _too_long(*_: object) -> None:
    raise AssertionError("the verifier waits for something")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def nowhere(path: Path) -> None:
    path.symlink_to("nowhere/at/all")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("put", [pipe, endless, nowhere, circle, hole, folder])
def test_whatever_is_put_in_the_place_of_a_file_is_named(
    home: Path, put: Callable[[Path], None]
) -> None:
    wrong = []
    for path in list(evidence(home)):
        place = str(path.relative_to(home))
        kept = path.read_bytes()
        path.unlink()
        put(path)
        found = checking.verify(home).findings
        if place not in [finding.place for finding in found] and path.parent.name != "checkpoints":
            wrong.append(f"{place}: {found[:2]}")
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_bytes(kept)
    assert wrong == []
    assert checking.verify(home).whole


def test_names_that_nobody_gave_are_named(home: Path) -> None:
    ledger = next((home / "ledger").glob("*/2*"))
    odd = ["checkpoints/abc", "checkpoints/\u0661", "tile/0/\u0660\u0660\u0660", "tst/x", "x\ny"]
    for name in odd:
        (ledger / name).parent.mkdir(exist_ok=True)
        (ledger / name).write_bytes(b"x")
    found = {finding.place for finding in checking.verify(home).findings}
    assert {str((ledger / name).relative_to(home)) for name in odd} <= found
