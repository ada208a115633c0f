"""Passwords are looked at by two threads; past a full queue people are asked to come again."""

import asyncio
import threading
import time
from uuid import uuid4

import pytest
from typing_extensions import override

from captive_portal.errors import Refused
from captive_portal.people.accounts import Account, Kind, People, Role
from captive_portal.sign_in.local import WAITING, Busy, LocalSignIn, TooOften
from tests.captive_portal.conftest import NOW, SITE

SOMEBODY = Account(
    id=uuid4(),
    site=SITE,
    account="somchai",
    full_name="",
    kind=Kind.PUPIL,
    role=Role.NONE,
    must_change=False,
    proofing="",
    created_at=NOW,
    disabled_at=None,
    has_password=True,
)


class Slow(People):
    """Accounts whose check waits until it may end."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.at_once = self.most = 0
        self._lock = threading.Lock()

    @override
    def check(self, site: str, account: str, password: str) -> Account:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.go.wait(5)
        with self._lock:
            self.at_once -= 1
        return SOMEBODY


def test_two_at_once_and_a_bounded_queue() -> None:
    people = Slow()

    async def class_comes() -> list[object]:
        with LocalSignIn(people, tries_per_minute=10, clock=time.time_ns) as local:
            tries = [
                asyncio.ensure_future(local.check(SITE, f"10.0.0.{n}", f"pupil{n}", "x"))
                for n in range(WAITING + 5)
            ]
            await asyncio.sleep(0.1)
            people.go.set()
            return list(await asyncio.gather(*tries, return_exceptions=True))

    results = asyncio.run(class_comes())
    assert results.count(SOMEBODY) == WAITING
    assert sum(isinstance(result, Busy) for result in results) == 5
    assert people.most == 2


def test_tries_at_the_same_time_count_each(people: People) -> None:
    async def guess() -> list[object]:
        with LocalSignIn(people, tries_per_minute=3, clock=lambda: 10**18) as local:
            tries = [local.check(SITE, "10.0.0.5", "somchai", f"guess{n}") for n in range(10)]
            return list(await asyncio.gather(*tries, return_exceptions=True))

    results = asyncio.run(guess())
    assert sum(isinstance(result, Refused) for result in results) == 3
    assert sum(isinstance(result, TooOften) for result in results) == 7


def test_a_password_is_changed(people: People) -> None:
    async def change() -> None:
        with LocalSignIn(people, tries_per_minute=3, clock=lambda: 10**18) as local:
            account = await local.check(SITE, "10.0.0.5", "somchai", "correct horse")
            await local.change(account, "another horse")

    asyncio.run(change())
    assert people.check(SITE, "somchai", "another horse").account == "somchai"
    with pytest.raises(Refused):
        people.check(SITE, "somchai", "correct horse")
