"""From the attributes of a CoA-Request to what it asks for (RFC 5176 2.2, 3.6). Pure.

A request is understood as a whole: one attribute that is not, or one value that cannot be, and
nothing of it is done.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.radius import guard
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sessions.policy import FURTHEST

SERVICE_TYPE, FILTER_ID, STATE, SESSION_TIMEOUT, IDLE_TIMEOUT, VENDOR = 6, 11, 24, 27, 28, 26
KNOWN = frozenset({SERVICE_TYPE, FILTER_ID, SESSION_TIMEOUT, IDLE_TIMEOUT, STATE, VENDOR})
UNSUPPORTED_ATTRIBUTE, MISSING_ATTRIBUTE, UNSUPPORTED_SERVICE, BAD_VALUE = 401, 402, 405, 407
_WISPR, _CHILLISPOT, _MIKROTIK, _AIRESPACE = 14122, 14559, 14988, 14179
_LONGEST_S = int(FURTHEST.total_seconds())
_RATE = re.compile(r"(\d{1,10})([kMG]?)(?:/(\d{1,10})([kMG]?))?")
_OF = {"": 1, "k": 1000, "M": 1_000_000, "G": 1_000_000_000}

Speeds = dict[str, int]


class Unfit(PortalError):
    """A request that is not followed; `cause` is the Error-Cause."""

    def __init__(self, cause: int) -> None:
        super().__init__(f"Error-Cause {cause}")
        self.cause = cause


def read(whole: bytes, *, by: str, start: datetime) -> Ordered:
    """Return what a verified CoA-Request asks for.

    A speed of 0 is none of its own: the group's holds again.

    Args:
        whole: What `guard.shape` returned.
        by: Who asks.
        start: Of the session; Session-Timeout counts from there (RFC 2865 5.27).

    Raises:
        Unfit: it asks for nothing, for what cannot be, or for what is not done here.
    """
    group, until, idle_s = "", None, None
    speeds: Speeds = {}
    for kind, value in guard.attributes(whole):
        if kind in (SERVICE_TYPE, STATE):
            # Authorize-Only: who may be on is asked for at sign-in alone (RFC 5176 3.2).
            raise Unfit(UNSUPPORTED_SERVICE)
        if kind == SESSION_TIMEOUT:
            until = start + timedelta(seconds=_seconds(value))
        elif kind == IDLE_TIMEOUT:
            idle_s = _seconds(value)
        elif kind == FILTER_ID:
            group = _name(value)
        elif kind == VENDOR:
            speeds |= _vendor(value)
    if not group and until is None and idle_s is None and not speeds:
        raise Unfit(MISSING_ATTRIBUTE)
    return Ordered(
        by=by,
        group=group,
        until=until,
        idle_s=idle_s,
        up_kbit=speeds.get("up_kbit"),
        down_kbit=speeds.get("down_kbit"),
    )


def granted(attributes: Iterable[tuple[int, bytes]]) -> dict[str, int]:
    """Return what an Access-Accept of another server allows; what is not understood is left out.

    Args:
        attributes: Numbers and values.

    Returns:
        Of `session_s`, `idle_s`, `up_kbit` and `down_kbit` those that it limits.
    """
    found: dict[str, int] = {}
    for kind, value in attributes:
        with contextlib.suppress(Unfit):
            if kind == SESSION_TIMEOUT:
                found["session_s"] = _seconds(value)
            elif kind == IDLE_TIMEOUT:
                found["idle_s"] = _seconds(value)
            elif kind == VENDOR:
                found |= _vendor(value)
    return {name: value for name, value in found.items() if value}


def _seconds(value: bytes) -> int:
    seconds = _number(value)
    if not 0 < seconds <= _LONGEST_S:
        raise Unfit(BAD_VALUE)
    return seconds


def _number(value: bytes) -> int:
    if len(value) != 4:
        raise Unfit(BAD_VALUE)
    return int.from_bytes(value, "big")


def _name(value: bytes) -> str:
    try:
        name = names.clean(value.decode("utf-8"))
    except UnicodeDecodeError:
        raise Unfit(BAD_VALUE) from None
    if not name or not name.isprintable():
        raise Unfit(BAD_VALUE)
    return name


def _vendor(value: bytes) -> Speeds:
    """Return the speeds that a Vendor-Specific attribute tells (RFC 2865 5.26)."""
    if len(value) < 6:
        raise Unfit(BAD_VALUE)
    vendor, rest, speeds = int.from_bytes(value[:4], "big"), value[4:], Speeds()
    while rest:
        size = rest[1] if len(rest) > 1 else 0
        if not 3 <= size <= len(rest):
            raise Unfit(BAD_VALUE)
        understood = _VENDORS.get((vendor, rest[0]))
        if understood is None:
            raise Unfit(UNSUPPORTED_ATTRIBUTE)
        speeds |= understood(rest[2:size])
        rest = rest[size:]
    return speeds


def _kbit(name: str, per_kbit: int) -> Callable[[bytes], Speeds]:
    """Return what reads a speed that a maker tells as a number."""

    def of(value: bytes) -> Speeds:
        told = _number(value)
        return {name: max(1, told // per_kbit) if told else 0}

    return of


def _rate(value: bytes) -> Speeds:
    """Return the speeds of Mikrotik-Rate-Limit: rx[/tx], from the user first; no bursts."""
    found = _RATE.fullmatch(value.decode("ascii", "replace"))
    if found is None:
        raise Unfit(BAD_VALUE)
    up = int(found[1]) * _OF[found[2]]
    down = up if found[3] is None else int(found[3]) * _OF[found[4]]
    return {name: _whole(bits) for name, bits in (("up_kbit", up), ("down_kbit", down))}


def _whole(bits: int) -> int:
    if bits > _MOST_BITS:
        raise Unfit(BAD_VALUE)
    return max(1, bits // 1000) if bits else 0


_MOST_BITS = 10**13
_VENDORS: dict[tuple[int, int], Callable[[bytes], Speeds]] = {
    (_WISPR, 7): _kbit("up_kbit", 1000),
    (_WISPR, 8): _kbit("down_kbit", 1000),
    (_CHILLISPOT, 4): _kbit("up_kbit", 1),
    (_CHILLISPOT, 5): _kbit("down_kbit", 1),
    (_AIRESPACE, 7): _kbit("down_kbit", 1),
    (_AIRESPACE, 13): _kbit("up_kbit", 1),
    (_MIKROTIK, 8): _rate,
}
