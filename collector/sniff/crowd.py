# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Which sightings become rows where anybody can make up machines: those that were there before.

A host that invents hardware addresses may do so a thousand times a second. What it invents has room
of its own, at once and in the long run, so that it neither hides what machines do that are known
for a while nor pushes them out of the box's memory, and the memory of those who come after.
"""

from __future__ import annotations

from collections import Counter, OrderedDict

from collector.sniff.pace import Bucket

MOST_MACHINES = 65_536
SETTLED_NS = 900 * 10**9
"""A machine that was first seen so long ago is no passer-by."""
ROWS_PER_S, ROWS_AT_ONCE = 50, 2000
"""Of new machines; as many of those that are known; and of addresses that are told again."""
NEW_PER_S, NEW_AT_ONCE = 0.5, 20_000
"""In the long run: 43,000 addresses a day of new machines, and as many of known ones. The box ties
flows to 262,144 addresses and forgets after two days."""
MOVES_PER_S, MOVES_AT_ONCE = 10, 500
"""Addresses that go to another machine."""
MOST_EACH = 256
"""Rows of one machine a minute."""
_MINUTE_NS = 60 * 10**9

FAST = "too many at once"
MANY = "too many machines or addresses that were never seen before"
EACH = "too many of one machine"


class Crowd:
    """The machines of one interface."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        """Rows that were too many, by reason, since last told."""
        self._first: OrderedDict[str, int] = OrderedDict()
        """When each machine was first seen, ns; those seen last at the end."""
        self._at_once = {known: Bucket(ROWS_PER_S, ROWS_AT_ONCE) for known in (True, False)}
        self._in_the_long_run = {known: Bucket(NEW_PER_S, NEW_AT_ONCE) for known in (True, False)}
        self._again = Bucket(ROWS_PER_S, ROWS_AT_ONCE)
        self._moves = Bucket(MOVES_PER_S, MOVES_AT_ONCE)
        self._each: Counter[str] = Counter()
        self._minute = 0

    def seen(self, mac: str) -> None:
        """Take note that a machine is still there."""
        if mac in self._first:
            self._first.move_to_end(mac)

    def takes(self, mac: str, now_ns: int, *, again: bool = False, moved: bool = False) -> bool:
        """Tell whether a row about a machine is kept; count it when it is one too many.

        Args:
            mac: The machine.
            now_ns: When it was seen.
            again: It has the address already.
            moved: Another machine had the address.
        """
        why = self._refusal(mac, now_ns, again=again, moved=moved)
        if why:
            self.refused[why] += 1
            return False
        self._each[mac] += 1
        self._first.setdefault(mac, now_ns)
        self._first.move_to_end(mac)
        if len(self._first) > MOST_MACHINES:
            self._first.popitem(last=False)
        return True

    def _refusal(self, mac: str, now_ns: int, *, again: bool, moved: bool) -> str:
        minute = now_ns // _MINUTE_NS
        if minute != self._minute:
            self._minute = minute
            self._each.clear()
        if self._each[mac] >= MOST_EACH:
            return EACH
        if again or moved:
            return "" if (self._again if again else self._moves).take(now_ns) else FAST
        known = now_ns - self._first.get(mac, now_ns) >= SETTLED_NS
        if not self._at_once[known].take(now_ns):
            return FAST
        return "" if self._in_the_long_run[known].take(now_ns) else MANY
