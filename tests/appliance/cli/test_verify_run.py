"""A verification goes on from where it was interrupted, and opens on several cores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import main, verify_run
from collector.seal.verify_segments import Task, check
from tests.collector.homes import Home, stream


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with seven segments of flows."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(os, "fsync", lambda _: None)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "prathu.toml").write_text('[[sites]]\nid = "school-a"\n')
    home = Home(tmp_path / "home", rows=16)
    home.write(list(stream(7)))
    home.run()
    return home.folder


def verify(folder: Path, *words: str) -> int:
    try:
        main.run(["--home", str(folder), "verify", "--deep", *words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def interrupted(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Have somebody press Ctrl-C once so many segments were opened."""
    opened: list[str] = []

    def until(task: Task) -> Any:
        if len(opened) == after:
            raise KeyboardInterrupt
        opened.append(str(task.entry["seq"]))
        return check(task)

    monkeypatch.setattr(verify_run, "check", until)
    monkeypatch.setattr(verify_run, "_FEW", 1000)


def test_it_goes_on_where_it_was_interrupted(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        interrupted(patch, 3)
        assert verify(folder) == 3
    assert "go on with: prathu verify --deep --resume" in capsys.readouterr().err
    (notes,) = (tmp_path / "state" / "prathu").iterdir()
    assert notes.name.startswith("verify-")
    kept = notes.read_bytes()
    for odd in (b"[" * 9999, b"[]", b'{"a":1}', b"\xff"):
        notes.write_bytes(odd)
        verify_run.Notebook(folder, resume=True)  # begins anew, and says nothing false
    notes.write_bytes(kept)
    assert verify(folder, "--resume") == 0
    assert "3 opened in an earlier run" in capsys.readouterr().out
    assert list((tmp_path / "state" / "prathu").iterdir()) == []


def test_what_changed_since_is_opened_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        interrupted(patch, 30)
        verify(folder)  # there are fewer
        interrupted(patch, 7)
        verify(folder)
    path = next((folder / "logs" / "school-a" / "flows").rglob("0.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert verify(folder, "--resume") == 1
    assert f"{path.relative_to(folder)}" in capsys.readouterr().out


def test_processes_find_what_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((folder / "logs" / "school-a" / "flows").rglob("0.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert verify(folder) == 1
    assert f"{path.relative_to(folder)}" in capsys.readouterr().out
