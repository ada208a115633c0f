"""Passwords are looked at by two threads; past a full queue people are asked to come again."""

import asyncio
import threading
from uuid import uuid4

import pytest
from typing_extensions import override

from captive_portal.errors import Refused
from captive_portal.people.accounts import Account, Kind, NewAccount, People, Role
from captive_portal.sign_in.local import WAITING, LocalWay
from captive_portal.sign_in.way import Attempt, Busy, Unknown
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


def attempt(account: str, password: str, address: str = "10.0.0.5") -> Attempt:
    return Attempt(site=SITE, address=address, account=account, password=password)


def check(people: People, account: str, password: str) -> Account:
    with LocalWay(people) as way:
        return asyncio.run(way.check(attempt(account, password)))


def test_two_at_once_and_a_bounded_queue() -> None:
    people = Slow()

    async def class_comes() -> list[object]:
        with LocalWay(people) as local:
            tries = [
                asyncio.ensure_future(local.check(attempt(f"pupil{n}", "x")))
                for n in range(WAITING + 5)
            ]
            while people.most < 2:  # noqa: ASYNC110  # threads set it
                await asyncio.sleep(0)
            people.go.set()
            return list(await asyncio.gather(*tries, return_exceptions=True))

    results = asyncio.run(class_comes())
    assert results.count(SOMEBODY) == WAITING
    assert sum(isinstance(result, Busy) for result in results) == 5
    assert people.most == 2


def test_who_goes_away_leaves_no_place_taken(people: People) -> None:
    async def leave() -> Account:
        with LocalWay(people) as local:
            for _ in range(3):
                gone = asyncio.ensure_future(local.check(attempt("somchai", "guess")))
                await asyncio.sleep(0)
                gone.cancel()
            found = await local.check(attempt("somchai", "correct horse"))
            while local._workers._waiting:  # noqa: ASYNC110  # threads set it
                await asyncio.sleep(0.01)
            return found

    assert asyncio.run(leave()).account == "somchai"


def test_a_password_is_changed(people: People) -> None:
    async def change() -> None:
        with LocalWay(people) as local:
            account = await local.check(attempt("somchai", "correct horse"))
            await local.change(account, "another horse")

    asyncio.run(change())
    assert people.check(SITE, "somchai", "another horse").account == "somchai"
    with pytest.raises(Refused):
        people.check(SITE, "somchai", "correct horse")


def test_somebody_without_password_here_may_be_known_elsewhere(people: People) -> None:
    people.add(NewAccount(site=SITE, account="of-the-roll"), now=NOW)
    people.shadow(SITE, "heard-of", now=NOW)
    for account in ("nobody", "of-the-roll", "heard-of"):
        with pytest.raises(Unknown):
            check(people, account, "correct horse")


def test_wrong_or_disabled_is_not_asked_elsewhere(people: People) -> None:
    gone = people.add(NewAccount(site=SITE, account="gone"), now=NOW)
    people.disable(gone.id, now=NOW)
    for account in ("somchai", "gone"):
        with pytest.raises(Refused) as refused:
            check(people, account, "wrong")
        assert not isinstance(refused.value, Unknown)
