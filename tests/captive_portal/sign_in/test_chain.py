"""The order of the ways, what each answer means, and that all who are refused hear the same."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import pytest

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Account, People
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.local import LocalWay
from captive_portal.sign_in.way import Attempt, Busy, NotNow, TooOften, Unknown, Unsure
from tests.captive_portal.conftest import SITE
from tests.captive_portal.sign_in.test_local import SOMEBODY

NOW = 10**18


@dataclass
class Told:
    """A way that answers what it is told to."""

    answer: Account | PortalError
    name: str = "ldap ad"
    locks_after: int = 0
    asked: list[Attempt] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    async def check(self, attempt: Attempt) -> Account:
        self.asked.append(attempt)
        if isinstance(self.answer, PortalError):
            raise self.answer
        return self.answer

    def standing(self) -> Mapping[str, object]:
        return {"asked": len(self.asked)}


def chain(people: People, *ways: Told, tries: int = 100) -> Chain:
    return Chain(
        LocalWay(people),
        {(SITE, "ldap"): ways},
        tries_per_minute=tries,
        clock=lambda: NOW,
        refusal_s=0.0,
    )


def check(
    one: Chain,
    account: str = "somebody",
    password: str = "x",
    ways: Sequence[str] = ("local", "ldap"),
    **device: str,
) -> Account:
    attempt = Attempt(
        site=SITE,
        address=device.get("address", "10.0.0.5"),
        mac=device.get("mac", ""),
        account=account,
        password=password,
    )

    async def ask() -> Account:
        return await one.check(attempt, ways)

    return asyncio.run(ask())


def test_who_is_unknown_here_is_asked_about_elsewhere(people: People) -> None:
    first, second = Told(Unknown("")), Told(SOMEBODY, "ldap second")
    with chain(people, first, second) as one:
        assert check(one) is SOMEBODY
    assert len(first.asked) == len(second.asked) == 1
    assert one.counts == {"local unknown": 1, "ldap ad unknown": 1, "ldap second right": 1}


def test_a_wrong_password_goes_nowhere_else(people: People) -> None:
    elsewhere = Told(SOMEBODY)
    with chain(people, elsewhere) as one, pytest.raises(Refused):
        check(one, "somchai", "wrong")
    assert elsewhere.asked == []


def test_a_zone_asks_only_its_own_ways(people: People) -> None:
    elsewhere = Told(SOMEBODY)
    with chain(people, elsewhere) as one:
        with pytest.raises(Refused):
            check(one, ways=("local",))
        with pytest.raises(Refused):
            check(one, "somchai", "correct horse", ways=("voucher",))
    assert elsewhere.asked == []


def test_a_directory_that_is_silent_is_counted_and_the_next_one_asked(people: People) -> None:
    silent, other = Told(NotNow("no server answers")), Told(SOMEBODY, "ldap other")
    with chain(people, silent, other) as one:
        assert check(one) is SOMEBODY
        assert one.counts["ldap ad silent"] == 1
        assert check(one, "somchai", "correct horse").account == "somchai"


def test_while_one_is_silent_nobody_hears_whose_account_it_was(people: People) -> None:
    with chain(people, Told(NotNow("no server answers"))) as one:
        heard = set()
        for account in ("nobody", "somchai", "nobody else"):
            with pytest.raises(Unsure) as refused:
                check(one, account, "wrong")
            heard.add(str(refused.value))
    assert len(heard) == 1


def test_where_the_only_way_is_silent_it_is_not_now(people: People) -> None:
    with chain(people, Told(NotNow("no server answers"))) as one, pytest.raises(NotNow):
        check(one, ways=("ldap",))


def test_all_who_are_refused_hear_the_same(people: People) -> None:
    heard = set()
    for answer in (Unknown("nobody"), Refused("bad password"), Refused("account locked")):
        with chain(people, Told(answer)) as one, pytest.raises(Refused) as refused:
            check(one)
        heard.add((type(refused.value), str(refused.value)))
    assert len(heard) == 1


def test_a_refusal_takes_its_time_whoever_it_is(people: People) -> None:
    waited: list[float] = []

    async def ask(account: str) -> None:
        one = Chain(
            LocalWay(people),
            {(SITE, "ldap"): [Told(Unknown(""))]},
            tries_per_minute=9,
            clock=lambda: NOW,
            refusal_s=0.5,
        )
        attempt = Attempt(site=SITE, address="10.0.0.5", account=account, password="wrong")
        with one:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(Refused):
                await one.check(attempt, ("local", "ldap"))
            waited.append(asyncio.get_running_loop().time() - begun)

    for account in ("somchai", "nobody"):
        asyncio.run(ask(account))
    assert min(waited) >= 0.5


def test_tries_at_the_same_time_count_each(people: People) -> None:
    async def guess() -> list[object]:
        with Chain(LocalWay(people), {}, tries_per_minute=3, clock=lambda: NOW) as one:
            tries = [
                one.check(
                    Attempt(site=SITE, address="10.0.0.5", account="somchai", password=f"{n}")
                )
                for n in range(10)
            ]
            return list(await asyncio.gather(*tries, return_exceptions=True))

    results = asyncio.run(guess())
    assert sum(isinstance(result, Refused) for result in results) == 3
    assert sum(isinstance(result, TooOften) for result in results) == 7


def test_a_device_stays_the_same_whatever_address_it_takes(people: People) -> None:
    with chain(people, tries=3) as one:
        for n in range(3):
            with pytest.raises(Refused):
                check(one, "somchai", "wrong", address=f"10.0.0.{n}", mac="02:00:00:00:00:01")
        with pytest.raises(TooOften):
            check(one, "somchai", "wrong", address="fd00::77", mac="02:00:00:00:00:01")
        check(one, "somchai", "correct horse", mac="02:00:00:00:00:02")


def test_other_spellings_are_no_other_accounts(people: People) -> None:
    with chain(people, Told(Refused("")), tries=1) as one:
        for n, account in enumerate(
            ("teacher", "TEACHER", "ｔｅａｃｈｅｒ", "tea\u200bcher", " teacher ")
        ):
            with pytest.raises(PortalError):
                check(one, account, address=f"10.0.0.{n}")
        keys = {key[1] for key in one._throttle._paid if key[0] == "account"}
    assert keys == {f"{SITE}/teacher"}


def test_a_directory_that_locks_is_not_asked_so_often_that_it_would(people: People) -> None:
    locking = Told(SOMEBODY, locks_after=5)
    with chain(people, locking) as one:
        check(one, "teacher", mac="02:00:00:00:00:99")
        locking.answer = Refused("")
        for n in range(4):
            with pytest.raises((Refused, TooOften)):
                check(one, "teacher", address=f"10.0.0.{n}")
        assert len(locking.asked) - 1 == 2
        locking.answer = SOMEBODY
        assert check(one, "teacher", mac="02:00:00:00:00:99") is SOMEBODY


def test_who_is_known_here_gets_in_while_a_directory_may_not_be_asked(people: People) -> None:
    locking = Told(Refused(""), locks_after=3)
    with chain(people, locking) as one:
        for account in ("somchai", "teacher"):
            with pytest.raises(Refused):
                check(one, account, "wrong", address="10.0.0.1")
            with pytest.raises(TooOften):  # the same for who is known here and who is not
                check(one, account, "wrong", address="10.0.0.2")
        assert len(locking.asked) == 1
        assert check(one, "somchai", "correct horse", mac="02:00:00:00:00:98").account == "somchai"


def test_what_is_no_text_is_refused(people: People) -> None:
    with chain(people, Told(SOMEBODY)) as one:
        for account, password in (("a\ud800", "x"), ("somchai", "\udfff")):
            with pytest.raises(Refused):
                check(one, account, password)


def test_who_comes_when_all_is_full_has_not_failed(people: People) -> None:
    full = Told(Busy("full"))
    with chain(people, full, tries=1) as one:
        for _ in range(2):
            with pytest.raises(Busy):
                check(one)
        assert one.standing()["counts"] == {"local unknown": 2, "busy": 2}


def test_no_line_shows_a_password() -> None:
    attempt = Attempt(site=SITE, address="10.0.0.5", account="a", password="correct horse")
    assert "correct horse" not in repr(attempt)
