"""FreeRADIUS: `Login OK: [user/…] (from client ap-1 port 5 cli 02-00-00-00-00-01)`.

What `msg_goodpass` appends is read where it is written as `Name = value`, so that an address that
was handed out (`Framed-IP-Address`) can be told.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_LOGIN = re.compile(
    r"(?:\(\d{1,10}\) +)?(?:Auth: +)?(?:\(\d{1,10}\) +)?(?:Login|Invalid user|Multiple logins)"
    r"(?: (?P<action>OK|incorrect))?"
    r"(?: \((?P<reason>[^\[\]]{1,400}?)\))?: \[(?P<account>[^\]/]{0,253})(?:/[^\]]{0,253})?\] "
    r"\(from client (?P<client>\S{1,128}) port (?P<port>\d{1,10})"
    r"(?: cli (?P<cli>[^\s)]{1,64}))?(?: via (?P<via>[^)]{1,64}))?\)(?P<more>.{0,1000})",
    re.DOTALL,
)
_MORE = re.compile(r"(?<![\w-])([A-Z][\w-]{2,64}+) ?=? ?\"?([\w.:@-]{1,200})\"?")


def _read(header: Header) -> Reading | None:
    found = _LOGIN.match(header.message)
    if found is None:
        return None
    reading = matched(found, event_type="login")
    more = dict(_MORE.findall(found["more"]))
    rest = {k: v for k, v in {**reading.rest, **more}.items() if k not in ("more", "cli")}
    columns = reading.columns
    columns["action"] = found["action"] or "rejected"
    columns["mac"] = found["cli"] or more.get("Calling-Station-Id", "")
    columns["src_ip"] = rest.pop("Framed-IP-Address", "") or rest.pop("Framed-IPv6-Address", "")
    return Reading(columns, rest, sign_in="start" if found["action"] == "OK" else "reject")


FORMAT = Format(
    name="freeradius",
    read=_read,
    programs=("radiusd", "freeradius"),
    marks=("Login OK: [", "Login incorrect", "(from client "),
)
