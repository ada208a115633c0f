"""What is kept until when: retention by log, legal holds, and how long the disk lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from appliance.web import acts
from appliance.web.render import Page, page
from appliance.web.visitor import Manager, Room, TheRoom
from collector import kept

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPage(Page):
    """As `prathu retention status` and `prathu hold list` tell it."""

    template: ClassVar[str] = "kept.html"
    kept: dict[str, Any]

    @property
    def free_share(self) -> int:
        """Per cent of the disk that are free."""
        disk = self.kept["disk"]
        return int(100 * disk["free_bytes"] // max(disk["total_bytes"], 1))


@router.get("/kept")
async def show(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Show what is kept; numbers of cases stand here, so looking is written down."""
    if visitor.member is not None:
        await acts.write(
            room.deps,
            actor=str(visitor.member.id),
            act="hold",
            target="list",
            address=visitor.address,
        )
    return page(request, visitor, KeptPage(kept=await run_in_threadpool(_read, room)))


def _read(room: Room) -> dict[str, Any]:
    deps = room.deps
    return kept.overview(deps.home, deps.settings, deps.clock() // 1000)
