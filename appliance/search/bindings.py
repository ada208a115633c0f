"""Who held an address when, from the rows of the log `sessions` alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

SessionRow = Mapping[str, Any]
"""A row of `sessions` with its times as µs: `time_us`, `start_us`, `expires_us`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A session held the address during [start_us, end_us); an end of None is still to come."""

    site: str
    session: str
    person: str | None
    account: str
    full_name: str
    method: str
    mac: str
    nas: str
    start_us: int
    end_us: int | None
    ended_by: str
    """`stop`, `expires`, `address` (it moved to another one) or empty."""
    late: bool = False
    """Learnt after the flows of that time were sealed."""

    def covers(self, at_us: int) -> bool:
        """Return whether the address was held at an instant."""
        return self.start_us <= at_us and (self.end_us is None or at_us < self.end_us)


def held(rows: Iterable[SessionRow], address: str, late: frozenset[str]) -> list[Held]:
    """Return when each session held `address`.

    Args:
        rows: Of any sessions, in order of time.
        address: In canonical text.
        late: Sessions that were learnt after sealing.
    """
    by_session = sorted(rows, key=lambda row: (row["site"], row["session"], row["time_us"]))
    found: list[Held] = []
    for (_, session), events in groupby(by_session, key=lambda r: (r["site"], r["session"])):
        found += _of_session(list(events), address, session in late)
    return found


def spans(rows: Iterable[SessionRow]) -> dict[str, tuple[int, int | None]]:
    """Return from when until when each session lasted, whatever its addresses; None: still on."""
    found: dict[str, tuple[int, int | None]] = {}
    for row in sorted(rows, key=lambda row: (row["session"], row["time_us"])):
        begin = row["start_us"] if row["start_us"] is not None else row["time_us"]
        start, end = found.get(row["session"], (begin, None))
        if row["event"] == "stop":
            end = row["time_us"]
        elif row["expires_us"] is not None:
            end = row["expires_us"]
        found[row["session"]] = (min(start, begin), end)
    return found


def _of_session(events: list[SessionRow], address: str, late: bool) -> list[Held]:
    """A session may come by an address and lose it again; every event tells all it has."""
    found: list[Held] = []
    begin: int | None = None
    told_any = False
    for event in events:
        if event["event"] == "reject":
            continue
        has = address in addresses_of(event)
        if has and begin is None:
            # The first address told was held from the start: a NAS often learns it afterwards.
            from_start = not told_any and event["start_us"] is not None
            begin = event["start_us"] if from_start else event["time_us"]
        told_any = told_any or bool(addresses_of(event))
        moved = not has and addresses_of(event)
        if begin is not None and (event["event"] == "stop" or moved):
            why = "stop" if event["event"] == "stop" else "address"
            found.append(_held(events, begin, event["time_us"], why, late))
            begin = None
    if begin is not None:
        ends = [e["expires_us"] for e in events if e["expires_us"] is not None]
        found.append(_held(events, begin, ends[-1] if ends else None, "expires" * bool(ends), late))
    return found


def addresses_of(event: SessionRow) -> tuple[str, ...]:
    """Return all addresses that a row of `sessions` tells."""
    try:
        listed = json.loads(event["addresses"] or "[]")
    except (ValueError, RecursionError):
        listed = []
    more = [a for a in listed if isinstance(a, str)] if isinstance(listed, list) else []
    return tuple(dict.fromkeys([*([event["ip"]] if event["ip"] else []), *more]))


def _held(
    events: list[SessionRow], start_us: int, end_us: int | None, ended_by: str, late: bool
) -> Held:
    def told(name: str) -> Any:  # noqa: ANN401  # values of any column
        return next((event[name] for event in reversed(events) if event[name]), None)

    return Held(
        site=events[0]["site"],
        session=events[0]["session"],
        person=told("person"),
        account=told("account") or "",
        full_name=told("full_name") or "",
        method=told("method") or "",
        mac=told("mac") or "",
        nas=told("nas") or "",
        start_us=start_us,
        end_us=end_us,
        ended_by=ended_by,
        late=late,
    )
