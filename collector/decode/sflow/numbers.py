"""What the numbers of samples say: which never came, and which the agent had to drop.

Each data source of an agent counts its samples, and beside it what it could not take. The last
numbers of each are kept, bounded; those not heard for longest are forgotten first. One address has
at most half of the room: it must not make the box forget the numbers of others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from collector.decode.octets import Mask, Places
from collector.decode.sflow.samples import Numbered

_ROUND = 1 << 32
_MOST_LOST = 10_000_000
"""A jump beyond is a new beginning, not a loss."""
_REORDERED = 1024
"""A number so little behind came late."""

Agent = tuple[str, int, bytes]
"""Address and port that it sends from, its own address and sub-agent."""
_Key = tuple[Agent, int]


class Missing(NamedTuple):
    """What one sample revealed."""

    owner: int
    """Its datagram."""
    at: int
    """Its place among all samples."""
    lost: int
    """Samples that never came before it."""
    dropped: int
    """Samples that the agent dropped since its last one."""
    late: bool
    """Whether it was counted as lost before."""


class _Sorted(NamedTuple):
    """Samples by agent and data source, in the order in which they came."""

    owner: Places
    at: Places
    number: Places
    drops: Places
    odd: Mask
    """Which do not just follow the one before."""


class SampleNumbers:
    """The last numbers of every data source of one site."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: OrderedDict[_Key, tuple[int, int]] = OrderedDict()
        self._own: dict[str, OrderedDict[_Key, None]] = {}
        """The same keys by the address that they are of."""

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
        samples = _Sorted(owner, order, number, drops, odd)
        found: list[Missing] = []
        # In the order of their last samples: the first of them would be forgotten first.
        for group in np.lexsort((order[lasts], owner[lasts])).tolist():
            first, last = int(firsts[group]), int(lasts[group])
            key = names[int(whose[first])], int(source[first])
            found += self._group(key, samples, range(first, last + 1))
        found.sort(key=lambda missing: (missing.owner, missing.at))
        return found

    def _group(self, key: tuple[Agent, int], samples: _Sorted, rows: range) -> Iterator[Missing]:
        """Look at the steps of one data source that are not by one."""
        owner, at, number, drops, odd = samples
        known, late = self._last.get(key), False
        row, last = rows.start, rows.stop - 1
        while row <= last:
            if row > rows.start and not late:
                known = int(number[row - 1]), int(drops[row - 1])
            late = False
            if known is not None:
                missing = _step(known, int(number[row]), int(drops[row]), int(owner[row]), at[row])
                late = missing.late
                if missing.lost or missing.dropped or late:
                    yield missing
            # What follows one that came late is by one too, and late until it has caught up.
            row = row + 1 if late else _next(odd, row, rows.stop)
        if not late or known is None:
            known = int(number[last]), int(drops[last])
        self._keep(key, known)

    def _keep(self, key: _Key, known: tuple[int, int]) -> None:
        """Remember the last numbers of a data source as the newest ones."""
        self._last[key] = known
        self._last.move_to_end(key)
        own = self._own.setdefault(key[0][0], OrderedDict())
        own[key] = None
        own.move_to_end(key)
        if len(own) > max(1, self._most // 2):
            self._forget(next(iter(own)))
        if len(self._last) > self._most:
            self._forget(next(iter(self._last)))

    def _forget(self, key: _Key) -> None:
        del self._last[key]
        own = self._own[key[0][0]]
        del own[key]
        if not own:
            del self._own[key[0][0]]

    def snapshot(self) -> list[Any]:
        """Return the numbers as JSON values."""
        return [
            [address, port, agent.hex(), source, number, drops]
            for ((address, port, agent), source), (number, drops) in self._last.items()
        ]

    def restore(self, state: list[Any]) -> None:
        """Go on with the numbers that `snapshot` described."""
        self._last.clear()
        self._own.clear()
        for address, port, agent, source, number, drops in state:
            self._keep(((address, port, bytes.fromhex(agent)), source), (number, drops))


def _next(odd: Mask, row: int, stop: int) -> int:
    """Return the next odd row, or `stop`."""
    left = odd[row + 1 : stop]
    return row + 1 + int(left.argmax()) if left.any() else stop


def _step(known: tuple[int, int], number: int, drops: int, owner: int, at: int) -> Missing:
    ahead = (number - known[0]) % _ROUND
    behind = _ROUND - ahead
    if ahead and behind <= _REORDERED:
        return Missing(owner, int(at), 0, 0, True)
    begun_anew = ahead > _MOST_LOST or not ahead
    dropped = 0 if begun_anew else (drops - known[1]) % _ROUND
    return Missing(
        owner,
        int(at),
        0 if begun_anew else ahead - 1,
        dropped if dropped <= _MOST_LOST else 0,
        False,
    )
