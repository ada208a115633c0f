"""Passwords on paper, the step into the next school year, and what is kept of one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from appliance.web import prints
from appliance.web.reasons import told
from appliance.web.render import Page, link, page
from appliance.web.school import School, school
from appliance.web.visitor import Manager, TheRoom, Visitor, form_of
from captive_portal import own_data
from captive_portal.errors import PortalError
from captive_portal.own_data import PersonData
from captive_portal.people import dates, grades, names, slips
from captive_portal.people.accounts import Kind
from captive_portal.people.groups import Group, Groups
from captive_portal.people.promotion import UNDO_WITHIN, Done, Plan, Promotions
from captive_portal.people.usage import Usage
from collector.settings import Site

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class YearPage(Page):
    """Classes, slips for them, and the yearly step."""

    template: ClassVar[str] = "year.html"
    sites: Sequence[Site]
    site: str
    classes: Sequence[grades.Class]
    plan: Plan | None
    latest: Done | None
    may_undo: bool
    most: int = slips.MOST
    error: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPage(Page):
    """All that is kept of one person."""

    template: ClassVar[str] = "person_data.html"
    data: PersonData
    groups: Sequence[Group]
    own_group: str
    today: str
    made_at: datetime
    error: str = ""


@router.get("/people/year")
async def show(request: Request, visitor: Manager, room: TheRoom, site: str = "") -> Response:
    """Show the classes and what the yearly step would do."""
    return await _year(request, visitor, school(room, site))


@router.post("/people/slips")
async def paper(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Give a class one-time passwords and answer with the sheet to print: shown once."""
    form = await form_of(request, visitor)
    at = school(room, form.get("site", ""))
    grade, _, place = form.get("class", "").partition("/")
    try:
        chosen = slips.pupils(
            at.people,
            at.site,
            grade=grade,
            room=place,
            now=at.now(),
            all_of_them=form.get("all") == "yes",
        )
        slips.check_count(chosen)
        await at.wrote(visitor, f"slips {at.site} {grade} {place}, {len(chosen)} accounts")
        made = await room.workers.run(lambda: slips.make(at.people, chosen))
    except PortalError as error:
        return await _year(request, visitor, at, error=told(visitor.texts, error))
    t = visitor.texts
    title = f"{t('Passwords')} {form.get('class', '')}"
    return HTMLResponse(prints.sheet(prints.slip_papers(made, t), t, title=title, alone=False))


@router.post("/people/year")
async def promote(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Move every class up, or undo it."""
    form = await form_of(request, visitor)
    at = school(room, form.get("site", ""))
    steps, last, t = Promotions(at.engine), form.get("last", ""), visitor.texts
    try:
        if form.get("undo") == "yes":
            await at.wrote(visitor, f"promote undo {at.site}")
            count = await run_in_threadpool(lambda: steps.undo(at.site, now=at.now()))
            said = t("{count} pupils are in their former classes again.", count=count)
        else:
            await at.wrote(visitor, f"promote {at.site} last {last}")
            plan = await run_in_threadpool(lambda: steps.do(at.site, now=at.now(), last=last))
            said = t("{moved} pupils went on, {left} left.", moved=plan.moved, left=plan.left)
    except PortalError as error:
        return await _year(request, visitor, at, error=told(visitor.texts, error))
    return await _year(request, visitor, at, said=said)


async def _year(
    request: Request, visitor: Visitor, at: School, *, error: str = "", said: str = ""
) -> Response:
    latest = await run_in_threadpool(Promotions(at.engine).latest, at.site)
    undone = latest is None or latest.undone
    content = YearPage(
        sites=at.sites,
        site=at.site,
        classes=await run_in_threadpool(_classes, at),
        plan=await run_in_threadpool(_plan, at),
        latest=latest,
        may_undo=not undone and latest is not None and at.now() - latest.at <= UNDO_WITHIN,
        error=error,
        said=said,
    )
    return page(request, visitor, content, status=422 if error else 200)


def _classes(at: School) -> list[grades.Class]:
    found = {
        grades.Class(one.grade, one.room)
        for one in at.people.list(at.site)
        if one.kind is Kind.PUPIL and one.grade and not one.closed(at.now())
    }
    return sorted(found, key=lambda one: (grades.order(one.grade), one.room.zfill(4)))


def _plan(at: School) -> Plan | None:
    try:
        return Promotions(at.engine).plan(at.site, now=at.now())
    except PortalError:
        return None  # no pupil has a grade


@router.get("/people/{person}/data")
async def data(request: Request, visitor: Manager, room: TheRoom, person: UUID) -> Response:
    """Show all that is kept of one person; looking is written down."""
    return await _data(request, visitor, school(room), person)


@router.post("/people/{person}/group")
async def group(request: Request, visitor: Manager, room: TheRoom, person: UUID) -> Response:
    """Put somebody in a group of their own."""
    form = await form_of(request, visitor)
    at = school(room)
    wanted = form.get("group", "")
    try:
        chosen = UUID(wanted) if wanted else None
    except ValueError:
        chosen = None
    await at.wrote(visitor, f"group {person} {wanted}")
    await run_in_threadpool(at.people.put_in_group, person, chosen)
    return RedirectResponse(link(f"/people/{person}/data", {}), 303)


@router.post("/people/{person}/bonus")
async def bonus(request: Request, visitor: Manager, room: TheRoom, person: UUID) -> Response:
    """Give somebody more on top of the quota, for today."""
    form = await form_of(request, visitor)
    at = school(room)
    megabytes = names.number(form.get("megabytes", ""), 1_000_000)
    if megabytes is None:
        error = visitor.texts("A bonus is a number from 1 to 1,000,000 MB.")
        return await _data(request, visitor, at, person, error=error)
    await at.wrote(visitor, f"bonus {person} {megabytes} MB")
    today = dates.today(at.now())
    await run_in_threadpool(lambda: Usage(at.engine).give(person, today, megabytes))
    return RedirectResponse(link(f"/people/{person}/data", {}), 303)


@router.post("/people/{person}/close")
async def close(request: Request, visitor: Manager, room: TheRoom, person: UUID) -> Response:
    """Close an account from a day on, or let it be open."""
    form = await form_of(request, visitor)
    at, text = school(room), names.clean(form.get("day", ""))
    if visitor.member and visitor.member.id == person:
        error = visitor.texts("Nobody disables their own account.")
        return await _data(request, visitor, at, person, error=error)
    try:
        when = dates.begins(dates.read(text)) if text else None
        await at.wrote(visitor, f"{'disable' if when else 'enable'} {person} {text}".rstrip())
        if when is None:
            await run_in_threadpool(at.people.enable, person)
        else:
            await run_in_threadpool(lambda: at.people.disable(person, now=when))
    except PortalError as error:
        return await _data(request, visitor, at, person, error=told(visitor.texts, error))
    return RedirectResponse(link(f"/people/{person}/data", {}), 303)


async def _data(
    request: Request, visitor: Visitor, at: School, person: UUID, *, error: str = ""
) -> Response:
    await at.wrote(visitor, f"data {person}")
    told = await run_in_threadpool(own_data.of_person, at.engine, person)
    account = await run_in_threadpool(at.people.get, person)
    content = DataPage(
        data=told,
        groups=await run_in_threadpool(Groups(at.engine).list, told.site),
        own_group=str(account.group) if account and account.group else "",
        today=dates.shown(dates.today(at.now())),
        made_at=at.now(),
        error=error,
    )
    return page(request, visitor, content, status=422 if error else 200)
