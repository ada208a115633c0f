"""`prathu --version`: which program this is, as somebody who judges its answers asks."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from collector import VERSION

_HERE = Path(__file__).parents[2]
_ASK_S = 5.0


def line() -> str:
    """Return the version and, where it is known, the commit that the program was made of."""
    commit = _installed() or _checked_out()
    return f"prathu {VERSION}" + (f" (commit {commit})" if commit else "")


def _installed() -> str:
    """Return the commit that an installer wrote down (PEP 610); empty where it did not."""
    with suppress(metadata.PackageNotFoundError, ValueError, AttributeError):
        told = json.loads(metadata.distribution("prathu").read_text("direct_url.json") or "{}")
        return str(told.get("vcs_info", {}).get("commit_id", ""))
    return ""


def _checked_out() -> str:
    """Return the commit of the checkout this runs from, with `+` where files were changed since."""
    if not (_HERE / ".git").exists():
        return ""
    words = ["git", "-C", str(_HERE), "describe", "--always", "--abbrev=40", "--exclude=*"]
    words.append("--dirty=+")
    try:
        told = subprocess.run(  # noqa: S603  # fixed words
            words, capture_output=True, text=True, timeout=_ASK_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()
