"""The flows that were of an address: counted by person, and the few nearest to an instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from appliance.search import times, who_ends
from appliance.search.duck import Runner
from appliance.search.newest import rows_at
from appliance.search.who_answer import Group
from collector.records import Binding
from collector.store import named_sql

MAX_HITS = 2000
"""Up to so many flows are taken into memory."""
MAX_ROWS = 20
"""So many flows are shown."""

_SQL = named_sql.load("appliance.search", "who.sql")
_COLUMNS = (
    "filename", "file_row_number", "time", "time_end", "site", "source", "clock", "src_ip",
    "src_port", "dst_ip", "dst_port", "protocol", "packets", "bytes", "src_mac", "dst_mac",
    "nat_src_ip", "nat_src_port", "nat_dst_ip", "nat_dst_port", "app", "host", "person", "session",
    "method", "via", "certainty", "peer_person", "peer_session", "peer_method", "peer_via",
    "candidates",
)  # fmt: skip
"""What is read of a flow."""
_OF_THE_END = (
    "side", "plain_ip", "nat_ip", "translated", "running", "behind_peer", "doubt", "who",
    "their_session", "how", "late",
)  # fmt: skip
"""What a flow shown has beside the columns of its row: how it was read from the asked end."""
_PLACE = frozenset(("filename", "file_row_number"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where flows that may be of an address were found."""

    files: Sequence[str]
    near: pa.Table
    """Where they lie, and their sessions; of too many the first ones."""

    @property
    def few(self) -> bool:
        """Whether these are all, and can be taken into memory."""
        return self.near.num_rows <= MAX_HITS

    @property
    def sessions(self) -> set[str]:
        """Those that they name, at either end; of too many, none."""
        if not self.few:
            return set()
        both = (pc.unique(self.near[end]) for end in ("session", "peer_session"))
        return {session for column in both for session in column.to_pylist() if session}


def find(run: Runner, files: Sequence[str], values: Mapping[str, object]) -> Found | None:
    """Return where the flows lie that may be of the asked address, None where there are none."""
    if not files:
        return None
    values = {**values, "files": list(files)}
    other = {"address": values["other"], "port": values["other_port"], "key": None}
    ends = other if values["by_other"] else {}
    near = run.table(f"{_SQL['near']} LIMIT {MAX_HITS + 1}", {**values, **ends})
    return Found(files=list(files), near=near) if near.num_rows else None


def counted(
    run: Runner, found: Found | None, values: Mapping[str, object], at_us: int
) -> tuple[list[Group], list[dict[str, Any]]]:
    """Return the flows counted by person, and a few of them.

    The few that a port has are read by where they lie, and counted in memory. A whole school behind
    one address is counted in its files.
    """
    if found is None:
        return [], []
    if found.few:
        return _counted_here(rows_at(run, found.near, _COLUMNS), values, at_us)
    flows = _SQL["flows"]
    if "late_sites" in values:
        flows = _SQL["learnt"].replace("{flows}", flows)
    values = {**values, "files": found.files}
    groups = run.table(_SQL["groups"].replace("{flows}", flows), values).to_pylist()
    if not groups:
        return [], []
    nearest = _nearest([{**g, **flow} for g in groups for flow in g["nearest"]], at_us)
    rows = rows_at(run, pa.Table.from_pylist(nearest), _COLUMNS)
    return [Group.of(group) for group in groups], _told(nearest, rows)


def _counted_here(
    rows: pa.Table, values: Mapping[str, object], at_us: int
) -> tuple[list[Group], list[dict[str, Any]]]:
    ends = who_ends.ends(rows.to_pylist(), values)
    groups = [Group.of(group) for group in who_ends.groups(ends)]
    return groups, [_known(end) for end in _nearest(ends, at_us)]


def _nearest(ends: list[dict[str, Any]], at_us: int) -> list[dict[str, Any]]:
    """Return the ends of the flows nearest to an instant."""
    at = times.aware(at_us)
    return sorted(ends, key=lambda f: (not f["running"], abs(f["time"] - at), f["time"]))[:MAX_ROWS]


def _told(nearest: Sequence[Mapping[str, Any]], rows: pa.Table) -> list[dict[str, Any]]:
    """Return the flows that lie at some places."""
    at_place = {(r["filename"], r["file_row_number"]): r for r in rows.to_pylist()}
    return [
        _known(
            at_place[flow["filename"], flow["file_row_number"]] | {n: flow[n] for n in _OF_THE_END}
        )
        for flow in nearest
    ]


def _known(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flow without where it lies, and without what is not known of it."""
    return {k: v for k, v in flow.items() if v is not None and k not in _PLACE}


def learnt(late: Sequence[Binding]) -> dict[str, object]:
    """Return sessions learnt after sealing as values of a statement, none where there are none."""
    if not late:
        return {}
    return {
        "late_sites": [b.site for b in late],
        "late_addresses": [b.address for b in late],
        "late_starts": [b.start_us for b in late],
        "late_ends": [b.end_us for b in late],
        "late_persons": [b.person for b in late],
        "late_sessions": [b.session for b in late],
        "late_methods": [b.method for b in late],
    }
