"""Verifying a home in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from collector.seal import verify as seal_verify
from collector.seal.verify import Question, Report
from tests.collector.seal.school import read

__all__ = ["read", "verify"]


def verify(home: Path, *, deep: bool = True, **asked: Any) -> Report:
    """Return the report on a home, every row of it by default."""
    if "kek" not in asked:
        asked["kek"] = (home / "secrets" / "prathu.kek").read_bytes()
    question = Question(deep=deep, **asked)
    return seal_verify.verify(home, question, read=read)
