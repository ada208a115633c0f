"""The RADIUS side of the portal: its ports, FreeRADIUS's door, and the orders to NASes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Generator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from captive_portal.errors import PortalError
from captive_portal.people import nt_hashes
from captive_portal.people.accounts import Account
from captive_portal.people.device_certificates import DeviceCertificates
from captive_portal.radius import clients, freeradius, guard
from captive_portal.radius.authentication import AuthenticationServer, Rules
from captive_portal.radius.book import Book, TermsOf
from captive_portal.radius.eap import EapProxy, Tunnels
from captive_portal.radius.eap_status import EapStatus
from captive_portal.radius.obeying import DynamicServer
from captive_portal.radius.orders import NasOrders
from captive_portal.radius.rest import Rest
from captive_portal.radius.server import AccountingServer
from captive_portal.radius.signing import Signing
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.nas_terms import Ordered
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Ids, Session
from captive_portal.settings import Radius
from captive_portal.sign_in.way import Attempt
from collector.records import Clock, time_of

Check = Callable[[Attempt, Sequence[str]], Awaitable[Account]]
"""`sign_in.chain.Chain.check`."""
_ELSEWHERE = ("ldap", "radius")


_log = logging.getLogger(__name__)


class Desk(Protocol):
    """Where sessions change."""

    def keep(self, heard: Sequence[Accounting]) -> Sequence[Accounting]:
        """Take accounting in; on the sessions' thread."""
        ...

    def submit(self, work: Callable[[], None]) -> asyncio.Future[None]:
        """Run something on the sessions' thread."""
        ...

    async def end(self, session: UUID, cause: str) -> Session | None:
        """End a session everywhere."""
        ...

    async def order(self, session: UUID, ordered: Ordered) -> Session | None:
        """Change a session everywhere."""
        ...


class RadiusSide:
    """All of RADIUS. Used from one event loop."""

    def __init__(  # noqa: PLR0913  # its parts
        self,
        home: Path,
        settings: Radius,
        *,
        engine: Engine,
        desk: Desk,
        check: Check,
        terms: TermsOf,
        ids: Ids,
        clock: Clock,
        named: Collection[str] = (),
    ) -> None:
        """Build the parts; nothing is opened.

        Raises:
            PortalError: a secret cannot be read, or the NASes' table is wrong.
        """
        guard.check_library()
        self._home = home
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._desk = desk
        known, rows = clients.load(home, settings.clients), Rows(engine)
        keeper = nt_hashes.of(home, wanted=settings.nt_hashes)
        self._book = Book(engine, terms=terms, sessions=rows, nt=keeper)
        self._certificates = DeviceCertificates(engine)
        self._check = partial(_checked, check, settings.ways)
        share = settings.packets_per_second
        self.accounting = AccountingServer(
            known, keep=desk.keep, run=desk.submit, ids=ids, clock=clock, per_second=share
        )
        self.authentication = AuthenticationServer(
            known,
            book=self._book,
            check=self._check,
            signing=Signing(engine),
            ids=ids,
            clock=clock,
            rules=Rules(language=settings.language, random_macs=settings.random_macs),
            per_second=share,
        )
        self.orders = NasOrders(known, clock=clock)
        self._dynamic = DynamicServer(
            known,
            sessions=rows,
            end=desk.end,
            change=desk.order,
            ids=ids,
            clock=clock,
            named=named,
            per_second=share,
        )
        self._ending: set[asyncio.Task[None]] = set()
        self.authentication.make_room = self._make_room
        self._proxy: EapProxy | None = None
        self._rest: _Door | None = None
        self._eap: EapStatus | None = None

    async def open(self) -> dict[str, int]:
        """Open the ports, and return them by what comes there.

        Raises:
            PortalError: one is taken, or is not ours to open.
        """
        host, settings = self._settings.host, self._settings
        await self.accounting.open(host, settings.accounting_port)
        await self.authentication.open(host, settings.authentication_port)
        await self._dynamic.open(host, settings.coa_port)
        if settings.eap:
            await self._open_eap()
        return {
            "radius_accounting": self.accounting.port,
            "radius_authentication": self.authentication.port,
            "radius_orders": self._dynamic.port,
        }

    async def _open_eap(self) -> None:
        shared, tunnels = freeradius.read_secrets(self._home), Tunnels()
        self._eap = await asyncio.to_thread(EapStatus, self._home, self._settings)
        given: dict[str, Any] = {"book": self._book, "ids": self._ids, "now": self._now}
        self._proxy = EapProxy(shared.shared.encode(), tunnels, **given)
        self._proxy.make_room = self._make_room
        await self._proxy.open(self._settings.eap_port)
        self.authentication.eap = self._proxy
        app = Rest(
            tunnels,
            token=shared.token,
            realm=self._settings.eap_realm,
            check=self._check,
            counters=self.authentication.counters,
            note=self.authentication.note,
            certificates=self._certificates,
            elsewhere=any(way in _ELSEWHERE for way in self._settings.ways),
            **given,
        )
        self._rest = _Door(
            uvicorn.Config(
                app,
                host="127.0.0.1",
                port=self._settings.eap_rest_port,
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                limit_concurrency=200,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=1,
            )
        )

    async def serve(self) -> None:
        """Answer, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for server in (self.accounting, self.authentication, self._dynamic):
                tasks.create_task(server.serve())
            if self._rest is not None:
                tasks.create_task(self._rest.serve())

    def close(self) -> None:
        """Close the ports."""
        for server in (self.accounting, self.authentication, self._dynamic):
            server.close()
        if self._proxy is not None:
            self._proxy.close()
        if self._rest is not None:
            self._rest.should_exit = True

    def standing(self) -> dict[str, object]:
        """Return what the status shows."""
        return {
            "radius": self.accounting.counters.as_dict(),
            "radius_authentication": self.authentication.counters.as_dict(),
            "radius_orders": {
                "sent": self.orders.counters.as_dict(),
                "taken": self._dynamic.counters.as_dict(),
            },
            "radius_refused": list(self.authentication.recent),
            **({"radius_eap": self._eap.told(self._now())} if self._eap else {}),
        }

    def _make_room(self, sessions: Sequence[UUID]) -> None:
        """End sessions whose person is on at one device more than allowed."""
        for session in sessions:
            ending = asyncio.get_running_loop().create_task(self._end_oldest(session))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _end_oldest(self, session: UUID) -> None:
        try:
            await self._desk.end(session, Cause.DEVICES)
        except (PortalError, SQLAlchemyError) as error:
            # The next minute's review sees that there are too many.
            _log.warning("a device that was to give way is on still: %s", error)

    def _now(self) -> datetime:
        return time_of(self._clock)


async def _checked(check: Check, ways: Sequence[str], attempt: Attempt) -> Account:
    return await check(attempt, ways)


class _Door(uvicorn.Server):
    """uvicorn that leaves signals to whoever started the process."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield
