"""The dnsmasqs of the gate: their files, and that they run."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from appliance.privileged.run import Failed, environment, run
from captive_portal.gate.resolver import Daemon

LOG = logging.getLogger(__name__)
SAYS = logging.getLogger("dnsmasq")
"""What dnsmasqs say; before a terminal only what is wrong."""
LONGEST = 4096
"""Bytes of a line of theirs that are shown together."""
_HEAD = re.compile(r"(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8} )?(dnsmasq(?:-\w+)?)(?:\[\d+\])?: (.*)")
_WRONG = re.compile(
    r"warning|error|fail|cannot|could not|unable|bad |refus|ignor|duplicate|abandon|dropp|exceed"
    r"|maximum number|not giving|no address|no upstream|rebind|out of memory",
    re.IGNORECASE,
)
"""dnsmasq does not say of what level a line is: these are words of those that it warns with."""
STOP_S = 5.0
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 10.0


@dataclass
class _Running:
    daemon: Daemon
    process: subprocess.Popen[bytes]  # noqa: TID251  # a list of words; it is looked after here
    began: float
    delay_s: float = FIRST_DELAY_S


class Daemons:
    """Starts dnsmasqs, starts the dead again, stops them. Not for more than one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if sys.stderr.isatty():
            SAYS.setLevel(logging.WARNING)
        self._running: dict[str, _Running] = {}
        self.restarts = 0

    def become(self, wanted: Iterable[Daemon]) -> None:
        """Run these and no others; one whose file is the same goes on as it is.

        Raises:
            Failed: dnsmasq does not take a file; all goes on as it was.
        """
        listed = list(wanted)
        for daemon in listed:
            self._test(daemon)
        names = {daemon.name for daemon in listed}
        for name in [name for name in self._running if name not in names]:
            self._stop(name)
        for daemon in listed:
            running = self._running.get(daemon.name)
            if running is None or running.daemon.config != daemon.config:
                self._stop(daemon.name)
                self._file(daemon).replace(self._folder / f"{daemon.name}.conf")
                self._start(daemon)

    def revive(self) -> None:
        """Start again what has ended."""
        for name, running in list(self._running.items()):
            status = running.process.poll()
            lasted = time.monotonic() - running.began
            if status is None or lasted < running.delay_s:
                continue
            self.restarts += 1
            LOG.warning("%s ended with %s; it is started again", name, status)
            delay = FIRST_DELAY_S if lasted > 60 else min(running.delay_s * 2, LONGEST_DELAY_S)
            self._start(running.daemon)
            self._running[name].delay_s = delay

    def alive(self) -> dict[str, bool]:
        """Return which run."""
        return {name: each.process.poll() is None for name, each in self._running.items()}

    def stop(self) -> None:
        """Stop all."""
        for name in list(self._running):
            self._stop(name)

    def _file(self, daemon: Daemon) -> Path:
        return self._folder / f"{daemon.name}.new"

    def _test(self, daemon: Daemon) -> None:
        try:
            self._file(daemon).write_text(daemon.config, encoding="ascii")
        except OSError as error:
            raise Failed(f"cannot write {self._file(daemon)}: {error.strerror}") from error
        run(["dnsmasq", "--test", "-C", str(self._file(daemon))])

    def _start(self, daemon: Daemon) -> None:
        config = self._folder / f"{daemon.name}.conf"
        _end_leftovers(config)
        command = ["dnsmasq", "--keep-in-foreground", "--log-facility=-", "-C", str(config)]
        process = subprocess.Popen(  # noqa: S603, TID251  # as above
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment()
        )
        assert process.stderr is not None  # noqa: S101  # it is a pipe
        hear = partial(_hear, daemon.name, process.stderr)
        threading.Thread(target=hear, name=f"hear-{daemon.name}", daemon=True).start()
        self._running[daemon.name] = _Running(daemon, process, time.monotonic())

    def _stop(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is None:
            return
        running.process.terminate()
        try:
            running.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()


def _hear(name: str, said: IO[bytes]) -> None:
    """Hand on what a daemon says, until it ends; for a thread of its own."""
    with said:
        for line in iter(partial(said.readline, LONGEST), b""):
            text = line.decode("utf-8", "replace").strip()
            found = _HEAD.fullmatch(text)
            text = found[2] if found else text
            SAYS.log(_level(text), "%s: %s", name, text)


def _level(text: str) -> int:
    return logging.WARNING if _WRONG.search(text) else logging.INFO


def _leftovers(config: Path) -> list[int]:
    """Return processes that run this file.

    A killed helper leaves them: dnsmasq changes its user, and with that the kernel forgets to end
    it with its parent.
    """
    wanted = str(config).encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if words[0] == b"dnsmasq" and wanted in words:
                    found.append(int(folder.name))
    return found


def _end_leftovers(config: Path) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for number in _leftovers(config):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, kind)
        until = time.monotonic() + STOP_S
        while time.monotonic() < until and _leftovers(config):
            time.sleep(0.02)
