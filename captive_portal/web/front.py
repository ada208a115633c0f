"""What all handlers of the sign-in side share: who asks, from where, and how a page is given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from captive_portal.errors import Denied, PortalError, Refused, Unfit
from captive_portal.people import passwords
from captive_portal.people.accounts import Account
from captive_portal.people.passwords import NotFit
from captive_portal.sessions.admission import Terms
from captive_portal.sessions.policy import Reason
from captive_portal.sessions.session import Session
from captive_portal.settings import SignIn
from captive_portal.sign_in.way import Attempt, Busy, TooOften, Unsure, WayWord
from captive_portal.web import pages
from captive_portal.web.looks import Look, Looks
from captive_portal.web.neighbours import mac_of
from captive_portal.web.sites import Place, Places, canonical
from captive_portal.web.texts import Texts, texts
from captive_portal.web.tokens import Tokens
from captive_portal.web.wifi_files import Wifi
from captive_portal.web.wifi_words import words
from collector.records import Clock, time_of

MAX_FORM = 8192
"""Bytes of a form; ours need a few hundred."""
FORM_S = 10.0
"""Seconds. A form that is not here whole by then is not waited for."""
_log = logging.getLogger(__name__)


class Desk(Protocol):
    """Where sessions begin and end; every call returns when it is durable, or raises."""

    async def sign_in(
        self, site: str, account: Account, address: str, mac: str, *, notice: str = ""
    ) -> Session:
        """Begin a session, or prolong the one there. Raises Denied, ReportError, GateError."""
        ...

    async def sign_out(self, session: Session) -> None:
        """End a session. Raises ReportError."""
        ...

    async def at(self, site: str, address: str) -> Session | None:
        """Return the session on an address."""
        ...

    async def terms(self, account: Account) -> Terms | None:
        """Return on what terms somebody may be on now, None where there are no rules."""
        ...

    def why_ended(self, site: str, address: str) -> str:
        """Return the cause of an end at an address a moment ago; empty: none that is to be told."""
        ...


class Differs(Unfit):
    """A new password was not typed twice."""

    def __init__(self) -> None:
        super().__init__("the two passwords differ")


class Answer(Exception):
    """Not an error: a page given early."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request of a device at a place that the page is for."""

    request: Request
    place: Place
    address: str
    t: Texts
    look: Look
    wifi: bool = False
    """Whether there is Wi-Fi with 802.1X to set up."""

    async def fields(self) -> Mapping[str, str]:
        """Return the fields of its form, bounded before it is read; empty where it is none.

        Raises:
            Answer: it is too long, or drips.
        """
        body = b""
        try:
            async with asyncio.timeout(FORM_S):
                async for piece in self.request.stream():
                    body += piece
                    if len(body) > MAX_FORM:
                        raise Answer(PlainTextResponse(self.t.too_much + "\n", 413))
        except TimeoutError:
            late = PlainTextResponse("", 408, {"Connection": "close"})
            raise Answer(late) from None
        try:
            return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20))
        except ValueError:
            return {}


class Front:
    """The settings, places and looks of the pages. The desk and the people are the handlers'."""

    def __init__(
        self,
        settings: SignIn,
        *,
        places: Places,
        looks: Looks,
        clock: Clock,
        wifi: Wifi | None = None,
    ) -> None:
        self.settings = settings
        self.wifi = wifi
        self.looks = looks
        self.tokens = Tokens(clock)
        self._places = places
        self._clock = clock

    def now(self) -> datetime:
        """Return the time, UTC."""
        return time_of(self._clock)

    def at(self, request: Request) -> tuple[Place | None, str]:
        """Return where a device is, if in a place of ours, and its address.

        The address is the connection's, as the kernel gives it: headers are not believed.
        """
        peer = request.client.host if request.client else "0.0.0.0"  # noqa: S104  # nobody's
        address = canonical(peer)
        return self.place_of(address), address

    def place_of(self, address: str) -> Place | None:
        """Return where an address is, if in a place of ours."""
        return self._places.of(address)

    def gated(self, request: Request) -> bool:
        """Say whether a device is where the box is the router: its gate turns requests here."""
        place, _ = self.at(request)
        return place is not None and place.zone is not None and bool(place.zone.interface)

    def visit(self, request: Request) -> Visit:
        """Return who asks.

        Raises:
            Answer: from elsewhere; it says so.
        """
        place, address = self.at(request)
        t = texts(request.query_params.get("lang"))
        if place is None:
            raise Answer(self.message(request, 403, t.not_here))
        look = self.looks.of(place)
        return Visit(
            request=request,
            place=place,
            address=address,
            t=t,
            look=look,
            wifi=self.wifi is not None and bool(self.wifi.networks),
        )

    def message(
        self, request: Request, status: int, message: str, *, heading: str = ""
    ) -> Response:
        """Return a page with one sentence, to anybody."""
        place, _ = self.at(request)
        t = texts(request.query_params.get("lang"))
        page = pages.MessagePage(
            t=t,
            site_name=place.name if place else "Prathu",
            look=self.looks.of(place),
            here="/",
            message=message,
            heading=heading or t.title,
        )
        return HTMLResponse(pages.show(page), status)


async def of_device(desk: Desk, site: str, address: str) -> Session | None:
    """Return the session on an address, unless the kernel sees another device there now.

    Addresses go from one device to the next: whoever has one after somebody else neither reads
    whose it was, nor goes on in that name, nor ends it.
    """
    session = await desk.at(site, address)
    if session is None or not session.mac:
        return session
    mac = await asyncio.to_thread(mac_of, address)
    return None if mac and mac != session.mac else session


def attempt(visit: Visit, fields: Mapping[str, str], mac: str) -> Attempt:
    """Return the try to sign in that a form is.

    Args:
        visit: Who sends it.
        fields: Of the form.
        mac: Of the device, as the kernel knows it; empty: it does not.
    """
    return Attempt(
        site=visit.place.id,
        address=visit.address,
        mac=mac,
        account=fields.get("code", fields.get("account", "")),
        password=fields.get("password", ""),
        guest=fields.get("guest", ""),
    )


def ways_of(visit: Visit, fields: Mapping[str, str]) -> Sequence[str]:
    """Return the ways that a form asks: what was typed as a code is looked for as one alone."""
    if "code" not in fields:
        return visit.place.ways
    return [way for way in visit.place.ways if way in (WayWord.VOUCHER, WayWord.DEVICE)]


def typed(fields: Mapping[str, str], message: str, *, wants_name: bool = False) -> dict[str, Any]:
    """Return what goes back into the sign-in page of a form, as arguments of its class."""
    of_code = wants_name or "code" in fields
    account = fields.get("account", "")
    return {
        "account": "" if of_code else account,
        "code": fields.get("code", account if wants_name else ""),
        "at_code": of_code and bool(message),
        "wants_name": wants_name,
    }


def whose(account: Account) -> Mapping[str, str]:
    """Return the form that somebody would fill in, but for the password."""
    return {"account": account.account}


def may_choose(visit: Visit, account: Account, now: datetime) -> bool:
    """Say whether somebody chooses a password at first use, and here."""
    usable = account.must_change and not account.closed(now)
    return usable and account.site == visit.place.id


def new_password(fields: Mapping[str, str], account: Account) -> str:
    """Return the new password of a form.

    Raises:
        Differs: it was not typed twice.
        NotFit: as the account's password.
    """
    new = fields.get("new", "")
    if new != fields.get("again", ""):
        raise Differs
    if wrong := passwords.fault(new, account=account.account):
        raise NotFit(wrong)
    return new


def unfit(error: Unfit, t: Texts) -> str:
    """Return why a new password is not taken."""
    return t.password_faults[error.fault] if isinstance(error, NotFit) else t.new_differs


def common(visit: Visit, here: str, message: str = "") -> dict[str, Any]:
    """Return what every page shows, as arguments of its class."""
    return {
        "t": visit.t,
        "site_name": visit.place.name,
        "look": visit.look,
        "wifi": words(visit.t.lang).link if visit.wifi else "",
        "here": here,
        "message": message,
    }


def shown(page: pages.Page, status: int = 200, *, retry_s: int = 0) -> Response:
    """Return a page as an answer.

    Args:
        page: The page.
        status: Of HTTP.
        retry_s: When to try again; 0: nothing is said.
    """
    headers = {"Retry-After": str(retry_s)} if retry_s else None
    return HTMLResponse(pages.show(page), status, headers)


def excuse(error: PortalError, t: Texts, *, code: bool = False) -> tuple[int, str, int]:
    """Return status, sentence and when to try again for somebody who was not let in.

    Args:
        error: Why not.
        t: The language.
        code: It was a voucher's code that they typed.
    """
    match error:
        case Refused() | Denied(reason=Reason.CLOSED) if code:
            return 403, t.code_wrong, 0
        case Refused():
            return 403, t.unsure if isinstance(error, Unsure) else t.refused, 0
        case Denied():
            return 403, t.denied(error), 0
        case TooOften(wait_s=wait_s):
            return 429, t.too_often.format(seconds=wait_s), wait_s
        case Busy():
            return 503, t.busy, 5
    note(error)
    return 503, t.not_now, 30


def note(error: Exception) -> None:
    """Tell the log of a page that was not possible."""
    if isinstance(error, PortalError):
        _log.warning("a page was not possible: %s", error)
    else:
        _log.error("a page failed", exc_info=error)
