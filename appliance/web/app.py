"""The admin pages and the API as one ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from html import escape
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.staticfiles import StaticFiles

from appliance.errors import BoxError, WrongUse
from appliance.hub import known
from appliance.web import (
    api,
    pages_account,
    pages_classes,
    pages_devices,
    pages_groups,
    pages_kept,
    pages_nas,
    pages_people,
    pages_poster,
    pages_roll,
    pages_school,
    pages_search,
    pages_sessions,
    pages_sources,
    pages_status,
    pages_vouchers,
    pages_who,
)
from appliance.web.deps import Deps
from appliance.web.guard import HEADERS, Guard, hosts_for
from appliance.web.outside_line import OutsideLines
from appliance.web.reasons import told
from appliance.web.render import STATIC, ErrorPage, page, wants_whole
from appliance.web.seats import Seats, Tries
from appliance.web.sources import Meter
from appliance.web.visitor import (
    Forbidden,
    MustChange,
    NotSignedIn,
    OnlyHelps,
    OtherSite,
    Room,
    find,
)
from appliance.web.workers import TooBusy, Workers
from captive_portal.errors import PortalError
from collector.errors import CollectorError

NOT_SO = "That is not how this page is asked."
Handler = Callable[[Request, Exception], Awaitable[Response]]
PAGES = (
    pages_account,
    pages_status,
    pages_sources,
    pages_search,
    pages_who,
    pages_roll,
    pages_groups,
    pages_vouchers,
    pages_devices,
    pages_classes,
    pages_school,
    pages_poster,
    pages_people,
    pages_sessions,
    pages_nas,
    pages_kept,
)


def create_app(deps: Deps) -> FastAPI:
    """Return the app; nothing is opened before its lifespan begins."""
    room = Room(
        deps=deps,
        seats=Seats(clock=deps.clock),
        account_tries=Tries(clock=deps.clock, most=5, window_s=60),
        address_tries=Tries(clock=deps.clock, most=20, window_s=60),
        workers=Workers(),
        meter=Meter(),
        outside=OutsideLines(partial(known.read, deps.home, deps.settings)),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        room.workers.close()

    # The ready-made documentation pages load script from another host: only the document stays.
    app = FastAPI(
        title="Prathu",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=lifespan,
    )
    app.state.room = room
    for module in PAGES:
        app.include_router(module.router)
    app.include_router(api.router)
    app.add_api_route("/healthz", _healthy, include_in_schema=False, methods=["GET", "HEAD"])
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(Guard, hosts=hosts_for(deps.settings.admin.host))
    return app


async def _healthy() -> Response:
    return PlainTextResponse("ok\n")


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")


def _onward(request: Request, path: str) -> Response:
    """Lead a browser on; htmx must be told to leave the page, not to put one into the other."""
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)


async def _not_signed_in(request: Request, _: Exception) -> Response:
    if _is_api(request):
        return JSONResponse(
            {"error": "sign in, or send the token of run/api.token as a bearer"},
            401,
            {"WWW-Authenticate": "Bearer"},
        )
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    after = "" if request.method != "GET" or here == "/" else f"?next={quote(here, safe='')}"
    return _onward(request, f"/sign-in{after}")


async def _must_change(request: Request, _: Exception) -> Response:
    return _onward(request, "/password")


async def _forbidden(request: Request, _: Exception) -> Response:
    return await _refused(
        request, 403, "You may not do that, or the page was open for too long. Load it again."
    )


async def _only_helps(request: Request, error: Exception) -> Response:
    """Lead a teacher from the first page to their own; every other one is closed to them."""
    if request.url.path == "/" and request.method == "GET":
        return _onward(request, "/classes")
    return await _forbidden(request, error)


async def _other_site(request: Request, _: Exception) -> Response:
    return await _refused(request, 403, "This form was sent from another site, and is not taken.")


async def _wrong_use(request: Request, error: Exception) -> Response:
    return await _refused(request, 422, str(error), error)


async def _unavailable(request: Request, error: Exception) -> Response:
    return await _refused(request, 503, str(error), error)


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = {404: "There is no such page."}
    return await _refused(request, status, known.get(status, NOT_SO))


async def _invalid(request: Request, error: Exception) -> Response:
    fault = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    place = ".".join(str(part) for part in fault.get("loc", ())[1:])
    said = f"{place}: {fault.get('msg', 'wrong')}"
    return await _refused(request, 422, said if _is_api(request) else NOT_SO)


async def _gone(_: Request, __: Exception) -> Response:
    """Answer nobody: the browser went away before its form was here."""
    return Response(status_code=400)


async def _fault(request: Request, error: Exception) -> Response:
    # Starlette logs the traceback; the page says only that there is one. It is made outside of
    # every middleware, so the guard's headers come from here.
    del error
    response = await _refused(request, 500, "A fault in the program. Its log says more.")
    response.headers.update({**HEADERS, "Cache-Control": "no-store"})
    return response


async def _refused(
    request: Request, status: int, message: str, error: Exception | None = None
) -> Response:
    if _is_api(request):
        return JSONResponse({"error": message}, status)
    visitor = await find(request)
    t = visitor.texts
    said = t(message) if error is None else told(t, error)
    if not wants_whole(request):
        return HTMLResponse(f'<p class="note bad" role="alert">{escape(said)}</p>', status)
    return page(request, visitor, ErrorPage(status=status, message=said), status=status)


HANDLERS: dict[type[Exception], Handler] = {
    NotSignedIn: _not_signed_in,
    MustChange: _must_change,
    Forbidden: _forbidden,
    OnlyHelps: _only_helps,
    OtherSite: _other_site,
    WrongUse: _wrong_use,
    TooBusy: _unavailable,
    BoxError: _unavailable,
    PortalError: _wrong_use,
    CollectorError: _unavailable,
    HTTPException: _http,
    RequestValidationError: _invalid,
    ClientDisconnect: _gone,
    Exception: _fault,
}
