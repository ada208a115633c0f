"""What an Access-Accept tells a NAS of what its user may do, in the words of its maker. Pure.

Attributes are names and values of our dictionary. Speeds come in 1,000 bits a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

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
    return [*told, *_OF_KIND.get(kind, _wispr)(allowed)]


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
    return [*_group("Ruckus-User-Groups", allowed), *_wispr(allowed)]


def _aruba(allowed: Allowed) -> list[Attribute]:
    told = _group("Aruba-User-Role", allowed)
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
    return _group("Fortinet-Group-Name", allowed)


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
