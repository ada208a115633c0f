"""The process `backup`: makes backups and rehearses them by itself, when they are due.

Each runs as a child of its own with the lowest priority, one after the other; a lock keeps out
those that people make. What was due while the box was off is made up for soon after its start.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from appliance.backup import standing
from appliance.cli.up import die_with_parent
from appliance.settings import BoxSettings
from collector.records import Clock

LOOK_S = 15.0
AGAIN_S = 600.0
"""After one that did not even begin, such as where somebody makes one by hand."""
STOP_S = 60.0
_log = logging.getLogger(__name__)


def run(
    home: Path,
    settings: BoxSettings,
    stop: threading.Event,
    *,
    clock: Clock,
    ready: Callable[[], None],
) -> None:
    """Make what is due until `stop` is set."""
    standing.watched(home, clock() // 1000)
    ready()
    wait = LOOK_S
    while not stop.wait(wait):
        now_us = clock() // 1000
        due = due_now(home, settings, now_us)
        good = not due or _made(home, stop, rehearse="rehearsal" in due, clock=clock)
        wait = LOOK_S if good else AGAIN_S


def due_now(home: Path, settings: BoxSettings, now_us: int) -> set[standing.What]:
    """Return what is due; a rehearsal begins with a backup."""
    told = standing.read(home, settings.backup, now_us)
    return {one.what for one in told if one.due_us is not None and one.due_us <= now_us}


def _made(home: Path, stop: threading.Event, *, rehearse: bool, clock: Clock) -> bool:
    """Make a backup in a process of its own; False when it failed."""
    began_us = clock() // 1000
    words = ["-m", "appliance.cli.main", "--home", str(home), "-q", "backup", "--by-itself"]
    words += ["--rehearse"] if rehearse else []
    child = subprocess.Popen(  # noqa: S603, TID251  # the box's own program
        [sys.executable, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )
    while (status := child.poll()) is None:
        if stop.wait(0.2):
            _stop(child)
            return True
    if status < 0:  # it could not say so itself
        _log.error("the backup was killed by signal %d", -status)
        _tell(home, began_us, f"killed by signal {-status}", rehearse=rehearse, clock=clock)
    return status == 0


def _stop(child: subprocess.Popen[bytes]) -> None:  # noqa: TID251
    """End a backup, which clears away what it had begun; it is made up for at the next start."""
    child.terminate()
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _tell(home: Path, began_us: int, fault: str, *, rehearse: bool, clock: Clock) -> None:
    made = standing.good_since(home, "backup", began_us)
    what: standing.What = "rehearsal" if rehearse and made else "backup"
    standing.bad(home, what, fault, clock() // 1000)
