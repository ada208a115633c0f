"""What an Access-Accept tells a NAS of what its user may do, in the words of its maker. Pure.

Attributes are names and values of our dictionary. Speeds come in 1,000 bits a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from captive_portal.radius.kinds import SEES, TAKES
from captive_portal.sessions.nas_terms import NasTerms, times_differ
from captive_portal.sessions.policy import FURTHEST
from captive_portal.settings import NasKind

MOST_TEXT = 253
"""Octets of an attribute's value (RFC 2865 5)."""
INTERIM_S, SPREAD_S = 300, 120
"""Updates every five minutes, a minute more or less: not all NASes' users at the same second."""
_TAG = 1
_VLAN, _IEEE_802 = 13, 6
"""Tunnel-Type and Tunnel-Medium-Type of a VLAN (RFC 3580 3.31)."""
_MOST = (1 << 32) - 1

Attribute = tuple[str, int | str | bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What somebody may do, as far as a NAS can be told."""

    until: datetime
    idle: timedelta | None = None
    up_kbit: int | None = None
    down_kbit: int | None = None
    left_bytes: int | None = None
    """Of a quota."""
    slows: bool = False
    """The quota makes it slow when it is used up, and does not end it."""
    slow: bool = False
    """It is used up."""
    vlan: int | None = None
    group: str = ""


def of(  # an answer is made of these
    kind: NasKind,
    allowed: Allowed,
    *,
    now: datetime,
    session: UUID,
    ticket: bytes,
    user: str,
) -> list[Attribute]:
    """Return the attributes of an Access-Accept.

    Args:
        kind: The NAS's maker.
        allowed: What the user may do.
        now: The time.
        session: The session's id; spreads the updates.
        ticket: Class.
        user: Who it is, whatever name came from outside.
    """
    seconds = max(1, math.ceil((allowed.until - now).total_seconds()))
    told: list[Attribute] = [
        ("User-Name", cut(user)),
        ("Class", ticket),
        ("Session-Timeout", min(seconds, _MOST)),
        ("Acct-Interim-Interval", INTERIM_S - SPREAD_S // 2 + session.int % SPREAD_S),
    ]
    if allowed.idle is not None:
        told.append(("Idle-Timeout", int(allowed.idle.total_seconds())))
    if allowed.vlan is not None:
        told += _vlan(allowed.vlan)
    return [*told, *_OF_KIND.get(kind, _wispr)(_to_end(kind, allowed))]


def _to_end(kind: NasKind, allowed: Allowed) -> Allowed:
    """Return what is told of a quota: it ends a session at the NAS, which the group may not want.

    A kind that takes no orders is told all the same: it ends the session, and at the next sign-in
    the person is slow.
    """
    ends = not allowed.slows or (TAKES.get(kind, "coa") == "none" and not allowed.slow)
    return allowed if ends else replace(allowed, left_bytes=None)


def changes(kind: NasKind, has: NasTerms, wants: NasTerms, *, start: datetime) -> list[Attribute]:
    """Return the attributes of a CoA-Request: what a NAS is to hold of it that it does not.

    Only what differs is told, as a NAS refuses a request as a whole for one attribute that it does
    not change. Session-Timeout counts from the start of the session (RFC 2865 5.27).

    Args:
        kind: The NAS's maker.
        has: What it holds.
        wants: What it is to hold.
        start: Of the session.
    """
    told: list[Attribute] = []
    if wants.until is not None and (not has.sure or times_differ(has.until, wants.until)):
        seconds = max(1, math.ceil((wants.until - start).total_seconds()))
        told.append(("Session-Timeout", min(seconds, _MOST)))
    if _other(has, wants, "idle_s"):
        none = int(FURTHEST.total_seconds())
        told.append(("Idle-Timeout", none if wants.idle_s is None else wants.idle_s))
    seen = SEES[kind]
    if "group" in seen and _other(has, wants, "group"):
        told += _group(_GROUP[kind], Allowed(until=start, group=wants.group))
    if "up_kbit" in seen and (_other(has, wants, "up_kbit") or _other(has, wants, "down_kbit")):
        told += _speed(kind, wants, start)
    if "most_bytes" in seen and not has.alike(replace(has, most_bytes=wants.most_bytes)):
        told += _limit(kind, wants.most_bytes)
    return told


def _other(has: NasTerms, wants: NasTerms, name: str) -> bool:
    return not has.sure or getattr(has, name) != getattr(wants, name)


def _speed(kind: NasKind, wants: NasTerms, start: datetime) -> list[Attribute]:
    """Return both speeds; one without limit is told too, because another holds until now."""
    if kind == "mikrotik":
        return [("Mikrotik-Rate-Limit", f"{_rate(wants.up_kbit)}/{_rate(wants.down_kbit)}")]
    none = 0 if kind == "chillispot" else _MOST
    up = none if wants.up_kbit is None else wants.up_kbit
    down = none if wants.down_kbit is None else wants.down_kbit
    told = Allowed(until=start, up_kbit=up, down_kbit=down)
    of_kind = {"chillispot": _chillispot, "cisco": _cisco}
    return list(of_kind.get(kind, _wispr)(told))


def _limit(kind: NasKind, most: int | None) -> list[Attribute]:
    """Return the octets of the whole session; 0 is no limit with both makers."""
    low, high = _LIMIT[kind]
    most = most or 0
    return [(low, most & _MOST), (high, most >> 32)]


def cut(text: str) -> str:
    """Return as much of a text as an attribute holds: whole characters, and no mark alone."""
    octets = text.encode("utf-8", "replace")
    return octets[:MOST_TEXT].decode("utf-8", "ignore")


def _vlan(vlan: int) -> list[Attribute]:
    return [
        (f"Tunnel-Type:{_TAG}", _VLAN),
        (f"Tunnel-Medium-Type:{_TAG}", _IEEE_802),
        (f"Tunnel-Private-Group-Id:{_TAG}", str(vlan)),
    ]


def _speeds(allowed: Allowed, up: str, down: str, factor: int) -> list[Attribute]:
    speeds = ((up, allowed.up_kbit), (down, allowed.down_kbit))
    return [(name, min(kbit * factor, _MOST)) for name, kbit in speeds if kbit is not None]


def _wispr(allowed: Allowed) -> list[Attribute]:
    return _speeds(allowed, "WISPr-Bandwidth-Max-Up", "WISPr-Bandwidth-Max-Down", 1000)


def _mikrotik(allowed: Allowed) -> list[Attribute]:
    told: list[Attribute] = []
    up, down = allowed.up_kbit, allowed.down_kbit
    if up is not None or down is not None:
        # 0 is no limit; receive first: what comes from the user.
        told.append(("Mikrotik-Rate-Limit", f"{_rate(up)}/{_rate(down)}"))
    if allowed.left_bytes is not None:
        told.append(("Mikrotik-Total-Limit", allowed.left_bytes & _MOST))
        told.append(("Mikrotik-Total-Limit-Gigawords", allowed.left_bytes >> 32))
    return told


def _rate(kbit: int | None) -> str:
    return "0" if kbit is None else f"{kbit}k"


def _ruckus(allowed: Allowed) -> list[Attribute]:
    return [*_group(_GROUP["ruckus"], allowed), *_wispr(allowed)]


def _aruba(allowed: Allowed) -> list[Attribute]:
    told = _group(_GROUP["aruba"], allowed)
    if allowed.vlan is not None:
        told.append(("Aruba-User-Vlan", allowed.vlan))
    return told


def _cisco(allowed: Allowed) -> list[Attribute]:
    return _speeds(
        allowed,
        "Airespace-Data-Bandwidth-Average-Contract-Upstream",
        "Airespace-Data-Bandwidth-Average-Contract",
        1,
    )


def _fortigate(allowed: Allowed) -> list[Attribute]:
    return _group(_GROUP["fortigate"], allowed)


def _chillispot(allowed: Allowed) -> list[Attribute]:
    told = _speeds(allowed, "ChilliSpot-Bandwidth-Max-Up", "ChilliSpot-Bandwidth-Max-Down", 1)
    if allowed.left_bytes is not None:
        told.append(("ChilliSpot-Max-Total-Octets", allowed.left_bytes & _MOST))
        told.append(("ChilliSpot-Max-Total-Gigawords", allowed.left_bytes >> 32))
    return told


def _group(name: str, allowed: Allowed) -> list[Attribute]:
    return [(name, cut(allowed.group))] if allowed.group else []


def _pfsense(allowed: Allowed) -> list[Attribute]:
    left = allowed.left_bytes
    quota: list[Attribute] = (
        [] if left is None else [("pfSense-Max-Total-Octets", min(left, _MOST))]
    )
    return [*_wispr(allowed), *quota]


_OF_KIND: dict[NasKind, Callable[[Allowed], Sequence[Attribute]]] = {
    "mikrotik": _mikrotik,
    "ruckus": _ruckus,
    "aruba": _aruba,
    "cisco": _cisco,
    "fortigate": _fortigate,
    "chillispot": _chillispot,
    "pfsense": _pfsense,
}
"""Of the others, each reads WISPr's."""
_GROUP: dict[NasKind, str] = {
    "ruckus": "Ruckus-User-Groups",
    "aruba": "Aruba-User-Role",
    "fortigate": "Fortinet-Group-Name",
}
_LIMIT: dict[NasKind, tuple[str, str]] = {
    "mikrotik": ("Mikrotik-Total-Limit", "Mikrotik-Total-Limit-Gigawords"),
    "chillispot": ("ChilliSpot-Max-Total-Octets", "ChilliSpot-Max-Total-Gigawords"),
}
