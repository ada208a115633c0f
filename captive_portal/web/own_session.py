"""Somebody's own session: how it stands, and the way out."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from captive_portal.errors import ReportError
from captive_portal.web import pages
from captive_portal.web.front import Desk, Front, Visit, common, note, shown


class OwnSession:
    """The handlers of `/session`."""

    def __init__(self, front: Front, *, desk: Desk) -> None:
        self._front = front
        self._desk = desk

    async def show(self, request: Request) -> Response:
        """Show who is signed in on this device."""
        return await self._show(self._front.visit(request), 200)

    async def _show(
        self, visit: Visit, status: int, message: str = "", retry_s: int = 0
    ) -> Response:
        session = await self._desk.at(visit.place.id, visit.address)
        if session is None:
            return RedirectResponse(f"/?lang={visit.t.lang}", 303)
        page = pages.SessionPage(
            **common(visit, "/session", message),
            token=self._front.tokens.make("sign-out", visit.address),
            name=session.person.name if session.person else "",
            account=session.person.account if session.person else "",
            address=visit.address,
            until=session.expires,
        )
        return shown(page, status, retry_s=retry_s)

    async def sign_out(self, request: Request) -> Response:
        """End the session of this device."""
        visit = self._front.visit(request)
        fields = await visit.fields()
        if not self._front.tokens.good(fields.get("token", ""), "sign-out", visit.address):
            return await self._show(visit, 403, visit.t.stale)
        session = await self._desk.at(visit.place.id, visit.address)
        if session is not None:
            try:
                await self._desk.sign_out(session)
            except ReportError as error:
                note(error)
                return await self._show(visit, 503, visit.t.not_now, retry_s=30)
        return self._front.message(request, 200, "", heading=visit.t.signed_out)
