"""DHCP servers: dnsmasq, ISC dhcpd and Kea; who asked for an address, and who got which."""

from __future__ import annotations

import re

from collector.decode.syslog.header import Header
from collector.decode.syslog.reading import Format, Reading, matched

_IP = r"(?P<src_ip>[\da-fA-F.:]{2,45})"
_MAC = r"(?P<mac>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})"
_DNSMASQ = re.compile(
    r"(?:\d{1,10} )?(?P<action>DHCP[A-Z]{3,12}|RTR-ADVERT|SLAAC-CONFIRM)"
    r"\((?P<interface>[^)]{1,64})\)"
    rf"(?: (?!(?:[0-9a-fA-F]{{2}}:){{5}}){_IP})?(?: {_MAC})?(?: (?P<host>\S{{1,255}}))?"
)
_ISC = re.compile(
    rf"(?P<action>DHCP[A-Z]{{3,12}})(?: (?:on|for|of) {_IP})?(?: \([\d.]{{7,15}}\))?"
    rf"(?: (?:to|from) {_MAC})?(?: \((?P<host>[^)]{{1,255}})\))?(?: via (?P<interface>\S{{1,64}}))?"
)
_KEA = re.compile(
    r"(?:[A-Z]{4,5} +\[[^\]]{1,100}\] )?(?P<action>DHCP[46]_[A-Z0-9_]{2,60}) "
    rf"(?:\[hwtype=\d{{1,3}} {_MAC}\])?(?P<more>.{{0,1000}})",
    re.DOTALL,
)
_LEASE = re.compile(r"lease (?:for address )?([\da-fA-F.:]{2,45})")


def _read(header: Header) -> Reading | None:
    text = header.message
    for pattern in (_DNSMASQ, _ISC):
        if (found := pattern.match(text)) is not None:
            return matched(found, event_type="dhcp-lease")
    found = _KEA.match(text)
    if found is None:
        return None
    reading = matched(found, event_type="dhcp-lease")
    lease = _LEASE.search(found["more"])
    rest = {key: value for key, value in reading.rest.items() if key != "more"}
    return Reading({**reading.columns, "src_ip": lease[1] if lease else ""}, rest)


FORMAT = Format(
    name="dhcp_servers",
    read=_read,
    programs=("dnsmasq-dhcp", "dnsmasq", "dhcpd", "kea-dhcp4", "kea-dhcp6"),
    marks=("DHCPACK", "DHCPREQUEST", "DHCPOFFER", "DHCPDISCOVER", "DHCPRELEASE"),
)
