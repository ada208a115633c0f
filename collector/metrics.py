"""Saying what goes wrong at a rate that people can read."""

from __future__ import annotations

import logging
import threading
import time


class SampledLog:
    """Logs the first message of a topic, then at most one per period, with the count between.

    Topics are few and the program's own words, never what strangers send.
    """

    def __init__(self, logger: logging.Logger, *, period_s: float = 60.0) -> None:
        self._logger = logger
        self._period_s = period_s
        self._lock = threading.Lock()
        self._topics: dict[str, tuple[float, int]] = {}

    def warn(self, topic: str, message: str) -> None:
        """Log `message`, or count it."""
        now = time.monotonic()
        with self._lock:
            since, held = self._topics.get(topic, (-self._period_s, 0))
            if now - since < self._period_s:
                self._topics[topic] = (since, held + 1)
                return
            self._topics[topic] = (now, 0)
        more = f" ({held} more since the last such line)" if held else ""
        self._logger.warning("%s%s", " ".join(message.split()), more)
