"""From a typed page to HTML: one environment, strict about names, escaping everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from appliance.web.deps import May
from appliance.web.outside_line import OutsideLine
from appliance.web.visitor import Visitor, room_of

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"
LANGUAGE_COOKIE = "prathu_language"
YEAR_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one template is given, beside the frame of every page."""

    template: ClassVar[str]

    def helpers(self) -> Mapping[str, Callable[..., Any]]:
        """Return what the template may call, beside the fields."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage(Page):
    """A refusal or a fault, with what to do next."""

    template: ClassVar[str] = "error.html"
    status: int
    message: str


def page(request: Request, visitor: Visitor, content: Page, *, status: int = 200) -> HTMLResponse:
    """Return the page as HTML in the visitor's language."""
    context = {field.name: getattr(content, field.name) for field in fields(content)}
    html = (
        environment()
        .get_template(content.template)
        .render(
            context,
            **content.helpers(),
            _=visitor.texts,
            t=visitor.texts,
            visitor=visitor,
            May=May,
            path=request.url.path,
            link=link,
            other_language=_other_language(request, visitor),
            outside=_outside(request, visitor),
            has_script=(STATIC / "vendor/htmx.min.js").is_file(),
        )
    )
    response = HTMLResponse(html, status_code=status, headers={"Vary": "HX-Request, Cookie"})
    if "lang" in request.query_params:
        response.set_cookie(
            LANGUAGE_COOKIE, visitor.texts.language, max_age=YEAR_S, httponly=True, samesite="lax"
        )
    return response


def _outside(request: Request, visitor: Visitor) -> OutsideLine | None:
    """Return since when it is proven outside what the box holds, for staff."""
    if visitor.member is None or visitor.only_helps:
        return None
    room = room_of(request)
    return room.outside.line(visitor.texts, room.deps.clock() // 1000)


def wants_whole(request: Request) -> bool:
    """Say whether a whole page is wanted, not the part that htmx puts into one."""
    headers = request.headers
    return "hx-request" not in headers or "hx-history-restore-request" in headers


def link(path: str, values: Mapping[str, object]) -> str:
    """Return a permalink: the path with every value that says something."""
    query = {k: str(v) for k, v in values.items() if v not in (None, "")}
    return f"{path}?{urlencode(query)}" if query else path


def _other_language(request: Request, visitor: Visitor) -> str:
    other = "en" if visitor.texts.language == "th" else "th"
    if request.method != "GET":
        # What a form posted has no address; its language link leads to the page before it.
        return link("/" + request.url.path.split("/")[1], {"lang": other})
    return link(request.url.path, {**request.query_params, "lang": other})


@cache
def environment() -> Environment:
    """Return the one Jinja environment."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
