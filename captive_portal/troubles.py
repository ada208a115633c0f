"""What goes wrong again and again: counted each time, and now and then said."""

from __future__ import annotations

import logging
import time
from collections import Counter

from sqlalchemy.exc import DBAPIError

SAY_EVERY_S = 600.0
_log = logging.getLogger(__name__)


class Troubles:
    """Counts by what could not be done. A disk that is full for a night fills no log."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._said: dict[str, float] = {}

    def note(self, what: str, error: Exception) -> None:
        """Count a failure of `what`; say the first one, and then one in ten minutes."""
        self.counts[what] += 1
        now = time.monotonic()
        if what in self._said and now - self._said[what] < SAY_EVERY_S:
            return
        self._said[what] = now
        _log.warning("%s failed (%d so far): %s", what, self.counts[what], reason(error))


def reason(error: Exception) -> str:
    """Return one line; of a database's error not the statement, which has people's names in it."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return next(iter(str(cause).splitlines()), "") or type(error).__name__
