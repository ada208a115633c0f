"""The search form: what was sent, the links that say the same, and the period that it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from appliance.search import times
from appliance.web.asking import Wish
from appliance.web.visitor import Room
from collector.store.schema import LOGS

RANGES = ("15m", "1h", "6h", "24h", "7d", "30d", "90d")
LIMITS = (100, 500, 2000)


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
    """Empty: the usual ones."""
    offered: tuple[str, ...]
    """All columns of the log."""
    usual: tuple[str, ...]
    scaled: bool
    """Multiply sampled counters."""
    of_other_log: bool
    """The browser offers the columns of another log than it asks."""

    def values(self, **changes: object) -> dict[str, object]:
        """Return the query of a permalink with some values changed."""
        base: dict[str, object] = {
            # Without a question a link would show the form alone.
            "q": self.q or "*",
            "log": self.log,
            "site": self.site,
            "range": self.range,
            "from": self.frm,
            "to": self.to,
            "limit": "" if self.limit == LIMITS[0] else self.limit,
            "cols": ",".join(self.columns),
            "scaled": "1" if self.scaled else "",
        }
        return {**base, **changes}


def read(request: Request, room: Room) -> Form:
    """Return the form in a request; what is not known is left out."""
    given: Mapping[str, str] = request.query_params
    log = given.get("log", "flows")
    log = log if log in LOGS else "flows"
    known, usual = room.deps.asking.columns(log), room.deps.asking.usual_columns(log)
    # What was ticked for one log says nothing about another.
    other = given.get("of", log) != log
    ticked = set() if other else set(request.query_params.getlist("col"))
    wanted = [c for c in (*usual, *known) if c in ticked] or given.get("cols", "").split(",")
    columns = tuple(dict.fromkeys(c for c in wanted if c in known))
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
        limit=next((one for one in LIMITS if str(one) == limit), LIMITS[0]),
        columns=() if columns == usual else columns,
        offered=known,
        usual=usual,
        scaled=given.get("scaled", "") == "1",
        of_other_log=other,
    )


def wish_of(form: Form, room: Room) -> Wish:
    """Freeze the form's times.

    Raises:
        WrongUse: a time that cannot be read.
    """
    now_us = room.deps.clock() // 1000
    end_us = times.parse(form.to, now_us).end_us if form.to else now_us
    length_us = times.duration_us(form.range or RANGES[1])
    start_us = times.parse(form.frm, now_us).us if form.frm else end_us - length_us
    return Wish(
        text=form.q or "*",
        log=form.log,
        site=form.site,
        start_us=max(0, start_us),
        end_us=end_us,
        limit=form.limit,
        columns=form.columns,
        scaled=form.scaled,
    )


def within(form: Form, start_us: int, end_us: int) -> dict[str, object]:
    """Return the form's values with the period written out to the microsecond."""
    # A time lasts as long as what is written of it; of the last microsecond, exactly one.
    moments = times.rfc3339(start_us), times.rfc3339(end_us - 1)
    return form.values(**{"range": "", "from": moments[0], "to": moments[1]})
