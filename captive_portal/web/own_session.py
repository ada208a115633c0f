"""Somebody's own session: how it stands, more time, another password, and the way out."""

from __future__ import annotations

import asyncio

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from captive_portal.errors import Denied, PortalError, Refused, Unfit
from captive_portal.people.accounts import Account, People
from captive_portal.sessions.session import Session
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.way import Attempt, Busy, TooOften, WayWord
from captive_portal.web import pages
from captive_portal.web.device_words import words
from captive_portal.web.front import (
    Answer,
    Desk,
    Front,
    Visit,
    common,
    new_password,
    note,
    of_device,
    shown,
    unfit,
)

RENEW, PASSWORD = "renew", "own-password"


class OwnSession:
    """The handlers of `/session` and what is below it."""

    def __init__(
        self, front: Front, *, people: People, chain: Chain, desk: Desk, devices: bool = False
    ) -> None:
        """Keep the parts; `devices` says whether there is a page of their devices."""
        self._front = front
        self._lists_devices = devices
        self._people = people
        self._chain = chain
        self._desk = desk

    async def show(self, request: Request) -> Response:
        """Show who is signed in on this device, until when and on what terms."""
        return await self._show(self._front.visit(request), 200)

    async def _show(
        self, visit: Visit, status: int, message: str = "", *, done: str = "", retry_s: int = 0
    ) -> Response:
        session, account = await self._whose(visit)
        terms = await self._desk.terms(account) if account else None
        page = pages.SessionPage(
            **common(visit, "/session", message),
            token=self._front.tokens.make("session", visit.address),
            name=session.person.name if session.person else "",
            account=session.person.account if session.person else "",
            address=visit.address,
            until=session.expires,
            done=done,
            left_bytes=terms.grant.left_bytes if terms else None,
            up_kbit=session.up_kbit,
            down_kbit=session.down_kbit,
            slow=session.slow,
            devices=words(visit.t.lang).title if self._lists_devices and account else "",
            own_password=account is not None and account.password_here,
        )
        return shown(page, status, retry_s=retry_s)

    async def act(self, request: Request) -> Response:
        """Prolong the session of this device, or end it."""
        visit = self._front.visit(request)
        fields = await visit.fields()
        if not self._front.tokens.good(fields.get("token", ""), "session", visit.address):
            return await self._show(visit, 403, visit.t.stale)
        try:
            if fields.get("act") == RENEW:
                return await self._renew(visit)
            session = await of_device(self._desk, visit.place.id, visit.address)
            if session is not None:
                await self._desk.sign_out(session)
                await self._forget(visit, session)
        except Denied as error:
            return await self._show(visit, 403, visit.t.denied(error))
        except PortalError as error:
            note(error)
            return await self._show(visit, 503, visit.t.not_now, retry_s=30)
        return self._front.message(request, 200, "", heading=visit.t.signed_out)

    async def _forget(self, visit: Visit, session: Session) -> None:
        """Let the next person on this device sign in: it does not come in by itself."""
        if session.person is not None:
            await self._chain.forget_device(visit.place.id, session.mac, session.person.id)

    async def _renew(self, visit: Visit) -> Response:
        session, account = await self._whose(visit)
        if account is None or account.closed(self._front.now()):
            raise Denied("closed")
        await self._desk.sign_in(visit.place.id, account, visit.address, session.mac)
        return await self._show(visit, 200, done=visit.t.renewed)

    async def password_form(self, request: Request) -> Response:
        """Show the form for another password."""
        visit = self._front.visit(request)
        _, account = await self._whose(visit)
        return self._form(visit, account, 200)

    def _form(
        self,
        visit: Visit,
        account: Account | None,
        status: int,
        message: str = "",
        retry_s: int = 0,
    ) -> Response:
        if account is None or not account.password_here:
            raise Answer(RedirectResponse(f"/session?lang={visit.t.lang}", 303))
        page = pages.ChangePage(
            **common(visit, "/session/password", message),
            token=self._front.tokens.make(PASSWORD, visit.address, str(account.id)),
            account=account.account,
        )
        return shown(page, status, retry_s=retry_s)

    async def password(self, request: Request) -> Response:
        """Take another password from whoever knows the present one; a device alone is no proof."""
        visit = self._front.visit(request)
        t, fields = visit.t, await visit.fields()
        _, account = await self._whose(visit)
        person, token = str(account.id) if account else "", fields.get("token", "")
        if account is None or not self._front.tokens.good(token, PASSWORD, visit.address, person):
            return self._form(visit, account, 403, t.stale)
        try:
            new = new_password(fields, account)
            await self._chain.check(_old(visit, account, fields.get("old", "")), (WayWord.LOCAL,))
            await self._chain.change(account, new)
        except Unfit as error:
            return self._form(visit, account, 422, unfit(error, t))
        except Refused:
            return self._form(visit, account, 403, t.old_wrong)
        except TooOften as error:
            again = t.too_often.format(seconds=error.wait_s)
            return self._form(visit, account, 429, again, retry_s=error.wait_s)
        except Busy:
            return self._form(visit, account, 503, t.busy, retry_s=5)
        return await self._show(visit, 200, done=t.changed)

    async def left_bytes(self, session: Session | None) -> int | None:
        """Return what is left of the quota of a session's person, None where there is none."""
        if session is None or session.person is None:
            return None
        account = await asyncio.to_thread(self._people.get, session.person.id)
        terms = await self._desk.terms(account) if account else None
        return terms.grant.left_bytes if terms else None

    async def _whose(self, visit: Visit) -> tuple[Session, Account | None]:
        """Return the session of the device, and whose it is.

        Raises:
            Answer: there is none; to the sign-in page.
        """
        session = await of_device(self._desk, visit.place.id, visit.address)
        if session is None:
            raise Answer(RedirectResponse(f"/?lang={visit.t.lang}", 303))
        person = session.person
        return session, await asyncio.to_thread(self._people.get, person.id) if person else None


def _old(visit: Visit, account: Account, password: str) -> Attempt:
    return Attempt(
        site=visit.place.id, address=visit.address, account=account.account, password=password
    )
