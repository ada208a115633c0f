"""Asks for a new certificate in time, again and again until there is one; runs beside the pages."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.errors import BoxError
from appliance.settings import BoxSettings
from collector.errors import CollectorError
from collector.records import Clock, time_of

LOOK_S = 6 * 3600.0
"""An authority counts the tries that fail: few a day."""
_log = logging.getLogger(__name__)


class Renewing:
    """A thread that looks after the certificate while the block lasts."""

    def __init__(self, home: Path, settings: BoxSettings, *, clock: Clock) -> None:
        self._home = home
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="certificate", daemon=True)

    def __enter__(self) -> Self:
        if self._settings.acme.directory:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            # Who waits for an authority is not waited for: the next start asks again.
            self._thread.join(1)

    def _run(self) -> None:
        while True:
            self.look()
            if self._stop.wait(LOOK_S):
                return

    def look(self) -> None:
        """Renew if need be; what fails is told to the log, and tried again."""
        # Seldom wanted, and twenty megabytes: only who asks an authority loads it.
        from appliance.health import acme

        now = time_of(self._clock)
        if not acme.wanted(self._home, self._settings, now):
            return
        try:
            ends = acme.renew(self._home, self._settings)
        except (BoxError, CollectorError, OSError) as error:
            _log.warning("no new certificate for the sign-in page: %s", error)
        else:
            _log.info("the sign-in page has a certificate until %s", ends.date())
