"""Killing any process at any moment loses nothing that was promised and stores nothing twice."""

from __future__ import annotations

import os
from pathlib import Path

from tests.integration import kill
from tests.integration.box import PROCESSES, Box
from tests.integration.machine import Machine

SEED = int(os.environ.get("PRATHU_SEED", "2569"))
KILLS = 20


def test_what_was_durable_is_stored_once_whatever_is_killed(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        box = Box(machine, tmp_path / "home")

        reckoning = kill.run(box, times=KILLS, seed=SEED, processes=PROCESSES)

        assert reckoning.kills == dict.fromkeys(PROCESSES, KILLS)
        assert reckoning.faults() == []
        assert min(len(promised) for promised in reckoning.promised.values()) > 20
        box.prathu("verify", "--deep")
