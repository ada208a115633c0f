"""The sign-in side: pages for devices that have no Internet yet, and no cookies or scripts.

Who asks is known by the address of the connection, as the kernel gives it: headers that name
another address are not believed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from captive_portal.errors import PortalError, Refused, ReportError
from captive_portal.people import passwords
from captive_portal.people.accounts import Account, People
from captive_portal.sessions.session import Session
from captive_portal.settings import SignIn
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.way import Attempt, Busy, TooOften, Unsure
from captive_portal.web import captive_api, pages
from captive_portal.web.neighbours import mac_of
from captive_portal.web.own_names import OwnNames
from captive_portal.web.sites import Place, Places, canonical
from captive_portal.web.texts import Texts, texts
from captive_portal.web.tokens import Tokens
from collector.records import Clock

MAX_FORM = 8192
"""Bytes of a form; ours need a few hundred."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_log = logging.getLogger(__name__)


class Desk(Protocol):
    """Where sessions begin and end; every call returns when it is durable, or raises."""

    async def sign_in(self, site: str, account: Account, address: str, mac: str) -> Session:
        """Begin a session. Raises ReportError."""
        ...

    async def sign_out(self, session: Session) -> None:
        """End a session. Raises ReportError."""
        ...

    async def at(self, site: str, address: str) -> Session | None:
        """Return the session on an address."""
        ...


class _Answer(Exception):
    """Not an error: a page given early."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Portal:
    """The handlers, and what they need."""

    def __init__(
        self,
        settings: SignIn,
        *,
        places: Places,
        people: People,
        chain: Chain,
        desk: Desk,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._places = places
        self._people = people
        self._chain = chain
        self._desk = desk
        self._clock = clock
        self._tokens = Tokens(clock)
        self._names = OwnNames(settings)

    def app(self) -> FastAPI:
        """Return the application."""
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        both = ["GET", "HEAD"]
        app.add_api_route("/", self.form, methods=both)
        app.add_api_route("/", self.sign_in, methods=["POST"])
        app.add_api_route("/session", self.session, methods=both)
        app.add_api_route("/session", self.sign_out, methods=["POST"])
        app.add_api_route("/password", self.password, methods=["POST"])
        app.add_api_route("/notice", self.notice, methods=both)
        app.add_api_route("/portal.css", self.style, methods=both)
        app.add_api_route("/captive-portal/api", self.api, methods=both)
        app.add_api_route("/healthz", self.health, methods=both)
        app.add_exception_handler(HTTPException, self.http_error)
        app.middleware("http")(self.guard)
        return app

    async def guard(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Send who looks for another host to the page; make pages of what handlers cannot do."""
        try:
            page = self._names.elsewhere(request)
            response = RedirectResponse(page, 302) if page else await call_next(request)
        except _Answer as early:
            response = early.response
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody reads it: the device is gone
        except (PortalError, Exception) as error:  # noqa: BLE001  # a person gets a page, whatever
            self._note(error)
            response = self._message(request, 503, _texts(request).not_now)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _note(self, error: Exception) -> None:
        if isinstance(error, PortalError):
            _log.warning("a page was not possible: %s", error)
        else:
            _log.error("a page failed", exc_info=error)

    async def http_error(self, request: Request, error: Exception) -> Response:
        """Say that there is no such page."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._message(request, status, _texts(request).not_found)

    async def form(self, request: Request) -> Response:
        """Show the sign-in form."""
        return await self._form(request, 200)

    async def _form(
        self, request: Request, status: int, message: str = "", account: str = ""
    ) -> Response:
        place, address = self._where(request)
        session = await self._desk.at(place.id, address)
        page = pages.SignInPage(
            t=_texts(request),
            site_name=place.name,
            here="/",
            message=message,
            token=self._tokens.make("sign-in", address),
            account=account,
            signed_in_as=_name(session) if session else "",
            keep_days=self._settings.keep_days,
        )
        return HTMLResponse(pages.show(page), status)

    async def sign_in(self, request: Request) -> Response:
        """Take account and password; on success go to the session's page (303)."""
        place, address = self._where(request)
        t, fields = _texts(request), await _fields(request)
        typed = fields.get("account", "")
        if not self._tokens.good(fields.get("token", ""), "sign-in", address):
            return await self._form(request, 403, t.stale, typed)
        try:
            attempt = Attempt(
                site=place.id,
                address=address,
                mac=await asyncio.to_thread(mac_of, address),
                account=typed,
                password=fields.get("password", ""),
            )
            account = await self._chain.check(attempt, place.ways)
            if account.must_change:
                return self._new_password(request, account, 200)
            return await self._begin(request, account)
        except PortalError as error:
            return await self._not_in(request, error, typed)

    async def _not_in(self, request: Request, error: PortalError, typed: str) -> Response:
        """Show the form again, and why."""
        t = _texts(request)
        match error:
            case Unsure():
                return await self._form(request, 403, t.unsure, typed)
            case Refused():
                return await self._form(request, 403, t.refused, typed)
            case TooOften(wait_s=wait_s):
                again = t.too_often.format(seconds=wait_s)
                return _retry(await self._form(request, 429, again, typed), wait_s)
            case Busy():
                return _retry(await self._form(request, 503, t.busy, typed), 5)
        self._note(error)
        return _retry(await self._form(request, 503, t.not_now, typed), 30)

    async def _begin(self, request: Request, account: Account) -> Response:
        place, address = self._where(request)
        mac = await asyncio.to_thread(mac_of, address)
        await self._desk.sign_in(place.id, account, address, mac)
        return RedirectResponse(f"/session?lang={_texts(request).lang}", 303)

    def _new_password(
        self, request: Request, account: Account, status: int, message: str = ""
    ) -> Response:
        place, address = self._where(request)
        page = pages.PasswordPage(
            t=_texts(request),
            site_name=place.name,
            here="/",
            message=message,
            token=self._tokens.make("password", address, str(account.id)),
            person=str(account.id),
        )
        return HTMLResponse(pages.show(page), status)

    async def password(self, request: Request) -> Response:
        """Take a new password at first use; the token proves that the old one was right."""
        place, address = self._where(request)
        t, fields = _texts(request), await _fields(request)
        person, new = fields.get("person", ""), fields.get("new", "")
        if not self._tokens.good(fields.get("token", ""), "password", address, person):
            return await self._form(request, 403, t.stale)
        account = await asyncio.to_thread(self._people.get, UUID(person))
        usable = account is not None and account.must_change and account.disabled_at is None
        if account is None or not usable or account.site != place.id:
            return await self._form(request, 403, t.stale)
        if new != fields.get("again", "") or passwords.fault(new):
            return self._new_password(request, account, 422, t.new_differs)
        try:
            await self._chain.change(account, new)
            return await self._begin(request, account)
        except Busy:
            return _retry(self._new_password(request, account, 503, t.busy), 5)
        except PortalError as error:
            return await self._not_in(request, error, account.account)

    async def session(self, request: Request) -> Response:
        """Show who is signed in on this device."""
        return await self._session(request, 200)

    async def _session(self, request: Request, status: int, message: str = "") -> Response:
        place, address = self._where(request)
        session = await self._desk.at(place.id, address)
        if session is None:
            return RedirectResponse(f"/?lang={_texts(request).lang}", 303)
        page = pages.SessionPage(
            t=_texts(request),
            site_name=place.name,
            here="/session",
            message=message,
            token=self._tokens.make("sign-out", address),
            name=_name(session),
            account=session.person.account if session.person else "",
            address=address,
            until=session.expires,
        )
        return HTMLResponse(pages.show(page), status)

    async def sign_out(self, request: Request) -> Response:
        """End the session of this device."""
        place, address = self._where(request)
        t, fields = _texts(request), await _fields(request)
        if not self._tokens.good(fields.get("token", ""), "sign-out", address):
            return await self._session(request, 403, t.stale)
        session = await self._desk.at(place.id, address)
        if session is not None:
            try:
                await self._desk.sign_out(session)
            except ReportError as error:
                self._note(error)
                return _retry(await self._session(request, 503, t.not_now), 30)
        return self._message(request, 200, "", heading=t.signed_out)

    async def notice(self, request: Request) -> Response:
        """Show what is kept, why, and how long."""
        place, _ = self._where(request)
        t = _texts(request)
        page = pages.NoticePage(
            t=t,
            site_name=place.name,
            here="/notice",
            keep_days=self._settings.keep_days,
            controller=self._settings.controller or place.name,
            contact=self._settings.contact or t.contact_missing,
        )
        return HTMLResponse(pages.show(page))

    async def style(self) -> Response:
        """Return the one style sheet."""
        keep = {"Cache-Control": "max-age=3600"}
        return Response(pages.STYLE, media_type="text/css", headers=keep)

    async def api(self, request: Request) -> Response:
        """Tell the device whether it is captive, in every state and to every device."""
        address = canonical(_peer(request))
        place = self._places.of(address)
        session = await self._desk.at(place.id, address) if place else None
        now = datetime.fromtimestamp(self._clock() / 1e9, UTC)
        told = captive_api.state(session, self._settings, managed=place is not None, now=now)
        kept = {"Cache-Control": "private, no-store"}
        return JSONResponse(told, media_type=captive_api.MEDIA_TYPE, headers=kept)

    async def health(self) -> Response:
        """Say that the process answers."""
        return PlainTextResponse("ok\n")

    def _where(self, request: Request) -> tuple[Place, str]:
        address = canonical(_peer(request))
        place = self._places.of(address)
        if place is None:
            t = _texts(request)
            raise _Answer(self._message(request, 403, t.not_here))
        return place, address

    def _message(
        self, request: Request, status: int, message: str, *, heading: str = ""
    ) -> Response:
        place = self._places.of(canonical(_peer(request)))
        t = _texts(request)
        page = pages.MessagePage(
            t=t,
            site_name=place.name if place else "Prathu",
            here="/",
            message=message,
            heading=heading or t.title,
        )
        return HTMLResponse(pages.show(page), status)


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form, bounded before it is read."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_FORM:
            raise _Answer(PlainTextResponse(_texts(request).too_much + "\n", 413))
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return dict(pairs)


def _texts(request: Request) -> Texts:
    return texts(request.query_params.get("lang"))


def _peer(request: Request) -> str:
    return request.client.host if request.client else "0.0.0.0"  # noqa: S104  # nobody's


def _name(session: Session) -> str:
    person = session.person
    return "" if person is None else person.full_name or person.account


def _retry(response: Response, seconds: int) -> Response:
    response.headers["Retry-After"] = str(seconds)
    return response
