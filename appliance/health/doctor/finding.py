"""What a look at the machine found: good, doubtful or bad, in Thai and English."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from appliance.settings import BoxSettings

PROGRAM_S = 3.0
"""A program tells its version within so long."""


class State(StrEnum):
    """How it stands."""

    GOOD = "good"
    WARN = "warn"
    """It works, and something is not as it should be."""
    BAD = "bad"
    """It does not work, or will not when the box starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: State
    english: str
    thai: str = ""
    mend: str = ""
    """What to do, in English."""
    mend_thai: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a look has to go by."""

    home: Path
    settings: BoxSettings
    now: datetime


Look = Callable[[Ground], Iterable[Finding]]


def good(check: str, english: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check=check, state=State.GOOD, english=english)


def version_line(words: Sequence[str]) -> str:
    """Return the first line that a program says, empty where it says nothing in time."""
    try:
        done = subprocess.run(  # noqa: S603  # own words
            list(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROGRAM_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines()), "")[:200]
