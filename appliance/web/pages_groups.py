"""Groups and what they may do, and the days of the school calendar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from typing_extensions import override

from appliance.web.reasons import told
from appliance.web.render import Page, link, page
from appliance.web.school import School, school
from appliance.web.visitor import Manager, TheRoom, Visitor, form_of
from captive_portal.errors import PortalError
from captive_portal.people import dates, groups, groups_text, names
from captive_portal.people.accounts import Kind
from captive_portal.people.groups import AtLimit, AtQuota, Calendar, Group, Groups
from collector.settings import Site

router = APIRouter(include_in_schema=False)
DAY_KINDS = ("holiday", "exam", *groups_text.DAYS[:7])


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsPage(Page):
    """All groups, the form of one, and the days."""

    template: ClassVar[str] = "groups.html"
    sites: Sequence[Site]
    site: str
    lines: Sequence[Group]
    days: Sequence[tuple[date, str, str]]
    form: dict[str, str]
    group: str = ""
    """The id of the group in the form; empty: a new one."""
    error: str = ""
    kinds: tuple[str, ...] = ("", *(k.value for k in Kind if k is not Kind.SHADOW))
    at_limit: tuple[str, ...] = tuple(AtLimit)
    at_quota: tuple[str, ...] = tuple(AtQuota)
    day_kinds: tuple[str, ...] = DAY_KINDS

    @override
    def helpers(self) -> Mapping[str, Callable[..., Any]]:
        """Return what the template calls."""
        return {"shown_day": dates.shown, "hours_shown": groups_text.hours_shown}


@router.get("/people/groups")
async def show(
    request: Request, visitor: Manager, room: TheRoom, site: str = "", group: str = ""
) -> Response:
    """Show the groups, and the form of one."""
    return await _page(request, visitor, school(room, site), group)


@router.post("/people/groups")
async def put(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Make or change a group."""
    form = await form_of(request, visitor)
    at = school(room, form.get("site", ""))
    words = {field: form[field] for field in groups_text.FIELDS if field in form}
    words["roams"] = form.get("roams", "no")
    try:
        known = await run_in_threadpool(_group, at, form.get("group", ""))
        changed = groups_text.changed(known or groups.new(at.site, "?"), words)
        await at.wrote(visitor, f"group {at.site}/{changed.name}")
        await run_in_threadpool(Groups(at.engine).put, changed)
    except PortalError as error:
        wrong = told(visitor.texts, error)
        return await _page(request, visitor, at, form.get("group", ""), error=wrong, words=words)
    return RedirectResponse(link("/people/groups", {"site": at.site}), 303)


@router.post("/people/groups/days")
async def day(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Say what a day is like, or that it is like its weekday again."""
    form = await form_of(request, visitor)
    at = school(room, form.get("site", ""))
    try:
        when, kind = dates.read(form.get("day", "")), form.get("kind", "")
        kind = kind if kind in DAY_KINDS else ""
        name = names.clean(form.get("name", ""))[:200]
        await at.wrote(visitor, f"calendar {at.site} {when.isoformat()} {kind or 'dropped'} {name}")
        book = Calendar(at.engine)
        if kind:
            await run_in_threadpool(lambda: book.put(at.site, when, kind=kind, name=name))
        else:
            await run_in_threadpool(book.drop, at.site, when)
    except PortalError as error:
        return await _page(request, visitor, at, "", error=told(visitor.texts, error))
    return RedirectResponse(link("/people/groups", {"site": at.site}) + "#days", 303)


def _group(at: School, group: str) -> Group | None:
    try:
        wanted = UUID(group) if group else None
    except ValueError:
        wanted = None
    return next((one for one in Groups(at.engine).list(at.site) if one.id == wanted), None)


async def _page(
    request: Request,
    visitor: Visitor,
    at: School,
    group: str,
    *,
    error: str = "",
    words: dict[str, str] | None = None,
) -> Response:
    thai = visitor.texts.language == "th"
    known = await run_in_threadpool(_group, at, group)
    today = dates.today(at.now())
    content = GroupsPage(
        sites=at.sites,
        site=at.site,
        lines=await run_in_threadpool(Groups(at.engine).list, at.site),
        days=await run_in_threadpool(
            Calendar(at.engine).days, at.site, today - timedelta(60), today + timedelta(400)
        ),
        form=words or groups_text.shown(known or groups.new(at.site, ""), thai=thai),
        group=str(known.id) if known else "",
        error=error,
    )
    return page(request, visitor, content, status=422 if error else 200)
