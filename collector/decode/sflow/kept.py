"""Which counter samples are kept: of each data source the first in so many seconds.

A source that tells its counters in several samples has one of each kept: they are told apart by
the formats of their records.

Counters go on counting, so that one that is left out takes nothing away but the moments between.
Switches send them every 20 or 30 seconds for each port, and a log of all would outgrow the flows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from collector.decode.octets import Mask, Places
from collector.decode.sflow.counter_samples import Counted
from collector.decode.sflow.numbers import Agent


class Kept:
    """When a sample of each data source was kept last."""

    def __init__(self, most: int, every_s: int) -> None:
        self._most = most
        self._every_us = every_s * 1_000_000
        self._last: OrderedDict[tuple[Agent, int, int], int] = OrderedDict()
        """As a number of such times since the epoch; least recently heard first."""

    def take(self, names: Sequence[Agent], agent: Places, wire: Places, counted: Counted) -> Mask:
        """Tell which samples are kept.

        Args:
            names: The agents.
            agent: Which of these each datagram is of.
            wire: When each datagram was on the wire, µs.
            counted: The samples, in the order in which they came.
        """
        kept = counted.formats > 0
        if not self._every_us or not kept.any():
            return kept
        order = np.flatnonzero(kept)
        keys = counted.formats[order], counted.source[order], agent[counted.owner[order]]
        order = order[np.lexsort(keys)]  # which is stable
        formats, source, owner = (
            values[order] for values in (counted.formats, counted.source, counted.owner)
        )
        whose, slot = agent[owner], wire[owner] // self._every_us
        new = np.ones(len(order), np.bool_)
        new[1:] = whose[1:] != whose[:-1]
        for values in (source, formats):
            new[1:] |= values[1:] != values[:-1]
        firsts = np.flatnonzero(new)
        lasts = np.append(firsts[1:], len(order)) - 1
        other = new.copy()
        other[1:] |= slot[1:] != slot[:-1]
        # In the order of their last samples: the first of them would be forgotten first.
        for group in np.argsort(order[lasts]).tolist():
            first, last = int(firsts[group]), int(lasts[group])
            key = names[int(whose[first])], int(source[first]), int(formats[first])
            other[first] = self._last.pop(key, None) != slot[first]
            self._last[key] = int(slot[last])
            if len(self._last) > self._most:
                self._last.popitem(last=False)
        kept[order] = other
        return kept

    def snapshot(self) -> list[Any]:
        """Return the times as JSON values."""
        return [
            [address, port, agent.hex(), source, formats, slot]
            for ((address, port, agent), source, formats), slot in self._last.items()
        ]

    def restore(self, state: list[Any]) -> None:
        """Go on with the times that `snapshot` described."""
        self._last.clear()
        for address, port, agent, source, formats, slot in state:
            self._last[(address, port, bytes.fromhex(agent)), source, formats] = slot
