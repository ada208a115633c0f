"""The roll of a school: a file is looked at, confirmed, and taken in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response
from typing_extensions import override

from appliance.web.previews import Preview, Previews
from appliance.web.reasons import reason, told
from appliance.web.render import Page, page
from appliance.web.school import School, school
from appliance.web.uploads import upload_of
from appliance.web.visitor import Manager, TheRoom, Visitor, form_of
from captive_portal.errors import PortalError
from captive_portal.people import bad_rows, roll, taking
from captive_portal.people.roll import Where
from captive_portal.people.taking import Outcome
from collector.settings import Site

router = APIRouter(include_in_schema=False)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RollPage(Page):
    """The form, a preview, or what was done."""

    template: ClassVar[str] = "roll.html"
    sites: Sequence[Site]
    site: str
    error: str = ""
    preview: Preview | None = None
    token: str = ""
    known: bool = False
    """Whether somebody confirmed these columns before."""
    done: Outcome | None = None

    @override
    def helpers(self) -> Mapping[str, Callable[..., Any]]:
        """Return what the template calls."""
        return {"reason": reason}


@router.get("/people/roll")
async def show(request: Request, visitor: Manager, room: TheRoom, site: str = "") -> Response:
    """Show the form."""
    at = school(room, site)
    return page(request, visitor, RollPage(sites=at.sites, site=at.site))


@router.post("/people/roll")
async def look(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Read a file and show what taking it in would do; nothing is changed."""
    name, octets, fields = await upload_of(request, visitor)
    at = school(room, fields.get("site", ""))
    try:
        read, outcome, known = await room.workers.run(lambda: _read(at, octets))
    except PortalError as error:
        content = RollPage(sites=at.sites, site=at.site, error=told(visitor.texts, error))
        return page(request, visitor, content, status=422)
    previews = _previews(request)
    token = previews.put(_seat(visitor), name, read, outcome)
    content = RollPage(
        sites=at.sites,
        site=at.site,
        preview=previews.get(_seat(visitor), token),
        token=token,
        known=known,
    )
    return page(request, visitor, content)


def _read(at: School, octets: bytes) -> tuple[roll.Roll, Outcome, bool]:
    where = Where(site=at.site, key=at.key, schools=at.room.deps.settings.schools)
    read = roll.read(octets, where)
    outcome = taking.preview(at.engine, read, now=at.now())
    return read, outcome, taking.known_layout(at.engine, at.site, read.layout) is not None


@router.post("/people/roll/take")
async def take(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Take in what was looked at."""
    form = await form_of(request, visitor)
    token, close_left = form.get("token", ""), form.get("close_left") == "yes"
    found = _previews(request).get(_seat(visitor), token)
    if found is None:
        return _old(request, visitor, school(room))
    read, at = found.roll, school(room, found.roll.site)
    await at.wrote(visitor, f"import {found.name}, {len(read.lines)} rows for {read.site}")
    outcome = await room.workers.run(
        lambda: taking.take(at.engine, read, now=at.now(), close_left=close_left)
    )
    with_password = [one for one in outcome.passwordless if one[2]]
    if with_password:
        await room.workers.run(lambda: _passwords(at, outcome))
    content = RollPage(sites=at.sites, site=at.site, preview=found, token=token, done=outcome)
    return page(request, visitor, content)


def _passwords(at: School, outcome: Outcome) -> None:
    people = at.people
    for person, _, password in outcome.passwordless:
        if password:
            people.set_password(person, password)


@router.post("/people/roll/bad")
async def bad(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Give back the rows that are not taken, with the reason, as XLSX."""
    form = await form_of(request, visitor)
    found = _previews(request).get(_seat(visitor), form.get("token", ""))
    if found is None:
        return _old(request, visitor, school(room))
    say = partial(reason, visitor.texts)
    octets = bad_rows.written(found.outcome.bad, found.roll.layout, say=say)
    named = {"Content-Disposition": 'attachment; filename="bad-rows.xlsx"'}
    return Response(octets, media_type=XLSX, headers=named)


def _old(request: Request, visitor: Visitor, at: School) -> Response:
    error = visitor.texts("That was too long ago. Choose the file again.")
    return page(request, visitor, RollPage(sites=at.sites, site=at.site, error=error), status=422)


def _seat(visitor: Visitor) -> str:
    return str(visitor.member.id) if visitor.member else ""


def _previews(request: Request) -> Previews:
    state = request.app.state
    if not hasattr(state, "previews"):
        state.previews = Previews(state.room.deps.clock)
    found = state.previews
    assert isinstance(found, Previews)  # noqa: S101  # put there three lines above
    return found
