"""What every test stands on: Hypothesis profiles, and one worker for tests with daemons."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPO = Path(__file__).resolve().parent.parent

# A shared machine can stall for longer than any honest deadline.
settings.register_profile("house", deadline=None, print_blob=True)
settings.register_profile(
    "fuzz",
    parent=settings.get_profile("house"),
    max_examples=20_000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests with daemons, browsers and timings on one worker, one after the other."""
    for item in items:
        if {"integration", "bench", "soak"} & set(item.path.relative_to(REPO).parts):
            item.add_marker(pytest.mark.xdist_group("machine"))
