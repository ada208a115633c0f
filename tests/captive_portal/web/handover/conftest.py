"""A school with gateways, and a kernel that knows whom the test says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from captive_portal.people.accounts import People
from captive_portal.web.handover import gateways
from tests.captive_portal.web.handover import school as made
from tests.captive_portal.web.handover.school import School


@pytest.fixture
def school(
    engine: Engine, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[School]:
    with made.school(engine, people, tmp_path) as school:
        monkeypatch.setattr(gateways, "mac_of", lambda address: school.known.get(address, ""))
        yield school
