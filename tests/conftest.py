"""What every test stands on: Hypothesis profiles, and one worker for tests with daemons."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

REPO = Path(__file__).resolve().parent.parent
MACHINE = "tests/integration/"
"""Tests below here use daemons, a browser, timings: one after the other, on one worker."""
MACHINE_TIMEOUT_S = 1200

# A shared machine can stall for longer than any honest deadline. The examples are the same each
# time, so that a change is judged by what it changes; `make fuzz` looks for new ones.
settings.register_profile("house", deadline=None, print_blob=True, derandomize=True)
settings.register_profile(
    "fuzz",
    parent=settings.get_profile("house"),
    derandomize=False,
    max_examples=20_000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that need the machine, and give them time."""
    items.sort(key=lambda item: not item.nodeid.startswith(MACHINE))
    for item in items:
        if item.nodeid.startswith(MACHINE) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(MACHINE_TIMEOUT_S))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give each worker whole files, and all files that need the machine to one of them."""
    from xdist.scheduler import (  # type: ignore[import-untyped]  # xdist has no types
        LoadFileScheduling,
    )

    class OneMachine(LoadFileScheduling):  # type: ignore[misc]  # as above
        def _split_scope(self, nodeid: str) -> str:
            scope: str = super()._split_scope(nodeid)
            return MACHINE if nodeid.startswith(MACHINE) else scope

    return OneMachine(config, log)
