"""The socket of the privileged process: who may ask, what may be asked, and the answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from appliance.errors import BoxError
from captive_portal.errors import GateError
from captive_portal.gate import wire

LOG = logging.getLogger(__name__)
MOST_AT_ONCE = 1024
"""Requests under way of one connection; past that it is not read."""
MOST_CALLERS = 8
LARGE = 16 << 10
"""Octets of a request before whose answer no other one of that caller is read."""
SMALL = frozenset({"apply"})
"""What has a short answer; of the other answers a caller has one at a time."""
_CREDENTIALS = struct.Struct("=3i")

Action = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Takes a request, returns the members of the reply; GateError and BoxError are told."""


class Server:
    """Answers on a socket file, to root and to whom the home belongs."""

    def __init__(
        self, path: Path, actions: Mapping[str, Action], *, users: Collection[int]
    ) -> None:
        self._path = path
        self._actions = dict(actions)
        self._users = frozenset(users)
        self._callers: set[asyncio.StreamWriter] = set()
        self.refused = 0

    async def serve(self, ready: Callable[[], None]) -> None:
        """Listen until cancelled.

        Raises:
            BoxError: the socket cannot be made.
        """
        self._path.unlink(missing_ok=True)
        # Anybody may come near who gets into the folder; the kernel tells who it is.
        before = os.umask(0o111)
        try:
            server = await asyncio.start_unix_server(
                self._take, path=str(self._path), limit=wire.MAX_LINE
            )
        except OSError as error:
            raise BoxError(f"cannot make the socket {self._path}: {error}") from error
        finally:
            os.umask(before)
        ready()
        try:
            await asyncio.Event().wait()  # until cancelled
        finally:
            # Not `serve_forever`: from Python 3.12 on it waits for callers, who wait for us.
            self._path.unlink(missing_ok=True)
            server.close()
            for caller in self._callers:
                caller.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user = _user(writer.get_extra_info("socket"))
        try:
            if user not in self._users or len(self._callers) >= MOST_CALLERS:
                self.refused += 1
                LOG.warning("a caller of user %d is refused", user)
                writer.write(wire.line({"id": 0, "ok": False, "error": "not for you"}))
                return
            self._callers.add(writer)
            try:
                await self._converse(reader, writer)
            finally:
                self._callers.discard(writer)
        except (OSError, ValueError):
            pass  # the caller went away, or sent a line without end
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        places, alone = asyncio.Semaphore(MOST_AT_ONCE), asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            while text := await reader.readline():
                if not text.endswith(b"\n"):
                    break
                await writer.drain()  # who does not take answers is not asked for more
                if len(text) > LARGE:
                    await self._answer(text, writer, alone)
                    continue
                await places.acquire()
                task = group.create_task(self._answer(text, writer, alone))
                task.add_done_callback(lambda _: places.release())

    async def _answer(self, text: bytes, writer: asyncio.StreamWriter, alone: asyncio.Lock) -> None:
        try:
            request = wire.parse(text)
        except GateError as error:
            await _say(writer, _no(0, str(error)))
            return
        wanted = request.get("do")
        small = isinstance(wanted, str) and wanted in SMALL
        async with contextlib.nullcontext() if small else alone:
            await _say(writer, await self._reply(request))

    async def _reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        told = request.get("id")
        number = told if type(told) is int and 0 <= told < 1 << 63 else 0
        try:
            return {"id": number, "ok": True, **await self._action(request)(request)}
        except (GateError, BoxError) as error:
            return _no(number, str(error))
        except Exception as error:  # of one request: the others go on
            LOG.exception("a request was not possible")
            return _no(number, f"not possible: {type(error).__name__}")

    def _action(self, request: Mapping[str, Any]) -> Action:
        wanted = request.get("do")
        action = self._actions.get(wanted) if isinstance(wanted, str) else None
        if action is None:
            known = ", ".join(sorted(self._actions))
            raise GateError(f"cannot do {str(wanted)[:40]!r}; known: {known}")
        return action


def _no(number: int, why: str) -> dict[str, Any]:
    return {"id": number, "ok": False, "error": " ".join(why[:2000].split())[:500]}


async def _say(writer: asyncio.StreamWriter, reply: Mapping[str, Any]) -> None:
    try:
        writer.write(wire.line(reply))
        await writer.drain()
    except OSError:
        pass  # it went away; what it asked for is done


def _user(taken: socket.socket) -> int:
    """Return the user who connected, as the kernel says."""
    size = _CREDENTIALS.size
    raw = taken.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(_CREDENTIALS.unpack(raw)[1])
