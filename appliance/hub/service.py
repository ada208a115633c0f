"""The witness as a service: C2SP tlog-witness over HTTP."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from appliance import serving
from appliance.hub.witness_state import Conflict, Misspelt, Unbelieved, Unknown, Witness
from collector.errors import CollectorError
from collector.seal.fault import Refused
from collector.seal.witness import MAX_REQUEST, SIZE_TYPE

MOST_AT_ONCE = 64
PATIENCE_S = 60.0
"""A connection lives no longer: who says nothing, or little by little, keeps nobody else out."""
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
        try:
            body = await _body(request)
        except ClientDisconnect:
            return PlainTextResponse("cut off\n", 400)  # nobody reads it
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


class _Impatient(H11Protocol):
    """HTTP that ends a connection after a while, whatever comes or does not come."""

    _end: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._end = self.loop.call_later(PATIENCE_S, transport.abort)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)


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
    host, _, port = at.rpartition(":")
    where = serving.listening(host.strip("[]"), int(port), "the witness", "[hub] listen")
    with where as listener:
        serving.serve(
            app,
            listener,
            stop,
            name="witness",
            ready=lambda: ready(listener.getsockname()[1]),
            lifespan="off",
            http=_Impatient,
            limit_concurrency=MOST_AT_ONCE,
        )
