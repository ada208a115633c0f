"""Sign-in, sign-out and the own password of staff."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from appliance.web import acts
from appliance.web.deps import Member
from appliance.web.reasons import told
from appliance.web.render import Page, page
from appliance.web.visitor import (
    FORM_COOKIE,
    SEAT_COOKIE,
    AnyVisitor,
    NotSignedIn,
    Room,
    TheRoom,
    Visitor,
    form_of,
)
from captive_portal.errors import PortalError, Refused
from captive_portal.people.names import MAX_ACCOUNT, folded

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage(Page):
    """The door."""

    template: ClassVar[str] = "sign_in.html"
    token: str
    next: str
    account: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPage(Page):
    """A staff member's own password."""

    template: ClassVar[str] = "password.html"
    must: bool
    error: str = ""


@router.get("/sign-in")
async def show_sign_in(request: Request, visitor: AnyVisitor, next: str = "/") -> Response:
    """Show the form."""
    if visitor.member:
        return RedirectResponse(own_path(next), 303)
    return _sign_in_page(request, visitor, next)


@router.post("/sign-in")
async def sign_in(request: Request, visitor: AnyVisitor, room: TheRoom) -> Response:
    """Open a seat for the right password, after the line in the audit log is durable."""
    form = await form_of(request, visitor)
    account, onward = form.get("account", "").strip(), form.get("next", "/")
    try:
        member = await _check(room, visitor, account, form.get("password", ""))
    except Refused as error:
        text = visitor.texts(Exception.__str__(error))
        return _sign_in_page(request, visitor, onward, account=account, error=text)
    await acts.write(
        room.deps, actor=str(member.id), act="sign-in", target="admin", address=visitor.address
    )
    seat, cookie = room.seats.open(member.id, member.stamp)
    del seat
    response = RedirectResponse("/password" if member.must_change else own_path(onward), 303)
    response.set_cookie(
        SEAT_COOKIE,
        cookie,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    response.delete_cookie(FORM_COOKIE)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, visitor: AnyVisitor, room: TheRoom) -> Response:
    """Close the seat. It is closed first: a full audit log must not keep anybody signed in."""
    await form_of(request, visitor)
    if visitor.seat and visitor.member:
        room.seats.close(visitor.seat)
        await acts.write(
            room.deps,
            actor=str(visitor.member.id),
            act="sign-out",
            target="admin",
            address=visitor.address,
        )
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SEAT_COOKIE)
    return response


@router.get("/password")
async def show_password(request: Request, visitor: AnyVisitor) -> Response:
    """Show the form for a new password; the only page for a one-time password."""
    if visitor.member is None:
        raise NotSignedIn
    return page(request, visitor, PasswordPage(must=visitor.member.must_change))


@router.post("/password")
async def change_password(request: Request, visitor: AnyVisitor, room: TheRoom) -> Response:
    """Set a new password, close every seat of the old one and open a new one here."""
    member = visitor.member
    if member is None:
        raise NotSignedIn
    form = await form_of(request, visitor)
    error = await _change(room, visitor, member, form)
    if error:
        content = PasswordPage(must=member.must_change, error=error)
        return page(request, visitor, content, status=422)
    await acts.write(
        room.deps,
        actor=str(member.id),
        act="people",
        target=f"own password of {member.account}",
        address=visitor.address,
    )
    room.seats.close_all(member.id)
    renewed = await run_in_threadpool(room.deps.staff.get, member.id)
    response = RedirectResponse("/", 303)
    if renewed is not None:
        _, cookie = room.seats.open(renewed.id, renewed.stamp)
        response.set_cookie(
            SEAT_COOKIE,
            cookie,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
    return response


async def _check(room: Room, visitor: Visitor, account: str, password: str) -> Member:
    # Folded as the accounts are: another spelling of a name is no further try.
    names = folded(account)[:MAX_ACCOUNT], visitor.address
    wait = max(room.account_tries.wait_s(names[0]), room.address_tries.wait_s(names[1]))
    if wait:
        raise Refused(visitor.texts("Too many tries. Wait {seconds} seconds.", seconds=wait))
    # Counted before the slow check, so that tries sent all at once count too.
    room.account_tries.failed(names[0])
    room.address_tries.failed(names[1])
    member = await room.workers.run(lambda: room.deps.staff.check(account, password))
    room.account_tries.succeeded(names[0])
    room.address_tries.succeeded(names[1])
    return member


async def _change(room: Room, visitor: Visitor, member: Member, form: dict[str, str]) -> str:
    """Return what is wrong with the wish, empty when the password is changed."""
    old, new = form.get("old", ""), form.get("new", "")
    if new != form.get("again", ""):
        return visitor.texts("The two new passwords are not the same.")
    if new == old:
        return visitor.texts("The new password is the old one.")
    if wait := room.account_tries.wait_s(folded(member.account)[:MAX_ACCOUNT]):
        return visitor.texts("Too many tries. Wait {seconds} seconds.", seconds=wait)
    room.account_tries.failed(folded(member.account)[:MAX_ACCOUNT])
    try:
        await room.workers.run(lambda: room.deps.staff.change_password(member.id, old, new))
    except PortalError as error:
        return told(visitor.texts, error)
    room.account_tries.succeeded(folded(member.account)[:MAX_ACCOUNT])
    return ""


def _sign_in_page(
    request: Request, visitor: Visitor, onward: str, *, account: str = "", error: str = ""
) -> Response:
    nonce = secrets.token_urlsafe(24)
    content = SignInPage(
        token=room_token(request, nonce), next=own_path(onward), account=account, error=error
    )
    response = page(request, visitor, content, status=422 if error else 200)
    response.set_cookie(FORM_COOKIE, nonce, httponly=True, samesite="lax", max_age=3600)
    return response


def room_token(request: Request, nonce: str) -> str:
    """Return the form token for a nonce."""
    room: Room = request.app.state.room
    return room.seats.form_token(nonce)


def own_path(wish: str) -> str:
    """Return a path on this box to go on to; the first page for anything else."""
    if not wish.startswith("/") or wish.startswith(("//", "/\\")) or not wish.isprintable():
        return "/"
    return "/" if wish.startswith(("/sign-", "/password")) else wish
