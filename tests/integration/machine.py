"""Network namespaces and processes of one test, gone when the test is over however it went.

Names carry the id of the process that made them (`prathu-<pid>-<name>`), so two runs never meet,
and what a killed run left behind is taken away by the next.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MAIN_NAMESPACE = ""


def require(*commands: str, root: bool = True) -> None:
    """Skip the test, with the reason, on a machine that cannot run it."""
    if root and os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    for command in commands:
        if shutil.which(command, path=PATH) is None:
            pytest.skip(f"{command} is not installed")
    if root and not _namespaces_work():
        pytest.skip("this machine does not let us make network namespaces")


def wait_for(what: str, check: Callable[[], object], *, seconds: float = 30.0) -> None:
    """Wait until `check` gives something true.

    Raises:
        AssertionError: it never did, naming `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


class Machine:
    """Makes namespaces and starts processes in them; takes all away on leaving."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._namespaces: list[str] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        _take_away_leftovers()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process, newest first, then take the namespaces away."""
        for process in reversed(self._processes):
            stop(process, seconds=10)
        for namespace in self._namespaces:
            _remove_namespace(namespace)
        self._processes.clear()
        self._namespaces.clear()

    def namespace(self, name: str) -> str:
        """Make a namespace with its loopback up; return its full name."""
        full = f"prathu-{os.getpid()}-{name}"
        self._namespaces.append(full)
        self.run(["ip", "netns", "add", full])
        self.run(["ip", "link", "set", "lo", "up"], within=full)
        return full

    def link(self, one: tuple[str, str], other: tuple[str, str]) -> None:
        """Lay a cable between two (namespace, interface)."""
        (space, name), (other_space, other_name) = one, other
        cable = ["ip", "link", "add", name, "netns", space, "type", "veth", "peer"]
        self.run([*cable, "name", other_name, "netns", other_space])
        for where, interface in (one, other):
            self.run(["ip", "link", "set", interface, "up"], within=where)

    def run(
        self,
        command: Sequence[str],
        *,
        within: str = MAIN_NAMESPACE,
        stdin: str = "",
        seconds: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command to its end and return what it printed.

        Raises:
            AssertionError: it failed, with all that it said.
        """
        done = subprocess.run(
            _within(within, command),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, "PATH": PATH, **(env or {})},
        )
        if check and done.returncode:
            said = f"{done.stdout}\n{done.stderr}"
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {said}")
        return done.stdout

    def start(
        self,
        command: Sequence[str],
        *,
        within: str = MAIN_NAMESPACE,
        name: str = "",
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a daemon in the foreground; what it prints goes to `<name>.log`."""
        log = self.log(name or Path(command[0]).name)
        with log.open("ab") as out:
            process = subprocess.Popen(
                _within(within, command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "PATH": PATH, **(env or {})},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def log(self, name: str) -> Path:
        """Return where a daemon's words go."""
        return self.folder / f"{name}.log"


def stop(process: subprocess.Popen[bytes], *, seconds: float = 60.0) -> int:
    """End a process and all it started: asked first, killed when it does not listen."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _within(namespace: str, command: Sequence[str]) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command] if namespace else list(command)


def _namespaces_work() -> bool:
    name = f"prathu-{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, env={"PATH": PATH})
    _remove_namespace(name)
    return made.returncode == 0


def _remove_namespace(name: str) -> None:
    """Kill what still runs in a namespace of ours, then remove it."""
    ask = ["ip", "netns", "pids", name]
    done = subprocess.run(ask, capture_output=True, text=True, env={"PATH": PATH})
    for number in done.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, env={"PATH": PATH})


def _take_away_leftovers() -> None:
    for name in _our_namespaces():
        owner = re.fullmatch(r"prathu-(\d+)-.*", name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            _remove_namespace(name)


def _our_namespaces() -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError):
        yield from (path.name for path in Path("/run/netns").iterdir())
