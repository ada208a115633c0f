"""Counts of what the RADIUS side took and dropped, per NAS and reason."""

from __future__ import annotations

from collections import Counter

OTHERS = "(others)"
_MOST_SOURCES = 1000
"""Past so many different senders the rest is counted together: a forger must not fill memory."""


class Counters:
    """How often what happened, by who sent it."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def add(self, source: str, what: str) -> None:
        """Count one."""
        if source not in self._counts and len(self._counts) >= _MOST_SOURCES:
            source = OTHERS
        self._counts.setdefault(source, Counter())[what] += 1

    def of(self, source: str) -> dict[str, int]:
        """Return the counts of one sender."""
        return dict(self._counts.get(source, {}))

    def total(self, what: str) -> int:
        """Return how often `what` happened, whoever sent it."""
        return sum(counts[what] for counts in self._counts.values())

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Return all counts, for the status file."""
        return {source: dict(counts) for source, counts in self._counts.items()}
