"""How a long verification runs: on several cores, and on from where it was interrupted.

What was opened and found whole is written down outside the home, in the folder of whoever verifies:
a box must not be able to tell its verifier what need not be looked at.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from collector.seal import files
from collector.seal.files import Finding
from collector.seal.verify_segments import Each, Task, check

_SAVE_EVERY = 20
_FEW = 4
"""So few segments are opened sooner than processes start."""


@contextmanager
def pool(cores: int | None = None) -> Iterator[Each]:
    """Give a way to open segments on all cores; the processes start with the first of many."""
    started: list[Any] = []

    def each(_: object, tasks: Iterable[Task]) -> Iterable[list[Finding]]:
        waiting = list(tasks)
        count = min(cores or os.cpu_count() or 1, len(waiting))
        if len(waiting) < _FEW or count < 2:
            return map(check, waiting)
        # Not by fork: Arrow's threads would be copied in whatever state they are.
        workers = multiprocessing.get_context("spawn").Pool(count, _deaf)
        started.append(workers)
        return workers.imap(check, waiting)

    try:
        yield each
    finally:
        for workers in started:
            workers.terminate()
            workers.join()


def _deaf() -> None:
    """Leave Ctrl-C to the process that asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Notebook:
    """Which segments of a home were found whole, and in which state their files were then.

    Args:
        home: Whose.
        resume: Believe what an interrupted run wrote; else begin anew.
    """

    def __init__(self, home: Path, *, resume: bool) -> None:
        self._home = home
        self.path = _folder() / f"verify-{_name(home)}.json"
        self._seen: dict[str, list[Any]] = self._read() if resume else {}
        self._unsaved = 0

    def known(self, entry: Mapping[str, Any]) -> bool:
        """Say whether a segment was opened before, its files untouched since."""
        return self._seen.get(files.segment_id(entry)) == self._state(entry)

    def opened(self, entry: Mapping[str, Any]) -> None:
        """Write down a segment that is whole."""
        self._seen[files.segment_id(entry)] = self._state(entry)
        self._unsaved += 1
        if self._unsaved >= _SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Put it on the disk, for a run that goes on."""
        self._unsaved = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".tmp")
        beside.write_text(json.dumps(self._seen))
        beside.replace(self.path)

    def done(self) -> None:
        """Forget: the run came to its end."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _state(self, entry: Mapping[str, Any]) -> list[Any]:
        state: list[Any] = [entry["root"], entry["key_commit"]]
        for place in files.paths(entry):
            try:
                found = (self._home / place).stat()
            except OSError:
                return []
            state += [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
        return state

    def _read(self) -> dict[str, list[Any]]:
        try:
            found = json.loads(self.path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return {k: v for k, v in found.items() if v} if isinstance(found, dict) else {}


def _folder() -> Path:
    """Return where programs keep their state (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "prathu"


def _name(home: Path) -> str:
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
