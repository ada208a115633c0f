"""Every decoder under inputs that nobody meant: those found once, and some seconds of new ones."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.fuzz import edge, files, network
from tests.fuzz.target import Target

TARGETS = (*network.TARGETS, *files.TARGETS, *edge.TARGETS)
LONG = os.environ.get("PRATHU_FUZZ_S", "")
FOUND = Path(__file__).parent / "found"
"""Inputs that failed once, a folder for each target."""
START_S = 120
SEED = 2569
by_name = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@by_name
def test_what_failed_once_and_what_is_good_hold(target: Target) -> None:
    for seed in target.seeds():
        target.check(seed)
    for path in sorted((FOUND / target.name).glob("*")):
        target.check(path.read_bytes())


@pytest.mark.timeout(int(LONG or "5") + START_S)
@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris is not installed")
@by_name
def test_fuzzing_finds_nothing(target: Target, tmp_path: Path) -> None:
    """With PRATHU_FUZZ_S (as `make fuzz`), so long, and going on where the last run ended.

    Without, from one seed: what is new is found by hand, not by whoever changes something else.
    """
    corpus = (REPO / "build" / "fuzz" if LONG else tmp_path) / target.name
    module = target.check.__module__.rpartition(".")[2]
    seconds = LONG or str(target.seconds)
    options = [] if LONG else [f"-seed={SEED}"]
    command = [sys.executable, "-m", "tests.fuzz.run", module, target.name, seconds, str(corpus)]
    command += options
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
