"""Ruckus: SmartZone (`@@202,clientJoin,"apMac"="…",…`), ZoneDirector, access points."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched, split

_ZONE = re.compile(r"@@(\d{1,5}),(\w{1,64}),")
_QUOTED = re.compile(r'"(\w{1,64})"="([^"]{0,2000}+)"')
_PAIR = re.compile(r"(?<![\w])(\w{1,40}+)=([^;\s]{0,500}+)")
_NAMES = {
    "clientMac": "mac",
    "clientIP": "src_ip",
    "clientIp": "src_ip",
    "userName": "account",
    "sta_mac": "mac",
    "sta_ip": "src_ip",
    "sta_name": "account",
    "user": "account",
    "operation": "action",
}
_DIRECTOR = re.compile(
    r"(?:User|STA|Guest)\[(?:(?P<account>[^\]@]{1,200})@)?(?P<mac>[0-9a-f:]{17})\] "
    r"(?P<action>joins|leaves|disconnects from|fails to join|roams|re-joins)[^\[\]]{0,40}"
    r"(?:WLAN\[(?P<ssid>[^\]]{1,64})\])?(?:[^\[\]]{0,20}AP\[(?P<ap>[^\]]{1,100})\])?"
)
_SIGN_INS = {
    "clientJoin": "start",
    "clientAuthorization": "start",
    "clientInfoUpdate": "update",
    "clientLeft": "stop",
    "clientDisconnect": "stop",
    "clientInactivityTimeout": "stop",
    "clientJoinFailure": "reject",
    "clientAuthFailure": "reject",
    "joins": "start",
    "re-joins": "start",
    "leaves": "stop",
    "disconnects from": "stop",
    "fails to join": "reject",
}


def _read(header: Header) -> Reading | None:
    text = header.message
    if (found := _ZONE.search(text[:200])) is not None:
        columns, rest, *_ = split(_QUOTED.findall(text), _NAMES)
        columns["event_type"] = found[2]
        return Reading(columns, {"code": found[1], **rest}, sign_in=_SIGN_INS.get(found[2], ""))
    if (found := _DIRECTOR.search(text)) is not None:
        reading = matched(found, event_type="station")
        return reading._replace(sign_in=_SIGN_INS.get(found["action"], ""))
    if "sta_mac=" in text:
        columns, rest, *_ = split(_PAIR.findall(text), _NAMES)
        columns["event_type"] = "station"
        held = columns.get("action") in ("add", "update")
        return Reading(columns, rest, sign_in="update" if held else "")
    return None


FORMAT = Format(
    name="ruckus",
    read=_read,
    marks=("@@", "sta_mac=", "User[", "STA[", "Guest["),
    begins=re.compile(
        r"(?:\w{1,32}: )?@@\d|(?:eventd(?:\[\d{1,10}\])?: |syslog: eventd_to_syslog\(\): ?)?"
        r"(?:User|STA|Guest)\[|stamgr(?:\[\d{1,10}\])?: "
    ),
)
