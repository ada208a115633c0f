"""Signing in with an account of this box: the password's work, bounded."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from captive_portal.errors import PortalError
from captive_portal.people import names
from captive_portal.people.accounts import Account, People
from captive_portal.sign_in.throttle import Throttle
from collector.records import Clock

THREADS = 2
WAITING = 64
"""People whose passwords are looked at or wait for it; the next one is asked to come again."""


class Busy(PortalError):
    """Too many people sign in at this moment."""


class TooOften(PortalError):
    """Wrong passwords came too often from there."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s


class LocalSignIn:
    """Checks account and password. Used from one event loop."""

    def __init__(self, people: People, *, tries_per_minute: int, clock: Clock) -> None:
        self._people = people
        self._throttle = Throttle(tries_per_minute)
        self._clock = clock
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    async def check(self, site: str, address: str, account: str, password: str) -> Account:
        """Return whose account and password these are.

        Args:
            site: The site of the page.
            address: Where the person is, in canonical text.
            account: As typed.
            password: As typed; kept nowhere.

        Raises:
            Refused: they are not anybody's.
            TooOften: too many failed before.
            Busy: too many sign in now.
        """
        name = f"{site}/{names.folded(account)[: names.MAX_ACCOUNT]}"
        now = self._clock()
        if wait := self._throttle.wait_s(address, name, now):
            raise TooOften(wait)
        if self._pool is None or self._waiting >= WAITING:
            raise Busy("too many sign in at this moment")
        self._waiting += 1
        self._throttle.tried(address, name, now)
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._people.check, site, account, password
            )
        finally:
            self._waiting -= 1
        self._throttle.forgive(address, name, now)
        return found

    async def change(self, person: Account, password: str) -> None:
        """Give an account the password that its person chose.

        Raises:
            PortalError: it is not fit.
        """
        if self._pool is None or self._waiting >= WAITING:
            raise Busy("too many sign in at this moment")
        self._waiting += 1
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._pool, self._people.set_password, person.id, password
            )
        finally:
            self._waiting -= 1
