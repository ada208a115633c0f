"""What log lines of DHCP servers tell of a lease: one function, a line in, an event or None out.

Known are dnsmasq, ISC dhcpd, Kea, MikroTik (v6 and v7), FortiGate and Windows' audit log. Nothing
is guessed: a line that is not just so tells nothing. What a server says begins where the message
does, and the program is a DHCP server: other programs repeat what strangers typed, as names of
users and of pages, and whoever types a lease there must not lend an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.decode.leases import held
from collector.decode.syslog import reading
from collector.decode.syslog.program import own_words
from collector.records import Frame, LeaseEvent, moment

_HEAD = 400
"""Bytes of a line in which its kind stands."""
LONGEST = 4096
"""Characters of a line that are looked at."""

_WINDOWS_WORDS = (b",Assign,", b",Renew,", b",Release,", b",Expired,")
_MAC = r"(?P<mac>(?:[0-9A-Fa-f]{1,2}[:-]){5}[0-9A-Fa-f]{1,2})"
_IP = r"(?P<ip>[0-9A-Fa-f.:]{2,45})"
_NAME = r"[^\s()]{1,255}"
_TERM_S = 1 << 32


@dataclass(frozen=True, slots=True)
class Told:
    """What a line says."""

    event: str
    ip: str
    mac: str = ""
    hostname: str = ""
    client_id: str = ""
    interface: str = ""
    lease_s: int | None = None


def lease(line: str, *, time: datetime, site: str, source: str) -> LeaseEvent | None:
    """Return what a line tells of a lease.

    Args:
        line: The message; a syslog header and tag in front do no harm.
        time: When it happened, by the sender's clock where that is right.
        site: The sender's site.
        source: The sender, as the log names it.
    """
    told = read(line)
    if told is None:
        return None
    timed = told.lease_s is not None and told.event in ("add", "renew")
    ends = time + timedelta(seconds=told.lease_s or 0) if timed else None
    return LeaseEvent(
        time=time,
        site=site,
        kind="dhcp6" if ":" in told.ip else "dhcp",
        event=told.event,
        ip=told.ip,
        mac=told.mac,
        hostname=told.hostname,
        client_id=told.client_id,
        start=time if timed else None,
        expires=ends,
        server=source,
        interface=told.interface,
        source=source,
    )


def of_frame(frame: Frame) -> LeaseEvent | None:
    """Return what a syslog message as received tells of a lease, at the time it was on the wire."""
    payload = frame.payload
    if not may_tell(payload):
        return None
    text = payload[:LONGEST].decode(errors="replace")
    time = moment(frame.wire_ns // 1000)
    return lease(text, time=time, site=frame.site, source=frame.address)


def may_tell(payload: bytes) -> bool:
    """Whether a line need be read: most are of something else and must cost next to nothing."""
    if of_traffic(payload):
        return False
    return b"DHCP" in payload or b"assigned " in payload or _windows_like(payload)


def of_traffic(payload: bytes) -> bool:
    """Whether a line of a FortiGate is of traffic; its kind stands before all that others say."""
    if payload.find(b">date=", 0, 10) < 0:
        return False
    at = payload.find(b' type="', 0, _HEAD)
    return at > 0 and payload.startswith((b'traffic"', b'utm"'), at + 7)


def _windows_like(payload: bytes) -> bool:
    head = payload[:160]
    return head.count(b",") > 4 and any(word in head for word in _WINDOWS_WORDS)


def read(line: str) -> Told | None:
    """Return what a line says, None when it is not of a lease."""
    program, message = own_words(line[:LONGEST])
    if (program and not _SERVER.search(program)) or _HOTSPOT.search(message):
        return None
    return next(_readings(message), None)


def _readings(message: str) -> Iterator[Told]:
    for hint, pattern, event in _FORMS:
        found = pattern.match(message) if hint in message else None
        told = _told(found.groupdict(""), event) if found else None
        if told is not None:
            yield told
    for hint, reader in (("ssigned ", _mikrotik), ("dhcp_msg=", _fortigate), (",", _windows)):
        told = reader(message) if hint in message else None
        if told is not None:
            yield told


def _told(parts: dict[str, str], event: str) -> Told | None:
    ip = held.address(parts["ip"])
    if ip is None:
        return None
    duid = held.identity(parts.get("duid", ""))
    term = parts.get("term", "")
    return Told(
        event=event,
        ip=ip,
        mac=held.mac(parts.get("mac", "")) or held.mac_in(duid),
        hostname=held.name(parts.get("name", "").rstrip(".")),
        client_id=duid,
        interface=parts.get("interface", "")[:64],
        lease_s=int(term) if term and int(term) < _TERM_S - 1 else None,
    )


_DUID = r"(?P<duid>(?:[0-9A-Fa-f]{2}:){3,127}[0-9A-Fa-f]{2})"
_ON = r"\((?P<interface>[^)]{1,64})\)"
_CALLED = rf"(?: (?P<name>{_NAME}))?"
_VIA = rf"(?: \((?P<name>{_NAME})\))? via (?P<interface>\S{{1,64}})"
_TERM = r"(?: for (?P<term>\d{1,10}) seconds)?"
_INFOBLOX = r"(?:(?: relay \S{1,64})? lease-duration (?P<term>\d{1,10}))?"
_SERVER = re.compile("dhcp|dnsmasq|kea", re.IGNORECASE)
"""In the name of a program that lends addresses."""
_HOTSPOT = re.compile(r" \([\da-fA-F.:]{2,45}\): ")
"""In lines of MikroTik's hotspot, which may begin with what somebody typed as a name."""
_OWN = r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? )?(?:[A-Z]{4,5} +\[[^\]]{1,100}\] )?"
"""What Kea writes in front: the time, where its log goes to a file, level and logger."""
_KEA = rf"\[hwtype=\d{{1,3}} {_MAC}\].{{0,600}}?"
_KEA6 = rf"duid=\[{_DUID}\].{{0,600}}?"
_NUMBER = r"(?:\d{1,10} )?"
"""Of a transaction, with dnsmasq's `log-dhcp`."""
_PATTERNS = (
    # dnsmasq
    ("DHCPACK(", rf"{_NUMBER}DHCPACK{_ON} {_IP} {_MAC}{_CALLED}", "add"),
    ("DHCPRELEASE(", rf"{_NUMBER}DHCPRELEASE{_ON} {_IP} {_MAC}", "release"),
    ("DHCPREPLY(", rf"{_NUMBER}DHCPREPLY{_ON} {_IP} {_DUID}{_CALLED}", "add"),
    # ISC dhcpd, also in Infoblox, which says for how long and when it was over
    ("DHCPACK on ", rf"DHCPACK on {_IP} to {_MAC}{_VIA}{_INFOBLOX}", "add"),
    ("DHCPEXPIRE on ", rf"DHCPEXPIRE on {_IP} to {_MAC}", "expire"),
    ("DHCPRELEASE of ", rf"DHCPRELEASE of {_IP} from {_MAC}{_VIA}", "release"),
    # Kea
    (
        "DHCP4_LEASE_ALLOC",
        rf"{_OWN}DHCP4_LEASE_ALLOC {_KEA}: lease {_IP} has been allocated{_TERM}",
        "add",
    ),
    ("DHCP4_RELEASE ", rf"{_OWN}DHCP4_RELEASE {_KEA}: address {_IP} was released", "release"),
    (
        "DHCP6_LEASE_ALLOC",
        rf"{_OWN}DHCP6_LEASE_ALLOC {_KEA6}: lease for address {_IP} .{{0,80}}?allocated{_TERM}",
        "add",
    ),
)
_FORMS = tuple((hint, re.compile(pattern), event) for hint, pattern, event in _PATTERNS)
"""What a message contains, how it reads then, and what has happened."""

_MIKROTIK = re.compile(
    r"(?:(?P<topics>[a-z0-9!-]{2,20}(?:,[a-z0-9!-]{2,20}){1,6}) )?(?P<interface>\S{1,64}) "
    rf"(?P<what>assigned|deassigned) {_IP} (?:to|for|from) {_MAC}{_CALLED}\s*\Z"
)


def _mikrotik(message: str) -> Told | None:
    """Read `to` until version 6, `for` and the name from version 7 on.

    The topics in front may be missing. Other lines repeat what somebody typed as a name, but they
    have other topics, and go on after it.
    """
    found = _MIKROTIK.match(message)
    if found is None or (found["topics"] and "dhcp" not in found["topics"].split(",")):
        return None
    return _told(found.groupdict(""), "add" if found["what"] == "assigned" else "release")


_FORTIGATE = {"ack": "add", "release": "release"}
_OF_DHCP = re.compile(r"[0-9]{4}0260[0-9]{2}")
"""The numbers of FortiOS messages about its DHCP server."""
ONLY_PAIRS = re.compile(r'(?:[\w.-]{1,64}+=(?:"[^"]*+"|[^\s",]*+)[ ,]*+)++\Z')


def _fortigate(message: str) -> Told | None:
    if not ONLY_PAIRS.match(message):
        return None
    pairs: dict[str, str] = {}
    for name, value in reading.pairs(message):
        pairs.setdefault(name, value)  # the first: what others typed comes later
    event = _FORTIGATE.get(pairs.get("dhcp_msg", "").lower())
    if event is None or not _OF_DHCP.fullmatch(pairs.get("logid", "")):
        return None
    term = pairs.get("lease", "")
    parts = {
        "ip": pairs.get("ip", ""),
        "mac": pairs.get("mac", ""),
        "name": pairs.get("hostname", "")[:255],
    }
    parts["term"] = term if re.fullmatch(r"[0-9]{1,10}", term) else ""
    parts["interface"] = pairs.get("interface", "")
    if parts["name"] == "N/A":
        parts["name"] = ""
    return _told(parts, event)


_WINDOWS = re.compile(
    rf"(?P<id>1[0-8]),[^,]{{6,10}},[^,]{{6,10}},[^,]{{0,40}},{_IP},"
    r"(?P<name>[^,\s]{0,255}),(?P<mac>[0-9A-Fa-f]{12})(?:,|$)"
)
_WINDOWS_EVENTS = {
    "10": "add",
    "11": "renew",
    "12": "release",
    "16": "release",
    "17": "expire",
    "18": "expire",
}


def _windows(message: str) -> Told | None:
    """ID, date, time, description, address, host name, MAC without colons."""
    found = _WINDOWS.match(message)
    event = _WINDOWS_EVENTS.get(found["id"]) if found else None
    return _told(found.groupdict(""), event) if found and event else None
