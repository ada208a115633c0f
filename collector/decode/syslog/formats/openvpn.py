"""OpenVPN server: `name/address:port …`, a client whose tunnel begins, gets its address, or ends.

The name in front is that of the client's certificate, or with `username-as-common-name` of its
account; it stands there once the client has proven it. Before, there is its address alone.
"""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_PEER = (
    r"(?P<src_ip>[\d.]{7,15}|\[?[\da-fA-F]{0,4}(?::[\da-fA-F]{0,4}){2,7}?\]?):(?P<src_port>\d{1,5})"
)
_CLIENT = re.compile(rf"(?:(?P<account>[^\s/\[\]']{{1,64}})/)?{_PEER} ")
_FAMILY = r"(?:\[AF_INET6?\])?"
_LINES = (
    (
        "connected",
        re.compile(
            rf"\[(?P<name>[^\]]{{0,64}})\] Peer Connection Initiated with {_FAMILY}\S{{7,60}}"
        ),
    ),
    ("assigned", re.compile(r"MULTI: primary virtual IP for \S{9,130}: (?P<held>[\d.]{7,15})\Z")),
    (
        "assigned",
        re.compile(r"MULTI: primary virtual IPv6 for \S{9,130}: (?P<held>[\da-f:]{2,39})\Z"),
    ),
    (
        "disconnected",
        re.compile(
            r"SIG(?:TERM|USR1)\[(?P<reason>[^\]]{1,60})\] received, "
            r"client-instance (?:exiting|restarting)"
        ),
    ),
    (
        "rejected",
        re.compile(
            r"TLS Auth Error: (?P<reason>Auth Username/Password verification failed[^\n]{0,80})"
        ),
    ),
    ("rejected", re.compile(r"VERIFY ERROR: (?P<reason>[^\n]{1,300})")),
    ("tls-error", re.compile(r"TLS Error: (?P<reason>[^\n]{1,300})")),
)
_LOGIN = re.compile(
    r"user '(?P<account>[^']{1,100})' (?P<action>authenticated|could not authenticate)"
)
_SIGN_INS = {"assigned": "start", "disconnected": "stop", "rejected": "reject"}


def _read(header: Header) -> Reading | None:
    text = header.message
    client = _CLIENT.match(text)
    if client is None:
        found = _LOGIN.match(text)
        return None if found is None else matched(found, event_type="login")
    told = ((action, pattern.match(text, client.end())) for action, pattern in _LINES)
    action, found = next(((action, found) for action, found in told if found), ("", None))
    if found is None:
        return None
    columns = {**matched(client).columns, "event_type": "tunnel", "action": action}
    rest = {key: value for key, value in found.groupdict().items() if value}
    named = "account" in columns
    held = rest.get("held", "-")
    sign_in = _SIGN_INS.get(action, "") if named or action == "rejected" else ""
    return Reading(columns, rest, sign_in=sign_in, holds="" if action == "rejected" else held)


FORMAT = Format(
    name="openvpn",
    read=_read,
    programs=("openvpn", "ovpn-server", "openvpn-server", "ovpn_server", "openvpn_server"),
)
