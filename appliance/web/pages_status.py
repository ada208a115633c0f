"""The first page: how the box is; on an empty box, what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from appliance.web import acts, box_status
from appliance.web.box_status import BoxStatus
from appliance.web.deps import May
from appliance.web.render import Page, page
from appliance.web.visitor import Forbidden, Manager, SignedIn, TheRoom, form_of

router = APIRouter(include_in_schema=False)

TRIAL_SITE = "default"
"""The id of a site that is for trying out; only there may a made-up school be filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage(Page):
    """The first page."""

    template: ClassVar[str] = "status.html"
    status: BoxStatus
    flow_ports: tuple[str, ...]
    syslog_ports: tuple[str, ...]
    offer_demo: bool
    demo_running: bool
    kept_days: int = box_status.KEPT_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPart(StatusPage):
    """What is fetched again every few seconds."""

    template: ClassVar[str] = "_status.html"


@router.get("/")
async def status(request: Request, visitor: SignedIn, room: TheRoom) -> Response:
    """Show how the box is."""
    deps = room.deps
    now = await run_in_threadpool(box_status.read, deps, room.meter)
    kind = StatusPart if request.headers.get("hx-request") else StatusPage
    content = kind(
        status=now,
        flow_ports=ports(deps.settings.listen.flows),
        syslog_ports=ports(deps.settings.listen.syslog_udp),
        offer_demo=visitor.may(May.MANAGE) and _for_trying_out(room.deps.settings.sites[0].id),
        demo_running=deps.demo.running,
    )
    return page(request, visitor, content)


@router.post("/demo")
async def fill_demo(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Start the simulated school, on a site that is for trying out."""
    await form_of(request, visitor)
    if not _for_trying_out(room.deps.settings.sites[0].id) or visitor.member is None:
        raise Forbidden
    await acts.write(
        room.deps,
        actor=str(visitor.member.id),
        act="setting",
        target="fill a demo school",
        address=visitor.address,
    )
    room.deps.demo.start()
    return RedirectResponse("/", 303)


def _for_trying_out(site: str) -> bool:
    return site == TRIAL_SITE


def ports(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return ports as one types them into a router: the address only where it is a certain one."""
    parts = [name.rpartition(":") for name in names]
    every = ("", "*", "0.0.0.0", "[::]", "::")  # noqa: S104  # compared, not listened on
    return tuple(port if host in every else f"{host}:{port}" for host, _, port in parts)
