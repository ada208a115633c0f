"""The box of stand-ins as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.appliance.web.rooms import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(home=tmp_path)
