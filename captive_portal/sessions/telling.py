"""How the collector is told of sessions, in the words that they share with whoever tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from collector.records import SessionEvent

Told = Callable[[], None]
"""Returns when what was handed over is on disk.

Raises:
    ReportError: it is not, or it is not known that it is.
"""
Tell = Callable[[Sequence[SessionEvent]], Told]
"""Hands events to the collector; what it returns waits until all of them are on disk.

Raises:
    ReportError: they cannot be handed over.
"""


def nothing() -> None:
    """Wait for nothing: nothing was handed over."""
