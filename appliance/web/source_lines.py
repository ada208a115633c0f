"""What an admin puts into the settings to let a sender in, or to believe it: the exact lines."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from collector.decode.believed import BELIEVED
from collector.settings import Site

SETTLED_US = 7 * 86_400_000_000
"""A sender that told of no sign-in for so long needs no advice about it."""


def exporter(address: str, sites: Sequence[Site]) -> str:
    """Return the lines that let a sender in, at the site that its address is of."""
    return _table("exporters", address, site_of(address, sites))


def believed(source: Mapping[str, Any]) -> str:
    """Return the lines that make a source's sign-in lines believed; nothing if it needs none."""
    if doubted(source) != "not-believed":
        return ""
    return _table("believed_senders", source["name"], source["site"])


def doubted(source: Mapping[str, Any]) -> str:
    """Return why the newest sign-in line of a source ties nobody to an address; nothing if it does.

    Older ones tell of the time before the settings were changed.
    """
    newest: Mapping[str, Any] = source.get("signed_in") or {}
    late = (newest.get("newest_us") or 0) < source["last_us"] - SETTLED_US
    return "" if late or newest["verdict"] == BELIEVED else str(newest["verdict"])


def site_of(address: str, sites: Sequence[Site]) -> str:
    """Return the site whose networks have an address; the first where none or several have."""
    try:
        there = ipaddress.ip_address(address)
    except ValueError:
        return sites[0].id
    found = [s.id for s in sites if any(there in ipaddress.ip_network(n) for n in s.networks)]
    return found[0] if len(found) == 1 else sites[0].id


def _table(name: str, address: str, site: str) -> str:
    # Both are checked before: an address in canonical text, a site id of letters, dots and dashes.
    return f'[[{name}]]\naddress = "{address}"\nsite = "{site}"'
