"""The question officials ask: who was behind this address at this time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from starlette.responses import Response
from typing_extensions import override

from appliance.errors import BoxError
from appliance.search import who_text
from appliance.search.who_answer import WhoAnswer
from appliance.web import faults
from appliance.web.asking import WhoWish
from appliance.web.cells import cell
from appliance.web.pages_search import asker_of
from appliance.web.render import Page, page, wants_whole
from appliance.web.visitor import Searcher, TheRoom
from collector.settings import Site

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoPart(Page):
    """What stands below the form."""

    template: ClassVar[str] = "_who.html"
    wish: WhoWish
    shown: WhoAnswer | None
    error: str
    sites: tuple[Site, ...]
    note_texts: Mapping[str, tuple[str, str]] = field(default_factory=lambda: who_text.NOTES)

    @override
    def helpers(self) -> Mapping[str, Callable[..., Any]]:
        """Return how cells and names are made."""
        return {"cell": cell, "called": who_text.called}


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoPage(WhoPart):
    """The whole page."""

    template: ClassVar[str] = "who.html"


@router.get("/who")
async def who(request: Request, visitor: Searcher, room: TheRoom) -> Response:
    """Show the form; with an address, the answer."""
    wish = _wish(request.query_params)
    shown, error = None, ""
    if wish.address:
        try:
            asking, asker = room.deps.asking, asker_of(visitor)
            shown = await room.workers.run(lambda: asking.who(wish, asker))
        except BoxError as fault:
            error = faults.told(str(fault), visitor.texts)
    whole = wants_whole(request)
    kind = WhoPage if whole else WhoPart
    content = kind(wish=wish, shown=shown, error=error, sites=room.deps.settings.sites)
    return page(request, visitor, content, status=422 if error else 200)


def _wish(given: Mapping[str, Any]) -> WhoWish:
    def text(name: str) -> str:
        return str(given.get(name, "")).strip()[:200]

    return WhoWish(
        address=text("address"),
        at=text("at"),
        target=text("dst"),
        within=text("within"),
        site=text("site"),
        protocol=text("proto"),
    )
