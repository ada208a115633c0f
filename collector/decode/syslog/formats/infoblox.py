"""Infoblox NIOS: who administers it, and which client asked its name server.

Its DHCP is ISC's (see `dhcp_servers`), its threat messages are CEF. The name that a client asked
for gets no column and no field here: names are kept only with a written reason (`[names]`), and
the line itself is whole.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_ADMIN = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z \[(?P<account>[^\]]{1,100})\]: "
    r"(?P<action>Login_Allowed|Login_Denied|Logout|Called|Created|Modified|Deleted)"
    r"(?: - - |\b)(?P<more>.{0,2000})",
    re.DOTALL,
)
_PAIR = re.compile(r"(?<![\w.])(ip|to|auth|group|apparently_via|trigger_event|error)=(\S{1,200})")
_QUERY = re.compile(
    r"(?:\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d\.\d{3} )?client (?:@0x[\da-f]{1,16} )?"
    r"(?P<src_ip>[\da-fA-F.:]{2,45})#(?P<src_port>\d{1,5})(?: \(\S{1,255}\))?: "
    r"(?:(?P<transport>UDP|TCP): )?query: \S{1,255} (?P<class>IN|CH|HS) "
    r"(?P<type>[A-Z][A-Z\d]{0,14})"
    r"(?: response: (?P<response>[A-Z]{2,16}))?"
)


def _read(header: Header) -> Reading | None:
    if (found := _QUERY.match(header.message)) is not None:
        return matched(found, event_type="dns-query", dst_port="53")
    found = _ADMIN.match(header.message)
    if found is None:
        return None
    told = {key: value.replace(r"\040", " ") for key, value in _PAIR.findall(found["more"])}
    account = found["account"].removeprefix(r"USER\040").replace(r"\040", " ")
    columns = {"event_type": "admin", "action": found["action"], "account": account}
    return Reading({**columns, "src_ip": told.pop("ip", "")}, told)


FORMAT = Format(
    name="infoblox",
    read=_read,
    marks=(
        "]: Login_",
        "]: Logout",
        "]: Called",
        "]: Created",
        "]: Modified",
        "]: Deleted",
        "query: ",
    ),
    begins=re.compile(r"(?:named(?:\[\d{1,10}\])?|-?serial_console|httpd): "),
)
