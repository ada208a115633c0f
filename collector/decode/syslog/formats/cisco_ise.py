"""Cisco ISE: `CISE_Passed_Authentications 0000012345 1 0 … 5200 NOTICE …: …, Name=value, …`.

A long message comes in several lines; the first one has the verdict and, as a rule, user and
device. What a MAC alone let in is nobody's sign-in, nor is that of an administrator of a device.
"""

from __future__ import annotations

import re

from collector.decode.syslog import columns as column_texts
from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, split

_HEAD = re.compile(
    r"(?P<category>CISE_\w{3,60}) (?P<message>\d{1,12}) (?P<parts>\d{1,3}) (?P<part>\d{1,3}) "
)
_FIRST = re.compile(
    r"[\d-]{10} [\d:.]{8,16} [+-]\d\d:\d\d \d{1,12} (?P<code>\d{3,6}) [A-Z]{3,10} +"
    r"(?P<class>[\w -]{2,60}): (?P<text>[^,]{0,200})"
)
_PAIR = re.compile(r"(?:\A|, ?)([A-Za-z][\w .()/-]{0,60}+)=((?:[^,\\]|\\.){0,1000}+)", re.DOTALL)
_NAMES = {
    "UserName": "account",
    "Calling-Station-ID": "mac",
    "Framed-IP-Address": "src_ip",
    "Framed-IPv6-Address": "src_ip",
    "Acct-Session-Time": "duration",
    "Acct-Input-Octets": "bytes",
    "Acct-Output-Octets": "bytes_reverse",
    "Acct-Input-Packets": "packets",
    "Acct-Output-Packets": "packets_reverse",
    "User-Name": "account",
}
_VERDICTS = {"CISE_Passed_Authentications": "start", "CISE_Failed_Attempts": "reject"}
_ACCOUNTING = {"Start": "start", "Stop": "stop", "Interim-Update": "update"}


def _read(header: Header) -> Reading | None:
    text = header.message
    if (header.app_name or "").startswith("CISE_"):
        text = f"{header.app_name} {text}"
    head = _HEAD.match(text)
    if head is None:
        return None
    text = text[head.end() :]
    first = _FIRST.match(text)
    pairs = _PAIR.findall(text[first.end() :] if first else text)
    # The inner identity, where both are told, is the one that was proven.
    pairs.sort(key=lambda pair: pair[0] != "UserName")
    columns, rest, *_ = split(pairs, _NAMES)
    columns["event_type"] = head["category"]
    rest = {**rest, "message": head["message"], "part": head["part"]}
    if first is None:
        return Reading(columns, rest)
    columns["action"] = first["text"].strip()
    sign_in = _VERDICTS.get(head["category"], "")
    if head["category"] == "CISE_RADIUS_Accounting":
        sign_in = _ACCOUNTING.get(rest.get("Acct-Status-Type", ""), "")
    device = column_texts.mac(columns.get("account", "")) is not None
    if device or rest.get("Protocol", "Radius") != "Radius":
        sign_in = ""
    return Reading(columns, {"code": first["code"], **rest}, sign_in=sign_in)


FORMAT = Format(name="cisco_ise", read=_read, marks=("CISE_",), begins=re.compile("CISE_"))
