"""The witness as a service: C2SP tlog-witness over HTTP."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from typing_extensions import override

from appliance.errors import BoxError
from appliance.hub.witness_state import Conflict, Misspelt, Unbelieved, Unknown, Witness
from collector.errors import CollectorError
from collector.seal.fault import Refused
from collector.seal.witness import MAX_REQUEST, SIZE_TYPE

STOP_S = 5.0
MOST_AT_ONCE = 64
_log = logging.getLogger(__name__)
_STATUS: tuple[tuple[type[CollectorError], int], ...] = (
    (Misspelt, 400),
    (Unbelieved, 403),
    (Unknown, 404),
    (Refused, 422),
)


def create_app(witness: Witness, about: str) -> FastAPI:
    """Return the app of a witness that was started.

    Args:
        witness: Signs.
        about: What is shown to whoever looks with a browser.
    """
    app = FastAPI(title="Prathu witness", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def look() -> Response:
        return PlainTextResponse(about)

    @app.get("/healthz")
    async def healthy() -> Response:
        return PlainTextResponse("ok\n")

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse(f"more than {MAX_REQUEST} bytes\n", 413)
        return await run_in_threadpool(_answer, witness, body)

    return app


async def _body(request: Request) -> bytes | None:
    """Return the body, None when it is longer than any request can be."""
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_REQUEST:
            return None
    return bytes(data)


def _answer(witness: Witness, body: bytes) -> Response:
    try:
        return PlainTextResponse(witness.add_checkpoint(body))
    except Conflict as conflict:
        # As a header: a charset would be put behind a media type.
        return Response(f"{conflict.size}\n", 409, {"Content-Type": SIZE_TYPE})
    except CollectorError as error:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 503)
        if status in (422, 503):
            _log.error("add-checkpoint: %s", error)
        return PlainTextResponse(f"{' '.join(str(error).split())}\n", status)


def serve(
    app: FastAPI,
    at: str,
    stop: threading.Event,
    *,
    ready: Callable[[int], None] = lambda _: None,
) -> None:
    """Serve until `stop` is set.

    Args:
        app: What is served.
        at: ADDRESS:PORT; port 0 takes any free one.
        stop: Set by whoever wants this to end.
        ready: Called with the port once it answers.

    Raises:
        BoxError: it cannot listen there.
    """
    with _listening(at) as listener:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            limit_concurrency=MOST_AT_ONCE,
        )
        server = _Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="witness")
        thread.start()
        while thread.is_alive() and not server.started:
            thread.join(0.02)
        if server.started:
            ready(listener.getsockname()[1])
        while thread.is_alive() and not stop.wait(0.2):
            pass
        server.should_exit = True
        thread.join(STOP_S)
        server.force_exit = True
        thread.join()
    if not stop.is_set():
        raise BoxError("the witness ended by itself", hint="see the lines above")


class _Server(uvicorn.Server):
    """uvicorn in a thread of ours: signals belong to whoever set `stop`."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@contextmanager
def _listening(at: str) -> Iterator[socket.socket]:
    host, _, port = at.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, int(port)))
        except OSError as error:
            what = "is taken" if error.errno == errno.EADDRINUSE else f"failed: {error.strerror}"
            raise BoxError(
                f"the witness cannot listen: {at} {what}",
                hint="stop what uses it, or set another: [hub] listen in prathu.toml",
            ) from error
        yield listener
