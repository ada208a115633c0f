"""UniFi gateways and controllers: firewall lines with `DESCR=`, and CEF."""

from __future__ import annotations

import re

from collector.decode.syslog.formats import cef, iptables
from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading

_NAMES = {
    "UNIFIclientMac": "mac",
    "UNIFIclientIp": "src_ip",
    "UNIFIadmin": "account",
    "UNIFIwifiUser": "account",
    "UNIFIduration": "duration",
    **cef.NAMES,
}
_JOINS = ("Connected", "Roamed")


def _read(header: Header) -> Reading | None:
    if "DESCR=" in header.message or "SRC=" in header.message:
        return iptables.read(header)
    found = cef.parts(header.message)
    if found is None or found.head[0] != "Ubiquiti":
        return None
    reading = cef.reading(found, _NAMES)
    name = found.head[4]
    user = found.pairs.get("UNIFIwifiUser", "")
    if not user or "Client" not in name:
        return reading
    sign_in = (
        "stop" if "Disconnected" in name else "start" if any(w in name for w in _JOINS) else ""
    )
    return reading._replace(sign_in=sign_in)


FORMAT = Format(
    name="unifi",
    read=_read,
    marks=("Ubiquiti|", "DESCR="),
    begins=re.compile(rf"(?:CEF: ?)?[01]\|Ubiquiti\||{iptables.BEGINS.pattern}"),
)
