"""A whole box under test: a home, `prathu up` somewhere, and its command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import REPO
from tests.integration.machine import MAIN_NAMESPACE, Machine, stop, wait_for

PROCESSES = ("receive", "seal", "portal", "web")
COMMAND = [sys.executable, "-m", "appliance.cli.main"]
ENVIRONMENT = {"PYTHONPATH": str(REPO), "PYTHONUNBUFFERED": "1"}
START_S = 90.0


@dataclass
class Box:
    """One home and the processes that serve it."""

    machine: Machine
    home: Path
    within: str = MAIN_NAMESPACE
    process: subprocess.Popen[bytes] | None = None
    alone: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    admin_password: str = ""

    def init(
        self,
        *,
        site: str = "school-a",
        settings: str = "",
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        """Make the home.

        Args:
            site: Its first site.
            settings: TOML that goes beside the settings it begins with.
            secrets: Name and text of files under `nas/`.
        """
        answer = json.loads(self.prathu("init", "--site", site))
        self.admin_password = answer["one_time_password"]
        folder = self.home / "prathu.d"
        folder.mkdir(exist_ok=True)
        (folder / "test.toml").write_text(settings, encoding="utf-8")
        for name, text in (secrets or {}).items():
            (self.home / "nas" / name).write_text(text, encoding="ascii")
        self.prathu("check")

    def up(self) -> None:
        """Start `prathu up` and wait until each process says that it is ready."""
        command = [*COMMAND, "--home", str(self.home), "up"]
        self.process = self.machine.start(command, within=self.within, name="up", env=ENVIRONMENT)
        self.await_ready(*PROCESSES)

    def down(self) -> None:
        """Stop the box in order, as Ctrl-C does."""
        if self.process is not None:
            status = stop(self.process, seconds=120)
            self.process = None
            assert status == 0, self.words()

    def start_alone(self, name: str) -> None:
        """Start one process of the box without its supervisor."""
        command = [*COMMAND, "--home", str(self.home), "up", "--only", name]
        self.alone[name] = self.machine.start(
            command, within=self.within, name=name, env=ENVIRONMENT
        )
        self.await_ready(name)

    def stop_alone(self, *names: str) -> None:
        """Ask processes to stop and wait for them, one after the other."""
        for name in names:
            assert stop(self.alone.pop(name), seconds=120) == 0, self.words(name)

    def kill(self, name: str) -> None:
        """End one process with SIGKILL; it gets no chance to write a word."""
        number = self.pid(name)
        alone = self.alone.pop(name, None)
        os.kill(number, signal.SIGKILL)
        if alone is not None:
            alone.wait()

    def pid(self, name: str) -> int:
        """Return the process id of one of the box's processes."""
        return int((self.home / "run" / f"{name}.pid").read_text())

    def await_ready(self, *names: str) -> None:
        """Wait until these processes say that they are ready.

        Raises:
            AssertionError: one ended instead, with what it said.
        """

        def all_ready() -> bool:
            watched = [self.process, *(self.alone.get(name) for name in names)]
            ended = [p for p in watched if p is not None and p.poll() is not None]
            assert not ended, f"the box ended: {self.words(*names)}"
            return all(self._alive(name) for name in names)

        wait_for(f"the box ({', '.join(names)})", all_ready, seconds=START_S)

    def prathu(
        self, *arguments: str, check: bool = True, stdin: str = "", seconds: float = 300.0
    ) -> str:
        """Run one command line with JSON answers and return what it printed."""
        command = [*COMMAND, "--home", str(self.home), "--json", *arguments]
        return self.machine.run(
            command, within=self.within, check=check, stdin=stdin, seconds=seconds, env=ENVIRONMENT
        )

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Run one command line and return its JSON lines."""
        return [json.loads(line) for line in self.prathu(*arguments).splitlines() if line.strip()]

    def words(self, *names: str) -> str:
        """Return the last of what the processes printed."""
        paths = [self.machine.log(name) for name in (*names, "up")]
        return "\n".join(p.read_text(errors="replace")[-4000:] for p in paths if p.is_file())

    def _alive(self, name: str) -> bool:
        try:
            return Path(f"/proc/{self.pid(name)}").exists()
        except (OSError, ValueError):
            return False


def free_ports(*names: str) -> dict[str, int]:
    """Return a port for each name that is free now, for UDP and for TCP."""
    ports: dict[str, int] = {}
    held = []
    for name in names:
        while True:
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            held += [tcp, udp]
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(("127.0.0.1", tcp.getsockname()[1]))
            except OSError:
                continue
            ports[name] = tcp.getsockname()[1]
            break
    for wire in held:
        wire.close()
    return ports


def loopback_settings(ports: Mapping[str, int], *, part_s: float = 1.0, more: str = "") -> str:
    """Return settings for a box on loopback with ports of its own; `more` begins in [seal]."""
    return f"""
[listen]
flows = ["127.0.0.1:{ports["flows"]}"]
syslog_udp = ["127.0.0.1:{ports["syslog"]}"]
syslog_tcp = ["127.0.0.1:{ports["syslog"]}"]
syslog_tls = []
ipfix_tcp = []
ipfix_tls = []

[sign_in]
host = "127.0.0.1"
port = {ports["sign_in"]}

[radius]
host = "127.0.0.1"
accounting_port = {ports["accounting"]}
authentication_port = 0
coa_port = 0

[admin]
port = {ports["admin"]}

[seal]
part_s = {part_s}
{more}
"""


PORTS = ("flows", "syslog", "sign_in", "accounting", "admin")
