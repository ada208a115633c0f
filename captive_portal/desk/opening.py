"""Builds the desk from the settings; and what a start after an unclean end has to tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from captive_portal.desk.claims import Claims, holders
from captive_portal.desk.desk import SessionDesk
from captive_portal.desk.gatekeeper import Gatekeeper
from captive_portal.desk.home import session_ids, times
from captive_portal.desk.rules import RuleBook
from captive_portal.desk.traffic import Traffic
from captive_portal.people import dates
from captive_portal.people.usage import Usage
from captive_portal.report import Reporter
from captive_portal.sessions.charging import Meter
from captive_portal.sessions.keeper import Keeper
from captive_portal.sessions.passes import Gate
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.telling import Tell
from captive_portal.sessions.zones import Zones
from captive_portal.settings import PortalSettings
from collector.records import Clock, CoverageEvent

NOTE = "the portal ended without being stopped"


def make_keeper(home: Path, settings: PortalSettings, engine: Engine, tell: Tell) -> Keeper:
    """Return what keeps the sessions of a home. Raises PortalError: its key cannot be had."""
    return Keeper(
        Rows(engine),
        tell=tell,
        ids=session_ids(home),
        times=times(settings),
        meter=Meter(Usage(engine), dates.BANGKOK),
    )


def make_desk(
    settings: PortalSettings, engine: Engine, keeper: Keeper, *, clock: Clock, gate: Gate | None
) -> SessionDesk:
    """Return the desk; `gate` None: the box is nobody's router."""
    behind = [zone.id for zone in settings.zones if zone.interface and zone.portal]
    desk = SessionDesk(
        engine,
        keeper,
        clock=clock,
        rules=RuleBook(engine, settings),
        zones=Zones(settings.zones),
        gatekeeper=None if gate is None else Gatekeeper(gate, behind),
    )
    if gate is not None:
        inside = [zone.interface for zone in settings.zones if zone.interface]
        desk.metering.traffic = Traffic([settings.gateway.uplink, *inside])
    return desk


def make_claims(
    settings: PortalSettings, engine: Engine, desk: SessionDesk, *, collector: Path, clock: Clock
) -> Claims:
    """Return what stands between the kernel's neighbours and the desk."""

    def tell(rows: Sequence[CoverageEvent]) -> None:
        with Reporter(collector) as reporter:
            reporter.coverage(rows)

    return Claims(
        desk.see,
        zones=Zones(settings.zones),
        holders=partial(holders, Rows(engine)),
        tell=tell,
        clock=clock,
    )


class Gap:
    """Tells, once, that the portal was away and had not been stopped: nobody was watching then."""

    def __init__(self, status: Path, socket: Path, sites: Sequence[str], *, clock: Clock) -> None:
        self._socket = socket
        self._sites = sites
        self._clock = clock
        self._since_ns = _last_alive(status)

    async def tell(self) -> None:
        """Have a row of coverage written for each site. Raises ReportError: try again."""
        if self._since_ns is None:
            return
        since = min(self._since_ns, self._clock())
        rows = [
            CoverageEvent(
                time=_moment(since),
                end=_moment(self._clock()),
                site=site,
                kind="restart",
                note=NOTE,
            )
            for site in self._sites
        ]
        await asyncio.to_thread(self._send, rows)
        self._since_ns = None

    def _send(self, rows: Sequence[CoverageEvent]) -> None:
        with Reporter(self._socket) as reporter:
            reporter.coverage(rows)


def _last_alive(status: Path) -> int | None:
    """Return when a process that was not stopped last wrote its status; None: it was stopped."""
    try:
        at_ns = json.loads(status.read_bytes())["at_ns"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return at_ns if isinstance(at_ns, int) and 0 <= at_ns < 1 << 62 else None


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns / 1e9, UTC)
