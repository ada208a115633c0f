"""How the box is: asked of its processes, its catalogue and its disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.backup import standing
from appliance.backup.standing import Standing
from appliance.web import sources
from appliance.web.deps import Deps
from appliance.web.sources import Meter, Source, Stranger
from collector import kept
from collector.errors import CollectorError, StoreError
from collector.spool import size_bytes
from collector.store.catalog import FILE as CATALOGUE
from collector.store.catalog import Catalog, FileEntry
from collector.store.retention import disk_alarm, disk_of
from collector.store.schema import LOGS

PROCESSES = ("receive", "seal", "portal", "web")
ANSWERING = ("receive", "seal")
"""Those that have a socket and tell of themselves."""
DAY_US = 86_400_000_000
KEPT_DAYS = 90
"""What the law asks for (Computer Crime Act, section 26)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of the box."""

    name: str
    running: bool
    error: str
    reply: dict[str, Any]
    """What it tells of itself."""

    @property
    def figures(self) -> dict[str, Any]:
        """What it tells of itself, flat: `sites.default.flows.records` and so on."""
        return dict(_flat(self.reply))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTotal:
    """What is stored of one log."""

    log: str
    rows: int
    size: int
    files: int
    oldest_us: int
    newest_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxStatus:
    """The box as of now."""

    processes: list[Process]
    logs: list[LogTotal]
    spool_bytes: int
    unsealed: int | None
    """Frames received and not sealed yet; None while a process does not tell."""
    disk_free: int
    disk_size: int
    last_seal_us: int | None
    days_kept: float
    disk_days_left: int | None
    disk_alarm: int | None
    """Per cent of the disk that are not even free; None while there is room."""
    holds_ending: int
    """Legal holds that end soon, as the last daily run found."""
    clock_waits: bool
    """Whether nothing is destroyed, since time went on by days at once."""
    backups: tuple[Standing, ...]
    """How it stands with backups and with their rehearsals."""
    now_us: int
    sources: list[Source]
    strangers: list[Stranger]

    @property
    def empty(self) -> bool:
        """Whether nothing has come in from outside yet."""
        return not any(t.rows for t in self.logs if t.log in ("flows", "events", "sessions"))

    @property
    def healthy(self) -> bool:
        """Whether every process runs and answers."""
        return all(p.running and not p.error for p in self.processes)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "empty": self.empty, "healthy": self.healthy}


def read(deps: Deps, meter: Meter) -> BoxStatus:
    """Return the box as of now. Blocks for a few seconds at most.

    Args:
        deps: Whom to ask.
        meter: Kept from one reading to the next, for rates.
    """
    now_us = deps.clock() // 1000
    disk = disk_of(deps.home)
    logs, keeping = _logs(deps.home), kept.state(deps.home)
    oldest = min((t.oldest_us for t in logs), default=now_us)
    daily = sum(t.size / max((t.newest_us - t.oldest_us) / DAY_US, 1 / 24) for t in logs)
    names = (*PROCESSES, *deps.settings.optional_processes)
    processes = {name: _process(deps, name) for name in names}
    receiving = processes["receive"].reply
    return BoxStatus(
        processes=list(processes.values()),
        sources=sources.listed(receiving, meter, deps.clock()),
        strangers=sources.strangers(receiving),
        logs=logs,
        unsealed=sources.unsealed(receiving, processes["seal"].reply),
        spool_bytes=size_bytes(deps.home / "spool"),
        disk_free=disk.free,
        disk_size=disk.total,
        last_seal_us=_last_seal(deps.home),
        days_kept=max(0.0, (now_us - oldest) / DAY_US),
        disk_days_left=int(disk.free / daily) if daily else None,
        disk_alarm=disk_alarm(*disk),
        holds_ending=len(keeping.get("ending", ())),
        clock_waits=int(keeping.get("wait_us", 0)) > now_us,
        backups=standing.read(deps.home, deps.settings.backup, now_us),
        now_us=now_us,
    )


def _process(deps: Deps, name: str) -> Process:
    if name == "web":
        return Process(name=name, running=True, error="", reply={})
    running, error = _alive(deps.home / "run" / f"{name}.pid"), ""
    reply: dict[str, Any] = {}
    if name in ANSWERING:
        try:
            reply, running = deps.control(name, {"do": "status"}, timeout_s=3.0), True
        except CollectorError as fault:
            error = str(fault)
    elif running:
        reply = _told(deps.home / "run" / f"{name}.json")
    return Process(name=name, running=running, error=error if running else "", reply=reply)


def _alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _told(path: Path) -> dict[str, Any]:
    """Return what a process without a socket writes of itself."""
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{name}.")
        elif isinstance(inner, list) and all(isinstance(one, Mapping) for one in inner):
            for number, one in enumerate(inner):
                yield from _flat(one, f"{prefix}{name}.{number}.")
        else:
            yield f"{prefix}{name}", inner


def _logs(home: Path) -> list[LogTotal]:
    found = []
    try:
        with Catalog.open(home / CATALOGUE) as catalogue:
            for log in LOGS:
                if files := catalogue.files(log):
                    found.append(_total(log, files))
    except StoreError:
        return []
    return found


def _total(log: str, files: Sequence[FileEntry]) -> LogTotal:
    return LogTotal(
        log=log,
        rows=sum(file.rows for file in files),
        size=sum(file.size for file in files),
        files=len(files),
        oldest_us=min(file.received_min for file in files),
        newest_us=max(file.received_max for file in files),
    )


def _last_seal(home: Path) -> int | None:
    """Return when a checkpoint was last written, µs."""
    times = [path.stat().st_mtime_ns for path in (home / "ledger").glob("*/*/checkpoint")]
    return max(times) // 1000 if times else None
