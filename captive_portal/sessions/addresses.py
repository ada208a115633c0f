"""The addresses of a session that the gate lets in, as its device takes and leaves them. Pure.

Devices have one IPv4 address at a time and several of IPv6 (RFC 8981 makes a new one each day or
sooner). The kernel's neighbour table tells which MAC is behind an address.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from captive_portal.sessions import portal
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.session import Ids, Session

MOST_OF_IPV6 = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A device that the kernel has just seen at an address."""

    site: str
    zone: str
    address: str
    """In canonical text."""
    mac: str
    """Lower case with colons."""


def together(known: tuple[str, ...], told: str) -> tuple[str, ...]:
    """Return the addresses with one more, if one is told, the IPv6 ones in the order of coming."""
    if not told or told in known:
        return known
    old = [address for address in known if ":" not in address]
    new = [address for address in known if ":" in address]
    if ":" in told:
        return (*old, *[*new, told][-MOST_OF_IPV6:])
    return (told, *new)


def see(draft: Draft, seen: Neighbour, now: datetime, *, grace: timedelta, ids: Ids) -> None:
    """Take in that a device is at an address.

    Sessions of other devices that hold the address end. The device's own session, where it has
    one, takes the address along: within its zone; to another zone of the site if its group roams
    and it was heard of within `grace`.
    """
    if not _usable(seen.address):
        return
    for held in draft.open_at(seen.site, seen.address):
        if _of_gate(held) and held.mac and held.mac != seen.mac:
            portal.end(draft, held, now, Cause.OTHER_MAC, ids=ids)
    for session in draft.open_at_mac(seen.site, seen.mac):
        if not _of_gate(session) or seen.address in session.addresses:
            continue
        if session.zone == seen.zone:
            _take(draft, session, together(session.addresses, seen.address), now, ids=ids)
        elif session.roams and now - session.last_seen <= grace:
            moved = replace(session, zone=seen.zone)
            _take(draft, moved, (seen.address,), now, ids=ids)


def _of_gate(session: Session) -> bool:
    return session.method == portal.METHOD and session.serial is not None


def _usable(address: str) -> bool:
    """Say whether packets of an address cross the gate at all."""
    read = ipaddress.ip_address(address)
    return not (read.is_link_local or read.is_multicast or read.is_unspecified or read.is_loopback)


def _take(
    draft: Draft, session: Session, addresses: tuple[str, ...], now: datetime, *, ids: Ids
) -> None:
    changed = replace(session, addresses=addresses, last_seen=max(session.last_seen, now))
    draft.put(
        changed,
        changed.event(
            "update", ids.make("address", session.id, addresses, session.addresses, now), now
        ),
    )
