"""Where the sources of a book stand: bounded, so that whoever makes up addresses pushes out nobody.

Those that were heard in a few minutes only (forged addresses, a test) are kept apart from regular
ones and push out one another alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from collector.decode.sources.rhythm import NEVER
from collector.decode.sources.source import Key, Source

_MOST = 512
"""Of regular sources, and of those that are not regular yet."""
_FORGET_US = 45 * 86_400_000_000


class Shelf:
    """The sources of one site, by key."""

    def __init__(self) -> None:
        self.forgotten = 0
        """Sources pushed out because there were too many."""
        self.due_us = NEVER
        """No source is due before: each one's time only moves on."""
        self._new: OrderedDict[Key, Source] = OrderedDict()
        self._regular: OrderedDict[Key, Source] = OrderedDict()

    def __iter__(self) -> Iterator[Source]:
        yield from self._regular.values()
        yield from self._new.values()

    def find(self, keys: Iterable[Key]) -> Source | None:
        """Return the first source of these that is known."""
        found = (self._regular.get(key) or self._new.get(key) for key in keys)
        return next((source for source in found if source is not None), None)

    def heard(self, key: Key, now_us: int) -> Source:
        """Return the source of a key, made when it is new."""
        return self.find([key]) or self._add(key, now_us)

    def keep(self, source: Source) -> None:
        """Put a source where it is kept longest; one that became regular among its like."""
        key = source.key
        if key in self._regular:
            self._regular.move_to_end(key)
            # It may have spoken before its time by a clock that was put back.
            self.due_us = min(self.due_us, source.rhythm.due_us)
        elif not source.rhythm.regular:
            self._new.move_to_end(key)
        else:
            self._regular[key] = self._new.pop(key)
            self.due_us = min(self.due_us, source.rhythm.due_us)
            if len(self._regular) > _MOST:
                self._regular.popitem(last=False)
                self.forgotten += 1

    def forget_silent(self, now_us: int) -> None:
        """Forget regular sources that were not heard for very long."""
        for key, source in list(self._regular.items()):
            if now_us - source.last_us > _FORGET_US:
                del self._regular[key]

    def find_due(self) -> None:
        """Find out when the next source is due."""
        self.due_us = min((source.rhythm.due_us for source in self), default=NEVER)

    def _add(self, key: Key, now_us: int) -> Source:
        source = self._new[key] = Source(key, now_us)
        if len(self._new) > _MOST:
            self._new.popitem(last=False)
            self.forgotten += 1
        return source

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {
            "forgotten": self.forgotten,
            "new": [source.snapshot() for source in self._new.values()],
            "regular": [source.snapshot() for source in self._regular.values()],
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Shelf:
        """Return the shelf that `snapshot` described."""
        shelf = cls()
        shelf.forgotten = state["forgotten"]
        for into, records in ((shelf._new, state["new"]), (shelf._regular, state["regular"])):
            for source in map(Source.restore, records):
                into[source.key] = source
        shelf.find_due()
        return shelf
