"""What the numbers of samples say: which never came, and which the agent had to drop.

Each data source of an agent counts its samples, and beside it what it could not take. The last
numbers of each are kept, bounded; those not heard for longest are forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from collector.decode.octets import Mask, Places
from collector.decode.sflow_batch import Numbered

_ROUND = 1 << 32
_MOST_LOST = 10_000_000
"""A jump beyond is a new beginning, not a loss."""
_REORDERED = 1024
"""A number so little behind came late."""

Agent = tuple[str, int, bytes]
"""Address and port that it sends from, its own address and sub-agent."""


class Missing(NamedTuple):
    """What one sample revealed."""

    owner: int
    """Its datagram."""
    lost: int
    """Samples that never came before it."""
    dropped: int
    """Samples that the agent dropped since its last one."""
    late: bool
    """Whether it was counted as lost before."""


class SampleNumbers:
    """The last numbers of every data source of one site."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: OrderedDict[tuple[Agent, int], tuple[int, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._last)

    def take(self, names: Sequence[Agent], agent: Places, numbered: Numbered) -> list[Missing]:
        """Return what is missing, in the order of the datagrams.

        Args:
            names: The agents.
            agent: Which of these each datagram is of.
            numbered: Of the samples, in the order in which they came for each kind.
        """
        if not len(numbered.owner):
            return []
        order = np.lexsort((numbered.source, agent[numbered.owner]))  # which is stable
        owner, source, number, drops = (values[order] for values in numbered)
        whose = agent[owner]
        new = np.ones(len(order), np.bool_)
        new[1:] = (whose[1:] != whose[:-1]) | (source[1:] != source[:-1])
        firsts = np.flatnonzero(new)
        lasts = np.append(firsts[1:], len(order)) - 1
        odd = np.zeros(len(order), np.bool_)
        odd[1:] = (number[1:] != (number[:-1] + 1) % _ROUND) | (drops[1:] != drops[:-1])
        odd[firsts] = True
        found: list[Missing] = []
        # In the order of their last samples: the first of them would be forgotten first.
        for at in np.lexsort((order[lasts], owner[lasts])).tolist():
            first, last = int(firsts[at]), int(lasts[at])
            key = names[int(whose[first])], int(source[first])
            found += self._group(key, owner, number, drops, range(first, last + 1), odd)
        found.sort(key=lambda missing: missing.owner)
        return found

    def _group(
        self,
        key: tuple[Agent, int],
        owner: Places,
        number: Places,
        drops: Places,
        rows: range,
        odd: Mask,
    ) -> Iterator[Missing]:
        """Look at the steps of one data source that are not by one."""
        known = self._last.pop(key, None)
        steps = rows.start + np.flatnonzero(odd[rows.start : rows.stop])
        for row in steps.tolist():
            if row > rows.start:
                before = int(number[row - 1]), int(drops[row - 1])
                # What came late does not set the numbers back.
                known = before if known is None or _ahead(before[0], known[0]) else known
            if known is not None:
                missing = _step(known, int(number[row]), int(drops[row]), int(owner[row]))
                if missing.lost or missing.dropped or missing.late:
                    yield missing
                if missing.late:
                    continue
            known = int(number[row]), int(drops[row])
        last = int(number[rows.stop - 1]), int(drops[rows.stop - 1])
        if known is None or _ahead(last[0], known[0]):
            known = last
        self._last[key] = known
        if len(self._last) > self._most:
            self._last.popitem(last=False)

    def snapshot(self) -> list[Any]:
        """Return the numbers as JSON values."""
        return [
            [address, port, agent.hex(), source, number, drops]
            for ((address, port, agent), source), (number, drops) in self._last.items()
        ]

    def restore(self, state: list[Any]) -> None:
        """Go on with the numbers that `snapshot` described."""
        self._last.clear()
        for address, port, agent, source, number, drops in state:
            self._last[(address, port, bytes.fromhex(agent)), source] = number, drops


def _ahead(number: int, known: int) -> bool:
    """Tell whether a number comes after another, or far before: from a new beginning."""
    return (known - number) % _ROUND > _REORDERED


def _step(known: tuple[int, int], number: int, drops: int, owner: int) -> Missing:
    ahead = (number - known[0]) % _ROUND
    behind = _ROUND - ahead
    if ahead and behind <= _REORDERED:
        return Missing(owner, 0, 0, True)
    begun_anew = ahead > _MOST_LOST or not ahead
    dropped = 0 if begun_anew else (drops - known[1]) % _ROUND
    return Missing(
        owner,
        0 if begun_anew else ahead - 1,
        dropped if dropped <= _MOST_LOST else 0,
        False,
    )
