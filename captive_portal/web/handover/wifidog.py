"""What gateways ask us by WiFiDog: whether a token is good, whether somebody may stay."""

from __future__ import annotations

import asyncio

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from captive_portal.errors import PortalError
from captive_portal.people.accounts import People
from captive_portal.sign_in.one_time import Bound
from captive_portal.web.front import Desk, Front, note
from captive_portal.web.handover.gateways import Gateways, same
from captive_portal.web.handover.hint import Forged, Query
from captive_portal.web.handover.ruijie import Ruijie
from captive_portal.web.handover.table import Gateway

_DENIED, _ALLOWED = "Auth: 0\n", "Auth: 1\n"


class WifiDog:
    """The handlers below `/portal/ruijie/`; only a gateway's own address is answered."""

    def __init__(self, front: Front, gateways: Gateways, *, people: People, desk: Desk) -> None:
        self._front = front
        self._gateways = gateways
        self._people = people
        self._desk = desk

    async def auth(self, request: Request) -> Response:
        """Say whether a device may be on."""
        _, caller = self._front.at(request)
        gateway = self._gateways.table.named(Ruijie.kind, caller)
        if gateway is None:
            self._gateways.refuse(Ruijie.word, Forged("unknown-caller"), caller)
            return PlainTextResponse(_DENIED, 403)
        try:
            query = Query.parse(request.scope["query_string"].decode("latin-1"))
            allowed = await self._stage(gateway, query)
        except Forged as error:
            self._gateways.refuse(Ruijie.word, error, caller)
            allowed = False
        except PortalError as error:
            self._gateways.count(Ruijie.word, "not-begun")
            note(error)
            allowed = False
        return PlainTextResponse(_ALLOWED if allowed else _DENIED)

    async def _stage(self, gateway: Gateway, query: Query) -> bool:
        """Return whether a device may be on. Raises PortalError."""
        mac, address, stage = query.mac("mac"), query.address("ip"), query.text("stage")
        if not address:
            raise Forged("no-address")
        if stage == "login":
            return await self._begin(gateway, query.text("token"), mac, address)
        session = await self._desk.at(gateway.site, address)
        if session is None or session.mac != mac:
            return False
        if stage == "logout":
            await self._desk.sign_out(session)
            return False
        return stage == "counters"

    async def _begin(self, gateway: Gateway, token: str, mac: str, address: str) -> bool:
        user, _, password = token.partition(".")
        bound = Bound(site=gateway.site, nas=gateway.name, mac=mac, address=address)
        owner = self._gateways.one_time.take(user, bound, lambda given: same(given, password))
        account = None if owner is None else await asyncio.to_thread(self._people.get, owner.person)
        if owner is None or account is None or account.closed(self._front.now()):
            self._gateways.count(Ruijie.word, "wrong-token")
            return False
        await self._desk.sign_in(gateway.site, account, address, mac, notice=owner.notice)
        self._gateways.count(Ruijie.word, "let-in")
        return True

    async def ping(self) -> Response:
        """Say that we are there."""
        return PlainTextResponse("Pong")

    async def after(self, request: Request) -> Response:
        """Take a device on that the gateway sends on: the gateway's words are not shown."""
        lang = "en" if request.query_params.get("lang") == "en" else "th"
        return RedirectResponse(f"/portal/done?lang={lang}", 303)
