"""The line on every page: since when it is proven outside what the box holds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from appliance.hub.known import Proven
from appliance.web.texts import Texts

FRESH_US = 10_000_000
"""So long a reading is shown again."""


@dataclass(frozen=True, slots=True)
class OutsideLine:
    """What is shown."""

    text: str
    bad: bool
    """Older than the settings allow, or somebody outside speaks against this box."""
    alarms: tuple[str, ...] = ()


class OutsideLines:
    """Reads how it stands, seldom: every page asks.

    Args:
        read: Returns how it stands with every site at a time, µs.
    """

    def __init__(self, read: Callable[[int], list[Proven]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._read_us: int | None = None
        self._found: list[Proven] = []

    def line(self, texts: Texts, now_us: int) -> OutsideLine:
        """Return the line in a language, for the site where it stands worst."""
        with self._lock:
            if self._read_us is None or not 0 <= now_us - self._read_us < FRESH_US:
                self._found, self._read_us = self._read(now_us), now_us
            found = self._found
        worst = max(found, key=lambda one: (one.asked, one.late, one.age_us or 0))
        alarms = tuple(f"{line.name}: {line.alarm}" for one in found for line in one.alarms)
        site = f"{worst.site}: " if len(found) > 1 else ""
        return OutsideLine(site + _text(worst, texts), worst.late or bool(alarms), alarms)


def _text(one: Proven, texts: Texts) -> str:
    if one.known is not None:
        when = texts.moment(one.known.since_us, seconds=False)
        by = ", ".join(one.known.by)
        told = texts("Proven outside since {time}, by {by}.", time=when, by=by)
        return f"{told} {texts('That is too long ago.')}" if one.late else told
    if one.asked:
        return texts("Not proven outside yet.")
    return texts("Not proven outside: no witness and no time-stamp authority is set.")
