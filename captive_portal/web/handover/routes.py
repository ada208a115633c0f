"""The addresses of the hand-over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from captive_portal.web.handover.entrance import HandOver
from captive_portal.web.handover.wifidog import WifiDog

_BOTH = ["GET", "HEAD"]


def add(app: FastAPI, hand: HandOver, dog: WifiDog) -> None:
    """Add them to the application; those of one maker before those of all."""
    app.add_api_route("/portal/done", hand.done, methods=_BOTH)
    for slash in ("", "/"):
        app.add_api_route(f"/portal/ruijie/login{slash}", _of("ruijie", hand), methods=_BOTH)
        app.add_api_route(f"/portal/ruijie/auth{slash}", dog.auth, methods=["GET"])
        app.add_api_route(f"/portal/ruijie/ping{slash}", dog.ping, methods=["GET"])
        app.add_api_route(f"/portal/ruijie/portal{slash}", dog.after, methods=["GET"])
        app.add_api_route(f"/guest/s/{{site}}{slash}", _of("unifi", hand), methods=_BOTH)
    app.add_api_route("/portal/ruijie/gw_message.php", dog.after, methods=["GET"])
    app.add_api_route("/portal/{word}", hand.form, methods=_BOTH)
    app.add_api_route("/portal/{word}", hand.sign_in, methods=["POST"])
    app.add_api_route("/portal/{word}/password", hand.password, methods=["POST"])


def _of(word: str, hand: HandOver) -> Callable[[Request], Awaitable[Response]]:
    async def form(request: Request) -> Response:
        return await hand.form(request, word)

    return form


def at_root(
    hand: HandOver, usual: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of `/`: a gateway's parameters tell that it sent the device."""

    async def form(request: Request) -> Response:
        word = hand.word_of(request)
        return await (hand.form(request, word) if word else usual(request))

    return form
