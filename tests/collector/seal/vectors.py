"""Published test vectors, where they lie beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPO

FOLDER = REPO.parent / "shared" / "data" / "vectors"
GOLDEN = REPO / "tests" / "golden"


def folder(name: str) -> Path:
    """Return a folder of vectors, or skip the test."""
    if not (FOLDER / name).is_dir():
        pytest.skip(f"no test vectors in ../shared/data/vectors/{name}")
    return FOLDER / name


def load(name: str) -> Any:
    """Return a JSON file of vectors, or skip the test."""
    return json.loads((folder(str(Path(name).parent)) / Path(name).name).read_text())


def golden(name: str) -> Any:
    """Return a JSON file of golden values that are kept in the repository."""
    return json.loads((GOLDEN / name).read_text())
