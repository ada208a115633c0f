"""Small files are there whole, with the rights that were asked for, and nothing beside them."""

import stat
from pathlib import Path

import pytest

from captive_portal import durable


def test_a_file_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    durable.write(path, b"old", 0o600)
    durable.write(path, b"new", 0o640)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_of_several_first_writers_the_first_counts(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "key"
    durable.write_first(path, b"first", 0o600)
    durable.write_first(path, b"second", 0o600)
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write(path, b"old", 0o600)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        durable.write(tmp_path / "folder", b"new", 0o600)
    assert path.read_bytes() == b"old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]
