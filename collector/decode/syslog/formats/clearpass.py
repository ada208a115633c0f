"""Aruba ClearPass: `<name of the export> <number> 1 0 Key=value,Key=value,…`.

The admin names the export and chooses its fields, so only these tell what a message is about:
sessions with `Common.…`, accounting with `RADIUS.Acct-…`, and the system's own with others. A value
may hold commas, and goes on until the next key. A long message comes in parts; only what stands in
one is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, split

_BEGIN = re.compile(
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{1,6} [\w.:-]{1,64} )?"
    r"(?P<export>\w[\w ()/-]{0,63}) (?P<number>\d{1,12}) \d{1,3} \d{1,3} (?=[A-Za-z][\w.-]{1,60}=)"
)
_KEY = re.compile(r"(?:\A|,)([A-Za-z][\w.-]{1,60}+)=")
_NAMES = {
    "Common.Username": "account",
    "RADIUS.Acct-Username": "account",
    "Common.Login-Status": "action",
    "Common.Host-MAC-Address": "mac",
    "RADIUS.Acct-Calling-Station-Id": "mac",
    "mac_address": "mac",
    "RADIUS.Acct-Framed-IP-Address": "src_ip",
    "ip_address": "src_ip",
    "RADIUS.Acct-Session-Time": "duration",
    "RADIUS.Acct-Input-Octets": "bytes",
    "RADIUS.Acct-Output-Octets": "bytes_reverse",
    "RADIUS.Acct-Input-Pkts": "packets",
    "RADIUS.Acct-Output-Pkts": "packets_reverse",
}
_VERDICTS = {"ACCEPT": "start", "REJECT": "reject"}
_OF_MACHINES = re.compile(r"(?:[0-9a-fA-F]{2}[:.-]?){5}[0-9a-fA-F]{2}\Z|host/|.{0,100}\$\Z")
"""Names of accounts that are a MAC, or a computer's."""


def _read(header: Header) -> Reading | None:
    found = _BEGIN.match(header.message)
    if found is None:
        return None
    text = header.message[found.end() :]
    keys = list(_KEY.finditer(text))
    ends = [key.start() for key in keys[1:]] + [len(text)]
    pairs = [
        (key[1], text[key.end() : end].strip(" ,")) for key, end in zip(keys, ends, strict=False)
    ]
    columns, rest, *_ = split(pairs, _NAMES)
    kind = "accounting" if "RADIUS.Acct-Username" in dict(pairs) else "session"
    columns["event_type"] = kind if "account" in columns else found["export"]
    told = {"export": found["export"], "number": found["number"], **rest}
    return Reading(columns, told, sign_in=_sign_in(columns, rest))


def _sign_in(columns: Mapping[str, str], rest: Mapping[str, str]) -> str:
    """Tell what a message says of a person's device: not of an administrator on the box itself."""
    account = columns.get("account", "")
    if not account or "mac" not in columns or _OF_MACHINES.match(account):
        return ""
    if rest.get("Common.Source", "RADIUS") != "RADIUS":
        return ""
    if "action" in columns:
        return _VERDICTS.get(columns["action"].upper(), "")
    if "RADIUS.Acct-Termination-Cause" in rest:
        return "stop"
    return "update" if "src_ip" in columns else ""


FORMAT = Format(
    name="clearpass",
    read=_read,
    marks=("Common.Username=", "Common.Request-", "RADIUS.Acct-", "CPPM_", "Level=", "Source="),
    begins=_BEGIN,
)
