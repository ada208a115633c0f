"""hostapd, and the access points that run it: stations that come, sign in and go."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_MAC = r"(?P<mac>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})"
_STATION = re.compile(
    rf"(?:(?P<interface>[\w.-]{{1,32}}): )?STA {_MAC} (?P<module>IEEE 802\.11|IEEE"
    rf" 802\.1X|WPA|RADIUS|DRIVER|IAPP|MLME)"
    r": (?P<text>.{1,300})",
    re.DOTALL,
)
_EVENT = re.compile(
    rf"(?:(?P<interface>[\w.-]{{1,32}}): )?(?P<action>AP-STA-CONNECTED|AP-STA-DISCONNECTED|"
    rf"AP-STA-POSSIBLE-PSK-MISMATCH|CTRL-EVENT-EAP-(?:SUCCESS2?|FAILURE2?|STARTED)) {_MAC}"
)
_IDENTITY = re.compile(r"(?:STA )?identity '(?P<account>[^']{1,200})'")
_ACTIONS = (
    "associated",
    "authenticated",
    "deauthenticated",
    "disassociated",
    "did not acknowledge",
    "pairwise key handshake completed",
    "group key handshake completed",
    "starting accounting session",
    "stopped accounting session",
    "authorizing port",
    "unauthorizing port",
)
_SIGN_INS = {
    "IEEE 802.1X authenticated": "start",
    "IEEE 802.11 disassociated": "stop",
    "IEEE 802.11 deauthenticated": "stop",
    "AP-STA-DISCONNECTED": "stop",
}
"""A station says its name before it is asked for a password: the line with the name is a claim."""


def _read(header: Header) -> Reading | None:
    text = header.message
    if (found := _EVENT.match(text)) is not None:
        reading = matched(found, event_type="station")
        return reading._replace(sign_in=_SIGN_INS.get(found["action"], ""))
    found = _STATION.match(text)
    if found is None:
        return None
    reading = matched(found, event_type=found["module"])
    said, columns = found["text"], reading.columns
    rest = {key: value for key, value in reading.rest.items() if key != "module"}
    action = next((word for word in _ACTIONS if said.startswith(word)), None)
    columns["action"] = action or said.partition(" -")[0][:60]
    if (identity := _IDENTITY.search(said)) is not None:
        columns |= {"account": identity["account"], "action": "identity"}
        return Reading(columns, rest, sign_in="claim")
    event = f"{found['module']} {columns['action']}"
    return Reading(columns, rest, sign_in=_SIGN_INS.get(event, ""))


FORMAT = Format(
    name="hostapd", read=_read, programs=("hostapd", "wpa_supplicant"), marks=(" STA ", "AP-STA-")
)
