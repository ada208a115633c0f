"""The API under `/api/v1/`: the same questions and the same rights as the pages, as JSON.

A browser's seat counts here too; a program on this machine sends the token in `run/api.token`.
"""

from __future__ import annotations

import hmac
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from appliance.search import times
from appliance.search.engine_local import Asker
from appliance.web import box_status, source_list
from appliance.web.asking import Gap, WhoWish, Wish
from appliance.web.deps import May
from appliance.web.visitor import Forbidden, NotSignedIn, TheRoom, find, room_of
from collector.decode.sources.told import ALL
from collector.store.schema import LOGS

router = APIRouter(prefix="/api/v1")

PROGRAM = "local:api-token"
MOST_ROWS = 100_000


class GapOut(BaseModel):
    """What the box did not see."""

    start: datetime
    end: datetime
    source: str
    kind: str
    lost: int | None
    unit: str
    note: str


class SearchOut(BaseModel):
    """The answer to a question."""

    question: str
    sentence_th: str
    sentence_en: str
    start: datetime
    end: datetime
    notes: list[str]
    columns: list[str]
    rows: list[dict[str, Any]]
    total: int | None
    """All matches; null when they were not counted."""
    more: bool
    scaled_rows: int | None
    """Of how many of these rows the counters are multiplied; null without `scaled`."""
    took_ms: float
    coverage: list[GapOut]


async def caller(request: Request) -> Asker:
    """Return who asks: a seat with the right to search, or a local program with the token.

    Raises:
        NotSignedIn: neither.
        Forbidden: a seat without the right.
    """
    word, _, token = request.headers.get("authorization", "").partition(" ")
    right = room_of(request).deps.api_token
    address = request.client.host if request.client else ""
    if word.lower() == "bearer":
        if not right or not hmac.compare_digest(token.encode(), right.encode()):
            raise NotSignedIn
        return Asker(actor=PROGRAM, address=address)
    visitor = await find(request)
    if visitor.member is None:
        raise NotSignedIn
    if not visitor.may(May.SEARCH):
        raise Forbidden
    return Asker(actor=str(visitor.member.id), address=address)


Caller = Annotated[Asker, Depends(caller)]


@router.get("/search")
async def search(  # noqa: PLR0913  # one argument per parameter of the query
    room: TheRoom,
    asker: Caller,
    q: str = "*",
    log: Annotated[str, Query(description=f"One of: {', '.join(LOGS)}.")] = "flows",
    site: Annotated[str, Query(description="A site's id; empty for all.")] = "",
    start: Annotated[str, Query(alias="from", description="A time, or `-2h`.")] = "-1h",
    to: str = "now",
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    histogram: Annotated[bool, Query(description="Count all matches, too.")] = False,
    scaled: Annotated[
        bool, Query(description="Multiply counters of sampled flows by their rate: estimates.")
    ] = False,
) -> SearchOut:
    """Ask a question in the question language. Each is written to the audit log first."""
    now_us = room.deps.clock() // 1000
    wish = Wish(
        text=q.strip() or "*",
        log=log,
        site=site,
        start_us=times.parse(start, now_us).us,
        end_us=times.parse(to, now_us).end_us,
        limit=limit,
        count=histogram,
        scaled=scaled,
    )
    shown = await room.workers.run(lambda: room.deps.asking.search(wish, asker))
    return SearchOut(
        question=wish.text,
        sentence_th=shown.thai,
        sentence_en=shown.english,
        start=times.aware(wish.start_us),
        end=times.aware(wish.end_us),
        notes=list(shown.notes),
        columns=list(shown.columns),
        rows=[{name: _json(value) for name, value in row.items()} for row in shown.rows],
        total=shown.total,
        more=shown.more,
        scaled_rows=shown.scaled,
        took_ms=shown.took_ms,
        coverage=_gaps(shown.gaps),
    )


@router.get("/who")
async def who(  # noqa: PLR0913  # one argument per parameter of the query
    room: TheRoom,
    asker: Caller,
    address: Annotated[str, Query(description="ADDRESS or ADDRESS:PORT.")],
    at: str = "",
    dst: str = "",
    within: str = "",
    site: str = "",
    proto: str = "",
) -> dict[str, Any]:
    """Say which person was behind an address at a time, and how sure that is."""
    wish = WhoWish(address=address, at=at, target=dst, within=within, site=site, protocol=proto)
    shown = await room.workers.run(lambda: room.deps.asking.who(wish, asker))
    return {**asdict(shown), "verdict": shown.verdict}


@router.get("/status")
async def status(room: TheRoom, _: Caller) -> dict[str, Any]:
    """Say how the box is."""
    now = await run_in_threadpool(box_status.read, room.deps, room.meter)
    return {**now.plain(), "refused_forms": dict(room.refused)}


@router.get("/sources")
async def sources(room: TheRoom, _: Caller) -> dict[str, Any]:
    """Say who sends to the box, and what it could not see; times are µs since the epoch."""
    deps = room.deps
    found = await run_in_threadpool(
        source_list.read,
        deps.home,
        deps.control,
        now_us=deps.clock() // 1000,
        whole=ALL,
    )
    return found.plain()


def _json(value: object) -> object:
    """Return a value that JSON has: a raw line that is no UTF-8 is bytes, shown in hex."""
    return value.hex() if isinstance(value, bytes) else value


def _gaps(gaps: tuple[Gap, ...]) -> list[GapOut]:
    return [
        GapOut(
            start=times.aware(gap.start_us),
            end=times.aware(gap.end_us),
            source=gap.source,
            kind=gap.kind,
            lost=gap.lost,
            unit=gap.unit,
            note=gap.note,
        )
        for gap in gaps
    ]
