"""The sign-in side: pages for devices that have no Internet yet, and no cookies or scripts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from captive_portal.people.accounts import People
from captive_portal.sign_in.chain import Chain
from captive_portal.web import captive_api, pages
from captive_portal.web.doorway import Doorway, Guard
from captive_portal.web.entrance import Entrance
from captive_portal.web.front import Answer, Desk, Front, common, note, of_device, shown
from captive_portal.web.handover import routes
from captive_portal.web.handover.entrance import HandOver
from captive_portal.web.handover.gateways import Gateways
from captive_portal.web.handover.wifidog import WifiDog
from captive_portal.web.notice import NoticeBoard
from captive_portal.web.origin import from_elsewhere
from captive_portal.web.own_devices import OwnDevices
from captive_portal.web.own_names import OwnNames
from captive_portal.web.own_session import OwnSession
from captive_portal.web.provider import LetVisit, ProviderClient, Providers, offered
from captive_portal.web.texts import texts
from captive_portal.web.wifi import WifiPages

_KEPT = {"Cache-Control": "max-age=3600"}


class Portal:
    """The application: its addresses, and what belongs to no page."""

    def __init__(  # noqa: PLR0913  # these are what it stands on
        self,
        front: Front,
        *,
        people: People,
        chain: Chain,
        desk: Desk,
        board: NoticeBoard,
        gateways: Gateways | None = None,
        providers: Sequence[ProviderClient] = (),
        own_devices: OwnDevices | None = None,
        let_visit: LetVisit | None = None,
    ) -> None:
        self._front = front
        self._chain = chain
        self._hand: HandOver | None = None
        if gateways is not None:
            self._hand = HandOver(
                front, gateways, people=people, chain=chain, desk=desk, board=board
            )
            self._wifidog = WifiDog(front, gateways, people=people, desk=desk)
        self._board = board
        self._entrance = Entrance(
            front,
            people=people,
            chain=chain,
            desk=desk,
            board=board,
            offered=partial(offered, providers),
        )
        self._providers = Providers(
            front,
            chain=chain,
            entrance=self._entrance,
            clients=providers,
            let_visit=let_visit,
        )
        self._own = OwnSession(
            front, people=people, chain=chain, desk=desk, devices=own_devices is not None
        )
        self._own_devices = own_devices
        self._desk = desk
        self._names = OwnNames(front.settings, gated=front.gated)

    def app(self) -> Doorway:
        """Return the application."""
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        both = ["GET", "HEAD"]
        form: Callable[[Request], Awaitable[Response]] = self._entrance.form
        if self._hand is not None:
            routes.add(app, self._hand, self._wifidog)
            form = routes.at_root(self._hand, form)
        app.add_api_route("/", form, methods=both)
        app.add_api_route("/", self._entrance.sign_in, methods=["POST"])
        app.add_api_route("/password", self._entrance.again, methods=both)
        app.add_api_route("/password", self._entrance.password, methods=["POST"])
        app.add_api_route("/oidc/{provider}", self._providers.go, methods=["GET"])
        app.add_api_route("/oidc/{provider}/back", self._providers.back, methods=["GET"])
        app.add_api_route("/session", self._own.show, methods=both)
        app.add_api_route("/session", self._own.act, methods=["POST"])
        app.add_api_route("/session/password", self._own.password_form, methods=both)
        app.add_api_route("/session/password", self._own.password, methods=["POST"])
        if self._own_devices is not None:
            self._own_devices.add(app)
        app.add_api_route("/notice", self.notice, methods=both)
        if self._front.wifi is not None:
            WifiPages(self._front, self._front.wifi).add(app)
        app.add_api_route("/portal.css", self.style, methods=both)
        app.add_api_route("/look/{zone}.css", self.zone_style, methods=both)
        app.add_api_route("/look/{zone}.logo", self.logo, methods=both)
        app.add_api_route("/captive-portal/api", self.api, methods=both)
        app.add_api_route("/healthz", self.health, methods=both)
        app.add_exception_handler(HTTPException, self.http_error)
        app.add_middleware(Guard, early=self._another_site, excuse=self._excuse)
        return Doorway(app, self._elsewhere)

    def _elsewhere(self, request: Request) -> Response | None:
        """Send who looks for another host to the page."""
        try:
            page = self._names.elsewhere(request)
        except Exception as error:  # noqa: BLE001  # a person gets a page, whatever
            return self._excuse(request, error)
        return None if page is None else _onward(page)

    def _another_site(self, request: Request) -> Response | None:
        """Refuse a form that stood on a page of another site."""
        if not from_elsewhere(request):
            return None
        self._chain.counts["from another site"] += 1
        t = texts(request.query_params.get("lang"))
        return self._front.message(request, 403, t.elsewhere)

    def _excuse(self, request: Request, error: Exception) -> Response:
        """Make a page of what a handler could not do."""
        if isinstance(error, Answer):
            return error.response
        if isinstance(error, ClientDisconnect):
            return Response(status_code=400)  # nobody reads it: the device is gone
        note(error)
        t = texts(request.query_params.get("lang"))
        return self._front.message(request, 503, t.not_now)

    async def http_error(self, request: Request, error: Exception) -> Response:
        """Say that there is no such page."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        t = texts(request.query_params.get("lang"))
        return self._front.message(request, status, t.start_again, heading=t.not_found)

    async def notice(self, request: Request) -> Response:
        """Show what is kept, why, and how long."""
        visit = self._front.visit(request)
        notice = await self._board.current(visit.place, self._front.now())
        page = pages.NoticePage(
            **common(visit, "/notice"),
            parts=self._board.parts(visit.place, visit.t),
            own=visit.look.text(visit.t.lang),
            version=notice.version,
            since=notice.since,
        )
        return shown(page)

    async def style(self) -> Response:
        """Return the one style sheet."""
        return Response(pages.STYLE, media_type="text/css", headers=_KEPT)

    async def zone_style(self, zone: str) -> Response:
        """Return the style sheet of a zone."""
        look = self._front.looks.named(zone)
        return Response(look.style, media_type="text/css", headers=_KEPT)

    async def logo(self, zone: str) -> Response:
        """Return the logo of a zone."""
        logo = self._front.looks.named(zone).logo
        if logo is None:
            raise HTTPException(404)
        return Response(logo.picture, media_type=logo.media_type, headers=_KEPT)

    async def api(self, request: Request) -> Response:
        """Tell the device whether it is captive, in every state and to every device.

        Where the page has no https address there is nothing that a device would take: it drops
        whole answers without one (RFC 8908 section 5). None is led here then, nor answered.
        """
        if not self._front.settings.public_url:
            raise HTTPException(404)
        place, address = self._front.at(request)
        session = await of_device(self._desk, place.id, address) if place else None
        told = captive_api.state(
            session,
            self._front.settings,
            managed=place is not None,
            now=self._front.now(),
            left_bytes=await self._own.left_bytes(session),
        )
        kept = {"Cache-Control": "private, no-store"}
        return JSONResponse(told, media_type=captive_api.MEDIA_TYPE, headers=kept)

    async def health(self) -> Response:
        """Say that the process answers."""
        return PlainTextResponse("ok\n")


def _onward(page: str) -> Response:
    """Send a device to the page; its connection ends, for the gate turned it here for good."""
    return RedirectResponse(page, 302, {"Connection": "close"})
