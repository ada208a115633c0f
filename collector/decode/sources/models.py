"""A guess at what a source is, and why: from enterprise numbers, templates and lines.

Each entry is a fact about what such devices send; the first that fits is told, with its reason.
A guess helps to find the right menu. Nothing is decoded by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from collector.decode.layout import Layout


class Guess(NamedTuple):
    """What it may be, and by which sign."""

    name: str
    because: str


NOBODY = Guess("", "")

ENTERPRISES: Mapping[int, str] = {
    9: "Cisco",
    637: "Nokia",
    2011: "Huawei",
    2636: "Juniper",
    5951: "Citrix NetScaler",
    6871: "YAF",
    6876: "VMware",
    10704: "Barracuda",
    12356: "Fortinet FortiGate",
    14823: "Aruba",
    14988: "MikroTik RouterOS",
    25053: "Ruckus",
    25461: "Palo Alto",
    25506: "H3C",
    35632: "ntop nProbe",
    41112: "Ubiquiti",
    41916: "Cisco SD-WAN (Viptela)",
}
"""By private enterprise number, of an element or in an application id."""

PLAIN: tuple[tuple[range, str], ...] = (
    (range(33000, 33003), "Cisco ASA"),
    (range(40000, 40006), "Cisco ASA"),
    (range(56701, 56703), "Palo Alto"),
    (range(57552, 57660), "ntop nProbe"),
)
"""NetFlow v9 has no enterprise numbers: vendors took high element numbers."""

SHAPES: tuple[tuple[tuple[int, ...], str], ...] = (
    ((60, 22, 21, 2, 1, 7, 11, 10, 14), "MikroTik RouterOS"),
    ((1, 23, 2, 24, 22, 21), "Fortinet FortiGate"),
    ((8, 12, 10, 14, 2, 1, 152, 153), "OpenBSD or pfSense pflow"),
    ((8, 12, 21, 22, 1, 2, 10, 14), "softflowd"),
    ((8, 12, 22, 21, 1, 2, 10, 14), "softflowd"),
    ((27, 28, 21, 22, 1, 2, 10, 14), "softflowd"),
    ((27, 28, 22, 21, 1, 2, 10, 14), "softflowd"),
    ((21, 22, 1, 2, 60, 10, 14, 61), "pmacct (EdgeRouter, VyOS, Linux)"),
    ((1, 2, 4, 5, 6, 7, 8, 9, 10, 11), "ntop nProbe"),
)
"""How templates of a device begin: the order of fields is the vendor's own."""

OPTIONS: tuple[tuple[frozenset[int], str], ...] = (
    (frozenset({144, 130, 131, 34, 36, 37}), "Juniper"),
    (frozenset({234, 236}), "Cisco IOS XR"),
    (frozenset({95, 96}), "Cisco (NBAR)"),
)
"""Elements that options records of a device have together."""

FORMATS: Mapping[str, str] = {
    "aruba": "Aruba",
    "cisco_asa": "Cisco ASA",
    "cisco_ios": "Cisco IOS",
    "cisco_ise": "Cisco ISE",
    "cisco_wlc": "Cisco WLC",
    "filterlog": "pfSense or OPNsense",
    "fortigate": "Fortinet FortiGate",
    "freeradius": "FreeRADIUS",
    "h3c": "H3C",
    "hostapd": "hostapd",
    "huawei": "Huawei",
    "iptables": "Linux",
    "mikrotik": "MikroTik RouterOS",
    "paloalto": "Palo Alto",
    "pfsense": "pfSense or OPNsense",
    "ruckus": "Ruckus",
    "sophos": "Sophos",
    "squid": "Squid",
    "sshd": "Linux",
    "unifi": "UniFi",
    "windows_dhcp": "Windows",
    "windows_logon": "Windows",
    "windows_nps": "Windows",
}
"""By the format of most lines that say anything."""


_ANYWHERE = ("freeradius", "hostapd", "iptables", "squid", "sshd")
"""Programs that run on devices of many makers: another format tells more."""


def of_templates(layouts: Iterable[Layout]) -> Guess:
    """Return a guess from the templates of one exporter."""
    known = list(layouts)
    for judge in (_by_enterprise, _by_plain, _by_shape, _by_options):
        for layout in known:
            if found := judge(layout):
                return found
    return NOBODY


def of_formats(formats: Mapping[str, int]) -> Guess:
    """Return a guess from the lines of one sender, by format."""
    named = [(lines, name) for name, lines in formats.items() if name in FORMATS]
    if not named:
        return NOBODY
    own = [pair for pair in named if pair[1] not in _ANYWHERE]
    name = max(own or named)[1]
    return Guess(FORMATS[name], f"lines of format {name}")


def of_applications(ids: Iterable[bytes]) -> Guess:
    """Return a guess from application ids, which may begin with a class and an enterprise."""
    for number in ids:
        pen = int.from_bytes(number[1:5], "big")
        if len(number) > 5 and number[0] == _ENGINE_OF_PEN and pen in ENTERPRISES:
            return Guess(ENTERPRISES[pen], f"applications of enterprise {pen}")
    return NOBODY


_ENGINE_OF_PEN = 20


def _by_enterprise(layout: Layout) -> Guess | None:
    for field in layout.fields:
        if field.pen in ENTERPRISES:
            return Guess(ENTERPRISES[field.pen], f"elements of enterprise {field.pen}")
    return None


def _by_plain(layout: Layout) -> Guess | None:
    for field in layout.fields:
        for numbers, name in PLAIN:
            if not field.pen and field.id in numbers:
                return Guess(name, f"element {field.id}")
    return None


def _by_shape(layout: Layout) -> Guess | None:
    ids = tuple(field.id for field in layout.fields)
    for shape, name in SHAPES:
        if not layout.scopes and ids[: len(shape)] == shape:
            return Guess(name, "the order of fields in its templates")
    return None


def _by_options(layout: Layout) -> Guess | None:
    ids = {field.id for field in layout.fields}
    for wanted, name in OPTIONS:
        if layout.scopes and wanted <= ids:
            return Guess(name, "what its options tell")
    return None
