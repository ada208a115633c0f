"""The portal's process: sign-in pages, RADIUS accounting and the sessions' timers.

`appliance` reads the settings and calls `run`; parts are built in the order in which they need
one another, and stopped in reverse.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from typing_extensions import override

from captive_portal.database import FILE, open_database
from captive_portal.errors import PortalError, cannot_listen
from captive_portal.people.accounts import Account, People
from captive_portal.radius import clients
from captive_portal.radius.server import AccountingServer
from captive_portal.report import SEALER, SOCKET, Reporter
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.keeper import Keeper, Times, signed_in
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Ids, Person, Session
from captive_portal.settings import PortalSettings
from captive_portal.sign_in.local import LocalSignIn
from captive_portal.sign_in_lines import SignInLines
from captive_portal.troubles import Troubles, reason
from captive_portal.web.app import Portal
from captive_portal.web.connections import BoundedProtocol
from captive_portal.web.sites import Places
from collector.records import Clock, SignInLine

SiteTuple = tuple[str, str, Sequence[str]]
"""A site's id, name and inside networks."""
STATUS = Path("run") / "portal.json"
KEY = FILE.parent / "session.key"
"""What session ids are made with; one per home."""
TOLD = FILE.parent / "sign-in-lines.json"
"""How far sign-in lines of syslog are kept."""
TICK_S = 5.0


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
    Places(sites)
    clients.load(home, settings.radius.clients)
    open_database(home, settings.database).dispose()


def session_ids(home: Path) -> Ids:
    """Return the maker of session ids of a home; its key is made at first use.

    Raises:
        PortalError: the key cannot be written or read.
    """
    path = home / KEY
    try:
        if not path.exists():
            _write_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise PortalError(f"the key of session ids {path}: {error.strerror}") from error
    if len(key) < 32:
        raise PortalError(f"the key of session ids {path} is cut short", hint="restore it")
    return Ids(key)


def _write_key(path: Path) -> None:
    made = path.with_name(f"{path.name}.{os.getpid()}")
    with made.open("xb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    made.chmod(0o660)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(made)  # whoever came first has made it
    made.unlink()


def times(settings: PortalSettings) -> Times:
    """Return how long sessions last by the settings."""
    return Times(
        lasts=timedelta(hours=settings.sign_in.session_hours),
        silent=timedelta(seconds=settings.radius.lost_stop_s),
    )


class SessionDesk:
    """The one thread on which sessions change, and the ways to it."""

    def __init__(self, engine: Engine, keeper: Keeper, *, clock: Clock) -> None:
        self._rows = Rows(engine)
        self._people = People(engine)
        self._keeper = keeper
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sessions")

    def close(self) -> None:
        """Let what is under way end."""
        self._thread.shutdown(cancel_futures=True)

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(self._clock() / 1e9, UTC)

    def submit(self, work: Callable[[], None]) -> asyncio.Future[None]:
        """Run something on the sessions' thread."""
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def sign_in(self, site: str, account: Account, address: str, mac: str) -> Session:
        """Begin a session. Raises ReportError."""
        person = _person(account)
        return await asyncio.get_running_loop().run_in_executor(
            self._thread,
            lambda: self._keeper.sign_in(site, person, address, mac=mac, now=self.now()),
        )

    async def sign_out(self, session: Session) -> None:
        """End a session. Raises ReportError."""
        await self.submit(lambda: self._keeper.sign_out(session, now=self.now()))

    async def at(self, site: str, address: str) -> Session | None:
        """Return the session on an address. Waits for nobody who writes."""
        return await asyncio.to_thread(signed_in, self._rows, site, address, self.now())

    def keep(self, heard: Sequence[Accounting]) -> list[Accounting]:
        """Take accounting in; on the sessions' thread. Raises PortalError."""
        try:
            return self._keeper.accounting([(one, self._whose(one)) for one in heard])
        except OperationalError as error:
            # A full disk is nothing about these packets: one line, and the NAS sends them again.
            raise PortalError(f"the database says: {reason(error)}") from error

    def _whose(self, heard: Accounting) -> Person | None:
        """Return whose packet it is: an account of that site, or a shadow made for the name."""
        name = heard.account or heard.mac
        if not name or heard.status in ("on", "off"):
            return None
        return _person(self._people.shadow(heard.site, name, now=self.now()))

    def keep_lines(self, lines: Sequence[SignInLine]) -> None:
        """Take sign-in lines in; on the sessions' thread. Raises PortalError."""
        try:
            self._keeper.told([(line, self._named(line)) for line in lines])
        except OperationalError as error:
            raise PortalError(f"the database says: {reason(error)}") from error

    def _named(self, line: SignInLine) -> Person | None:
        """Return whose line it is, as of accounting; who only leaves is not made known by it."""
        if line.event == "stop":
            found = self._people.find(line.site, line.account) if line.account else None
            return None if found is None else _person(found)
        return _person(self._people.shadow(line.site, line.account, now=self.now()))

    async def tick(self) -> None:
        """End what has run out; what fails is as it was, and tried again at the next tick.

        Raises:
            ReportError: the collector cannot be told.
            SQLAlchemyError: the database cannot be read or written.
        """
        await self.submit(lambda: self._keeper.recover(self.now()))

    async def open_sessions(self) -> int:
        """Return how many sessions go on."""
        return await asyncio.to_thread(self._rows.count_open)

    async def accounts(self) -> dict[str, int]:
        """Return how many accounts there are of each kind."""
        return await asyncio.to_thread(self._people.counts)


def _person(account: Account) -> Person:
    return Person(
        id=account.id,
        account=account.account,
        full_name=account.full_name,
        proofing=account.proofing,
    )


class _QuietServer(uvicorn.Server):
    """uvicorn that leaves signals to whoever started the process."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


class _Process:
    """All parts of the process."""

    def __init__(
        self, home: Path, settings: PortalSettings, sites: Sequence[SiteTuple], clock: Clock
    ) -> None:
        self._home = home
        self._settings = settings
        self._places = Places(sites)
        self._clock = clock
        self._listening: dict[str, int] = {}
        self._troubles = Troubles()
        self._lines: SignInLines | None = None

    async def run(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Build, serve until `stop`, and take down in reverse."""
        async with AsyncExitStack() as stack:
            engine = open_database(self._home, self._settings.database)
            stack.callback(engine.dispose)
            reporter = stack.enter_context(Reporter(self._home / SOCKET))
            keeper = Keeper(
                Rows(engine),
                tell=reporter.sessions,
                ids=session_ids(self._home),
                times=times(self._settings),
            )
            desk = SessionDesk(engine, keeper, clock=self._clock)
            stack.callback(desk.close)
            radius = await self._radius(desk)
            stack.callback(radius.close)
            web = self._web(People(engine), desk, stack)
            if self._settings.sign_in_lines:
                caller = stack.enter_context(Reporter(self._home / SEALER))
                self._lines = SignInLines(
                    self._home / TOLD, caller, keep=desk.keep_lines, run=desk.submit
                )
            ready()  # the kernel queues for both ports from here on
            await self._serve(stop, desk, radius, web)

    async def _radius(self, desk: SessionDesk) -> AccountingServer:
        settings = self._settings.radius
        server = AccountingServer(
            clients.load(self._home, settings.clients),
            keep=desk.keep,
            run=desk.submit,
            ids=session_ids(self._home),
            clock=self._clock,
        )
        await server.open(settings.host, settings.accounting_port)
        self._listening["radius_accounting"] = server.port
        return server

    def _web(
        self, people: People, desk: SessionDesk, stack: AsyncExitStack
    ) -> tuple[_QuietServer, socket.socket]:
        settings = self._settings.sign_in
        local = stack.enter_context(
            LocalSignIn(people, tries_per_minute=settings.tries_per_minute, clock=self._clock)
        )
        portal = Portal(
            settings,
            places=self._places,
            people=people,
            local=local,
            desk=desk,
            clock=self._clock,
        )
        listener = listen(settings.host, settings.port)
        stack.callback(listener.close)
        self._listening["sign_in"] = int(listener.getsockname()[1])
        config = uvicorn.Config(
            portal.app(),
            http=BoundedProtocol,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=500,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=3,
        )
        return _QuietServer(config), listener

    async def _serve(
        self,
        stop: threading.Event,
        desk: SessionDesk,
        radius: AccountingServer,
        web: tuple[_QuietServer, socket.socket],
    ) -> None:
        server, listener = web
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(radius.serve())
            timing = group.create_task(self._time(desk, radius))
            told = self._lines and group.create_task(self._lines.follow(self._troubles))
            pages = group.create_task(server.serve(sockets=[listener]))
            # `stop` is a thread's event, so it is looked at now and then.
            while not stop.is_set() and not pages.done():  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.1)
            timing.cancel()
            if told:
                told.cancel()
            radius.close()
            server.should_exit = True
            await pages
            answering.cancel()
        (self._home / STATUS).unlink(missing_ok=True)

    async def _time(self, desk: SessionDesk, radius: AccountingServer) -> None:
        work: dict[str, Callable[[], Awaitable[None]]]
        work = {"ending sessions": desk.tick, "the status": partial(self._say, desk, radius)}
        while True:
            for what, do in work.items():
                try:
                    await do()
                except (PortalError, SQLAlchemyError, OSError) as error:
                    # Devices ask on: a full disk keeps what needs it from happening, not the pages.
                    self._troubles.note(what, error)
            await asyncio.sleep(TICK_S)

    async def _say(self, desk: SessionDesk, radius: AccountingServer) -> None:
        """Write the status file, whole or not at all."""
        status = {
            "at_ns": self._clock(),
            "pid": os.getpid(),
            "listening": self._listening,
            "sessions": await desk.open_sessions(),
            "accounts": await desk.accounts(),
            "troubles": dict(self._troubles.counts),
            "radius": radius.counters.as_dict(),
        }
        if self._lines:
            status["sign_in_lines"] = {"kept": self._lines.kept, "refused": self._lines.refused}
        path = self._home / STATUS
        path.parent.mkdir(exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(status, ensure_ascii=False), encoding="utf-8")
        new.replace(path)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket.

    Raises:
        PortalError: the port is taken, or is not ours to open.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise cannot_listen("sign-ins", host, port, "[sign_in]", error) from error
    listener.setblocking(False)
    return listener
