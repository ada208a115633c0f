"""What is too long for `make test`: `make soak` runs it and writes build/soak*.json."""

from __future__ import annotations

import subprocess

from tests.conftest import REPO


def commit() -> str:
    """Return the commit that runs, and whether it was changed."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True).stdout.strip()
