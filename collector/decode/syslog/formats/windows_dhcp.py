"""The audit log of Windows' DHCP server, as forwarders send it: `10,01/25/26,09:59:58,Assign,…`."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading

_LINE = re.compile(
    r"(?P<id>\d{2,5}),(?:\d{1,2}/\d{1,2}/\d{2,4}),(?:\d{1,2}:\d\d:\d\d),(?P<text>[^,]{1,100}),"
    r"(?P<ip>[\da-fA-F.:]{0,45}),(?P<host>[^,]{0,255}),(?P<mac>[0-9A-Fa-f-]{0,64}),?"
    r"(?P<account>[^,]{0,200}),?(?P<more>.{0,2000})",
    re.DOTALL,
)
_ACTIONS = {
    "10": "assign",
    "11": "renew",
    "12": "release",
    "13": "conflict",
    "14": "scope full",
    "15": "deny",
    "16": "delete",
    "17": "expire",
    "18": "expire",
    "20": "assign BOOTP",
}


def _read(header: Header) -> Reading | None:
    begin = re.search(r"(?<!\d)\d{2,5},\d{1,2}/", header.message[:200])
    found = _LINE.match(header.message, begin.start()) if begin else None
    if found is None:
        return None
    columns = {
        "event_type": "dhcp-lease",
        "action": _ACTIONS.get(found["id"], found["text"]),
        "src_ip": found["ip"],
        "mac": found["mac"],
        "account": found["account"],
    }
    rest = {"id": found["id"], "text": found["text"], "host": found["host"]}
    return Reading(columns, {key: value for key, value in rest.items() if value})


FORMAT = Format(
    name="windows_dhcp",
    read=_read,
    programs=("dhcpsvc", "dhcpsrvlog", "msdhcp", "dhcp"),
    marks=(",Assign,", ",Renew,", ",Release,", ",Deleted,", ",Expired,", ",DNS Update"),
)
