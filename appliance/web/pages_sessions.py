"""Who is on now, with what passed; and a button that ends a session everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from appliance.web import acts, reasons
from appliance.web.deps import SessionLine
from appliance.web.render import Page, page
from appliance.web.visitor import Manager, TheRoom, form_of
from collector.errors import CollectorError

router = APIRouter(include_in_schema=False)

SHOWN = 200
KICK_S = 60.0
"""A NAS that does not answer is asked several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsPage(Page):
    """The open sessions, and what came of ending one."""

    template: ClassVar[str] = "sessions.html"
    text: str
    lines: list[SessionLine]
    found: int
    error: str = ""
    said: str = ""
    details: tuple[str, ...] = ()
    """What the gate and the NAS said."""


@router.get("/sessions")
async def show(request: Request, visitor: Manager, room: TheRoom, q: str = "") -> Response:
    """Show who is on."""
    return await _page(request, visitor, room, text=q)


@router.post("/sessions/{session}/end")
async def end(request: Request, visitor: Manager, room: TheRoom, session: UUID) -> Response:
    """End a session at the gate, in the database and at the NAS."""
    form = await form_of(request, visitor)
    actor = str(visitor.member.id) if visitor.member else ""
    await acts.write(
        room.deps, actor=actor, act="kick", target=str(session), address=visitor.address
    )
    ask = {"do": "kick", "session": str(session)}
    text = form.get("q", "")
    try:
        told = await run_in_threadpool(lambda: room.deps.control("portal", ask, timeout_s=KICK_S))
    except CollectorError as error:
        wrong = reasons.told(visitor.texts, error)
        return await _page(request, visitor, room, text=text, error=wrong)
    said = visitor.texts("The session of {account} has ended.", account=told.get("account") or "–")
    details = tuple(
        f"{visitor.texts(side)}: {told[word]}"
        for side, word in (("Gate", "gate"), ("Access point or router", "nas"))
        if told.get(word)
    )
    return await _page(request, visitor, room, text=text, said=said, details=details)


async def _page(  # noqa: PLR0913  # what a page is made of
    request: Request,
    visitor: Manager,
    room: TheRoom,
    *,
    text: str,
    error: str = "",
    said: str = "",
    details: tuple[str, ...] = (),
) -> Response:
    lines = await run_in_threadpool(room.deps.live.sessions, text)
    content = SessionsPage(
        text=text,
        lines=lines[:SHOWN],
        found=len(lines),
        error=error,
        said=said,
        details=details,
    )
    return page(request, visitor, content, status=422 if error else 200)
