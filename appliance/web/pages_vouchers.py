"""Vouchers: made for named guests, printed once, taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from appliance.web import prints
from appliance.web.reasons import reason, told
from appliance.web.render import Page, link, page
from appliance.web.school import School, school
from appliance.web.visitor import Manager, TheRoom, Visitor, form_of
from captive_portal.errors import PortalError
from captive_portal.people import dates, names
from captive_portal.people.accounts import Account, Kind, Role
from captive_portal.people.groups import Group, Groups
from captive_portal.people.vouchers import MOST, Order, Voucher, Vouchers
from collector.settings import Site

router = APIRouter(include_in_schema=False)
SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchersPage(Page):
    """The form, and the vouchers that there are."""

    template: ClassVar[str] = "vouchers.html"
    sites: Sequence[Site]
    site: str
    lines: Sequence[Voucher]
    found: int
    sponsors: Sequence[Account]
    groups: Sequence[Group]
    today: str
    form: dict[str, str]
    error: str = ""


@router.get("/people/vouchers")
async def show(request: Request, visitor: Manager, room: TheRoom, site: str = "") -> Response:
    """Show vouchers, and the form for more."""
    return await _page(request, visitor, school(room, site))


@router.post("/people/vouchers")
async def make(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Make vouchers and answer with the sheet to print: the only time that codes are shown."""
    form = await form_of(request, visitor)
    at = school(room, form.get("site", ""))
    try:
        order = _order(at, form)
        whom = ", ".join(name or "?" for name in order.for_whom)
        await at.wrote(visitor, f"voucher make {at.site}, sponsor {order.sponsor}, for {whom}")
        book = Vouchers(at.engine, at.key)
        made = await run_in_threadpool(lambda: book.make(order, now=at.now()))
    except PortalError as error:
        return await _page(request, visitor, at, form=form, error=told(visitor.texts, error))
    t = visitor.texts
    papers = prints.voucher_papers(made, t, url=room.deps.settings.sign_in.public_url)
    return HTMLResponse(prints.sheet(papers, t, title=t("Vouchers"), alone=False))


@router.post("/people/vouchers/revoke")
async def revoke(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Take back a voucher."""
    form = await form_of(request, visitor)
    at = school(room, form.get("site", ""))
    try:
        which = UUID(form.get("voucher", ""))
    except ValueError:
        return await _page(request, visitor, at, error=reason(visitor.texts, "no such voucher"))
    await at.wrote(visitor, f"voucher revoke {which}")
    book = Vouchers(at.engine, at.key)
    await run_in_threadpool(lambda: book.revoke(which, now=at.now()))
    return RedirectResponse(link("/people/vouchers", {"site": at.site}), 303)


def _order(at: School, form: dict[str, str]) -> Order:
    wanted = [names.clean(line) for line in form.get("names", "").splitlines() if line.strip()]
    nameless = names.digits(form.get("count", "")) or "0"
    minutes = names.digits(form.get("minutes", ""))
    if not nameless.isdecimal() or (minutes and not minutes.isdecimal()) or len(nameless) > 4:
        raise PortalError("how many is a whole number")
    if len(wanted) + int(nameless) > MOST:
        raise PortalError(f"a batch has 1 to {MOST} vouchers")
    last = dates.begins(dates.read(form.get("until", "")))
    try:
        sponsor = UUID(form.get("sponsor", ""))
        group = UUID(form["group"]) if form.get("group") else None
    except ValueError as error:
        raise PortalError("somebody must answer for the guests") from error
    return Order(
        site=at.site,
        sponsor=sponsor,
        for_whom=[*wanted, *[""] * int(nameless)],
        valid_until=last + timedelta(days=1),
        minutes=int(minutes[:9]) if minutes else None,
        group=group,
    )


async def _page(
    request: Request,
    visitor: Visitor,
    at: School,
    *,
    form: dict[str, str] | None = None,
    error: str = "",
) -> Response:
    book = Vouchers(at.engine, at.key)
    found = await run_in_threadpool(lambda: book.list(at.site, now=at.now()))
    people = await run_in_threadpool(at.people.list, at.site)
    content = VouchersPage(
        sites=at.sites,
        site=at.site,
        lines=found[:SHOWN],
        found=len(found),
        sponsors=[one for one in people if _may_answer(one) and not one.closed(at.now())],
        groups=await run_in_threadpool(Groups(at.engine).list, at.site),
        today=dates.shown(dates.today(at.now())),
        form=form or {},
        error=error,
    )
    return page(request, visitor, content, status=422 if error else 200)


def _may_answer(one: Account) -> bool:
    return one.role is not Role.NONE or one.kind in (Kind.TEACHER, Kind.STAFF)
