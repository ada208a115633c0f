"""The asked end of a few flows, and these counted by person, in memory.

The same as the statements `flows`, `learnt` and `groups` of who.sql, which count a whole school
where it lies: to plan those takes DuckDB half as long as to read the few flows that a port has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.search import times

Row = Mapping[str, Any]
End = dict[str, Any]
"""A flow, and how it reads from the asked end."""

_OF_GROUP = (
    "site", "side", "translated", "who", "their_session", "how", "doubt", "late", "behind_peer",
)  # fmt: skip
"""What all flows of a group have in common."""
_OF_LATE = ("sites", "addresses", "starts", "ends", "persons", "sessions", "methods")
_VIA_SOURCE = frozenset(("src_ip", "nat_src_ip", "src_block"))
_FAR = {"src": "dst", "dst": "src"}


def ends(flows: Sequence[Row], values: Row) -> list[End]:
    """Return the asked ends of flows that ran in the window.

    Args:
        flows: As they were read, with the columns that the statement reads.
        values: Those of the statement's place holders.
    """
    return [
        named
        for flow in flows
        if _is_meant(flow, values)
        for side in ("src", "dst")
        for end in _asked_end(flow, side, values)
        for named in _named_late(end, values)
    ]


def groups(found: Sequence[End]) -> list[dict[str, Any]]:
    """Return ends counted by person, as the statement returns them but for `nearest`."""
    by_person = dict[tuple[Any, ...], list[End]]()
    for end in found:
        by_person.setdefault(tuple(end[name] for name in _OF_GROUP), []).append(end)
    counted = [_counted(group) for group in by_person.values()]
    counted.sort(key=lambda g: (-g["running"], -g["flows"], g["who"] is None, g["who"] or ""))
    return counted


def _counted(group: Sequence[End]) -> dict[str, Any]:
    insides = [end["plain_ip"] for end in group if end["plain_ip"] is not None]
    return {
        **{name: group[0][name] for name in _OF_GROUP},
        "inside_ip": min(insides, default=None),
        "flows": len(group),
        "running": sum(end["running"] for end in group),
        "first_us": times.microseconds(min(end["time"] for end in group)),
        "last_us": times.microseconds(max(_last(end) for end in group)),
        "odd_clocks": sum(end["clock"] not in (None, "ok") for end in group),
    }


def _is_meant(flow: Row, values: Row) -> bool:
    runs = flow["time"] < values["until"] and _last(flow) >= values["from"]
    return bool(runs and values["proto"] in (None, flow["protocol"]))


def _asked_end(flow: Row, side: str, values: Row) -> Iterator[End]:
    """Give one end of a flow, if it is the asked one and the other is not another than asked."""
    far = _FAR[side]
    address, port = values["address"], values["port"]
    plain = flow[f"{side}_ip"] == address and port in (None, flow[f"{side}_port"])
    nat = flow[f"nat_{side}_ip"] == address and port in (None, flow[f"nat_{side}_port"])
    if not (plain or nat or values["by_other"]):
        return
    if values["other"] not in (None, flow[f"{far}_ip"], flow[f"nat_{far}_ip"]):
        return
    if values["other_port"] not in (None, flow[f"{far}_port"], flow[f"nat_{far}_port"]):
        return
    peers = _is_peers(flow, side)
    peer = "peer_" if peers else ""
    yield {
        **flow,
        "side": side,
        "translated": not plain,
        "running": flow["time"] <= values["at"] <= _last(flow),
        "plain_ip": flow[f"{side}_ip"],
        "nat_ip": flow[f"nat_{side}_ip"],
        "behind_peer": peers and flow["person"] is not None,
        "who": flow[f"{peer}person"],
        "their_session": flow[f"{peer}session"],
        "how": flow[f"{peer}method"],
        "doubt": flow["candidates"],
        "late": False,
    }


def _is_peers(flow: Row, side: str) -> bool:
    """Tell whether the row's peer stands at an end, and its own person at the other."""
    if flow["via"] is not None:
        return (side == "src") != (flow["via"] in _VIA_SOURCE)
    if flow["peer_via"] is not None:
        return (side == "src") == (flow["peer_via"] in _VIA_SOURCE)
    return False


def _named_late(end: End, values: Row) -> Iterator[End]:
    """Give an end under each name that was learnt for it after sealing, as it is where none was."""
    found = _learnt(end, values) if end["who"] is None and "late_sites" in values else []
    for person, session, method in found:
        yield {
            **end,
            "who": person,
            "their_session": session if end["their_session"] is None else end["their_session"],
            "how": method if end["how"] is None else end["how"],
            "late": True,
        }
    if not found:
        yield end


def _learnt(end: End, values: Row) -> list[tuple[str, str, str]]:
    """Return person, session and method of those who held an end's address then."""
    at = times.microseconds(end["time"])
    here = end["plain_ip"], end["nat_ip"]
    late = zip(*(values[f"late_{name}"] for name in _OF_LATE), strict=True)
    return [
        (person, session, method)
        for site, address, start_us, end_us, person, session, method in late
        if site == end["site"] and address in here and start_us <= at < end_us
    ]


def _last(flow: Row) -> Any:  # noqa: ANN401  # a datetime
    return flow["time"] if flow["time_end"] is None else flow["time_end"]
