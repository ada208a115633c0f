"""`prathu up`: the processes of the box in the foreground, without systemd and root.

One process each for what has its own urgency and rights. A process that dies is started again; one
that cannot even start ends the whole, with its own clear line.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from appliance import settings as box_settings
from appliance.cli.context import Context, wall_clock
from appliance.errors import BoxError, WrongUse
from appliance.settings import BoxSettings
from collector import durable

PROCESSES = ("receive", "seal", "portal", "web")
"""In the order of starting."""
GATE = "privileged"
"""The gate, where the box is a router. It alone needs root, and begins first: nothing passes
before its rules stand."""
OPTIONAL = ("watch", "sniff", "backup", "eap")
"""Run only where the settings give them something to look at."""
STOPPING = ("backup", "web", "eap", "portal", "sniff", "watch", "receive", "seal", GATE)
"""The sealer last: it seals what the others still brought."""
START_S = 60.0
STOP_S = 120.0
_PR_SET_PDEATHSIG = 1


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(up)


def up(
    ctx: typer.Context,
    only: Annotated[
        str,
        typer.Option(
            help="Some of: receive, seal, portal, web, watch, sniff, backup, eap, privileged; "
            "with commas between."
        ),
    ] = "",
) -> None:
    """Run the box in the foreground; Ctrl-C stops it in order, with nothing lost."""
    context: Context = ctx.obj
    settings = box_settings.load(context.home)
    known = (GATE, *PROCESSES, *OPTIONAL)
    every = (*_gate(context, settings), *PROCESSES, *settings.optional_processes)
    wanted = only.split(",") if only else every
    names = [name.strip() for name in wanted if name.strip()]
    if not names or any(name not in known for name in names):
        raise WrongUse(f"--only {only!r} names no process", hint=f"known: {', '.join(known)}")
    durable.make_dir(context.home / "run", 0o750)
    if len(names) == 1:
        _run_here(context.home, settings, names[0])
    else:
        Supervisor(context, settings, [name for name in known if name in names]).run()


def _gate(context: Context, settings: BoxSettings) -> tuple[str, ...]:
    """Return the gate's process where the box is a router and may be one."""
    from appliance.privileged import plans

    if plans.of(settings) is None:
        return ()
    if os.geteuid() != 0:
        context.say("prathu up: not root, so the gate is left out: nobody is let through")
        return ()
    return (GATE,)


def _run_here(home: Path, settings: BoxSettings, name: str) -> None:
    """Be the one process `name` until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format=f"{name}: %(message)s", stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    pid_file = home / "run" / f"{name}.pid"
    pid_file.unlink(missing_ok=True)
    try:
        _RUN[name](home, settings, stop, lambda: _write_pid(pid_file))
    finally:
        pid_file.unlink(missing_ok=True)


def _write_pid(path: Path) -> None:
    """Say that the process is ready, in one step: nobody reads half a number."""
    beside = path.with_suffix(".tmp")
    beside.write_text(f"{os.getpid()}\n")
    beside.rename(path)


def _receive(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    from collector import __main__ as collector_main

    collector_main.receive(home, settings, stop, clock=wall_clock, ready=ready)


def _seal(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    from collector import __main__ as collector_main

    collector_main.seal(home, settings, stop, clock=wall_clock, ready=ready)


def _portal(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    from captive_portal import __main__ as portal_main

    sites = [(site.id, site.name, site.networks) for site in settings.sites]
    portal_main.run(home, settings.portal, sites, stop, clock=wall_clock, ready=ready)


def _web(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    from appliance import __main__ as web_main

    web_main.run(home, settings, stop, clock=wall_clock, ready=ready)


def _watch(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    from collector.watch import watch

    watch.watch(home, settings, stop, clock=wall_clock, ready=ready)


def _sniff(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    """Start the separate programs, one for each interface; when one of them ends, end all."""
    started = []
    try:
        for words in _watched(settings):
            command = [sys.executable, "-m", *words, "--socket", str(home / "run" / "receive.sock")]
            started.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603, TID251  # ours
            )
        ready()
        while not stop.wait(0.2):
            if any(process.poll() is not None for process in started):
                raise BoxError("the sniffing program ended (see its line above)")
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(STOP_S)


def _backup(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    from appliance.cli import backup_schedule

    backup_schedule.run(home, settings, stop, clock=wall_clock, ready=ready)


def _eap(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    """Run FreeRADIUS, with a configuration written anew, behind the portal's RADIUS server."""
    from captive_portal.radius import freeradius

    seen = freeradius.stamps(home, settings.radius)
    folder = freeradius.write(home, settings.radius)
    freeradius.check(folder)

    def begun() -> subprocess.Popen[bytes]:  # noqa: TID251  # the box's own process
        return subprocess.Popen(  # noqa: S603, TID251  # as above
            freeradius.command(folder), stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
        )

    process = begun()
    try:
        ready()
        while not stop.wait(0.2):
            if process.poll() is not None:
                raise BoxError(
                    f"FreeRADIUS ended with {process.returncode} (see its lines above)",
                    hint=f"is another one on port {settings.radius.eap_port}?",
                )
            # It reads certificates and what was revoked at its start alone.
            before, seen = seen, freeradius.stamps(home, settings.radius)
            if seen != before and freeradius.rewritten(home, settings.radius):
                process.terminate()
                process.wait(STOP_S)
                process = begun()
    finally:
        process.terminate()
        process.wait(STOP_S)


def _privileged(
    home: Path, settings: BoxSettings, stop: threading.Event, ready: Callable[[], None]
) -> None:
    from appliance.privileged import helper

    helper.run(home, settings, stop, clock=wall_clock, ready=ready)


def _watched(settings: BoxSettings) -> Iterator[list[str]]:
    """Yield the module and the options of each program that watches an interface."""
    for each in settings.sniff:
        words = ["collector.sniff", "--interface", each.interface, "--site", each.site]
        words += [word for server in each.dhcp_servers for word in ("--dhcp-server", server)]
        words += [word for router in each.routers for word in ("--router", router)]
        behind = [zone.interface for zone in settings.zones]
        yield [*words, "--own"] if settings.gateway.uplink and each.interface in behind else words
    for capture in settings.names.capture:
        named = ["--interface", capture.interface, "--site", capture.site]
        yield ["collector.sniff.names", *named]


# Each process imports only what it runs: the receiver stays small.
_RUN: Mapping[str, Callable[[Path, BoxSettings, threading.Event, Callable[[], None]], None]] = {
    "receive": _receive,
    "seal": _seal,
    "portal": _portal,
    "web": _web,
    "watch": _watch,
    "sniff": _sniff,
    "backup": _backup,
    "eap": _eap,
    GATE: _privileged,
}


@dataclass
class _Child:
    name: str
    process: subprocess.Popen[bytes]  # noqa: TID251  # the box's own process
    started: float
    ready: bool = False
    restarts: int = 0
    delay_s: float = field(default=0.2)


class Supervisor:
    """Starts the processes, starts the dead again, stops them in order."""

    def __init__(self, context: Context, settings: BoxSettings, names: list[str]) -> None:
        self._context = context
        self._settings = settings
        self._names = names
        self._children: dict[str, _Child] = {}
        self._stop = threading.Event()

    def run(self) -> None:
        """Supervise until SIGINT or SIGTERM."""
        lock = durable.Lock(self._context.home / "run" / "up.lock")
        with lock:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: self._stop.set())
            try:
                for name in self._names:
                    self._start(name)
                    self._await_ready(name)
                if not self._stop.is_set():
                    self._greet()
                while not self._stop.wait(0.1):
                    self._revive()
            finally:
                self._stop_all()

    def _start(self, name: str) -> None:
        if self._stop.is_set():
            return
        (self._context.home / "run" / f"{name}.pid").unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "appliance.cli.main",
            "--home",
            str(self._context.home),
            "up",
            "--only",
            name,
        ]
        process = subprocess.Popen(  # noqa: S603, TID251  # the box's own processes
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent
        )
        old = self._children.get(name)
        child = _Child(name, process, time.monotonic())
        if old is not None:
            child.restarts, child.delay_s = old.restarts + 1, min(old.delay_s * 2, 5.0)
        self._children[name] = child

    def _await_ready(self, name: str) -> None:
        deadline = time.monotonic() + START_S
        while not self._stop.is_set():
            child = self._children[name]
            if self._is_ready(child):
                return
            if child.process.poll() is not None:
                raise BoxError(f"{name} did not start (see its line above)")
            if time.monotonic() > deadline:
                raise BoxError(f"{name} was not ready within {START_S:.0f} s")
            self._stop.wait(0.02)

    def _is_ready(self, child: _Child) -> bool:
        child.ready = child.ready or (self._context.home / "run" / f"{child.name}.pid").exists()
        return child.ready

    def _revive(self) -> None:
        for name in self._names:
            child = self._children[name]
            status = child.process.poll()
            if status is None:
                if time.monotonic() - child.started > 30:
                    child.delay_s = 0.2
                continue
            self._context.say(f"prathu up: {name} ended with {status}; it is started again")
            self._stop.wait(child.delay_s)
            self._start(name)

    def _stop_all(self) -> None:
        for name in STOPPING:
            child = self._children.get(name)
            if child is None or child.process.poll() is not None:
                continue
            child.process.terminate()
            try:
                child.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._context.say(f"prathu up: {name} did not stop within {STOP_S:.0f} s: killed")
                child.process.kill()
                child.process.wait()

    def _greet(self) -> None:
        admin, sign_in = self._settings.admin, self._settings.sign_in
        if "web" in self._names:
            self._context.say(f"admin pages   http://{admin.host}:{admin.port}/")
        if "portal" in self._names:
            host = "127.0.0.1" if sign_in.host in ("0.0.0.0", "::") else sign_in.host  # noqa: S104
            self._context.say(f"sign-in page  http://{host}:{sign_in.port}/")
        self._context.say("Ctrl-C stops the box")


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the supervisor is gone, however it went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
