"""Aruba controllers and Instant: `<522008> <4130> <NOTI> <host address> User … MAC=…`."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading

_HEAD = re.compile(
    r"(?:<(?P<first>\d{1,6})> )?(?:<(?P<second>\d{1,6})> )?<(?P<level>[A-Z]{4,5})> +"
    r"(?:(?:<|\|AP )(?P<ap>[^<>|]{1,120})(?:>|\|) +)?"
)
_TEXTS = {
    "account": re.compile(r"\b(?:username|user name|user)[=:-] ?([^\s,=]{1,200})", re.IGNORECASE),
    "mac": re.compile(
        r"\b(?:MAC|mac|client|station|STA|sta)[=: -]{1,2}([0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})"
    ),
    "src_ip": re.compile(r"\b(?:IP|ip)[=:-] ?([\da-fA-F.:]{7,45})"),
}
_BARE_MAC = re.compile(r"[ {(]([0-9a-f]{2}(?::[0-9a-f]{2}){5})\b")
_REST = re.compile(
    r"\b(role|VLAN|AP|SSID|profile|method|server|reason|auth|BSSID)[=] ?([^\s,]{1,100})"
)
_SIGN_INS = (
    ("User Authentication Successful", "start", "authenticated"),
    ("User authenticated", "start", "authenticated"),
    ("Station Up", "", "associated"),
    ("Assoc success", "", "associated"),
    ("Auth success", "", "authenticated"),
    ("User entry deleted", "stop", "deleted"),
    ("User de-authenticated", "stop", "deauthenticated"),
    ("User Authentication failed", "reject", "failed"),
    ("Authentication failed", "reject", "failed"),
    ("Disassoc", "", "disassociated"),
    ("Deauth", "", "deauthenticated"),
    ("User entry added", "", "added"),
)


def _read(header: Header) -> Reading | None:
    text = header.message
    head = _HEAD.match(text)
    if head is None:
        return None
    columns = {"event_type": head["first"] or head["level"]}
    rest = {"level": head["level"], "ap": head["ap"] or ""}
    text = text[head.end() :]
    sign_in = ""
    for words, verdict, action in _SIGN_INS:
        if words in text:
            sign_in, columns["action"] = verdict, action
            break
    for column, pattern in _TEXTS.items():
        if (found := pattern.search(text)) is not None:
            columns[column] = found[1]
    if "mac" not in columns and (found := _BARE_MAC.search(text[:200])) is not None:
        columns["mac"] = found[1]
    rest |= dict(_REST.findall(text[:2000]))
    return Reading(columns, {key: value for key, value in rest.items() if value}, sign_in=sign_in)


FORMAT = Format(
    name="aruba",
    read=_read,
    programs=("authmgr", "stm", "wms", "sapd", "mobileip", "cli"),
    marks=("<NOTI>", "<INFO>", "<WARN>", "<ERRS>", "<DBUG>", "<CRIT>"),
)
