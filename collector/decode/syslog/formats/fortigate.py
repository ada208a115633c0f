"""FortiGate: `date=… time=… type="traffic" subtype="forward" srcip=…`."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, pairs, split

NAMES = {
    "date": "",
    "time": "",
    "eventtime": "",
    "tz": "",
    "devname": "",
    "type": "",
    "subtype": "",
    "action": "action",
    "user": "account",
    "srcip": "src_ip",
    "srcport": "src_port",
    "dstip": "dst_ip",
    "dstport": "dst_port",
    "proto": "protocol",
    "saddr": "src_ip",
    "nat": "nat_src_ip",
    "transip": "nat_src_ip",
    "transport": "nat_src_port",
    "tranip": "nat_dst_ip",
    "tranport": "nat_dst_port",
    "srcmac": "mac",
    "mac": "mac",
    "ip": "src_ip",
    "remip": "src_ip",
    "sentbyte": "bytes",
    "rcvdbyte": "bytes_reverse",
    "sentpkt": "packets",
    "rcvdpkt": "packets_reverse",
    "duration": "duration",
}
BLOCKED = frozenset(("deny", "denied", "block", "blocked", "violation", "drop", "dropped"))
_SIGN_INS = {
    "auth-logon": "start",
    "FSSO-logon": "start",
    "tunnel-up": "start",
    "auth-logout": "stop",
    "FSSO-logoff": "stop",
    "tunnel-down": "stop",
    "auth-timeout": "stop",
    "ssl-login-fail": "reject",
    "auth-failure": "reject",
}
SIGNING = frozenset(("authentication", *_SIGN_INS))
"""Actions of lines that tell of a sign-in."""


def _read(header: Header) -> Reading | None:
    found = pairs(header.message)
    told = dict(found)
    kind, action = told.get("type"), told.get("action", "")
    if kind is None or "logid" not in told:
        return None
    columns, *_ = split(found, NAMES)
    columns["event_type"] = f"{kind}/{told.get('subtype', '')}"
    flow = sign_in = ""
    if kind == "traffic" and action not in BLOCKED:
        flow = "start" if action == "start" else "end"
    elif kind == "event":
        sign_in = _sign_in(told, action)
    return Reading(
        columns,
        {},
        flow,
        sign_in=sign_in,
        app=told.get("app", ""),
        holds=told.get("tunnelip", ""),
    )


def _sign_in(told: dict[str, str], action: str) -> str:
    if action == "authentication" and told.get("subtype") == "user":
        return "start" if told.get("status") in ("success", "logon") else "reject"
    return _SIGN_INS.get(action, "")


FORMAT = Format(
    name="fortigate", read=_read, marks=("logid=",), begins=re.compile("date="), named=True
)
