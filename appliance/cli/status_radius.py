"""What `prathu status` shows of RADIUS: who asks, who is not known, whose secret is another.

Counts are those that the portal wrote, since it began. Names of senders came over the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from appliance.search.printable import printable

_MOST = 5
"""Senders of one kind that are shown."""
_ANOTHER_SECRET = ("wrong-authenticator", "wrong-message-authenticator")
_UNSIGNED = "no-message-authenticator"
_UNKNOWN = "unknown"
_ACCOUNTED = ("start", "update", "stop", "on", "off")
Counts = Mapping[str, Mapping[str, int]]


def lines(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a name and a text for each thing to know of what the portal told of itself."""
    asked: Counts = told.get("radius_authentication") or {}
    accounted: Counts = told.get("radius") or {}
    yield from _most(
        [_served(one, asked, accounted) for one in sorted({*asked, *accounted})], "devices that ask"
    )
    unknown = _total(_UNKNOWN, asked, accounted)
    yield from _most([_stranger(*one) for one in unknown.items()], "unknown devices that ask")
    for source, count in _total(_ANOTHER_SECRET, asked, accounted).items():
        why = "its secret is not the one of radius.clients: enter the same in both"
        yield "radius", f"{printable(source)}: {count:,} packets refused: {why}"
    for source, count in _total(_UNSIGNED, asked).items():
        why = "without Message-Authenticator: docs/radius.md says what to set"
        yield "radius", f"{printable(source)}: {count:,} questions refused: {why}"
    yield from _eap(told.get("radius_eap") or {})
    for nas, one in (told.get("nas_waiting") or {}).items():
        if one.get("mute"):
            yield "radius", f"{printable(nas)} does not answer; {one['waiting']:,} orders wait"
    if taken_up := told.get("nas_taken_up"):
        yield "radius", f"{taken_up:,} ends from before the start were still to be told to devices"
    if untold := told.get("nas_untold"):
        yield "radius", f"{untold:,} ends and changes that no device was told"


def _served(source: str, asked: Counts, accounted: Counts) -> str:
    """Return what one device was answered; nothing of one that never was."""
    came, wrote = asked.get(source, {}), accounted.get(source, {})
    let_in = came.get("accept", 0) + came.get("eap-accept", 0)
    refused = sum(count for what, count in came.items() if what.startswith("reject "))
    kept = sum(wrote.get(status, 0) for status in _ACCOUNTED)
    if not let_in + refused + kept:
        return ""
    text = f"{let_in:,} let in, {refused:,} refused, {kept:,} accounting packets kept"
    return f"{printable(source)}: {text}"


def _stranger(source: str, count: int) -> str:
    setting = f'[[radius.clients]] network = "{printable(source)}"'
    return f"{printable(source)} asks, {count:,} times: unknown; if it is yours: {setting} …"


def _total(what: str | tuple[str, ...], *told: Counts) -> dict[str, int]:
    """Return how often any of some things happened, by sender, where it did."""
    names = (what,) if isinstance(what, str) else what
    sums: dict[str, int] = {}
    for counts in told:
        for source, found in counts.items():
            if many := sum(found.get(name, 0) for name in names):
                sums[source] = sums.get(source, 0) + many
    return sums


def _most(texts: list[str], what: str) -> Iterator[tuple[str, str]]:
    found = [text for text in texts if text]
    for text in found[:_MOST]:
        yield "radius", text
    if len(found) > _MOST:
        yield "radius", f"and {len(found) - _MOST} more {what}"


def _eap(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if told:
        yield "802.1X", told.get("version") or f"FreeRADIUS {told['freeradius']}"
    for what in ("certificate", "profiles"):
        if what in told:
            yield "802.1X", told[what]
