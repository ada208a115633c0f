"""Builds and runs the process `web`: the admin pages and the API.

Parts are built in the order of their dependencies and closed in reverse.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from appliance import forgetting
from appliance import settings as box_settings
from appliance.health.renewing import Renewing
from appliance.hub.errands import Errands
from appliance.search.engine_local import engine_of
from appliance.serving import listening, serve
from appliance.settings import BoxSettings
from appliance.web.app import create_app
from appliance.web.asking_local import LocalAsking
from appliance.web.deps import Deps
from appliance.web.live import PortalLive
from appliance.web.staff import PortalStaff
from captive_portal.database import open_database
from captive_portal.people import nt_hashes
from collector import control
from collector.records import AuditEvent, Clock

API_TOKEN = Path("run") / "api.token"
"""The bearer token of local programs, readable by the box's own user alone; new at each start."""
DEMO_MINUTES = 10


def run(
    home: Path,
    settings: BoxSettings,
    stop: threading.Event,
    *,
    clock: Clock,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve the pages until `stop` is set.

    Args:
        home: The box's home.
        settings: All settings of the box.
        stop: Set by whoever wants this to end.
        clock: The time now.
        ready: Called once the port answers.

    Raises:
        BoxError: the port is taken, or the database cannot be opened.
    """
    admin = settings.admin
    port = listening(admin.host, admin.port, "the admin pages", "[admin] port")
    with port as listener, _app(home, settings, clock) as app:
        serve(app, listener, stop, name="web", ready=ready, lifespan="on")


class DemoSchool:
    """Runs `prathu demo-traffic` as a process beside the pages; one at a time."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it is at work."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, unless it is at work."""
        if self.running:
            return
        command = [
            sys.executable,
            "-m",
            "appliance.cli.main",
            f"--home={self._home}",
            "demo-traffic",
            f"--minutes={DEMO_MINUTES}",
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603  # own argv

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self.running:
            self._process.terminate()
            self._process.wait()


@contextmanager
def _app(home: Path, settings: BoxSettings, clock: Clock) -> Iterator[FastAPI]:
    """Build the app with everything that it needs, and take it all down afterwards."""

    def ask(process: str, request: Mapping[str, Any], *, timeout_s: float = 5.0) -> dict[str, Any]:
        return control.ask(home / "run" / f"{process}.sock", request, timeout=timeout_s)

    def record(event: AuditEvent) -> None:
        request = {"do": "event", "kind": "audit", "event": json.loads(event.to_json())}
        ask("receive", request, timeout_s=10.0)

    sites = [site.id for site in settings.sites]
    database, demo = open_database(home, settings.database), DemoSchool(home)
    token = _new_token(home)
    sealing = nt_hashes.of(home, wanted=settings.radius.nt_hashes)
    errands = Errands(lambda request: ask("seal", request, timeout_s=30.0))
    if settings.timestamp_authorities or settings.witnesses:
        errands.start()
    try:
        daily = forgetting.every_day(home, settings, record, clock=clock)
        renewing = Renewing(home, settings, clock=clock)
        with engine_of(home, settings, record, clock=clock) as engine, daily, renewing:
            yield create_app(
                Deps(
                    home=home,
                    settings=settings,
                    clock=clock,
                    asking=LocalAsking(engine, sites=sites),
                    staff=PortalStaff(database, sites=sites, clock=clock, nt=sealing),
                    live=PortalLive(database, home),
                    control=ask,
                    demo=demo,
                    database=database,
                    api_token=token,
                )
            )
    finally:
        errands.stop()
        demo.stop()
        database.dispose()
        (home / API_TOKEN).unlink(missing_ok=True)


def _new_token(home: Path) -> str:
    """Write a new token for local programs and return it."""
    token, path = secrets.token_urlsafe(32), home / API_TOKEN
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    return token


def main(home: Path) -> None:
    """Run the process in the foreground until SIGINT or SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="web: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    run(home, box_settings.load(home), stop, clock=time.time_ns)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/var/lib/prathu"))
