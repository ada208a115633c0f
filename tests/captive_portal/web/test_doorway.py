"""Who is answered early never reaches the application, and no answer goes without its headers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from captive_portal.web.doorway import HEADERS, Doorway, Early, Guard


class Application:
    """Says a word, or fails, before or after it has begun to answer."""

    def __init__(self, fails: str = "") -> None:
        self.asked = 0
        self._fails = fails

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        if self._fails == "at once":
            raise ValueError("nothing")
        if self._fails == "half-way":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise ValueError("half")
        answer = PlainTextResponse("inside", headers={"Cache-Control": "max-age=3600"})
        await answer(scope, receive, send)


def nothing(_: Request) -> Response | None:
    return None


def at(path: str) -> Early:
    def early(request: Request) -> Response | None:
        return PlainTextResponse("early", 302) if request.url.path == path else None

    return early


def excuse(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"sorry: {error}", 503)


@pytest.mark.parametrize(
    "made",
    [lambda app, early: Doorway(app, early), lambda app, early: Guard(app, early, excuse)],
)
def test_what_is_answered_early_does_not_reach_the_application(
    made: Callable[[Application, Early], Any],
) -> None:
    app = Application()
    device = TestClient(made(app, at("/probe")), follow_redirects=False)
    answer = device.get("/probe")
    assert (answer.status_code, answer.text, app.asked) == (302, "early", 0)
    assert HEADERS.items() <= {name.title(): v for name, v in answer.headers.items()}.items()
    assert device.get("/").text == "inside"


def test_an_answer_keeps_the_headers_that_it_has() -> None:
    answer = TestClient(Guard(Application(), nothing, excuse)).get("/")
    assert answer.headers["cache-control"] == "max-age=3600"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_who_meets_a_fault_gets_an_excuse() -> None:
    answer = TestClient(Guard(Application("at once"), nothing, excuse)).get("/")
    assert (answer.status_code, answer.text) == (503, "sorry: nothing")
    assert answer.headers["cache-control"] == "no-store"


def test_half_an_answer_is_not_followed_by_another() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    guard = Guard(Application("half-way"), nothing, excuse)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    with pytest.raises(ValueError, match="half"):
        asyncio.run(guard(scope, receive, send))
    assert len(sent) == 1
