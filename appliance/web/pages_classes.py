"""Teachers help the pupils of their own classes; staff say who teaches which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from appliance.web.reasons import reason, told
from appliance.web.render import Page, link, page
from appliance.web.school import School, school
from appliance.web.visitor import Forbidden, Helper, Manager, Room, TheRoom, Visitor, form_of
from captive_portal.errors import PortalError
from captive_portal.people import dates, names, passwords
from captive_portal.people.accounts import Account, Role
from captive_portal.people.grades import Class
from captive_portal.people.teaching import MOST_MB, Teaching
from captive_portal.people.usage import Usage

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pupil:
    """A pupil as a teacher sees them: nothing of what they do on the network."""

    id: UUID
    account: str
    name: str
    class_name: str
    bonus_mb: int
    """Given today, by anybody."""
    password_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassesPage(Page):
    """The pupils of a teacher's classes."""

    template: ClassVar[str] = "classes.html"
    classes: Sequence[str]
    chosen: str
    """One of the classes; empty: all."""
    pupils: Sequence[Pupil]
    most_mb: int = MOST_MB
    error: str = ""
    said: str = ""
    password: str = ""
    """A one-time password, shown now and never again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachersPage(Page):
    """Who may help, and which classes."""

    template: ClassVar[str] = "teachers.html"
    lines: Sequence[tuple[Account, str]]
    error: str = ""


@router.get("/classes")
async def show(request: Request, visitor: Helper, room: TheRoom, c: str = "") -> Response:
    """Show the pupils of the teacher's own classes; looking is no act."""
    return await _page(request, visitor, room, chosen=c)


@router.post("/classes/bonus")
async def bonus(request: Request, visitor: Helper, room: TheRoom) -> Response:
    """Give a pupil, or all pupils of a class, more on top of today's quota."""
    form = await form_of(request, visitor)
    teacher, chosen = await _teacher(visitor, room), form.get("class", "")
    at = school(room, teacher.site)
    megabytes = names.number(form.get("megabytes", ""), MOST_MB)
    if megabytes is None:
        error = visitor.texts("That is a number from 1 to {most} MB.", most=MOST_MB)
        return await _page(request, visitor, room, chosen=chosen, error=error)
    try:
        pupils = await run_in_threadpool(_meant, at, teacher, form)
    except PortalError as error:
        wrong = told(visitor.texts, error)
        return await _page(request, visitor, room, chosen=chosen, error=wrong)
    whom = pupils[0].id if form.get("pupil") else f"class {chosen}, {len(pupils)} pupils"
    await at.wrote(visitor, f"teacher bonus {at.site} {whom}, {megabytes} MB")
    await run_in_threadpool(lambda: Teaching(at.engine).give(pupils, megabytes, at.now()))
    said = visitor.texts(
        "{count} pupils have {mb} MB more for today.", count=len(pupils), mb=megabytes
    )
    return await _page(request, visitor, room, chosen=chosen, said=said)


@router.post("/classes/password")
async def password(request: Request, visitor: Helper, room: TheRoom) -> Response:
    """Give a pupil of the teacher's own classes a new one-time password."""
    form = await form_of(request, visitor)
    teacher, chosen = await _teacher(visitor, room), form.get("class", "")
    at = school(room, teacher.site)
    try:
        pupil = await run_in_threadpool(_with_password, at, teacher, form)
        await at.wrote(visitor, f"teacher new password {pupil.id}")
        made = passwords.one_time()
        people = at.people
        await room.workers.run(lambda: people.set_password(pupil.id, made, must_change=True))
    except PortalError as error:
        wrong = told(visitor.texts, error)
        return await _page(request, visitor, room, chosen=chosen, error=wrong)
    said = f"{pupil.account}: {visitor.texts('The new one-time password:')}"
    return await _page(request, visitor, room, chosen=chosen, said=said, password=made)


def _meant(at: School, teacher: Account, form: dict[str, str]) -> Sequence[Account]:
    """Return the pupil, or the pupils of the class, that a form is about. Raises PortalError."""
    book = Teaching(at.engine)
    if form.get("pupil"):
        try:
            return [book.pupil(teacher, UUID(form["pupil"]), at.now())]
        except ValueError as error:
            raise PortalError("no such pupil in your classes") from error
    found = _of_class(book.pupils(teacher, at.now()), form.get("class", ""))
    if not found or not form.get("class"):
        raise PortalError("no such pupil in your classes")
    return found


def _with_password(at: School, teacher: Account, form: dict[str, str]) -> Account:
    """Return the one pupil meant, whose password the box keeps. Raises PortalError."""
    pupil = _meant(at, teacher, {"pupil": form.get("pupil") or "nobody"})[0]
    if pupil.source:
        raise PortalError("the password of that pupil is not kept here")
    return pupil


def _of_class(pupils: Sequence[Account], chosen: str) -> list[Account]:
    grade, _, place = chosen.partition("/")
    return [
        one
        for one in pupils
        if not chosen or (one.grade == grade and (not place or one.room == place))
    ]


async def _teacher(visitor: Visitor, room: Room) -> Account:
    """Return the account of whoever asks."""
    member = visitor.member
    found = await run_in_threadpool(school(room).people.get, member.id) if member else None
    if found is None:
        raise Forbidden
    return found


async def _page(  # noqa: PLR0913  # what a page is made of
    request: Request,
    visitor: Visitor,
    room: Room,
    *,
    chosen: str = "",
    error: str = "",
    said: str = "",
    password: str = "",
) -> Response:
    teacher = await _teacher(visitor, room)
    at = school(room, teacher.site)
    book = Teaching(at.engine)
    classes = [str(one) for one in await run_in_threadpool(book.classes, teacher.id)]
    chosen = chosen if chosen in classes else ""
    pupils = _of_class(await run_in_threadpool(book.pupils, teacher, at.now()), chosen)
    used = Usage(at.engine)
    today, ids = dates.today(at.now()), [one.id for one in pupils]
    given = await run_in_threadpool(used.months, today, ids)
    content = ClassesPage(
        classes=classes,
        chosen=chosen,
        pupils=[
            Pupil(
                id=one.id,
                account=one.account,
                name=one.full_name,
                class_name=str(Class(one.grade, one.room)),
                bonus_mb=given[one.id].day_bonus_mb if one.id in given else 0,
                password_here=not one.source,
            )
            for one in pupils
        ],
        error=error,
        said=said,
        password=password,
    )
    return page(request, visitor, content, status=422 if error else 200)


@router.get("/people/teachers")
async def teachers(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Show who has the right to help pupils, and of which classes."""
    return await _teachers(request, visitor, room)


@router.post("/people/teachers")
async def begin(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Let a teacher help classes, by the name of the account."""
    form = await form_of(request, visitor)
    at, account, text = school(room), form.get("account", ""), form.get("classes", "")
    found = await run_in_threadpool(at.people.find, at.site, account)
    if found is None:
        error = reason(visitor.texts, "no such account")
        return await _teachers(request, visitor, room, error=error)
    return await _put(request, visitor, room, found.id, text)


@router.post("/people/{person}/classes")
async def put(request: Request, visitor: Manager, room: TheRoom, person: UUID) -> Response:
    """Say which classes a teacher may help."""
    form = await form_of(request, visitor)
    return await _put(request, visitor, room, person, form.get("classes", ""))


async def _put(request: Request, visitor: Visitor, room: Room, person: UUID, text: str) -> Response:
    at = school(room)
    await at.wrote(visitor, f"teaches {person} {text}")
    try:
        await run_in_threadpool(Teaching(at.engine).put, person, text)
    except PortalError as error:
        return await _teachers(request, visitor, room, error=told(visitor.texts, error))
    return RedirectResponse(link("/people/teachers", {}), 303)


async def _teachers(request: Request, visitor: Visitor, room: Room, *, error: str = "") -> Response:
    at = school(room)
    known = await run_in_threadpool(Teaching(at.engine).everybody)
    people = await run_in_threadpool(at.people.list)
    lines = [
        (one, ", ".join(str(c) for c in known.get(one.id, [])))
        for one in people
        if one.role is Role.TEACHER and not one.closed(at.now())
    ]
    content = TeachersPage(lines=lines, error=error)
    return page(request, visitor, content, status=422 if error else 200)
