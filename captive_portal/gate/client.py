"""The portal's way to the kernel: asks the privileged process on its socket.

How the portal's process uses it (`captive_portal/__main__.py`):

    gate = GateClient(home / wire.SOCKET)
    await gate.restore(passes_of_the_database)       # at start, once; waits for the process
    ...
    await gate.apply([new], [old])                   # before a person is told of it
    counts = await gate.counted()                    # every minute; also after an end: see below
    await gate.reconcile(read_passes)                # every minute, and when `gate.begun` grows
    gate.close()

`reconcile` is `restore` for a running portal: what is applied while the database is read is not
lost. Counts of sessions that have ended stay in `counted` (the last 65,536 of them), so a session's
last word can be asked for after its end. Counts only grow, but begin at 0 when the machine does.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from captive_portal.errors import GateError
from captive_portal.gate import wire
from captive_portal.sessions.passes import Pass, Passed

MOST_WAITING = 2000
"""Requests under way; past that, callers are told that the gate is busy."""
ANSWER_S = 20.0
"""So long for an answer, connecting again included."""
AGAIN_S = 0.1
READ_BYTES = 64 << 20


class GateClient:
    """Asks the privileged process; connects when need be. For one event loop."""

    def __init__(self, path: Path, *, answer_s: float = ANSWER_S) -> None:
        self._path = path
        self._answer_s = answer_s
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._waiting = 0
        self._since: list[tuple[Sequence[Pass], Sequence[Pass]]] | None = None
        self._restored = asyncio.Event()
        """Not set while a reconciliation is on its way, which knows of nothing that comes now."""
        self._restored.set()
        self.begun = 0
        """Connections made so far; one more than before: the other process may know less."""

    async def apply(self, let_in: Sequence[Pass], shut_out: Sequence[Pass]) -> None:
        """Change passes: see `Gate`. The same again changes nothing.

        A pass that only gets other speeds or another end keeps its connections; those of addresses
        that it gets or loses are cut.
        """
        await self._restored.wait()
        if self._since is not None:
            self._since.append((let_in, shut_out))
        told = {"let_in": [*map(wire.told, let_in)], "shut_out": [*map(wire.told, shut_out)]}
        await self._ask({"do": "apply", **told})

    async def restore(self, passes: Sequence[Pass]) -> None:
        """Make the kernel know these and no others: see `Gate`."""
        await self._ask({"do": "restore", "passes": await asyncio.to_thread(_told, passes)})

    async def reconcile(self, read: Callable[[], Awaitable[Sequence[Pass]]]) -> None:
        """Make the kernel know what `read` returns, and what has been applied since it was called.

        Raises:
            GateError: it could not be done; nothing changed.
        """
        if self._since is not None:
            return  # one is under way, and no older than this
        self._since = []
        try:
            wanted = {each.serial: each for each in await read()}
            self._restored.clear()
            for let_in, shut_out in self._since:
                for each in shut_out:
                    wanted.pop(each.serial, None)
                wanted.update((each.serial, each) for each in let_in)
            await self.restore(list(wanted.values()))
        finally:
            self._since = None
            self._restored.set()

    async def counted(self, serials: Collection[int] | None = None) -> Mapping[int, Passed]:
        """Return the counts of all passes by serial, of those that have ended too: see `Gate`."""
        of = {} if serials is None else {"serials": list(serials)}
        reply = await self._ask({"do": "counted", **of})
        return wire.counts(reply.get("counts"))

    async def let_visit(self, mac: str) -> None:
        """Let a device reach providers of OpenID Connect for ten minutes. Raises GateError."""
        await self._ask({"do": "let_visit", "mac": mac})

    async def ask(self, devices: Sequence[tuple[str, str]]) -> None:
        """Have devices asked, by address and MAC, whether they are there. Raises GateError."""
        await self._ask({"do": "ask", "devices": [list(each) for each in devices]})

    async def status(self) -> Mapping[str, Any]:
        """Return how the gate stands: passes, drops by reason, daemons. Raises GateError."""
        return await self._ask({"do": "status"})

    async def reload(self) -> None:
        """Let the settings be read anew; who is in stays in. Raises GateError: all stays."""
        await self._ask({"do": "reload"})

    def close(self) -> None:
        """Close the connection; whoever waits is told."""
        if self._link is not None:
            self._link.end()

    async def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request until it is answered: all of them may be sent twice."""
        if self._waiting >= MOST_WAITING:
            raise GateError("the gate has too much to do", hint="try again")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._answer_s):
                while True:
                    link = await self._connected()
                    with contextlib.suppress(ConnectionError):
                        return await link.ask({"id": next(self._numbers), **request})
                    await asyncio.sleep(AGAIN_S)
        except TimeoutError:
            raise GateError(
                f"the privileged process does not answer on {self._path}",
                hint="start the box as root: prathu up",
            ) from None
        finally:
            self._waiting -= 1

    async def _connected(self) -> _Link:
        async with self._connecting:
            while self._link is None or self._link.ended:
                try:
                    loop = asyncio.get_running_loop()
                    _, self._link = await loop.create_unix_connection(_Link, str(self._path))
                    self.begun += 1
                except OSError:
                    await asyncio.sleep(AGAIN_S)
            return self._link


def _told(passes: Sequence[Pass]) -> list[list[Any]]:
    with wire.no_collecting():
        return [wire.told(each) for each in passes]


class _Link(asyncio.Protocol):
    """One connection, and who waits for an answer on it."""

    def __init__(self) -> None:
        self.ended = False
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._held = bytearray()

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reply. Raises GateError: it says no. ConnectionError: the link is gone."""
        if self._transport is None or self.ended:
            raise ConnectionResetError
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        number = int(request["id"])
        self._waiting[number] = answer
        try:
            self._transport.write(wire.line(request))
            reply = await answer
        finally:
            self._waiting.pop(number, None)
        if not reply.pop("ok", False):
            raise GateError(str(reply.get("error", "the gate says no, and not why")))
        return reply

    def end(self) -> None:
        """Close."""
        self.ended = True
        if self._transport is not None:
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # of create_unix_connection
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._held += data
        if b"\n" not in data:
            if len(self._held) > READ_BYTES:
                self.end()
            return
        *lines, rest = bytes(self._held).split(b"\n")
        self._held = bytearray(rest)
        for text in lines:
            self._take(text)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError())

    def _take(self, text: bytes) -> None:
        try:
            reply = wire.parse(text)
        except GateError:
            self.end()
            return
        number = reply.get("id")
        if number == 0:  # said to whoever may not ask at all
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_result(dict(reply))
            return
        waiting = self._waiting.get(number) if isinstance(number, int) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)
