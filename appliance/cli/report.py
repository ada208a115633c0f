"""Makes events of the command line durable: by the running box, or without it.

Every act at the command line is an `AuditEvent`; nothing is shown or changed before it is on disk.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from appliance.cli import away
from appliance.cli.context import unix_actor, wall_clock
from appliance.settings import BoxSettings
from captive_portal.errors import ReportError
from captive_portal.sessions.telling import Told
from collector.control import NobodyListens, ask
from collector.errors import Busy, CollectorError
from collector.records import (
    AuditEvent,
    Frame,
    FrameKind,
    SessionEvent,
    microseconds,
    time_of,
)
from collector.spool import SpoolWriter

_TOGETHER = 500
_TIMEOUT_S = 30.0
Event = SessionEvent | AuditEvent


def tell(home: Path, settings: BoxSettings, kind: str, events: Sequence[Event]) -> None:
    """Return when all events are in the spool and on disk.

    The receiving process takes them when it runs; else they are appended under its lock.

    Args:
        home: The box's home.
        settings: Its settings.
        kind: `session` or `audit`.
        events: Of this kind, in their order.

    Raises:
        CollectorError: they are not.
    """
    for at in range(0, len(events), _TOGETHER):
        frames = [_frame(kind, event) for event in events[at : at + _TOGETHER]]
        try:
            _ask(home, frames)
        except NobodyListens:
            _append(home, settings, frames)


def tell_sessions(home: Path, settings: BoxSettings, events: Sequence[SessionEvent]) -> Told:
    """Return when all events of sessions are on disk: what a `Keeper` of the portal tells by.

    There is nothing left to wait for then.

    Raises:
        ReportError: they are not.
    """
    try:
        tell(home, settings, "session", events)
    except CollectorError as error:
        raise ReportError(str(error)) from error
    return lambda: None


def act(home: Path, settings: BoxSettings, word: str, *, target: str = "", actor: str = "") -> None:
    """Write down that somebody did `word`, of `target`: who sits at the command line, or `actor`.

    Raises:
        CollectorError: it could not be written down; do not go on.
    """
    event = AuditEvent(
        event_id=uuid4(),
        time=now(),
        site=settings.sites[0].id,
        actor=actor or unix_actor(),
        act=word,
        target=target,
    )
    tell(home, settings, "audit", [event])


def now() -> datetime:
    """Return the time, aware and UTC."""
    return time_of(wall_clock)


def _frame(kind: str, event: Event) -> Frame:
    return Frame(
        kind=FrameKind[kind.upper()],
        site=event.site,
        received_ns=wall_clock(),
        wire_ns=microseconds(event.time) * 1000,
        transport="local",
        payload=event.to_json(),
    )


def _ask(home: Path, frames: Sequence[Frame]) -> None:
    told = [
        {
            "kind": frame.kind.name.lower(),
            "site": frame.site,
            "wire_ns": frame.wire_ns,
            "transport": frame.transport,
            "payload": base64.b64encode(frame.payload).decode("ascii"),
        }
        for frame in frames
    ]
    ask(home / "run" / "receive.sock", {"do": "frames", "frames": told}, timeout=_TIMEOUT_S)


def _append(home: Path, settings: BoxSettings, frames: Sequence[Frame]) -> None:
    try:
        with SpoolWriter(home / "spool", settings.spool, clock=wall_clock) as spool:
            away.tell(spool, settings.sites, since_ns=spool.last_ns, now_ns=wall_clock())
            last = -1
            for frame in frames:
                last = spool.append(frame)
            spool.wait_durable(last)
    except Busy:
        # The receiving process has the lock: it starts at this moment.
        _ask(home, frames)
