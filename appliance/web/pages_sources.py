"""Who sends to the box, and what it could not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from typing_extensions import override

from appliance.search import times
from appliance.web import source_chart, source_lines, source_list, source_words
from appliance.web.cells import term_of
from appliance.web.pages_status import ports
from appliance.web.render import Page, link, page, wants_whole
from appliance.web.source_chart import Column
from appliance.web.source_list import SourceList, Told
from appliance.web.source_words import Advice
from appliance.web.texts import Texts
from appliance.web.visitor import Room, SignedIn, TheRoom

router = APIRouter(include_in_schema=False)
MOST_ROWS = 300
MOST_REFUSED = 20
MOST_TEMPLATES, MOST_FIELDS = 100, 64
"""Shown of one source; `prathu sources --json` has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One source on the page."""

    told: Told
    advice: list[Advice]
    columns: list[Column]

    @property
    def address(self) -> str:
        """The permalink of its own page."""
        return link("/sources/one", {name: self.told[name] for name in ("site", "kind", "name")})

    @property
    def believed(self) -> str:
        """The lines of the settings that make its sign-in lines believed; empty if none do."""
        return source_lines.believed(self.told)

    @property
    def doubted(self) -> bool:
        """Whether it says who signs in, and is not believed."""
        return bool(source_lines.doubted(self.told))

    @property
    def templates(self) -> Sequence[Told]:
        """Its templates, each with the names of its first fields as `names`."""
        found: Sequence[Told] = self.told.get("template_list", ())[:MOST_TEMPLATES]
        return [
            {**one, "names": [field["name"] for field in one["fields"][:MOST_FIELDS]]}
            for one in found
        ]

    @property
    def interfaces(self) -> Sequence[Told]:
        """The interfaces in its records, with their names."""
        found: Sequence[Told] = self.told.get("interfaces", ())
        return found

    @property
    def coverage(self) -> str:
        """The permalink of what the log says that it missed of this source."""
        term = term_of("source", self.told["name"])
        return link("/search", {"log": "coverage", "q": term, "range": "24h"})

    @property
    def counters(self) -> str:
        """The question what its interfaces counted, for who may search; empty if it tells none."""
        if "sFlow v5" not in self.told["protocols"]:
            return ""
        terms = [term_of("site", self.told["site"]), term_of("source", self.told["name"])]
        return link("/search", {"log": "counters", "q": " AND ".join(terms), "range": "24h"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Somebody who sends and is not let in."""

    address: str
    count: int
    lines: str
    """What lets it in, put into the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Lines of one pattern that no format reads."""

    site: str
    pattern: str
    lines: int
    newest_us: int | None
    source: str

    @property
    def whole(self) -> str:
        """The permalink of the newest line, whole, for who may search; empty if not known."""
        if self.newest_us is None:
            return ""
        moment = times.rfc3339(self.newest_us)
        term = f"NOT _exists_:vendor AND {term_of('source', self.source)}"
        period = {"from": moment, "to": moment}
        return link("/search", {"log": "events", "q": term, "site": self.site, **period})


@dataclass(frozen=True, slots=True, kw_only=True)
class _SourcePage(Page):
    """What both pages have."""

    words: Texts

    @override
    def helpers(self) -> Mapping[str, Callable[..., Any]]:
        """Return how spans, rates and drops are put into words."""
        return {
            "span": lambda span_us: source_words.span(span_us, self.words),
            "rate_of": lambda rate: source_words.rate_of(rate, self.words),
            "sampling": lambda told: source_words.sampling(told, self.words),
            "parts": source_chart.parts,
            "kernel": lambda socket: source_words.kernel(socket, self.words),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesPage(_SourcePage):
    """Everyone who sends."""

    template: ClassVar[str] = "sources.html"
    found: SourceList
    lines: Sequence[Line]
    state: str
    sites: int
    counts: Mapping[str, int]
    flow_ports: tuple[str, ...]
    syslog_ports: tuple[str, ...]
    refused: Sequence[Refused]
    unread: Sequence[Unread]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesPart(SourcesPage):
    """The same without the frame, loaded again."""

    template: ClassVar[str] = "_sources.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePage(_SourcePage):
    """One source."""

    template: ClassVar[str] = "source.html"
    found: SourceList
    line: Line
    sites: int


@router.get("/sources")
async def sources(request: Request, visitor: SignedIn, room: TheRoom, state: str = "") -> Response:
    """Show everyone who sends, the worst first."""
    found = await run_in_threadpool(_read, room)
    counts = found.counts()
    state = state if state in counts else ""
    shown = [one for one in found.sources if state in ("", one["state"])][:MOST_ROWS]
    settings = room.deps.settings
    kind = SourcesPage if wants_whole(request) else SourcesPart
    content = kind(
        found=found,
        lines=[_line(one, found, visitor.texts) for one in shown],
        state=state,
        sites=len(settings.sites),
        refused=[
            Refused(
                address=one.address,
                count=one.count,
                lines=source_lines.exporter(one.address, settings.sites),
            )
            for one in found.strangers[:MOST_REFUSED]
        ],
        unread=[_unread(one) for one in found.unread],
        counts=counts,
        flow_ports=ports(settings.listen.flows),
        syslog_ports=ports(settings.listen.syslog_udp),
        words=visitor.texts,
    )
    return page(request, visitor, content)


@router.get("/sources/one")
async def source(
    request: Request,
    visitor: SignedIn,
    room: TheRoom,
    site: str = "",
    kind: str = "",
    name: str = "",
) -> Response:
    """Show one source and what to do about it."""
    found = await run_in_threadpool(_read, room, name)
    told = found.find(site, kind, name)
    if told is None:
        raise HTTPException(404)
    content = SourcePage(
        found=found,
        line=_line(told, found, visitor.texts),
        sites=len(room.deps.settings.sites),
        words=visitor.texts,
    )
    return page(request, visitor, content)


def _read(room: Room, whole: str = "") -> SourceList:
    deps = room.deps
    return source_list.read(deps.home, deps.control, now_us=deps.clock() // 1000, whole=whole)


def _unread(told: Told) -> Unread:
    return Unread(
        site=told["site"],
        pattern=told["pattern"],
        lines=told["lines"],
        newest_us=told.get("newest_us"),
        source=told.get("source", ""),
    )


def _line(told: Told, found: SourceList, words: Texts) -> Line:
    return Line(
        told=told,
        advice=source_words.advice(told, words),
        columns=source_chart.columns(told["history"], found.as_of_us),
    )
