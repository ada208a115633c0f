"""Who held an address when, from the rows of the log `sessions` alone.

The rows are told to the same timeline that attributes flows, so that `who` and the rows cannot
follow different rules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from appliance.search import times
from collector.attribute.session import OPEN_US
from collector.attribute.timeline import Timeline
from collector.records import Binding, SessionEvent

SessionRow = Mapping[str, Any]
"""A row of `sessions` with its times as µs: `time_us`, `start_us`, `expires_us`."""
Span = tuple[int, int | None]
"""From when until when, µs; None: still on."""

_SHOWN = ("account", "full_name", "mac", "nas", "nas_port", "ssid", "proofing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A session held the address during [start_us, end_us); an end of None is still to come."""

    site: str
    session: str
    person: str
    method: str
    start_us: int
    end_us: int | None
    account: str = ""
    full_name: str = ""
    mac: str = ""
    nas: str = ""
    nas_port: str = ""
    ssid: str = ""
    proofing: str = ""
    late: bool = False
    """Learnt after the flows of that time were sealed."""

    def covers(self, at_us: int) -> bool:
        """Return whether the address was held at an instant."""
        return self.start_us <= at_us and (self.end_us is None or at_us < self.end_us)


def timeline_of(rows: Sequence[SessionRow]) -> Timeline:
    """Return the timeline that the rows tell."""
    timeline = Timeline()
    for row in rows:
        timeline.add(_event(row), 0)
    return timeline


def held(
    rows: Sequence[SessionRow], timeline: Timeline, address: str, late: frozenset[str]
) -> list[Held]:
    """Return when each session held `address`.

    Args:
        rows: Of any sessions.
        timeline: What they tell.
        address: In canonical text.
        late: Sessions that were learnt after sealing.
    """
    told = _told(rows)
    return [
        Held(
            site=binding.site,
            session=binding.session,
            person=binding.person,
            method=binding.method,
            start_us=binding.start_us,
            end_us=_end(binding),
            late=binding.session in late,
            **told[binding.site, binding.session],
        )
        for site in sorted({row["site"] for row in rows})
        for binding in timeline.bindings(site, address, -OPEN_US, OPEN_US)
    ]


def spans(rows: Sequence[SessionRow], timeline: Timeline) -> dict[str, Span]:
    """Return from when until when each session held any address."""
    found: dict[str, Span] = {}
    for site in {row["site"] for row in rows}:
        for address in timeline.addresses(site):
            for binding in timeline.bindings(site, address.as_py(), -OPEN_US, OPEN_US):
                end = _end(binding)
                start, last = found.get(binding.session, (binding.start_us, end))
                last = None if last is None or end is None else max(last, end)
                found[binding.session] = (min(start, binding.start_us), last)
    return found


def _end(binding: Binding) -> int | None:
    return None if binding.end_us >= OPEN_US else binding.end_us


def _told(rows: Sequence[SessionRow]) -> dict[tuple[str, str], dict[str, str]]:
    """Return what was told last of each session, for showing."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in sorted(rows, key=lambda row: row["time_us"]):
        of_session = found.setdefault((row["site"], row["session"]), {})
        of_session.update({name: row[name] for name in _SHOWN if row[name]})
    return found


def _event(row: SessionRow) -> SessionEvent:
    def moment(name: str) -> Any:  # noqa: ANN401  # a time or None
        return None if row[name] is None else times.aware(row[name])

    return SessionEvent(
        event_id=UUID(int=0),
        session=UUID(row["session"]),
        event=row["event"],
        time=times.aware(row["time_us"]),
        site=row["site"],
        method=row["method"] or "",
        person=UUID(row["person"]) if row["person"] else None,
        start=moment("start_us"),
        expires=moment("expires_us"),
        addresses=_addresses(row),
    )


def _addresses(row: SessionRow) -> tuple[str, ...]:
    """Return all addresses that a row tells, the first of which is also `ip`."""
    listed = json.loads(row["addresses"] or "[]")
    return tuple(dict.fromkeys([*([row["ip"]] if row["ip"] else []), *listed]))
