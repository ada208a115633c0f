"""The one way in which the privileged process runs commands: a list of words, no shell."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from collections.abc import Sequence

from appliance.errors import BoxError

LOG = logging.getLogger(__name__)
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Nobody's environment decides which program runs as root."""
LONGEST_S = 60.0


class Failed(BoxError):
    """A command that did not do what it was asked."""


def run(command: Sequence[str], *, stdin: str = "") -> str:
    """Run a command to its end and return what it printed.

    Args:
        command: Its words.
        stdin: What it reads.

    Raises:
        Failed: it is not there, took too long, or ended with another status than 0.
    """
    try:
        done = subprocess.run(  # noqa: S603  # a list of words; no shell
            list(command),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST_S,
            env={"PATH": PATH, "LC_ALL": "C"},
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"cannot run {command[0]}: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:400]
        LOG.warning("%s ended with %s: %s", shlex.join(command), done.returncode, said)
        raise Failed(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout


def environment() -> dict[str, str]:
    """Return what daemons of ours see of the environment."""
    return {"PATH": PATH, "LC_ALL": "C", "TZ": os.environ.get("TZ", "")}
