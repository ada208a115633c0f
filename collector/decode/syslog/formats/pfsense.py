"""pfSense and OPNsense: sign-ins to their pages and to their captive portal."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_PAGES = re.compile(
    r"(?:/[\w./-]{1,100}: )?(?:Web GUI|webConfigurator) authentication error for "
    r"(?:user )?'(?P<account>[^']{0,200})' from:? (?P<src_ip>\S{1,45})"
)
_PAGES_OK = re.compile(
    r"(?:/[\w./-]{1,100}: )?Successful login (?:on Web GUI )?for user '(?P<account>[^']{0,200})' "
    r"from:? (?P<src_ip>[\da-fA-F.:]{2,45})"
)
_PORTAL = re.compile(
    r"(?:Zone: (?P<zone>[\w.-]{1,64}) - )?(?P<act>[A-Z][A-Z ]{3,40}): (?P<account>[^,]{1,200}), "
    r"(?P<mac>[0-9a-fA-F:]{0,17}), (?P<src_ip>[\da-fA-F.:]{2,45})"
)
_OPN_PORTAL = re.compile(
    r"(?P<act>AUTH|DENY|DISCONNECT|LOGOUT) (?P<account>\S{1,200}) "
    r"\((?P<src_ip>[\da-fA-F.:]{2,45})\) zone (?P<zone>\S{1,64})"
)
_ACTS = {
    "ACCEPT": "start",
    "LOGIN": "start",
    "USER LOGIN": "start",
    "VOUCHER LOGIN GOOD": "start",
    "AUTH": "start",
    "LOGOUT": "stop",
    "DISCONNECT": "stop",
    "TIMEOUT": "stop",
    "IDLE TIMEOUT": "stop",
    "SESSION TIMEOUT": "stop",
    "FAILURE": "reject",
    "DENY": "reject",
}


def _read(header: Header) -> Reading | None:
    text = header.message
    if (found := _PAGES.match(text)) is not None:
        return matched(found, event_type="admin-login", action="failed")
    if (found := _PAGES_OK.match(text)) is not None:
        return matched(found, event_type="admin-login", action="accepted")
    found = _PORTAL.match(text) or _OPN_PORTAL.match(text)
    if found is None:
        return None
    reading = matched(found, event_type="portal", action=found["act"].lower())
    rest = {name: value for name, value in reading.rest.items() if name != "act"}
    return reading._replace(rest=rest, sign_in=_ACTS.get(found["act"], ""))


FORMAT = Format(
    name="pfsense",
    read=_read,
    programs=("php-fpm", "audit", "logportalauth", "captiveportal", "php"),
)
