"""Palo Alto: fields between commas by position; later versions append, so more are tolerated."""

from __future__ import annotations

import csv
import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import NOTHING, Format, Reading

_TYPE, _SUBTYPE = 3, 4
_SESSION = {
    7: "src_ip",
    8: "dst_ip",
    9: "nat_src_ip",
    10: "nat_dst_ip",
    11: "rule",
    12: "account",
    13: "dst_user",
    14: "app",
    16: "from_zone",
    17: "to_zone",
    18: "in",
    19: "out",
    22: "connection",
    23: "repeat",
    24: "src_port",
    25: "dst_port",
    26: "nat_src_port",
    27: "nat_dst_port",
    29: "protocol",
    30: "action",
}
_NAMES: dict[str, dict[int, str]] = {
    "TRAFFIC": {
        **_SESSION,
        32: "bytes",
        33: "bytes_reverse",
        36: "duration",
        37: "category",
        44: "packets",
        45: "packets_reverse",
        46: "end_reason",
    },
    "THREAT": {
        **_SESSION,
        31: "url",
        32: "threat",
        33: "category",
        34: "level",
        35: "direction",
    },
    "USERID": {
        7: "vsys",
        8: "src_ip",
        9: "account",
        10: "server",
        11: "event",
        13: "timeout_s",
        14: "begin_port",
        15: "end_port",
        16: "data_source",
        17: "data_source_type",
    },
    "GLOBALPROTECT": {
        8: "event",
        9: "stage",
        10: "auth_method",
        11: "tunnel",
        12: "account",
        13: "region",
        14: "machine",
        15: "src_ip",
        17: "private_ip",
    },
    "SYSTEM": {8: "event", 9: "object", 12: "module", 13: "level", 14: "text"},
    "CONFIG": {7: "src_ip", 9: "action", 10: "account", 11: "client", 12: "result"},
}
_PASSED = frozenset(("allow", "alert"))
_SIGN_INS = {"login": "start", "logout": "stop"}
_TUNNELS = {"gateway-connected": "start", "gateway-logout": "stop"}
_COLUMNS = frozenset(
    (
        *("src_ip", "dst_ip", "nat_src_ip", "nat_dst_ip", "account", "protocol", "action"),
        *("src_port", "dst_port", "nat_src_port", "nat_dst_port", "bytes", "bytes_reverse"),
        *("packets", "packets_reverse", "duration"),
    )
)


def _read(header: Header) -> Reading | None:
    cells = _cells(header.message)
    if len(cells) < 9 or cells[_TYPE] not in _NAMES:
        return None
    kind, subtype = cells[_TYPE], cells[_SUBTYPE]
    columns = {"event_type": f"{kind}/{subtype}" if subtype else kind}
    rest: dict[str, str] = {}
    for at, name in _NAMES[kind].items():
        if at < len(cells) and cells[at] not in NOTHING:
            (columns if name in _COLUMNS else rest)[name] = cells[at]
    flow = sign_in = ""
    if kind == "TRAFFIC" and columns.get("action") in _PASSED and subtype in ("start", "end"):
        flow = subtype
    if kind == "USERID":
        sign_in = _SIGN_INS.get(subtype, "")
        columns["action"] = subtype
    holds = rest.get("private_ip", "")
    if kind == "GLOBALPROTECT":
        sign_in = _TUNNELS.get(rest.get("event", ""), "")
        holds = holds or "-"  # the source is where the tunnel comes from
    app = rest.get("app", "")
    return Reading(columns, rest, flow, sign_in=sign_in, app=app, holds=holds)


def _cells(text: str) -> list[str]:
    """Return the fields; what is not well quoted is cut at its commas."""
    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return text.split(",")


FORMAT = Format(
    name="paloalto",
    read=_read,
    marks=tuple(f",{kind}," for kind in _NAMES),
    begins=re.compile(r"\d,20\d\d/\d\d/\d\d "),
)
