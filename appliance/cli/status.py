"""`prathu status`: is it running, is it keeping up, what is proven, how long will the disk last."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from appliance import settings as box_settings
from appliance.backup import standing
from appliance.cli import datagram_forecast, offline, status_gate, status_text
from appliance.cli.context import Context, wall_clock
from appliance.cli.up import PROCESSES
from appliance.hub import known
from collector import durable, kept
from collector.control import ask
from collector.errors import CollectorError
from collector.seal.ledger import folders
from collector.seal.staging import QUARANTINE
from collector.seal.vault import wrapped
from collector.spool import size_bytes
from collector.store.catalog import Catalog
from collector.store.schema import LOGS

ASK_S = 5.0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(status)


def status(ctx: typer.Context) -> None:
    """Show processes, sources, spool, the newest seal and the disk."""
    context: Context = ctx.obj
    record = read(context.home)
    if context.as_json:
        context.show(record)
        return
    for name, text in status_text.lines(record):
        print(f"{name:<9} {text}")


def read(home: Path) -> dict[str, Any]:
    """Return everything that `prathu status` shows of a home, running or not."""
    settings = box_settings.load(home)
    disk = shutil.disk_usage(home)
    return {
        "home": str(home),
        "processes": {
            name: offline.running(home, name)
            for name in (
                *status_gate.processes(settings),
                *PROCESSES,
                *settings.optional_processes,
            )
        },
        "receive": _ask(home, "receive"),
        "seal": _ask(home, "seal"),
        "portal": _portal(home),
        "gate": status_gate.read(home, settings),
        "spool_bytes": size_bytes(home / "spool"),
        "outside": [one.plain() for one in known.read(home, settings, wall_clock() // 1000)],
        "ledgers": {site.id: _ledger(home, site.id) for site in settings.sites},
        "stored": _stored(home, disk.free),
        "disk_free_bytes": disk.free,
        "kept_alarms": kept.alarms(home, None, wall_clock() // 1000),
        "backup": standing.plain(standing.read(home, settings.backup, wall_clock() // 1000)),
        "clock": datetime.fromtimestamp(wall_clock() / 1e9, UTC).isoformat(timespec="seconds"),
        "keys": _keys(home),
        "recovery_key": settings.keys.recovery or None,
        "quarantine": _quarantine(home),
        "datagrams": datagram_forecast.forecast(home, settings),
        "retention_days": settings.retention.days,
    }


def _keys(home: Path) -> str:
    """Return how the secrets lie on the disk."""
    try:
        closed = wrapped(home)
    except PermissionError:
        return "not for this user to see"
    if closed is None:
        return "none yet"
    if closed:
        return "wrapped under the credential prathu.wrap of the service"
    return "plain files with mode 0600: whoever takes the disk takes the keys"


def _quarantine(home: Path) -> list[str]:
    """Return what was written wrongly or had no entry, and waits for somebody to look at it."""
    folder = home / QUARANTINE
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _ask(home: Path, name: str) -> dict[str, Any] | None:
    """Return the status a process tells of itself; None when it does not run."""
    if not offline.running(home, name):
        return None
    try:
        return ask(home / "run" / f"{name}.sock", {"do": "status"}, timeout=ASK_S)
    except CollectorError as error:
        return {"error": str(error)}


def _portal(home: Path) -> dict[str, Any] | None:
    """Return what the portal last wrote of itself; None when it does not run."""
    if not offline.running(home, "portal"):
        return None
    try:
        told: dict[str, Any] = json.loads(durable.read_plain(home / "run" / "portal.json"))
    except (OSError, ValueError) as error:
        return {"error": f"run/portal.json cannot be read: {error}"}
    return told


def _ledger(home: Path, site: str) -> dict[str, Any] | None:
    """Return the newest state and checkpoint of a site's ledger."""
    # One that is only being made has no checkpoint yet.
    begun = [path for path in folders(home, site) if (path / "checkpoint").exists()]
    if not begun:
        return None
    newest = begun[-1]
    state = json.loads(durable.read_plain(newest / "state"))
    sealed = (newest / "checkpoint").stat().st_mtime
    return {
        "ledger": f"{site}/ledger/{newest.name}",
        "entries": state["size"],
        "root": state["root"],
        "last_seal": datetime.fromtimestamp(sealed, UTC).isoformat(timespec="seconds"),
    }


def _stored(home: Path, free: int) -> dict[str, Any]:
    """Return rows and bytes by log, and how many days the disk lasts at this rate."""
    path = home / "catalog.sqlite"
    if not path.exists():
        return {}
    stored: dict[str, Any] = {}
    daily = 0.0
    with Catalog.open(path) as catalog:
        for log in sorted(LOGS):
            files = catalog.files(log, by="received")
            stored[log] = {
                "rows": sum(file.rows for file in files),
                "bytes": sum(file.size for file in files),
                "files": len(files),
            }
            if files:
                first = min(file.received_min for file in files)
                last = max(file.received_max for file in files)
                daily += stored[log]["bytes"] / max((last - first) / 86_400e6, 1 / 24)
    stored["disk_days_left"] = int(free / daily) if daily else None
    return stored
