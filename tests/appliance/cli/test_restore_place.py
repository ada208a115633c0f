"""A place without a backup is told before anybody types what stands on the paper."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from appliance.cli import main


@pytest.mark.parametrize(
    ("place", "words", "told"),
    [
        ("none", [], "is no folder; give the place that prathu backup wrote to"),
        ("empty", [], "there is no backup; give the place"),
        ("disk", ["--archive", "x"], "there is no backup x; there are: prathu-20261122T000000Z"),
    ],
)
def test_nobody_is_asked_for_the_paper_in_vain(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    words: list[str],
    told: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "prathu-20261122T000000Z.tar.age").write_bytes(b"x")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(SystemExit) as ended:
        main.run(["--home", str(tmp_path / "new"), "restore", str(tmp_path / place), *words])
    said = capsys.readouterr().err
    assert ended.value.code in (1, 2)
    assert told in said
    assert "AGE-SECRET-KEY" not in said
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / "new").exists()
