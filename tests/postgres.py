"""A real PostgreSQL server of the tests' own: in a folder of its own, on a unix socket alone."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine, create_engine, text

from captive_portal.database import open_database

WAIT_S = 120
MIGRATED = "prathu"
"""The database that tests find migrated, and empty."""


def program(name: str) -> Path | None:
    """Return where a program of the server is; the newest version's."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    on_path = shutil.which(name)
    return found[0] if found else Path(on_path) if on_path else None


class Server:
    """Runs while its context lasts; has a database that is migrated already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engines: dict[str, Engine] = {}

    def url(self, database: str) -> str:
        """Return how SQLAlchemy reaches a database of it."""
        return f"postgresql+pg8000://prathu@/{database}?unix_sock={self._folder}/.s.PGSQL.5432"

    def make(self) -> str:
        """Make an empty database and return its URL."""
        name = f"t{uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def empty(self, tables: Iterable[str]) -> None:
        """Take all rows out of the migrated database."""
        self.run(f"TRUNCATE {', '.join(tables)} CASCADE", MIGRATED)

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run one statement."""
        if database not in self._engines:
            self._engines[database] = create_engine(
                self.url(database), isolation_level="AUTOCOMMIT"
            )
        with self._engines[database].connect() as connection:
            connection.execute(text(statement))

    def close(self) -> None:
        """Let go of the server."""
        for engine in self._engines.values():
            engine.dispose()


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Start a server, and take it and its folder away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="prathu-pg-"))
    try:
        if os.getuid() == 0:  # the server refuses to be root
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        _initialise(folder)
        with _process(folder):
            server = Server(folder)
            server.run(f"CREATE DATABASE {MIGRATED}")
            open_database(folder, server.url(MIGRATED)).dispose()
            yield server
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_somebody(command: Sequence[str]) -> list[str]:
    """Return the command for somebody who is not root, and who does not outlive the tests."""
    owner = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *owner, "--pdeathsig=KILL", *command]


def _initialise(folder: Path) -> None:
    command = [
        str(program("initdb")),
        f"--pgdata={folder}/data",
        "--username=prathu",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]
    subprocess.run(_as_somebody(command), check=True, capture_output=True, cwd="/", timeout=WAIT_S)


@contextlib.contextmanager
def _process(folder: Path) -> Iterator[None]:
    settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off")
    command = [str(program("postgres")), "-D", f"{folder}/data"]
    command += [word for setting in settings for word in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(_as_somebody(command), stdout=log, stderr=log, cwd="/")
    try:
        _wait(folder, process)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # fast: whoever is connected is let go
        try:
            process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(WAIT_S)


def _wait(folder: Path, process: subprocess.Popen[bytes]) -> None:
    ready = [str(program("pg_isready")), f"--host={folder}", "--quiet"]
    deadline = time.monotonic() + WAIT_S
    while subprocess.run(ready, check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError((folder / "log").read_text())
        time.sleep(0.05)
