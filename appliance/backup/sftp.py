"""Files on an SFTP server, whose host key must be known and who lets a key in, not a password."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Coroutine
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import unquote, urlsplit

import asyncssh

from appliance.errors import BoxError, WrongUse

CONNECT_S = 30
_Answer = TypeVar("_Answer")


class Sftp:
    """A folder on a server, between `with` and its end.

    Args:
        where: `sftp://user@host[:port]/path`; the path is absolute on the server.
        key: File of the private key.
        known_hosts: File with the server's host key, in OpenSSH's form.
    """

    def __init__(self, where: str, *, key: Path, known_hosts: Path) -> None:
        parts = urlsplit(where)
        if not parts.hostname or not parts.username or parts.password:
            raise WrongUse(f"{where}: wanted sftp://user@host[:port]/path, without a password")
        self._host, self._port = parts.hostname, parts.port or 22
        self._user, self._root = unquote(parts.username), PurePosixPath(unquote(parts.path) or "/")
        self._key, self._known = key, known_hosts
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        """Connect."""
        for file, what in ((self._key, "private key"), (self._known, "server's host key")):
            if not file.is_file():
                self._loop.close()
                raise BoxError(f"{file} is missing: the {what}", hint="see [backup] in prathu.toml")
        try:
            self._run(self._connect())
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the connection."""
        self._connection.close()
        self._loop.run_until_complete(self._connection.wait_closed())
        self._loop.close()

    def names(self) -> list[str]:
        """Return the names of all whole files."""
        return self._run(self._names())

    def put(self, name: str, source: Path) -> None:
        """Keep a copy of a file under a name; it appears whole or not at all."""
        self._run(self._put(self._root / name, source))

    def get(self, name: str, to: Path) -> None:
        """Copy a file here."""
        self._run(self._sftp.get(str(self._root / name), str(to)))

    def delete(self, name: str) -> None:
        """Take a file away."""
        self._run(self._sftp.remove(str(self._root / name)))

    def _run(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        try:
            return self._loop.run_until_complete(work)
        except (OSError, asyncssh.Error, TimeoutError) as error:
            where = f"sftp://{self._user}@{self._host}:{self._port}{self._root}"
            told = " ".join(str(error).split()) or type(error).__name__
            raise BoxError(f"{where}: {told}", hint="see [backup] in prathu.toml") from error

    async def _connect(self) -> None:
        self._connection = await asyncssh.connect(
            self._host,
            self._port,
            username=self._user,
            client_keys=[str(self._key)],
            known_hosts=str(self._known),
            agent_path=None,
            config=None,
            connect_timeout=CONNECT_S,
        )
        self._sftp = await self._connection.start_sftp_client()
        await self._sftp.makedirs(str(self._root), exist_ok=True)

    async def _names(self) -> list[str]:
        found, folders = [], [self._root]
        while folders:
            folder = folders.pop()
            for entry in await self._sftp.readdir(str(folder)):
                name = str(entry.filename)
                if name in (".", ".."):
                    continue
                if stat.S_ISDIR(entry.attrs.permissions or 0):
                    folders.append(folder / name)
                elif not name.endswith(".tmp"):
                    found.append(str((folder / name).relative_to(self._root)))
        return sorted(found)

    async def _put(self, path: PurePosixPath, source: Path) -> None:
        await self._sftp.makedirs(str(path.parent), exist_ok=True)
        beside = f"{path}.tmp"
        await self._sftp.put(str(source), beside)
        await self._sftp.posix_rename(beside, str(path))
