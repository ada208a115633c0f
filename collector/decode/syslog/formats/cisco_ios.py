"""Cisco IOS, IOS-XE and NX-OS: `%FACILITY-severity-MNEMONIC: text`.

Every such message has its mnemonic as the kind; those about packets, translations and sign-ins
are taken apart further.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_CODE = re.compile(r"%(?P<code>[A-Z][A-Z0-9_]{1,40}(?:-[A-Z0-9_]{1,40}){0,3}-\d-[A-Z0-9_]{2,60})")
_BEGINS = re.compile(
    r"(?:[\w.-]{1,64}: ){0,3}(?:[*.]?[A-Z][a-z]{2} [ \d]\d [\d :.]{5,30}(?:[A-Z]{2,5})?: )?%[A-Z]"
)
"""Name, numbers and time, each with a colon, where they are not part of the header."""
_IP = r"[\da-fA-F.:]{2,45}"
_MAC = r"[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}|[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}"
_LINES = (
    re.compile(
        r"list (?P<acl>\S{1,200}) (?P<action>permitted|denied) (?P<protocol>\w{1,10}) "
        rf"(?P<src_ip>{_IP})(?:\((?P<src_port>\d{{1,5}})\))? (?:\([^()]{{1,100}}\) )?-> "
        rf"(?P<dst_ip>{_IP})(?:\((?P<dst_port>\d{{1,5}})\))?(?: \((?P<detail>[\d/]{{1,11}})\))?, "
        r"(?P<packets>\d{1,10}) packets?"
    ),
    re.compile(
        rf"list (?P<acl>\S{{1,200}}) (?P<action>permitted|denied) (?P<src_ip>{_IP}) "
        r"(?P<packets>\d{1,10}) packets?"
    ),
    re.compile(
        r"(?:Created Translation |Deleted Translation )?(?P<protocol>(?i:tcp|udp|icmp|gre)) "
        r"(?P<src_ip>[\d.]{7,15}):(?P<src_port>\d{1,5}) "
        r"(?P<nat_src_ip>[\d.]{7,15}):(?P<nat_src_port>\d{1,5}) "
        r"(?P<dst_ip>[\d.]{7,15}):(?P<dst_port>\d{1,5}) "
        r"(?P<nat_dst_ip>[\d.]{7,15}):(?P<nat_dst_port>\d{1,5})"
    ),
    re.compile(
        rf"Login (?P<action>Success|failed) \[user: (?P<account>[^\]]{{0,200}})\] "
        rf"\[Source: (?P<src_ip>{_IP})\]"
    ),
    re.compile(
        r"(?:[\w/: .-]{0,80}: )?(?P<action>(?:Authentication|Authorization)[\w ]{0,40}) "
        rf"for client \((?P<mac>{_MAC})\)(?: with reason \([^()]{{1,100}}\))?"
        r"(?: on Interface (?P<interface>\S{1,64}))?"
    ),
    re.compile(
        r"Configured from (?P<action>\S{1,40}) by (?P<account>\S{1,100})(?: on \S{1,20})?"
        rf"(?: \((?P<src_ip>{_IP})\))?"
    ),
    re.compile(r"User: ?(?P<account>\S{1,100}) +(?P<action>logged command):(?P<command>.{1,500})"),
)
_PASSED = ("permitted",)


def _read(header: Header) -> Reading | None:
    text = header.message
    found = _CODE.match(header.msg_id or "")
    if found is None:
        found = _CODE.search(text[:300])
        if found is None:
            return None
        text = text[found.end() :].lstrip(" :")
    columns = {"event_type": found["code"]}
    for pattern in _LINES:
        if (line := pattern.match(text)) is not None:
            reading = matched(line)
            return Reading(
                {**reading.columns, **columns}, reading.rest, _flow(reading, found["code"])
            )
    return Reading(columns, {})


def _flow(reading: Reading, code: str) -> str:
    if "NAT-" in code and "nat_src_ip" in reading.columns:
        return "start" if "DELETE" not in code else ""
    passed = reading.columns.get("action") in _PASSED
    return "start" if passed and "dst_ip" in reading.columns else ""


FORMAT = Format(name="cisco_ios", read=_read, marks=("%",), begins=_BEGINS)
