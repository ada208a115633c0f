"""The search page: a question, its sentence, all matches over time, rows, and what was not seen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar

from fastapi import APIRouter, Request
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse
from typing_extensions import override

from appliance.errors import BoxError
from appliance.search import times
from appliance.search.engine_local import Asker
from appliance.web import chart
from appliance.web.asking import Bucket, Shown, Wish
from appliance.web.cells import Cell, cell, is_number, with_term
from appliance.web.render import Page, link, page, wants_whole
from appliance.web.visitor import Room, Searcher, TheRoom, Visitor
from collector.settings import Site
from collector.store.schema import LOGS

router = APIRouter(include_in_schema=False)

RANGES = ("15m", "1h", "6h", "24h", "7d", "30d", "90d")
LIMITS = (100, 500, 2000)
CSV_ROWS = 100_000
_PLACE = re.compile(r"at character (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form as it was sent, and the period it means."""

    q: str
    log: str
    site: str
    range: str
    frm: str
    to: str
    limit: int
    columns: tuple[str, ...]

    def values(self, **changes: object) -> dict[str, object]:
        """Return the query of a permalink with some values changed."""
        base: dict[str, object] = {
            "q": self.q,
            "log": self.log,
            "site": self.site,
            "range": self.range,
            "from": self.frm,
            "to": self.to,
            "limit": "" if self.limit == LIMITS[0] else self.limit,
            "cols": ",".join(self.columns),
        }
        return {**base, **changes}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsPart(Page):
    """What stands below the form."""

    template: ClassVar[str] = "_results.html"
    form: Form
    wish: Wish | None
    shown: Shown | None
    columns: tuple[str, ...]
    numeric: frozenset[str]
    """Columns whose values stand right-aligned."""
    table: list[list[Cell]]
    bars: list[chart.Bar]
    spans: list[chart.Span]
    error: str
    place: tuple[str, str, str]
    """The wrong question, cut: before, at and after the wrong place; empty when not known."""
    permalink: str
    csv_link: str
    more_link: str
    csv_rows: int = CSV_ROWS

    @override
    def helpers(self) -> Mapping[str, Callable[..., Any]]:
        """Return the links that cells and bars carry."""
        return {"narrowed": self.narrowed, "zoomed": self.zoomed}

    def narrowed(self, term: str) -> str:
        """Return the link that adds a term to the question."""
        return link("/search", self.form.values(q=with_term(self.form.q, term)))

    def zoomed(self, bucket: Bucket) -> str:
        """Return the link that asks within one bar of the histogram."""
        return link("/search", _within(self.form, bucket.start_us, bucket.end_us))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage(ResultsPart):
    """The whole page."""

    template: ClassVar[str] = "search.html"
    logs: tuple[str, ...]
    sites: tuple[Site, ...]
    ranges: tuple[str, ...]
    limits: tuple[int, ...]
    all_columns: tuple[str, ...]
    usual: tuple[str, ...]


@router.get("/search")
async def search(request: Request, visitor: Searcher, room: TheRoom) -> Response:
    """Show the form; with a question, its answer."""
    form = _form(request, room)
    part = await _answer(room, visitor, form, asked="q" in request.query_params)
    status = 422 if part.error else 200
    if not wants_whole(request):
        response = page(request, visitor, part, status=status)
        response.headers["HX-Push-Url"] = link("/search", form.values())
        return response
    asking = room.deps.asking
    whole = SearchPage(
        **{f.name: getattr(part, f.name) for f in fields(part)},
        logs=tuple(LOGS),
        sites=room.deps.settings.sites,
        ranges=RANGES,
        limits=LIMITS,
        all_columns=asking.columns(form.log),
        usual=asking.usual_columns(form.log),
    )
    return page(request, visitor, whole, status=status)


@router.get("/search.csv")
async def search_csv(request: Request, visitor: Searcher, room: TheRoom) -> Response:
    """Download every match. The link carries absolute times: it is the question that was run."""
    form = _form(request, room)
    wish = replace(_wish(form, room), limit=CSV_ROWS)
    stream = await room.workers.run(lambda: _started(room, visitor, wish))
    name = f"prathu-{form.log}-{times.rfc3339(wish.start_us)[:16].replace(':', '')}.csv"
    return StreamingResponse(
        iterate_in_threadpool(stream),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _started(room: Room, visitor: Visitor, wish: Wish) -> Iterator[bytes]:
    """Ask, and read the first block: what is wrong shows before the answer's status is sent."""
    stream = room.deps.asking.csv(wish, asker_of(visitor))
    first = next(stream, b"")

    def whole() -> Iterator[bytes]:
        yield first
        yield from stream

    return whole()


def asker_of(visitor: Visitor) -> Asker:
    """Return the visitor as the audit log names them."""
    return Asker(
        actor=str(visitor.member.id) if visitor.member else "nobody", address=visitor.address
    )


def _form(request: Request, room: Room) -> Form:
    given: Mapping[str, str] = request.query_params
    log = given.get("log", "flows")
    log = log if log in LOGS else "flows"
    columns = _columns(request, room, log)
    limit = given.get("limit", "")
    site = given.get("site", "")
    frm, to = given.get("from", "").strip(), given.get("to", "").strip()
    return Form(
        q=given.get("q", "").strip(),
        log=log,
        site=site if site in {s.id for s in room.deps.settings.sites} else "",
        range="" if frm or to else (r if (r := given.get("range", "")) in RANGES else "1h"),
        frm=frm,
        to=to,
        limit=int(limit) if limit.isdecimal() and int(limit) in LIMITS else LIMITS[0],
        columns=columns,
    )


def _columns(request: Request, room: Room, log: str) -> tuple[str, ...]:
    """Return the columns wished for, in the order of a link; empty for the usual ones."""
    usual, known = room.deps.asking.usual_columns(log), room.deps.asking.columns(log)
    ticked = set(request.query_params.getlist("col"))
    linked = request.query_params.get("cols", "").split(",")
    wanted = [c for c in (*usual, *known) if c in ticked] or linked
    columns = tuple(dict.fromkeys(c for c in wanted if c in known))
    return () if columns == usual else columns


def _wish(form: Form, room: Room) -> Wish:
    """Freeze the form's times.

    Raises:
        WrongUse: a time that cannot be read.
    """
    now_us = room.deps.clock() // 1000
    end_us = times.parse(form.to, now_us).end_us if form.to else now_us
    start = form.frm or f"-{form.range or '1h'}"
    return Wish(
        text=form.q or "*",
        log=form.log,
        site=form.site,
        start_us=times.parse(start, now_us).us,
        end_us=end_us,
        limit=form.limit,
        columns=form.columns,
    )


async def _answer(room: Room, visitor: Visitor, form: Form, *, asked: bool) -> ResultsPart:
    if not asked:
        return _part(form, visitor, None, None)
    try:
        wish = _wish(form, room)
        shown = await room.workers.run(lambda: room.deps.asking.search(wish, asker_of(visitor)))
    except BoxError as error:
        return _part(form, visitor, None, None, error=str(error))
    if form.log == "audit":
        # The log has opaque ids; who looks after the box reads names.
        people = await run_in_threadpool(room.deps.staff.people, "")
        return _part(form, visitor, wish, shown, names={str(p.id): p.account for p in people})
    return _part(form, visitor, wish, shown)


def _part(
    form: Form,
    visitor: Visitor,
    wish: Wish | None,
    shown: Shown | None,
    *,
    error: str = "",
    names: Mapping[str, str] = MappingProxyType({}),
) -> ResultsPart:
    columns = (form.columns or shown.columns) if shown else ()
    rows = shown.rows if shown else []
    frozen = _within(form, wish.start_us, wish.end_us) if wish else {}
    bigger = next((n for n in LIMITS if n > form.limit), 0)
    return ResultsPart(
        form=form,
        wish=wish,
        shown=shown,
        columns=columns,
        numeric=frozenset(filter(is_number, columns)),
        table=[
            [_named(cell(c, row.get(c), visitor.texts), names) for c in columns] for row in rows
        ],
        bars=chart.bars(shown.buckets) if shown else [],
        spans=chart.spans(shown.gaps, wish.start_us, wish.end_us) if shown and wish else [],
        error=error,
        place=_place(form.q, error),
        permalink=link("/search", frozen),
        csv_link=link("/search.csv", frozen),
        more_link=link("/search", {**frozen, "limit": bigger}) if bigger else "",
    )


def _named(plain: Cell, names: Mapping[str, str]) -> Cell:
    """Return the cell with a name in place of an id; a click still asks for the id."""
    return replace(plain, text=names[plain.text]) if plain.text in names else plain


def _within(form: Form, start_us: int, end_us: int) -> dict[str, object]:
    """Return the form's values with the period written out to the microsecond."""
    # A time lasts as long as what is written of it; of the last microsecond, exactly one.
    moments = times.rfc3339(start_us), times.rfc3339(end_us - 1)
    return form.values(**{"range": "", "from": moments[0], "to": moments[1]})


def _place(question: str, error: str) -> tuple[str, str, str]:
    found = _PLACE.search(error)
    if not found:
        return "", "", ""
    at = min(int(found[1]) - 1, len(question))
    return question[:at], question[at : at + 1] or " ", question[at + 1 :]
