"""Why a gap is in the ledger: how the process before ended."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from collector import durable
from collector.errors import StoreError
from collector.last_end import LastEnd, disk_full

BOOT, LATER = "0c6f8a52-6d1f-4d0e-9c59-3c1f5ad2a001", "1c6f8a52-6d1f-4d0e-9c59-3c1f5ad2a001"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path


def no_room() -> StoreError:
    """Return what a write on a full disk ends in."""
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise StoreError("could not write") from error
    except StoreError as error:
        return error


def test_each_way_to_end_has_its_word(home: Path) -> None:
    end = LastEnd(home, BOOT)
    assert end.cause() == "unknown"
    end.begin()
    assert LastEnd(home, BOOT).cause() == "unknown"
    assert LastEnd(home, LATER).cause() == "power"
    end.stopped()
    assert LastEnd(home, LATER).cause() == "stopped"
    end.begin()
    end.failed(StoreError("could not fsync"))
    assert LastEnd(home, BOOT).cause() == "unknown"
    end.failed(no_room())
    assert LastEnd(home, LATER).cause() == "disk-full"
    LastEnd(home, BOOT).begin()
    assert LastEnd(home, BOOT).cause() == "unknown"


def test_saying_so_needs_no_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = LastEnd(home, BOOT)
    end.begin()

    def full(point: str) -> None:
        if not point.startswith("rename"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "fault", full)
    end.failed(no_room())
    assert LastEnd(home, BOOT).cause() == "disk-full"


def test_a_full_share_is_a_full_disk_and_other_faults_are_not() -> None:
    assert disk_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not disk_full(OSError(errno.EIO, "Input/output error"))
    assert not disk_full(None)
