"""The way in for devices that another maker's gateway sends to our page."""

from __future__ import annotations

import asyncio
import math
import re
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from captive_portal.errors import Denied, PortalError, Unfit
from captive_portal.people.accounts import Account, People
from captive_portal.sessions.session import Session
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.one_time import Bound, mark
from captive_portal.sign_in.way import Busy, NameWanted, WayWord
from captive_portal.web import pages
from captive_portal.web.front import (
    Answer,
    Desk,
    Front,
    Visit,
    attempt,
    common,
    excuse,
    may_choose,
    new_password,
    note,
    shown,
    typed,
    unfit,
    ways_of,
    whose,
)
from captive_portal.web.handover.controller import WHOLE_S, Api, Limits, OtherDevice
from captive_portal.web.handover.gateways import ASKED, POSTING, Arrival, Gateways
from captive_portal.web.handover.hint import Forged, Given, Target
from captive_portal.web.handover.ruijie import Ruijie
from captive_portal.web.handover.words import words
from captive_portal.web.notice import NoticeBoard

LOOKS, EVERY_S = 6, 2
"""How many times, and how many seconds apart, a device that comes back is looked for before giving
up."""
_MARK = re.compile(r"[0-9a-f]{32}")
_STATE, _PASSWORD = "handover", "handover-password"
# The gateway redirects after its form, and browsers hold that against form-action too.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action http: https:; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class HandOver:
    """The handlers of `/portal/<maker>`."""

    def __init__(
        self,
        front: Front,
        gateways: Gateways,
        *,
        people: People,
        chain: Chain,
        desk: Desk,
        board: NoticeBoard,
    ) -> None:
        self._front = front
        self._gateways = gateways
        self._people = people
        self._chain = chain
        self._desk = desk
        self._board = board

    def word_of(self, request: Request) -> str:
        """Return whose gateway sent a device to `/`, by its parameters; empty: none did."""
        return self._gateways.word_of(_query(request))

    async def form(self, request: Request, word: str) -> Response:
        """Show the sign-in form to a device that a gateway sent."""
        visit = self._visit(request, word)
        arrival = await self._arrival(visit, word, _query(request))
        message = words(visit.t.lang).refused if arrival.hint.refused else ""
        return self._form(visit, arrival, 200, message)

    async def sign_in(self, request: Request, word: str) -> Response:
        """Take account and password; then back to the gateway, or let it be asked."""
        visit = self._visit(request, word)
        fields = await visit.fields()
        arrival = await self._arrival(visit, word, fields.get("query", ""))
        if not self._good(visit, arrival, fields.get("token", "")):
            return self._form(visit, arrival, 403, visit.t.stale, fields)
        try:
            # The gateway's word for the MAC comes from the device.
            tried = attempt(visit, fields, arrival.neighbour)
            account = await self._chain.check(tried, ways_of(visit, fields))
            if account.must_change:
                return self._new_password(visit, arrival, account, 200)
            return await self._begin(visit, arrival, account)
        except NameWanted:
            wanted = visit.t.guest_wanted
            return self._form(visit, arrival, 200, wanted, fields, wants_name=True)
        except PortalError as error:
            return self._not_in(visit, arrival, error, fields)

    async def password(self, request: Request, word: str) -> Response:
        """Take a new password at first use; the token proves that the old one was right."""
        visit = self._visit(request, word)
        fields = await visit.fields()
        arrival = await self._arrival(visit, word, fields.get("query", ""))
        person = fields.get("person", "")
        if not self._good(visit, arrival, fields.get("token", ""), person):
            return self._form(visit, arrival, 403, visit.t.stale)
        account = await asyncio.to_thread(self._people.get, UUID(person))
        if account is None or not may_choose(visit, account, self._front.now()):
            return self._form(visit, arrival, 403, visit.t.stale)
        try:
            await self._chain.change(account, new_password(fields, account))
        except Unfit as error:
            said = unfit(error, visit.t)
            return self._new_password(visit, arrival, account, 422, said)
        except Busy:
            return self._new_password(visit, arrival, account, 503, visit.t.busy)
        try:
            return await self._begin(visit, arrival, account)
        except PortalError as error:
            return self._not_in(visit, arrival, error, whose(account), changed=True)

    async def done(self, request: Request) -> Response:
        """Wait until the gateway has let the device in, and say so."""
        visit = self._front.visit(request)
        if await self._desk.at(visit.place.id, visit.address) is not None:
            return RedirectResponse(f"/session?lang={visit.t.lang}", 303)
        said, t = words(visit.t.lang), visit.t
        told, of = request.query_params.get("n", "0"), request.query_params.get("of", "")
        if self._gateways.one_time.was_taken(of):
            return self._front.message(request, 200, t.may_close, heading=t.signed_in)
        number = int(told) if told in map(str, range(LOOKS)) else LOOKS
        if number >= LOOKS:
            return self._front.message(request, 200, said.late, heading=t.title)
        page = self._front.message(request, 200, said.wait, heading=t.title)
        known = f"&of={of}" if _MARK.fullmatch(of) else ""
        again = f"/portal/done?lang={t.lang}&n={number + 1}{known}"
        page.headers["Refresh"] = f"{EVERY_S}; url={again}"
        return page

    def _visit(self, request: Request, word: str) -> Visit:
        """Return who asks. Raises Answer: from elsewhere, or there is no such maker."""
        visit = self._front.visit(request)
        if word not in POSTING and word not in ASKED:
            raise Answer(self._front.message(request, 404, visit.t.not_found))
        return visit

    async def _arrival(self, visit: Visit, word: str, query: str) -> Arrival:
        """Return what the gateway said. Raises Answer: nothing that can be so; it says why."""
        try:
            return await self._gateways.arrival(
                word, query, site=visit.place.id, address=visit.address
            )
        except Forged as error:
            self._gateways.refuse(word, error, visit.address)
            raise Answer(self._forged(visit, error)) from None

    def _forged(self, visit: Visit, error: PortalError) -> Response:
        said = words(visit.t.lang)
        other = isinstance(error, OtherDevice) or str(error) == "other-device"
        return self._front.message(visit.request, 403, said.other if other else said.unknown)

    def _token(self, visit: Visit, arrival: Arrival, *more: str) -> str:
        kind = _PASSWORD if more else _STATE
        # The number makes it one of its kind: it is good once.
        number = secrets.token_hex(8)
        bound = (kind, number, visit.address, arrival.word, arrival.query, *more)
        return f"{number}.{self._front.tokens.make(*bound)}"

    def _good(self, visit: Visit, arrival: Arrival, token: str, *more: str) -> bool:
        """Say whether a form is one that we gave to this device for this query, and the first."""
        kind = _PASSWORD if more else _STATE
        number, _, signed = token.partition(".")
        bound = (kind, number, visit.address, arrival.word, arrival.query, *more)
        if not self._front.tokens.good(signed, *bound):
            self._gateways.count(arrival.word, "stale")
            return False
        if not self._gateways.use(number):
            self._gateways.count(arrival.word, "replayed")
            return False
        return True

    def _form(
        self,
        visit: Visit,
        arrival: Arrival,
        status: int,
        message: str = "",
        fields: Mapping[str, str] | None = None,
        **more: Any,  # noqa: ANN401  # of the page and of the answer
    ) -> Response:
        retry_s = more.pop("retry_s", 0)
        page = pages.SignInPage(
            **common(visit, _here(arrival), message),
            token=self._token(visit, arrival),
            **typed(fields or {}, message, wants_name=more.pop("wants_name", False)),
            keep_days=self._front.settings.keep_days,
            vouchers=WayWord.VOUCHER in visit.place.ways,
            action=f"/portal/{arrival.word}",
            query=arrival.query,
            **more,
        )
        return shown(page, status, retry_s=retry_s)

    def _new_password(
        self, visit: Visit, arrival: Arrival, account: Account, status: int, message: str = ""
    ) -> Response:
        person = str(account.id)
        page = pages.PasswordPage(
            **common(visit, _here(arrival), message),
            token=self._token(visit, arrival, person),
            person=person,
            action=f"/portal/{arrival.word}/password",
            query=arrival.query,
        )
        return shown(page, status)

    def _not_in(
        self,
        visit: Visit,
        arrival: Arrival,
        error: PortalError,
        fields: Mapping[str, str],
        *,
        changed: bool = False,
    ) -> Response:
        if isinstance(error, OtherDevice):
            self._gateways.refuse(arrival.word, Forged("other-device"), visit.address)
            return self._forged(visit, error)
        status, message, retry_s = excuse(error, visit.t, code="code" in fields)
        message = f"{visit.t.changed} {message}" if changed else message
        return self._form(visit, arrival, status, message, fields, retry_s=retry_s)

    async def _begin(self, visit: Visit, arrival: Arrival, account: Account) -> Response:
        notice = await self._board.acknowledged(account.id, visit.place, self._front.now())
        if arrival.api is not None:
            return await self._ask(visit, arrival, arrival.api, account, notice.version)
        assert arrival.gateway is not None  # noqa: S101  # of every arrival without an API
        assert arrival.where is not None  # noqa: S101  # as above
        terms = await self._desk.terms(account)
        if terms is not None and terms.grant.refused is not None:
            raise Denied(terms.grant.refused, terms.grant.opens)
        hint = arrival.hint
        bound = Bound(
            site=arrival.gateway.site,
            nas=arrival.gateway.name,
            mac=hint.mac,
            address=hint.ip or visit.address,
        )
        # WiFiDog brings a token and no name: this stands for it.
        user = secrets.token_hex(8) if arrival.word == Ruijie.word else account.account
        password = self._gateways.one_time.give(user, account.id, bound, notice=notice.version)
        back = f"{visit.request.base_url}portal/done?lang={visit.t.lang}&of={mark(password)}"
        given = Given(user=user, password=password, back=back)
        self._gateways.count(arrival.word, "sent-back")
        return self._button(visit, arrival, arrival.where, given)

    def _button(self, visit: Visit, arrival: Arrival, where: Target, given: Given) -> Response:
        said = words(visit.t.lang)
        page = pages.ContinuePage(
            **common(visit, _here(arrival)),
            heading=said.heading,
            why=said.why,
            button=said.button,
            form=POSTING[arrival.word].form(arrival.hint, where, given),
        )
        answer = shown(page)
        answer.headers["Content-Security-Policy"] = _POLICY
        return answer

    async def _ask(
        self, visit: Visit, arrival: Arrival, api: Api, account: Account, notice: str
    ) -> Response:
        """Have the controller let the device in, once the session is in the log."""
        vendor, mac = ASKED[arrival.word], arrival.hint.mac
        try:
            async with asyncio.timeout(WHOLE_S):
                handle = await vendor.whose(api, mac, visit.address, arrival.neighbour)
        except TimeoutError as error:
            raise PortalError(f"the controller at {api.settings.url} is too slow") from error
        session = await self._desk.sign_in(
            visit.place.id, account, visit.address, mac, notice=notice
        )
        try:
            async with asyncio.timeout(WHOLE_S):
                limits = await self._limits(session, account)
                await vendor.let_in(api, handle, arrival.hint.extra, limits)
        except (PortalError, TimeoutError) as error:
            self._gateways.count(arrival.word, "controller-failed")
            await self._end(session)
            raise PortalError(f"{api.settings.url} let nobody in: {error}") from error
        self._gateways.count(arrival.word, "let-in")
        return RedirectResponse(f"/session?lang={visit.t.lang}", 303)

    async def _end(self, session: Session) -> None:
        """End a session that the controller did not let in."""
        try:
            await self._desk.sign_out(session)
        except PortalError as error:
            note(error)

    async def _limits(self, session: Session, account: Account) -> Limits:
        terms = await self._desk.terms(account)
        left = session.expires - self._front.now() if session.expires else None
        return Limits(
            minutes=math.ceil(left.total_seconds() / 60) if left else 12 * 60,
            up_kbit=session.up_kbit,
            down_kbit=session.down_kbit,
            left_bytes=terms.grant.left_bytes if terms else None,
        )


def _query(request: Request) -> str:
    """Return the parameters as they came, without the page's language."""
    raw = request.scope["query_string"].decode("latin-1")
    return "&".join(part for part in raw.split("&") if not part.startswith("lang="))


def _here(arrival: Arrival) -> str:
    return f"/portal/{arrival.word}?{arrival.query}"
