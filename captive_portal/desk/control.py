"""How other processes of the box ask the portal: a line of JSON each way over a unix socket.

`{"do":"kick","session":"…"}` ends a session everywhere, `{"do":"review"}` counts and looks at all
of them now. The reply is `{"ok":true,…}` or `{"ok":false,"error":"…"}`. Who may connect is a matter
of the socket file's rights.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from captive_portal.desk.desk import SessionDesk
from captive_portal.errors import PortalError
from captive_portal.report import short_name
from captive_portal.troubles import reason

SOCKET = Path("run") / "portal.sock"
LONGEST_REQUEST = 1 << 16
IDLE_S = 60.0
"""A caller that sends nothing for so long is let go."""
MOST_CALLERS = 32


@asynccontextmanager
async def answering(path: Path, desk: SessionDesk) -> AsyncIterator[None]:
    """Answer on a socket file; one that a dead process left is replaced.

    Raises:
        PortalError: the socket cannot be made.
    """
    places = asyncio.Semaphore(MOST_CALLERS)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with places:
            with contextlib.suppress(OSError, TimeoutError, ValueError):
                await _serve(desk, reader, writer)
            writer.close()

    listener = _listener(path)
    async with await asyncio.start_unix_server(serve, sock=listener, limit=LONGEST_REQUEST):
        try:
            yield
        finally:
            _remove(path)


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(exist_ok=True)
        # Whoever else runs this home's portal has its ports, so that we do not come this far.
        _remove(path)
        with short_name(path) as name:
            listener.bind(name)
        path.chmod(0o660)  # nobody can connect before it listens
    except OSError as error:
        listener.close()
        raise PortalError(f"cannot make the socket {path}: {error.strerror or error}") from error
    return listener


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _serve(
    desk: SessionDesk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while line := await asyncio.wait_for(reader.readline(), IDLE_S):
        reply = await _reply(desk, line)
        writer.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")
        await writer.drain()


async def _reply(desk: SessionDesk, line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
        match request:
            case {"do": "kick", "session": str(session)}:
                return {"ok": True, **(await _kick(desk, session))}
            case {"do": "review"}:
                await desk.minute()
                return {"ok": True}
    except (ValueError, RecursionError):
        return {"ok": False, "error": "not a line of JSON"}
    except (PortalError, SQLAlchemyError) as error:
        return {"ok": False, "error": reason(error)}
    return {"ok": False, "error": "known: kick with a session, review"}


async def _kick(desk: SessionDesk, session: str) -> dict[str, str]:
    kicked = await desk.kick(session)
    person = kicked.session.person
    return {
        "session": str(kicked.session.id),
        "account": person.account if person else "",
        "gate": kicked.gate,
        "nas": kicked.nas,
    }
