"""People: who has an account, new accounts, disabling them, new one-time passwords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from appliance.web import acts
from appliance.web.deps import NewPerson, PersonLine
from appliance.web.reasons import told
from appliance.web.render import Page, page
from appliance.web.visitor import Manager, Room, TheRoom, Visitor, form_of
from captive_portal.errors import PortalError
from captive_portal.people.accounts import Kind, Role
from collector.settings import Site

router = APIRouter(include_in_schema=False)

SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePage(Page):
    """The list, and what the last act brought."""

    template: ClassVar[str] = "people.html"
    text: str
    lines: list[PersonLine]
    found: int
    sites: tuple[Site, ...]
    kinds: tuple[str, ...] = tuple(k.value for k in Kind if k is not Kind.SHADOW)
    roles: tuple[str, ...] = tuple(r.value for r in Role)
    error: str = ""
    said: str = ""
    password: str = ""
    """A one-time password, shown now and never again."""
    form: dict[str, str] = field(default_factory=dict)


@router.get("/people")
async def show(request: Request, visitor: Manager, room: TheRoom, q: str = "") -> Response:
    """Show who has an account."""
    return await _page(request, visitor, room, _Outcome(), q)


@router.post("/people")
async def add(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Make an account."""
    form = await form_of(request, visitor)
    new = NewPerson(
        site=form.get("site", "") or room.deps.settings.sites[0].id,
        account=form.get("account", "").strip(),
        name=form.get("name", "").strip(),
        kind=form.get("kind", ""),
        role=form.get("role", "none"),
    )
    act = _Act(
        target=f"add {new.account} ({new.kind}, {new.role})",
        do=lambda: (new.account, room.deps.staff.add(new)),
        said="The account is made. Its one-time password:",
        form=form,
    )
    return await _page(request, visitor, room, await _done(visitor, room, act))


@router.post("/people/{person}/password")
async def reset(request: Request, visitor: Manager, room: TheRoom, person: UUID) -> Response:
    """Give an account a new one-time password."""
    await form_of(request, visitor)
    act = _Act(
        target=f"new password {person}",
        do=lambda: room.deps.staff.reset(person),
        said="The new one-time password:",
    )
    return await _page(request, visitor, room, await _done(visitor, room, act))


@router.post("/people/{person}/disable")
async def disable(request: Request, visitor: Manager, room: TheRoom, person: UUID) -> Response:
    """Disable an account; what it did stays under its name."""
    await form_of(request, visitor)
    if visitor.member and visitor.member.id == person:
        error = visitor.texts("Nobody disables their own account.")
        return await _page(request, visitor, room, _Outcome(error=error))
    act = _Act(
        target=f"disable {person}",
        do=lambda: (room.deps.staff.disable(person), ""),
        said="The account is disabled.",
    )
    return await _page(request, visitor, room, await _done(visitor, room, act))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """One act on an account."""

    target: str
    """As the audit log has it."""
    do: Callable[[], tuple[str, str]]
    """Returns the account's name and a one-time password, or none."""
    said: str
    form: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What came of an act."""

    error: str = ""
    said: str = ""
    password: str = ""
    form: dict[str, str] = field(default_factory=dict)


async def _done(visitor: Visitor, room: Room, act: _Act) -> _Outcome:
    """Write the act down, then do it."""
    actor = str(visitor.member.id) if visitor.member else ""
    await acts.write(
        room.deps, actor=actor, act="people", target=act.target, address=visitor.address
    )
    try:
        account, password = await room.workers.run(act.do)
    except PortalError as error:
        return _Outcome(error=told(visitor.texts, error), form=act.form)
    return _Outcome(said=f"{account}: {visitor.texts(act.said)}", password=password)


async def _page(
    request: Request, visitor: Visitor, room: Room, outcome: _Outcome, text: str = ""
) -> Response:
    lines = await run_in_threadpool(room.deps.staff.people, text)
    content = PeoplePage(
        text=text,
        lines=lines[:SHOWN],
        found=len(lines),
        sites=room.deps.settings.sites,
        error=outcome.error,
        said=outcome.said,
        password=outcome.password,
        form=outcome.form,
    )
    return page(request, visitor, content, status=422 if outcome.error else 200)
