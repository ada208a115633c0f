"""Who asks for a page: the language, the seat, the rights; and the refusals that follow."""

from __future__ import annotations

import hmac
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from appliance.web.deps import Deps, May, Member
from appliance.web.outside_line import OutsideLines
from appliance.web.seats import Seat, Seats, Tries
from appliance.web.sources import Meter
from appliance.web.texts import Texts, language_of, texts
from appliance.web.workers import Workers

SEAT_COOKIE = "prathu_admin"
FORM_COOKIE = "prathu_admin_form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the pages share while the app runs; kept at `app.state.room`."""

    deps: Deps
    seats: Seats
    account_tries: Tries
    address_tries: Tries
    workers: Workers
    meter: Meter
    outside: OutsideLines
    refused: Counter[str] = field(default_factory=Counter)
    """Forms that were not taken, by why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """One request's sender."""

    texts: Texts
    address: str
    seat: Seat | None = None
    member: Member | None = None

    def may(self, right: May) -> bool:
        """Say whether the visitor is signed in, ready, and has the right."""
        return self.member is not None and not self.member.must_change and right in self.member.may

    @property
    def only_helps(self) -> bool:
        """Whether the visitor may help pupils, and do nothing else here."""
        return self.member is not None and self.member.may == {May.HELP}

    @property
    def csrf(self) -> str:
        """The token that each form of this visitor carries."""
        return self.seat.csrf if self.seat else ""


class NotSignedIn(Exception):
    """The page needs a signed-in visitor."""


class MustChange(Exception):
    """The visitor has a one-time password and must set a new one first."""


class OnlyHelps(Exception):
    """The visitor has one page of their own, and this is another."""


class Forbidden(Exception):
    """The visitor lacks the right, or the form is not one that this box gave to this visitor."""


class OtherSite(Exception):
    """The form stood on a page of another site."""


def room_of(request: Request) -> Room:
    """Return what the pages share."""
    return cast("Room", request.app.state.room)


async def find(request: Request) -> Visitor:
    """Return the visitor; rights are read from the database at each request."""
    room = room_of(request)
    language = texts(
        language_of(request.query_params.get("lang"), request.cookies.get("prathu_language"))
    )
    address = request.client.host if request.client else ""
    by_person = "x-by-itself" not in request.headers
    seat = room.seats.find(request.cookies.get(SEAT_COOKIE), by_person=by_person)
    if seat is None:
        return Visitor(texts=language, address=address)
    member = await run_in_threadpool(room.deps.staff.get, seat.member)
    if member is None or member.stamp != seat.stamp:
        room.seats.close(seat)
        return Visitor(texts=language, address=address)
    return Visitor(texts=language, address=address, seat=seat, member=member)


async def signed_in(visitor: Annotated[Visitor, Depends(find)]) -> Visitor:
    """Return the visitor, who is signed in with a password of their own."""
    if visitor.member is None:
        raise NotSignedIn
    if visitor.member.must_change:
        raise MustChange
    if visitor.only_helps:
        raise OnlyHelps
    return visitor


async def helper(visitor: Annotated[Visitor, Depends(find)]) -> Visitor:
    """Return the visitor, who may help pupils of their own classes."""
    if visitor.member is None:
        raise NotSignedIn
    if visitor.member.must_change:
        raise MustChange
    if not visitor.may(May.HELP):
        raise Forbidden
    return visitor


async def searcher(visitor: Annotated[Visitor, Depends(signed_in)]) -> Visitor:
    """Return the visitor, who may read the logs."""
    if not visitor.may(May.SEARCH):
        raise Forbidden
    return visitor


async def manager(visitor: Annotated[Visitor, Depends(signed_in)]) -> Visitor:
    """Return the visitor, who may manage accounts."""
    if not visitor.may(May.MANAGE):
        raise Forbidden
    return visitor


AnyVisitor = Annotated[Visitor, Depends(find)]
SignedIn = Annotated[Visitor, Depends(signed_in)]
Searcher = Annotated[Visitor, Depends(searcher)]
Helper = Annotated[Visitor, Depends(helper)]
Manager = Annotated[Visitor, Depends(manager)]
TheRoom = Annotated[Room, Depends(room_of)]


async def form_of(request: Request, visitor: Visitor) -> dict[str, str]:
    """Return the text fields of a form that this box gave to this visitor.

    Raises:
        OtherSite: the form stood on a page of another site.
        Forbidden: it is another visitor's, or one from before the last sign-in.
    """
    refuse_elsewhere(request)
    form = _fields(await request.form(max_files=0, max_fields=40))
    token = form.get("csrf", "")
    if visitor.seat is not None:
        right = hmac.compare_digest(token.encode(), visitor.csrf.encode())
    else:
        nonce = request.cookies.get(FORM_COOKIE, "")
        right = room_of(request).seats.form_token_is_right(token, nonce)
    if not right:
        raise Forbidden
    return form


def refuse_elsewhere(request: Request) -> None:
    """Count and refuse a form that stood on a page of another site (Fetch Metadata 2.3).

    Raises:
        OtherSite: it did.
    """
    headers = request.headers
    origin = headers.get("origin")
    strange = bool(origin) and urlsplit(origin or "").netloc != headers.get("host")
    if strange or headers.get("sec-fetch-site", "").lower() == "cross-site":
        room_of(request).refused["from another site"] += 1
        raise OtherSite


def _fields(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str)}
