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
from appliance.search import event_names, times
from appliance.search.engine_local import Asker
from appliance.web import chart, faults, search_form
from appliance.web.asking import Bucket, Shown, Wish
from appliance.web.cells import Cell, cell, is_number, with_term
from appliance.web.render import Page, link, page, wants_whole
from appliance.web.search_form import LIMITS, RANGES, Form, wish_of, within
from appliance.web.visitor import Room, Searcher, TheRoom, Visitor
from collector.settings import Site
from collector.store.schema import LOGS

router = APIRouter(include_in_schema=False)

CSV_ROWS = 100_000
_PLACE = re.compile(r"at character (\d+)")


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
    swap_columns: bool = False
    """The columns to choose from are those of another log than the browser has."""
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
        return link("/search", within(self.form, bucket.start_us, bucket.end_us))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage(ResultsPart):
    """The whole page."""

    template: ClassVar[str] = "search.html"
    logs: tuple[str, ...]
    sites: tuple[Site, ...]
    ranges: tuple[str, ...]
    limits: tuple[int, ...]


@router.get("/search")
async def search(request: Request, visitor: Searcher, room: TheRoom) -> Response:
    """Show the form; with a question, its answer."""
    form = search_form.read(request, room)
    part = await _answer(room, visitor, form, asked="q" in request.query_params)
    status = 422 if part.error else 200
    if not wants_whole(request):
        part = replace(part, swap_columns=form.of_other_log)
        response = page(request, visitor, part, status=status)
        response.headers["HX-Push-Url"] = link("/search", form.values())
        return response
    whole = SearchPage(
        **{f.name: getattr(part, f.name) for f in fields(part)},
        logs=tuple(LOGS),
        sites=room.deps.settings.sites,
        ranges=RANGES,
        limits=LIMITS,
    )
    return page(request, visitor, whole, status=status)


@router.get("/search.csv")
async def search_csv(request: Request, visitor: Searcher, room: TheRoom) -> Response:
    """Download every match. The link carries absolute times: it is the question that was run."""
    form = search_form.read(request, room)
    wish = replace(wish_of(form, room), limit=CSV_ROWS)
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


async def _answer(room: Room, visitor: Visitor, form: Form, *, asked: bool) -> ResultsPart:
    if not asked:
        return _part(form, visitor, None, None)
    try:
        wish = wish_of(form, room)
        shown = await room.workers.run(lambda: room.deps.asking.search(wish, asker_of(visitor)))
    except BoxError as error:
        return _part(form, visitor, None, None, error=error)
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
    error: BoxError | None = None,
    names: Mapping[str, str] = MappingProxyType({}),
) -> ResultsPart:
    rows = shown.rows if shown else []
    columns = (form.columns or event_names.shown(shown.columns, rows)) if shown else ()
    frozen = within(form, wish.start_us, wish.end_us) if wish else {}
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
        error=faults.told(str(error), visitor.texts) if error else "",
        place=_place(form.q, str(error or "")),
        permalink=link("/search", frozen),
        csv_link=link("/search.csv", frozen),
        more_link=link("/search", {**frozen, "limit": bigger}) if bigger else "",
    )


def _named(plain: Cell, names: Mapping[str, str]) -> Cell:
    """Return the cell with a name in place of an id; a click still asks for the id."""
    return replace(plain, text=names[plain.text]) if plain.text in names else plain


def _place(question: str, error: str) -> tuple[str, str, str]:
    found = _PLACE.search(error)
    if not found:
        return "", "", ""
    at = min(int(found[1]) - 1, len(question))
    return question[:at], question[at : at + 1] or " ", question[at + 1 :]
