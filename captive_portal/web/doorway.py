"""In front of the application: who asked for another host is sent to the page in few words.

Captive phones probe all day, and each probe that goes the long way through the application takes
the time of somebody who signs in.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
"""Of every answer that has no others of these names."""

Early = Callable[[Request], Response | None]
"""Returns what is answered without asking the application; None: it is asked."""
Excuse = Callable[[Request, Exception], Response]
"""Returns what is answered when a handler could not."""


class Doorway:
    """The application behind what is answered early. It is an ASGI application."""

    def __init__(self, app: ASGIApp, early: Early) -> None:
        self._app = app
        self._early = early

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, here or by the application."""
        answer = self._early(Request(scope)) if scope["type"] == "http" else None
        if answer is None:
            await self._app(scope, receive, send)
        else:
            _complete(answer.headers)
            await answer(scope, receive, send)


class Guard:
    """What every answer of the handlers has in common. It is an ASGI application."""

    def __init__(self, app: ASGIApp, early: Early, excuse: Excuse) -> None:
        self._app = app
        self._early = early
        self._excuse = excuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; where the application cannot, say so as a page."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, begun = Request(scope), False

        async def complete(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _complete(MutableHeaders(scope=message))
            await send(message)

        try:
            answer: ASGIApp = self._early(request) or self._app
            await answer(scope, receive, complete)
        except Exception as error:
            if begun:
                raise  # half an answer is out
            await self._excuse(request, error)(scope, receive, complete)


def _complete(headers: MutableHeaders) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
