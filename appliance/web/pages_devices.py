"""Devices with an owner: the school's, and those that people are known by; off and on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response
from typing_extensions import override

from appliance.web.reasons import told
from appliance.web.render import Page, link, page
from appliance.web.school import School, school
from appliance.web.visitor import Manager, TheRoom, Visitor, form_of
from captive_portal.errors import PortalError
from captive_portal.people import dates, names
from captive_portal.people.devices import Device, DeviceKind, Devices
from captive_portal.sessions.rows import Rows
from collector.errors import CollectorError
from collector.settings import Site

router = APIRouter(include_in_schema=False)

SHOWN = 200
KICK_S = 60.0
"""A NAS that does not answer is asked several times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesPage(Page):
    """The form of one device, and the list."""

    template: ClassVar[str] = "devices.html"
    sites: Sequence[Site]
    site: str
    text: str
    lines: Sequence[Device]
    found: int
    now: datetime
    form: Mapping[str, str] = field(default_factory=dict)
    """`again` is in it when it changes a device that is entered."""
    error: str = ""
    said: str = ""

    @override
    def helpers(self) -> Mapping[str, Callable[..., Any]]:
        """Return what the template calls."""
        return {"last_day": _last_day}


@router.get("/people/devices")
async def show(  # what a link to the page may say
    request: Request,
    visitor: Manager,
    room: TheRoom,
    site: str = "",
    q: str = "",
    change: str = "",
) -> Response:
    """Show devices, and the form of one."""
    at = school(room, site)
    known = await run_in_threadpool(Devices(at.engine).list, at.site) if change else ()
    form = next((_form(one) for one in known if one.mac == change), {})
    return await _page(request, visitor, at, text=q, form=form)


@router.post("/people/devices")
async def put(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Enter a device of the school with whoever answers for it, or change what is said of it."""
    form = await form_of(request, visitor)
    at = school(room, form.get("site", ""))
    try:
        made = await _put(visitor, at, form)
    except PortalError as error:
        return await _page(request, visitor, at, form=form, error=told(visitor.texts, error))
    said = visitor.texts("{name} is in the list; {owner} answers for it.", **made)
    return await _page(request, visitor, at, said=said)


async def _put(visitor: Visitor, at: School, form: Mapping[str, str]) -> dict[str, str]:
    again, until = form.get("again") == "yes", form.get("until", "").strip()
    ends = dates.begins(dates.read(until)) + timedelta(days=1) if until else None
    owner = await run_in_threadpool(at.people.find, at.site, form.get("owner", ""))
    if owner is None:
        raise PortalError("no such owner at the site")
    act = f"devices {'change' if again else 'add'} {at.site} {form.get('mac', '')}"
    await at.wrote(visitor, f"{act} {form.get('name', '')}, owner {owner.account}")
    made = await run_in_threadpool(
        lambda: Devices(at.engine).own(
            at.site,
            form.get("mac", ""),
            owner.id,
            form.get("name", ""),
            now=at.now(),
            until=ends,
            purpose=form.get("purpose", ""),
            again=again,
        )
    )
    return {"name": made.name, "owner": made.owner}


@router.post("/people/devices/switch")
async def switch(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Let a device come in by itself again, or not any more; then its session ends too."""
    form = await form_of(request, visitor)
    on = form.get("on") == "yes"

    def do(at: School, mac: str) -> Device:
        return Devices(at.engine).switch(at.site, mac, on=on)

    return await _act(request, visitor, school(room, form.get("site", "")), form, do, on=on)


@router.post("/people/devices/remove")
async def remove(request: Request, visitor: Manager, room: TheRoom) -> Response:
    """Forget a device, and end its session."""
    form = await form_of(request, visitor)

    def do(at: School, mac: str) -> Device:
        return Devices(at.engine).remove(at.site, mac)

    return await _act(request, visitor, school(room, form.get("site", "")), form, do)


async def _act(
    request: Request,
    visitor: Visitor,
    at: School,
    form: Mapping[str, str],
    do: Callable[[School, str], Device],
    *,
    on: bool = False,
) -> Response:
    mac, text, act = form.get("mac", ""), form.get("q", ""), request.url.path.rpartition("/")[2]
    way = f" {'on' if on else 'off'}" if act == "switch" else ""
    await at.wrote(visitor, f"devices {act}{way} {at.site} {mac}")
    try:
        device = await run_in_threadpool(do, at, mac)
    except PortalError as error:
        return await _page(request, visitor, at, text=text, error=told(visitor.texts, error))
    try:
        if not on:
            await run_in_threadpool(_end_sessions, at, device)
    except CollectorError:
        wrong = visitor.texts(
            "That is done, but the session at {name} goes on: the sign-in side does not answer.",
            name=device.name or device.mac,
        )
        return await _page(request, visitor, at, text=text, error=wrong)
    return RedirectResponse(link("/people/devices", {"site": at.site, "q": text}), 303)


def _end_sessions(at: School, device: Device) -> None:
    """End what goes on at the device in its owner's name. Raises CollectorError."""
    for session in Rows(at.engine).open_at_mac(at.site, device.mac):
        if session.person is not None and session.person.id == device.person:
            ask = {"do": "kick", "session": str(session.id)}
            at.room.deps.control("portal", ask, timeout_s=KICK_S)


async def _page(  # noqa: PLR0913  # what a page is made of
    request: Request,
    visitor: Visitor,
    at: School,
    *,
    text: str = "",
    form: Mapping[str, str] | None = None,
    error: str = "",
    said: str = "",
) -> Response:
    known = await run_in_threadpool(Devices(at.engine).list, at.site)
    found = [one for one in known if _has(one, text)]
    content = DevicesPage(
        sites=at.sites,
        site=at.site,
        text=text,
        lines=found[:SHOWN],
        found=len(found),
        now=at.now(),
        form=form or {},
        error=error,
        said=said,
    )
    return page(request, visitor, content, status=422 if error else 200)


def _has(device: Device, text: str) -> bool:
    """Say whether each word stands somewhere in what is known of a device."""
    macs = (device.mac, device.mac.replace(":", "-"), device.mac.replace(":", ""))
    said = (*macs, device.name, device.purpose, device.account, device.owner)
    known = names.folded(" ".join(said))
    return all(word in known for word in names.folded(text).split())


def _form(device: Device) -> dict[str, str]:
    if device.kind is not DeviceKind.OWNED:
        return {"mac": device.mac, "owner": device.account, "name": device.name}
    return {
        "mac": device.mac,
        "owner": device.account,
        "name": device.name,
        "purpose": device.purpose,
        "until": _last_day(device),
        "again": "yes",
    }


def _last_day(device: Device) -> str:
    """Return the last day on which a device is known, as the form has it."""
    return "" if device.until is None else dates.shown(dates.today(device.until - timedelta(1)))
