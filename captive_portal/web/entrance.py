"""The way in: the form for account and password, and a new password at first use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from captive_portal.errors import PortalError, Unfit
from captive_portal.people.accounts import Account, People
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.way import Busy, NameWanted, WayWord
from captive_portal.web import pages
from captive_portal.web.front import (
    Desk,
    Front,
    Visit,
    attempt,
    common,
    excuse,
    may_choose,
    new_password,
    of_device,
    shown,
    typed,
    unfit,
    ways_of,
    whose,
)
from captive_portal.web.neighbours import mac_of
from captive_portal.web.notice import NoticeBoard
from captive_portal.web.sites import Place

LONGEST_CODE = 36
"""Characters of a voucher's code, as a QR code brings it or as it is typed."""


class Entrance:
    """The handlers of `/` and `/password`."""

    def __init__(
        self,
        front: Front,
        *,
        people: People,
        chain: Chain,
        desk: Desk,
        board: NoticeBoard,
        offered: Callable[[Place], tuple[tuple[str, str], ...]] = lambda _place: (),
    ) -> None:
        """Keep the parts; `offered` gives id and name of the providers at a place."""
        self._front = front
        self._people = people
        self._chain = chain
        self._desk = desk
        self._board = board
        self._offered = offered

    async def form(self, request: Request) -> Response:
        """Show the sign-in form; a device that is known comes in by itself."""
        visit = self._front.visit(request)
        try:
            account = await self._by_device(visit)
            return await (self.begin(visit, account) if account else self.page(visit, 200))
        except PortalError as error:
            return await self._not_in(visit, error, {})

    async def _by_device(self, visit: Visit) -> Account | None:
        """Return whose device it is, where nobody is on it and the zone lets devices in."""
        if WayWord.DEVICE not in visit.place.ways or visit.request.method != "GET":
            return None
        if await of_device(self._desk, visit.place.id, visit.address) is not None:
            return None
        mac = await asyncio.to_thread(mac_of, visit.address)
        return await self._chain.by_device(visit.place.id, mac, visit.place.ways)

    async def page(
        self,
        visit: Visit,
        status: int,
        message: str = "",
        fields: Mapping[str, str] | None = None,
        *,
        retry_s: int = 0,
        wants_name: bool = False,
    ) -> Response:
        """Return the sign-in page, and why it is there again."""
        session = await of_device(self._desk, visit.place.id, visit.address)
        page = pages.SignInPage(
            **common(visit, "/", message),
            token=self._front.tokens.make("sign-in", visit.address),
            **(typed(fields, message, wants_name=wants_name) if fields else self._brought(visit)),
            signed_in_as=session.person.name if session and session.person else "",
            ended="" if session or message else self._why_ended(visit),
            keep_days=self._front.settings.keep_days,
            vouchers=WayWord.VOUCHER in visit.place.ways,
            providers=self._offered(visit.place),
        )
        return shown(page, status, retry_s=retry_s)

    def _why_ended(self, visit: Visit) -> str:
        """Return the sentence about a session that has ended here a moment ago."""
        return visit.t.ends.get(self._desk.why_ended(visit.place.id, visit.address), "")

    def _brought(self, visit: Visit) -> dict[str, str]:
        """Return the code that a QR code brought along."""
        return {"code": visit.request.query_params.get("voucher", "")[:LONGEST_CODE]}

    async def again(self, request: Request) -> Response:
        """Lead who loads the form for a new password again to the page."""
        visit = self._front.visit(request)
        return RedirectResponse(f"/?lang={visit.t.lang}", 303)

    async def sign_in(self, request: Request) -> Response:
        """Take account and password; on success go to the session's page (303)."""
        visit = self._front.visit(request)
        fields = await visit.fields()
        if not self._front.tokens.good(fields.get("token", ""), "sign-in", visit.address):
            return await self.page(visit, 403, visit.t.stale, fields)
        try:
            mac = await asyncio.to_thread(mac_of, visit.address)
            tried = attempt(visit, fields, mac)
            account = await self._chain.check(tried, ways_of(visit, fields))
            if account.must_change:
                return self._new_password(visit, account, 200)
            return await self.begin(visit, account)
        except NameWanted:
            return await self.page(visit, 200, visit.t.guest_wanted, fields, wants_name=True)
        except PortalError as error:
            return await self._not_in(visit, error, fields)

    async def _not_in(
        self, visit: Visit, error: PortalError, fields: Mapping[str, str], *, changed: bool = False
    ) -> Response:
        """Show the form again, and why; `changed`: the new password is kept all the same."""
        status, message, retry_s = excuse(error, visit.t, code="code" in fields)
        message = f"{visit.t.changed} {message}" if changed else message
        return await self.page(visit, status, message, fields, retry_s=retry_s)

    async def begin(self, visit: Visit, account: Account) -> Response:
        """Begin a session and go to its page (303). Raises PortalError."""
        mac = await asyncio.to_thread(mac_of, visit.address)
        notice = await self._board.acknowledged(account.id, visit.place, self._front.now())
        await self._desk.sign_in(visit.place.id, account, visit.address, mac, notice=notice.version)
        return RedirectResponse(f"/session?lang={visit.t.lang}", 303)

    def _new_password(
        self, visit: Visit, account: Account, status: int, message: str = "", retry_s: int = 0
    ) -> Response:
        person = str(account.id)
        page = pages.PasswordPage(
            **common(visit, "/", message),
            token=self._front.tokens.make("password", visit.address, person),
            person=person,
        )
        return shown(page, status, retry_s=retry_s)

    async def password(self, request: Request) -> Response:
        """Take a new password at first use; the token proves that the old one was right."""
        visit = self._front.visit(request)
        t, fields = visit.t, await visit.fields()
        person, token = fields.get("person", ""), fields.get("token", "")
        if not self._front.tokens.good(token, "password", visit.address, person):
            return await self.page(visit, 403, t.stale)
        account = await asyncio.to_thread(self._people.get, UUID(person))
        if account is None or not may_choose(visit, account, self._front.now()):
            return await self.page(visit, 403, t.stale)
        try:
            await self._chain.change(account, new_password(fields, account))
        except Unfit as error:
            return self._new_password(visit, account, 422, unfit(error, t))
        except Busy:
            return self._new_password(visit, account, 503, t.busy, retry_s=5)
        try:
            return await self.begin(visit, account)
        except PortalError as error:
            return await self._not_in(visit, error, whose(account), changed=True)
