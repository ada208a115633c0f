"""What several tests of RADIUS stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.captive_portal.radius import eap_school
from tests.captive_portal.radius.eap_school import School


@pytest.fixture
def school(engine: Engine, tmp_path: Path) -> Iterator[School]:
    """A school with 802.1X."""
    with eap_school.running(engine, tmp_path) as school:
        yield school
