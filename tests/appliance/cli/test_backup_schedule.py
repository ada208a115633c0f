"""The process that makes backups by itself: one at a time, and what ends it is told."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from appliance.backup import standing
from appliance.cli import backup_schedule
from appliance.settings import BoxSettings
from tests.integration.machine import wait_for


class Watched:
    """The process, in a thread, with a program of the test's in place of `prathu backup`."""

    def __init__(self, home: Path, program: str, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.words = home / "words"
        script = home / "python"
        script.write_text(f'#!/bin/sh\necho "$*" >> {self.words}\n{program}\n')
        script.chmod(0o700)
        (home / "state").mkdir()
        patch.setattr(sys, "executable", str(script))
        patch.setattr(backup_schedule, "LOOK_S", 0.05)
        self.stop = threading.Event()
        self.ready = threading.Event()
        # A child dies with the thread that made it, so the thread is the process here.
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        document = {"sites": [{"id": "school-a"}], "backup": {"to": "/mnt/usb"}}
        settings = BoxSettings.model_validate(document)
        backup_schedule.run(
            self.home, settings, self.stop, clock=time.time_ns, ready=self.ready.set
        )

    def asked(self) -> list[str]:
        return self.words.read_text().splitlines() if self.words.exists() else []

    def state(self) -> dict[str, dict[str, object]]:
        path = self.home / standing.STATE
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def test_what_is_due_is_made_and_rehearsed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Watched(tmp_path, "exit 0", monkeypatch) as watched:
        wait_for("the first", lambda: len(watched.asked()) >= 1)
    assert watched.asked()[0] == (
        f"-m appliance.cli.main --home {tmp_path} -q backup --by-itself --rehearse"
    )
    assert isinstance(watched.state()["since_us"], int)


def test_one_that_was_killed_is_a_failure_and_is_not_tried_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Watched(tmp_path, "kill -9 $$", monkeypatch) as watched:
        wait_for("its death", lambda: "backup" in watched.state())
    assert watched.state()["backup"]["fault"] == "killed by signal 9"
    assert len(watched.asked()) == 1


def test_a_box_that_stops_ends_its_backup_and_calls_it_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"trap 'echo ended >> {tmp_path}/ended; exit 143' TERM\nsleep 60 & wait"
    with Watched(tmp_path, program, monkeypatch) as watched:
        wait_for("its begin", watched.asked)
    assert (tmp_path / "ended").read_text() == "ended\n"
    assert watched.state().keys() == {"since_us"}
