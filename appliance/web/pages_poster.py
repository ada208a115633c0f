"""Posters for rooms: where to sign in, with a QR code."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from appliance.errors import WrongUse
from appliance.settings import BoxSettings
from appliance.web import prints
from appliance.web.school import school
from appliance.web.visitor import Manager, TheRoom
from captive_portal.gate.resolver import PAGE_NAME

router = APIRouter(include_in_schema=False)


@router.get("/people/posters")
async def show(visitor: Manager, room: TheRoom, site: str = "") -> Response:
    """Show a sheet with a poster for each zone of a school."""
    at, settings, t = school(room, site), room.deps.settings, visitor.texts
    url, typed = _addresses(settings)
    names = _names(settings, at.site, t.language)
    papers = prints.poster_papers(names, t, url=url, typed=typed)
    sheet = prints.sheet(papers, t, title=t("Posters"), alone=False, large=True)
    return HTMLResponse(sheet)


def _names(settings: BoxSettings, site: str, language: str) -> Sequence[str]:
    """Return the zones where people sign in; the school once for all that have no name."""
    english = language == "en"
    school = next((one.name for one in settings.sites if one.id == site), "") or site
    zones = [zone for zone in settings.zones if zone.site == site and zone.portal]
    names = [(zone.name_en if english else "") or zone.name or school for zone in zones]
    return list(dict.fromkeys(names)) or [school]


def _addresses(settings: BoxSettings) -> tuple[str, str]:
    """Return the page's address, and as short as it can be typed.

    Raises:
        WrongUse: the page has no name that people could be told.
    """
    if settings.sign_in.public_url:
        return settings.sign_in.public_url, urlsplit(settings.sign_in.public_url).hostname or ""
    if settings.gateway.uplink:
        name = f"{PAGE_NAME}.{settings.gateway.domain}"
        return f"http://{name}/", name
    raise WrongUse("the sign-in page has no name to put on paper", hint="set sign_in.public_url")
