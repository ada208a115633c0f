"""Accounts go when nothing names them any more: the portal's database after the catalogue."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from appliance.settings import BoxSettings
from captive_portal import forgetting
from captive_portal.database import open_database
from captive_portal.errors import PortalError
from collector.errors import CollectorError
from collector.records import AuditEvent, Clock, time_of
from collector.store.catalog import FILE as CATALOGUE
from collector.store.catalog import Catalog

_log = logging.getLogger(__name__)
FIRST_S = 3600.0
"""So long after a start, when the box has other things to do, nobody is forgotten."""
DAY_S = 86_400.0
Tell = Callable[[str], None]
"""Makes a line of the audit log durable."""


def forget(home: Path, settings: BoxSettings, *, now: datetime, tell: Tell) -> dict[str, int]:
    """Delete accounts and sessions that no row needs, 90 days after the last session.

    The catalogue has forgotten a name only when no stored row needs it; without a catalogue nobody
    is forgotten.

    Raises:
        CollectorError: it could not be written down; nobody was forgotten.
    """
    if not (home / CATALOGUE).is_file():
        return {"sessions": 0, "accounts": 0}
    with Catalog.open(home / CATALOGUE) as catalog:
        needed = {UUID(one.person) for one in catalog.persons()}
    engine = open_database(home, settings.database)
    try:
        sessions, accounts = forgetting.forget(
            engine,
            needed,
            now=now,
            tell=lambda s, a: tell(f"forgot {a} accounts and {s} sessions that no row needs"),
        )
    finally:
        engine.dispose()
    return {"sessions": sessions, "accounts": accounts}


@contextmanager
def every_day(
    home: Path, settings: BoxSettings, record: Callable[[AuditEvent], None], *, clock: Clock
) -> Iterator[None]:
    """Forget once a day, in a thread of its own, as long as the block lasts."""
    ended = threading.Event()

    def work() -> None:
        wait = FIRST_S
        while not ended.wait(wait):
            wait = DAY_S
            now = time_of(clock)
            try:
                forget(home, settings, now=now, tell=partial(_tell, settings, record, now))
            except (CollectorError, PortalError, ValueError, OSError) as error:
                _log.error("nobody was forgotten: %s", error)  # a line, no traceback

    thread = threading.Thread(target=work, name="forget", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tell(
    settings: BoxSettings, record: Callable[[AuditEvent], None], now: datetime, text: str
) -> None:
    event = AuditEvent(
        event_id=uuid4(),
        time=now,
        site=settings.sites[0].id,
        actor="box",
        act="retention",
        target=text,
    )
    record(event)
