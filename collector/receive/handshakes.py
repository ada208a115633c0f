"""TLS handshakes under way: few at once, few from one sender, and none for long.

Whoever comes is let in, and the oldest goes: one that is honest ends within milliseconds, so a
flood of others would have to be faster than that to push it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from collector.receive.connection import Connection

MOST = 128
"""At once."""
MOST_EACH = 16
"""At once from one sender."""
LONGEST_S = 10.0


class Handshakes:
    """The connections that have not come to an end with their handshake yet, oldest first."""

    def __init__(self) -> None:
        self._under_way: dict[Connection, None] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._under_way)

    def __contains__(self, one: object) -> bool:
        """Tell whether this one's is under way."""
        return one in self._under_way

    def add(self, one: Connection) -> Connection | None:
        """Take one more; return the one that has to go for it, if any."""
        self._under_way[one] = None
        each = Counter(other.name for other in self._under_way)
        if each[one.name] > MOST_EACH:
            return self._oldest(one.name)
        if len(self._under_way) > MOST:
            return self._oldest(each.most_common(1)[0][0])
        return None

    def done(self, one: Connection) -> None:
        """Forget one that is through or gone."""
        self._under_way.pop(one, None)

    def late(self, now: float) -> Iterator[Connection]:
        """Yield those that take too long."""
        for one in list(self._under_way):
            if now - one.begun <= LONGEST_S:
                return
            yield one

    def _oldest(self, name: str) -> Connection:
        return next(one for one in self._under_way if one.name == name)
