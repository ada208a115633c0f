"""What the processes of a box take while it works: looked at often, written down each minute."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import override

from collector.control import ask
from collector.errors import CollectorError
from collector.spool import size_bytes
from tests.bench import measure
from tests.integration.box import Box

LOOK_S = 5.0
MIB = 1 << 20
ROOM_MIB = 16.0
"""By so much the memory of a process may differ between two windows, and by `ROOM_PART` of it."""
ROOM_PART = 0.08
MORE_FILES = 24
MORE_THREADS = 4


@dataclass(frozen=True, slots=True)
class Look:
    """One process at one moment."""

    at_s: float
    pss: int
    files: int
    threads: int


@dataclass(eq=False)
class Watch(threading.Thread):
    """Looks at every process of a box; a line of JSON each `line_s` goes to `path`."""

    box: Box
    path: Path
    ports: Mapping[str, int]
    line_s: float = 60.0
    looks: dict[str, list[Look]] = field(default_factory=dict)
    restarted: list[str] = field(default_factory=list)
    """Processes that have another id than before: they died."""
    done: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    _pids: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Become a thread."""
        super().__init__(name="watch", daemon=True)
        self.began = time.monotonic()

    @override
    def run(self) -> None:
        try:
            due = self.line_s
            while not self.done.wait(LOOK_S):
                self._look()
                if time.monotonic() - self.began >= due:
                    due += self.line_s
                    self._write()
        except Exception as error:  # noqa: BLE001  # told to the test by its starter
            self.error = error

    def _look(self) -> None:
        at = time.monotonic() - self.began
        for file in (self.box.home / "run").glob("*.pid"):
            name = file.stem
            try:
                pid = int(file.read_text())
                look = _look_at(pid, at)
            except (OSError, ValueError):
                continue  # it is being started
            if self._pids.setdefault(name, pid) != pid:
                self.restarted.append(name)
                self._pids[name] = pid
            self.looks.setdefault(name, []).append(look)

    def _write(self) -> None:
        """Write down the last minute of every process, and what the box counts."""
        told = {name: _status(self.box.home, name) for name in ("receive", "seal")}
        record = {
            "at_s": round(time.monotonic() - self.began),
            "processes": {
                name: {
                    "pss_mib": [round(each.pss / MIB, 1) for each in _extremes(looks)],
                    "files": looks[-1].files,
                    "threads": looks[-1].threads,
                    "cpu_s": round(_cpu_s(self._pids[name]), 1),
                }
                for name, looks in self.looks.items()
            },
            "spool_mib": round(size_bytes(self.box.home / "spool") / MIB, 1),
            "kernel_drops": {name: measure.kernel_drops(port) for name, port in self.ports.items()},
            **told,
        }
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")


def windows(looks: Iterable[Look], seconds: float) -> tuple[list[Look], list[Look]]:
    """Return the middle half of the second quarter of a run, and that of its last quarter."""
    quarter = seconds / 4
    spans = ((quarter * 1.25, quarter * 1.75), (quarter * 3.25, quarter * 3.75))
    found = [[look for look in looks if begin <= look.at_s < end] for begin, end in spans]
    return found[0], found[1]


def growth(looks: Mapping[str, list[Look]], seconds: float) -> tuple[dict[str, Any], list[str]]:
    """Return how each process grew from one window to the other, and a line for each too much.

    Both the median and the least tenth are compared: the memory of the sealing process rises while
    a segment fills and falls when it is sealed, and its floor is what a leak lifts.
    """
    figures: dict[str, Any] = {}
    faults = []
    for name, all_looks in looks.items():
        early, late = windows(all_looks, seconds)
        if len(early) < 10 or len(late) < 10:
            faults.append(f"{name}: too few looks at it ({len(early)} and {len(late)})")
            continue
        figures[name] = {}
        for what, value in (("median", _median), ("least", _least)):
            before, after = value(early) / MIB, value(late) / MIB
            figures[name][f"{what}_mib"] = [round(before, 1), round(after, 1)]
            if after - before > ROOM_MIB + ROOM_PART * before:
                faults.append(f"{name}: {what} memory rose from {before:.0f} to {after:.0f} MiB")
        for what, room in (("files", MORE_FILES), ("threads", MORE_THREADS)):
            most = [max(getattr(look, what) for look in window) for window in (early, late)]
            figures[name][what] = most
            if most[1] - most[0] > room:
                faults.append(f"{name}: {what} rose from {most[0]} to {most[1]}")
    return figures, faults


def _look_at(pid: int, at_s: float) -> Look:
    folder = Path(f"/proc/{pid}")
    return Look(
        at_s,
        measure.pss_bytes([pid]),
        len(list((folder / "fd").iterdir())),
        len(list((folder / "task").iterdir())),
    )


def _extremes(looks: list[Look]) -> list[Look]:
    """Return the least, the middle and the most of the last minute."""
    last = sorted(looks[-12:], key=lambda look: look.pss)
    return [last[0], last[len(last) // 2], last[-1]]


def _median(looks: list[Look]) -> float:
    return statistics.median(look.pss for look in looks)


def _least(looks: list[Look]) -> float:
    return statistics.quantiles((look.pss for look in looks), n=10)[0]


def _cpu_s(pid: int) -> float:
    try:
        return measure.cpu_s(pid)
    except OSError:
        return 0.0


def _status(home: Path, name: str) -> dict[str, Any]:
    try:
        return ask(home / "run" / f"{name}.sock", {"do": "status"}, timeout=10)
    except (CollectorError, OSError) as error:
        return {"error": str(error)}
