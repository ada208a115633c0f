"""Somebody's own devices: named by them, signed out and forgotten by them, on any of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from captive_portal.errors import PortalError, ReportError
from captive_portal.people.accounts import Account, People
from captive_portal.people.devices import Devices
from captive_portal.sessions.admission import SEEN_WITHIN, Terms, others
from captive_portal.sessions.charging import COUNTED
from captive_portal.sessions.session import Session
from captive_portal.sign_in.chain import Chain
from captive_portal.web import pages
from captive_portal.web.device_words import Words, words
from captive_portal.web.front import (
    Answer,
    Desk,
    Front,
    Visit,
    common,
    note,
    of_device,
    shown,
)
from captive_portal.web.own_device import OwnDevice, together

DEVICES = "own-devices"
PATH = "/session/devices"
SHOWN = 30
"""Pages are small; who has more sees those used last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mine:
    """Who asks, on which session, and what is theirs."""

    visit: Visit
    session: Session
    account: Account
    devices: Sequence[OwnDevice]
    terms: Terms | None
    in_use: int

    @property
    def w(self) -> Words:
        return words(self.visit.t.lang)


class OwnDevices:
    """The handlers of `/session/devices`."""

    def __init__(  # these are what it stands on
        self,
        front: Front,
        *,
        people: People,
        chain: Chain,
        desk: Desk,
        devices: Devices,
        sessions_of: Callable[[UUID], Sequence[Session]],
    ) -> None:
        """Keep the parts; `sessions_of` gives a person's open sessions."""
        self._front = front
        self._people = people
        self._chain = chain
        self._desk = desk
        self._devices = devices
        self._sessions_of = sessions_of

    def add(self, app: FastAPI) -> None:
        """Add the page."""
        app.add_api_route(PATH, self.show, methods=["GET", "HEAD"])
        app.add_api_route(PATH, self.act, methods=["POST"])

    async def show(self, request: Request) -> Response:
        """Show the devices of whoever is signed in on this one."""
        return self._page(await self._mine(self._front.visit(request)), 200)

    async def act(self, request: Request) -> Response:
        """Name a device, sign it out or forget it."""
        visit = self._front.visit(request)
        fields, mine = await visit.fields(), await self._mine(visit)
        token = fields.get("token", "")
        if not self._front.tokens.good(token, DEVICES, visit.address, str(mine.account.id)):
            return self._page(mine, 403, visit.t.stale)
        wanted = fields.get("device", "")
        device = next((one for one in mine.devices if one.handle == wanted), None)
        if device is None:
            return self._page(mine, 404, mine.w.gone)
        try:
            done = await self._do(mine, device, fields.get("act", ""), fields.get("name", ""))
        except ReportError as error:
            note(error)
            return self._page(mine, 503, visit.t.not_now)
        except PortalError:
            return self._page(mine, 422, mine.w.bad_name)
        return self._page(await self._mine(visit), 200, done=done)

    async def _do(self, mine: _Mine, device: OwnDevice, act: str, name: str) -> str:
        """Do it and return what to say. Raises PortalError."""
        site, person, w = mine.account.site, mine.account.id, mine.w
        if act == "name" and device.mac and not device.school:
            now = self._front.now()
            await asyncio.to_thread(
                lambda: self._devices.call(site, device.mac, person, name, now=now)
            )
            return w.named
        if act == "sign-out" and not device.here:
            for session in device.sessions:
                await self._desk.sign_out(session)
            await self._chain.forget_device(site, device.mac, person)
            return w.signed_out
        if act == "forget" and device.listed and not device.school:
            await asyncio.to_thread(lambda: self._devices.remove(site, device.mac, person=person))
            return w.forgotten
        return ""

    async def _mine(self, visit: Visit) -> _Mine:
        """Return who is signed in on this device, and their devices.

        Raises:
            Answer: nobody is; to the sign-in page.
        """
        session = await of_device(self._desk, visit.place.id, visit.address)
        person = session.person if session is not None else None
        account = await asyncio.to_thread(self._people.get, person.id) if person else None
        if session is None or account is None:
            raise Answer(RedirectResponse(f"/?lang={visit.t.lang}", 303))
        rows = await asyncio.to_thread(lambda: self._devices.list(person=account.id))
        open_now = await asyncio.to_thread(self._sessions_of, account.id)
        known = [s for s in open_now if s.method in COUNTED]
        terms = await self._desk.terms(account)
        return _Mine(
            visit=visit,
            session=session,
            account=account,
            devices=together(rows, known, session, handle=self._handle, now=self._front.now()),
            terms=terms,
            in_use=1 + _elsewhere(known, session, terms, self._front.now()),
        )

    def _handle(self, key: str) -> str:
        return self._front.tokens.handle(DEVICES, key)

    def _page(self, mine: _Mine, status: int, message: str = "", *, done: str = "") -> Response:
        most = mine.terms.devices if mine.terms else None
        used = mine.w.used if most is None else mine.w.used_of
        page = pages.OwnDevicesPage(
            **common(mine.visit, PATH, message),
            w=mine.w,
            token=self._front.tokens.make(DEVICES, mine.visit.address, str(mine.account.id)),
            devices=tuple(mine.devices[:SHOWN]),
            more=max(0, len(mine.devices) - SHOWN),
            used=used.format(count=mine.in_use, most=most),
            random_here=any(one.random for one in mine.devices[:SHOWN]),
            done=done,
        )
        return shown(page, status)


def _elsewhere(
    sessions: Sequence[Session], here: Session, terms: Terms | None, now: datetime
) -> int:
    """Return how many other devices count as in use, by the same rule as for the limit."""
    within = SEEN_WITHIN if terms is None else terms.seen_within
    counted = others([s for s in sessions if s.id != here.id], here.mac, now, within)
    return len({one.mac or str(one.id) for one in counted})
