"""200 kills of each process under load; the last figures are in build/soak.json."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.integration import kill
from tests.integration.box import PROCESSES, Box
from tests.integration.machine import Machine
from tests.soak import commit

KILLS = int(os.environ.get("PRATHU_KILLS", "200"))
FIGURES = REPO / "build" / "soak.json"


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_many_kills_of_each_process(tmp_path: Path) -> None:
    seed = int(os.environ.get("PRATHU_SEED", str(time.time_ns() % 10**6)))
    began = time.monotonic()
    with Machine(tmp_path) as machine:
        box = Box(machine, tmp_path / "home")

        reckoning = kill.run(box, times=KILLS, seed=seed, processes=PROCESSES)

        faults = reckoning.faults()
        box.prathu("verify", "--deep", seconds=3600)
        figures = {
            "commit": commit(),
            "seed": seed,
            "kills": reckoning.kills,
            "seconds": round(time.monotonic() - began),
            "promised": {name: len(items) for name, items in reckoning.promised.items()},
            "stored": {name: sum(counts.values()) for name, counts in reckoning.stored.items()},
            "segments": len(list((box.home / "logs").rglob("*.parquet"))),
            "faults": faults,
            "verify_deep": "clean",
        }
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    assert faults == []
    assert reckoning.kills == dict.fromkeys(PROCESSES, KILLS)
