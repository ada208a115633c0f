"""Where sessions change: one thread, and what a home gives it, the key of ids and the times.

Pages, RADIUS and lines of syslog all come here, one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from captive_portal.database import FILE
from captive_portal.errors import PortalError
from captive_portal.people.accounts import Account, People
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.keeper import Keeper, Times, signed_in
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Ids, Person, Session
from captive_portal.settings import PortalSettings
from captive_portal.troubles import reason
from collector.records import Clock, SignInLine

KEY = FILE.parent / "session.key"
"""What session ids are made with; one per home."""


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
