"""The portal's process: sign-in pages, RADIUS accounting and the sessions' timers.

`appliance` reads the settings and calls `run`; parts are built in the order in which they need
one another, and stopped in reverse.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from captive_portal.database import FILE, open_database
from captive_portal.desk import (
    Gap,
    SessionDesk,
    answering,
    make_claims,
    make_desk,
    make_keeper,
    session_ids,
)
from captive_portal.desk.control import SOCKET as CONTROL
from captive_portal.desk.home import STATUS as STATUS
from captive_portal.desk.neighbours import Neighbours
from captive_portal.desk.rules import RuleBook
from captive_portal.errors import PortalError
from captive_portal.gate import wire
from captive_portal.gate.client import GateClient
from captive_portal.people.accounts import People
from captive_portal.people.devices import Devices
from captive_portal.people.group_names import group_names
from captive_portal.people.notices import Notices
from captive_portal.radius import clients, guard
from captive_portal.radius.forward import Forwarding, both
from captive_portal.radius.profiles.shelf import Profiles
from captive_portal.radius.side import RadiusSide
from captive_portal.radius.upstream import secret_of, upstream
from captive_portal.report import SEALER, SOCKET, Reporter
from captive_portal.sessions.rows import Rows
from captive_portal.settings import PortalSettings
from captive_portal.sign_in import build
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.one_time import OneTime
from captive_portal.sign_in_lines import SignInLines
from captive_portal.troubles import Troubles
from captive_portal.web.app import Portal
from captive_portal.web.front import Front
from captive_portal.web.handover.gateways import Gateways
from captive_portal.web.looks import Looks
from captive_portal.web.notice import NoticeBoard
from captive_portal.web.own_devices import OwnDevices
from captive_portal.web.serving import PageServer, check_certificate
from captive_portal.web.sites import Places
from collector.records import Clock

SiteTuple = tuple[str, str, Sequence[str]]
"""A site's id, name and inside networks."""
TOLD = FILE.parent / "sign-in-lines.json"
"""How far sign-in lines of syslog are kept."""
TICK_S = 5.0
SOON_S = 0.5
"""So often it is looked whether somebody may have come to the end of a quota."""
MINUTE_S = 60.0
"""So often counters are taken in, and hours and quotas are looked at."""


def run(
    home: Path,
    settings: PortalSettings,
    sites: Sequence[SiteTuple],
    stop: threading.Event,
    *,
    clock: Clock,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Run the portal until `stop` is set. Sessions stay: they are in the database.

    Args:
        home: The home.
        settings: The portal's sections.
        sites: Id, name and networks of each.
        stop: Ends it.
        clock: The time.
        ready: Called once all ports are open.

    Raises:
        PortalError: a port is taken, a secret or the database cannot be opened.
    """
    asyncio.run(_Process(home, settings, sites, clock).run(stop, ready))


def check(home: Path, settings: PortalSettings, sites: Sequence[SiteTuple]) -> None:
    """Build every part from the settings, and open no port.

    Raises:
        PortalError: as `run`.
    """
    Places(sites, settings.zones)
    guard.check_library()
    clients.load(home, settings.radius.clients)
    Looks(home, settings.zones)
    check_certificate(home, settings.sign_in)
    Gateways(home, settings, one_time=OneTime(time.time_ns), clock=time.time_ns).close()
    engine = open_database(home, settings.database)
    try:
        build.chain(home, settings, engine, asks=upstream, clock=time.time_ns)
        build.oidc_clients(home, settings, engine, clock=time.time_ns)
        for section in settings.radius_upstream:
            secret_of(home, section)
    finally:
        engine.dispose()


def _spare_the_collector() -> None:
    """Let Python look for cycles seldom: packets make none, and a tenth of the CPU went there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class _Process:
    """All parts of the process."""

    def __init__(
        self, home: Path, settings: PortalSettings, sites: Sequence[SiteTuple], clock: Clock
    ) -> None:
        self._home = home
        self._settings = settings
        self._places = Places(sites, settings.zones)
        self._clock = clock
        self._listening: dict[str, int] = {}
        self._troubles = Troubles()
        self._one_time = OneTime(clock)
        self._beside: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What runs beside the ports until the end; each part that is built adds its own."""
        self._standing: dict[str, Callable[[], object]] = {}
        """What parts tell the status file, by their names there; who tells nothing is left out."""
        self._gap = Gap(home / STATUS, home / SOCKET, [site for site, *_ in sites], clock=clock)

    async def run(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Build, serve until `stop`, and take down in reverse."""
        async with AsyncExitStack() as stack:
            engine = open_database(self._home, self._settings.database)
            stack.callback(engine.dispose)
            reporter = stack.enter_context(Reporter(self._home / SOCKET))
            forwarding = Forwarding(
                self._home,
                self._settings.radius_upstream,
                clock=self._clock,
                group_of=group_names(engine),
            )
            stack.callback(forwarding.close)
            self._beside.append(forwarding.run)
            self._standing["accounting_out"] = forwarding.standing
            tell = both(reporter.sessions, forwarding)
            keeper = make_keeper(self._home, self._settings, engine, tell)
            gate = self._gate(stack)
            desk = make_desk(self._settings, engine, keeper, clock=self._clock, gate=gate)
            stack.callback(desk.close)
            if gate is not None:
                self._see(engine, desk, stack, gate)
            chain = stack.enter_context(
                build.chain(self._home, self._settings, engine, asks=upstream, clock=self._clock)
            )
            self._standing["sign_in"] = chain.standing
            radius = await self._radius(engine, chain, desk)
            stack.callback(radius.close)
            web = self._web(engine, chain, desk, stack, gate)
            if self._settings.sign_in_lines:
                self._take_lines(desk, stack)
            await stack.enter_async_context(answering(self._home / CONTROL, desk))
            _spare_the_collector()
            ready()  # the kernel queues for both ports from here on
            await self._serve(stop, desk, radius, web)

    def _gate(self, stack: AsyncExitStack) -> GateClient | None:
        if not self._settings.gateway.uplink:
            return None
        gate = GateClient(self._home / wire.SOCKET)
        stack.callback(gate.close)
        return gate

    def _see(
        self, engine: Engine, desk: SessionDesk, stack: AsyncExitStack, gate: GateClient
    ) -> None:
        """Listen to the kernel for which device is at which address."""
        behind = [zone.interface for zone in self._settings.zones if zone.interface]
        neighbours = stack.enter_context(Neighbours(behind))
        desk.addresses_of = neighbours.of
        claims = make_claims(
            self._settings, engine, desk, collector=self._home / SOCKET, clock=self._clock
        )
        claims.ask = gate.ask
        self._beside.append(partial(neighbours.follow, claims.see, self._try))
        self._beside.append(partial(claims.follow, self._try))
        self._standing["neighbours_dropped"] = lambda: neighbours.dropped
        self._standing["claims"] = claims.standing

    def _take_lines(self, desk: SessionDesk, stack: AsyncExitStack) -> None:
        """Fetch what believed senders of syslog say of sign-ins."""
        caller = stack.enter_context(Reporter(self._home / SEALER))
        lines = SignInLines(self._home / TOLD, caller, keep=desk.keep_lines, run=desk.submit)
        self._beside.append(partial(lines.follow, self._troubles))
        self._standing["sign_in_lines"] = lambda: {"kept": lines.kept, "refused": lines.refused}

    async def _radius(self, engine: Engine, chain: Chain, desk: SessionDesk) -> RadiusSide:
        side = RadiusSide(
            self._home,
            self._settings.radius,
            engine=engine,
            desk=desk,
            check=chain.check,
            terms=RuleBook(engine, self._settings).terms,
            ids=session_ids(self._home),
            clock=self._clock,
            named={one.nas_identifier for one in self._settings.radius_upstream},
        )
        self._listening |= await side.open()
        desk.nas.side = side.orders
        await desk.nas.take_up(Rows(engine), desk.now())
        desk.limits_of = chain.limits_of
        side.authentication.one_time = self._one_time
        return side

    def _web(
        self,
        engine: Engine,
        chain: Chain,
        desk: SessionDesk,
        stack: AsyncExitStack,
        gate: GateClient | None,
    ) -> PageServer:
        settings = self._settings.sign_in
        looks = Looks(self._home, self._settings.zones)
        front = Front(
            settings,
            places=self._places,
            looks=looks,
            clock=self._clock,
            wifi=Profiles(self._home, self._settings.radius),
        )
        board = NoticeBoard(settings, notices=Notices(engine), looks=looks)
        gateways = Gateways(self._home, self._settings, one_time=self._one_time, clock=self._clock)
        stack.callback(gateways.close)
        self._standing["gateways"] = gateways.standing
        providers = build.oidc_clients(self._home, self._settings, engine, clock=self._clock)
        for client in providers:
            stack.enter_context(client)
        self._standing["oidc"] = lambda: {one.settings.id: one.standing() for one in providers}
        portal = Portal(
            front,
            people=People(engine),
            chain=chain,
            desk=desk,
            board=board,
            gateways=gateways,
            providers=providers,
            let_visit=gate.let_visit if gate else None,
            own_devices=OwnDevices(
                front,
                people=People(engine),
                chain=chain,
                desk=desk,
                devices=Devices(engine),
                sessions_of=Rows(engine).open_of_person,
            ),
        )
        server = stack.enter_context(
            PageServer(portal.app(), settings, home=self._home, clock=self._clock)
        )
        self._listening |= server.ports
        self._standing["certificate"] = server.standing
        return server

    async def _serve(
        self,
        stop: threading.Event,
        desk: SessionDesk,
        radius: RadiusSide,
        web: PageServer,
    ) -> None:
        say = partial(self._say, desk, radius)
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(radius.serve())
            timing = [
                group.create_task(self._again("telling of the gap", self._gap.tell, TICK_S)),
                group.create_task(self._again("ending sessions", desk.tick, TICK_S)),
                group.create_task(self._again("the certificate", web.renew_certificate, TICK_S)),
                group.create_task(self._again("the status", say, TICK_S)),
                group.create_task(self._minutes(desk)),
                group.create_task(self._again("looking at quotas", desk.metering.sooner, SOON_S)),
                group.create_task(desk.nas.follow()),
                *(group.create_task(work()) for work in self._beside),
            ]
            pages = group.create_task(web.serve())
            # `stop` is a thread's event, so it is looked at now and then.
            while not stop.is_set() and not pages.done():  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.1)
            for task in timing:
                task.cancel()
            radius.close()
            web.stop()
            await pages
            answering.cancel()
        (self._home / STATUS).unlink(missing_ok=True)

    async def _again(self, what: str, do: Callable[[], Awaitable[None]], every_s: float) -> None:
        """Do something now and then, each by itself: a gate that is not there holds up no other."""
        while True:
            await self._try(what, do)
            await asyncio.sleep(every_s)

    async def _minutes(self, desk: SessionDesk) -> None:
        while True:
            await asyncio.sleep(MINUTE_S)
            await self._try("counting and reviewing sessions", desk.minute)

    async def _try(self, what: str, do: Callable[[], Awaitable[None]]) -> None:
        try:
            await do()
        except (PortalError, SQLAlchemyError, OSError) as error:
            # Devices ask on: a full disk keeps what needs it from happening, not the pages.
            self._troubles.note(what, error)

    async def _say(self, desk: SessionDesk, radius: RadiusSide) -> None:
        """Write the status file, whole or not at all."""
        status = {
            "at_ns": self._clock(),
            "pid": os.getpid(),
            "listening": self._listening,
            "sessions": await desk.open_sessions(),
            "accounts": await desk.accounts(),
            "troubles": dict(self._troubles.counts),
            "nas_untold": desk.nas.untold,
            "nas_taken_up": desk.nas.taken_up,
            "nas_waiting": desk.nas.standing(),
            **radius.standing(),
            **{name: told for name, tell in self._standing.items() if (told := tell())},
        }
        path = self._home / STATUS
        path.parent.mkdir(exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(status, ensure_ascii=False), encoding="utf-8")
        new.replace(path)
