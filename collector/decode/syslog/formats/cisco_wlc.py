"""Cisco wireless controllers: AireOS and Catalyst 9800, lines that name a station."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_CODE = re.compile(
    r"%?((?:APF|DOT1X|AAA|LWAPP|CAPWAP|CLIENT_ORCH_LOG|CLIENT_EXCLUSION_SERVER|WEBAUTH|PEM)"
    r"-\d-[A-Z0-9_]{2,60})"
)
_BEGINS = re.compile(
    r"(?:[\w.-]{1,64}: )?(?:\*\w{1,64}: )?(?:[A-Z][a-z]{2} [ \d]\d [\d:.]{8,20}: )?" + _CODE.pattern
)
_MAC = r"[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}|[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}"
_JOINED = re.compile(
    r"Username entry \((?P<account>[^()]{0,200})\) joined with ssid \((?P<ssid>[^()]{0,64})\) "
    rf"for device with MAC: ?(?P<mac>{_MAC})(?: on channel \((?P<channel>\d{{1,4}})\))?"
)
_ENTRY = re.compile(
    r"Username entry \((?P<account>[^()]{0,200})\) (?:is |was )?(?P<action>created|deleted) "
    rf"(?:for|in) (?:the )?mobile:? ?\(?(?P<mac>{_MAC})"
)
_CLIENT = re.compile(
    rf"(?i:client|mobile|station|supplicant|MAC)(?: MAC| address|:)* ?\(?(?P<mac>{_MAC})\)?"
    r"(?:.{0,200}?(?:user|username) ?[:=(]? ?(?P<account>[^\s,()]{1,200}))?"
)


def _read(header: Header) -> Reading | None:
    text = header.message
    found = _CODE.match(header.msg_id or "") or _CODE.search(text[:300])
    if found is None:
        return None
    code = found[1]
    columns = {"event_type": code}
    if (line := _JOINED.search(text)) is not None:
        return matched(line, **columns, action="joined")._replace(sign_in="start")
    if (line := _ENTRY.search(text)) is not None:
        sign_in = "start" if line["action"] == "created" else "stop"
        return matched(line, **columns)._replace(sign_in=sign_in)
    if (line := _CLIENT.search(text)) is not None:
        failed = "FAIL" in code or "EXCLUD" in code
        return matched(line, **columns)._replace(sign_in="reject" if failed else "")
    return Reading(columns, {})


FORMAT = Format(
    name="cisco_wlc",
    read=_read,
    marks=(
        "APF-",
        "DOT1X-",
        "CLIENT_ORCH_LOG-",
        "Username entry (",
        "LWAPP-",
        "CAPWAP-",
        "CLIENT_EXCLUSION_SERVER-",
    ),
    begins=_BEGINS,
)
