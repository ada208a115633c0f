"""Saying what goes wrong at a rate that people can read."""

from __future__ import annotations

import logging
import threading
import time

PERIOD_S = 60.0


class SampledLog:
    """Logs the first message of a topic, then at most one per period, with the count between.

    Topics are few and the program's own words, never what strangers send.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._topics: dict[str, tuple[float, int]] = {}

    def warn(self, topic: str, message: str) -> None:
        """Log `message`, or count it."""
        now = time.monotonic()
        with self._lock:
            since, held = self._topics.get(topic, (-PERIOD_S, 0))
            if now - since < PERIOD_S:
                self._topics[topic] = (since, held + 1)
                return
            self._topics[topic] = (now, 0)
        more = f" ({held} more since the last such line)" if held else ""
        self._logger.warning("%s%s", " ".join(message.split()), more)
