"""How it stands with access points and routers: whom they let in, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from appliance.web import nas_standing
from appliance.web.nas_standing import Standing
from appliance.web.render import Page, page
from appliance.web.visitor import Manager, TheRoom

router = APIRouter(include_in_schema=False)
SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NasPage(Page):
    """All NASes, and why people were refused there."""

    template: ClassVar[str] = "nas.html"
    standing: Standing
    shown: int = SHOWN


@router.get("/sessions/nas")
async def show(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Show how it stands since the portal began."""
    now = await run_in_threadpool(nas_standing.read, room.deps.home)
    return page(request, visitor, NasPage(standing=now))
