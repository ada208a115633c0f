"""Signing in with an account of this box: the password's work, bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from captive_portal.errors import Refused
from captive_portal.people.accounts import Account, Kind, People
from captive_portal.sign_in.way import Attempt, Unknown, WayWord
from captive_portal.sign_in.workers import Workers

THREADS = 2
WAITING = 64
"""People whose passwords are looked at or wait for it; the next one is asked to come again."""


class LocalWay:
    """Checks account and password against the box's own. Used from one event loop."""

    name = WayWord.LOCAL.value
    locks_after = 0

    def __init__(self, people: People) -> None:
        self._people = people
        self._workers = Workers("password", threads=THREADS, waiting=WAITING)

    def __enter__(self) -> Self:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.__exit__()

    async def check(self, attempt: Attempt) -> Account:
        """Return whose account and password these are. Raises as `Way` says."""
        return await self._workers.run(self._check, attempt)

    def _check(self, attempt: Attempt) -> Account:
        try:
            return self._people.check(attempt.site, attempt.account, attempt.password)
        except Refused:
            # The time for it is spent by now, whoever it is.
            found = self._people.find(attempt.site, attempt.account)
            if found is None or not self._ours(found):
                raise Unknown("nobody here") from None
            raise

    async def change(self, person: Account, password: str) -> None:
        """Give an account the password that its person chose.

        Raises:
            NotFit: it is not fit, or the one that they have.
            Busy: too many wait.
        """
        await self._workers.run(self._people.choose_password, person.id, password)

    def standing(self) -> Mapping[str, object]:
        """Return nothing: it is always there."""
        return {}

    def _ours(self, account: Account) -> bool:
        """Say whether its password is here: somebody of the roll without one may be elsewhere."""
        if self._people.closed(account):
            return True
        return account.password_here and account.kind is not Kind.SHADOW
