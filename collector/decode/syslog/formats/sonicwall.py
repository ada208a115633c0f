"""SonicWall: `id=firewall sn=… c=1024 m=537 msg="Connection Closed" src=address:port:zone …`."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, pairs, split

_END = re.compile(r"([\d.]{7,15}|\[?[\da-fA-F:]{2,45}\]?)(?::(\d{1,5}))?(?::(\w{0,32}))?")
_ENDS = {"src": "src", "dst": "dst", "natSrc": "nat_src", "natDst": "nat_dst"}
_NAMES = {
    "id": "",
    "time": "",
    "msg": "event_type",
    "usr": "account",
    "user": "account",
    "srcMac": "mac",
    "sent": "bytes",
    "rcvd": "bytes_reverse",
    "spkt": "packets",
    "rpkt": "packets_reverse",
    "fw_action": "action",
}
_OPENED, _CLOSED = ("98",), ("537",)
"""Numbers (`m=`) of «Connection Opened» and «Connection Closed»."""


def _read(header: Header) -> Reading | None:
    told = pairs(header.message)
    kinds = dict(told)
    if "sn" not in kinds or "m" not in kinds or "c" not in kinds:
        return None
    plain = [pair for pair in told if pair[0] not in (*_ENDS, "proto", "cdur")]
    columns, rest, *_ = split(plain, _NAMES)
    rest = dict(rest)
    for key, side in _ENDS.items():
        end = _END.match(kinds.get(key, ""))
        if end is not None:
            columns |= {f"{side}_ip": end[1], f"{side}_port": end[2] or ""}
            rest |= {f"{side}_if": end[3]} if end[3] else {}
    columns["protocol"], _, service = kinds.get("proto", "").partition("/")
    rest |= {"service": service} if service else {}
    if (lasted := kinds.get("cdur", "")).isdecimal() and len(lasted) < 16:
        columns["duration"] = f"{int(lasted) // 1000}.{int(lasted) % 1000:03}"
    number = kinds["m"]
    flow = "start" if number in _OPENED else "end" if number in _CLOSED else ""
    return Reading(columns, rest, flow)


FORMAT = Format(
    name="sonicwall", read=_read, marks=(" sn=",), begins=re.compile(r"id=[\w-]{1,64} sn=")
)
