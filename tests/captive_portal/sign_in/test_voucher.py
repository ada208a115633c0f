"""A voucher lets a guest in who has a name, however its code is typed; guessing is slow."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from captive_portal.errors import PortalError, Refused
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.keys import PersonKey
from captive_portal.people.vouchers import Order, Vouchers
from captive_portal.sign_in.chain import Chain
from captive_portal.sign_in.local import LocalWay
from captive_portal.sign_in.voucher import VoucherWay, _like_a_code
from captive_portal.sign_in.way import Attempt, NameWanted, TooOften, Unknown
from tests.captive_portal.conftest import NOW, SITE

NOW_NS = int(NOW.timestamp()) * 10**9
WAYS = ("local", "voucher")


@pytest.fixture
def vouchers(engine: Engine) -> Vouchers:
    return Vouchers(engine, PersonKey(b"k" * 32))


def printed(vouchers: Vouchers, people: People, *names: str, site: str = SITE) -> list[str]:
    sponsor = people.find(site, "malee") or people.add(
        NewAccount(site=site, account="malee", kind=Kind.TEACHER), now=NOW
    )
    order = Order(
        site=site, sponsor=sponsor.id, for_whom=names, valid_until=NOW + timedelta(days=1)
    )
    return [one.code for one in vouchers.make(order, now=NOW)]


def check(chain: Chain, code: str, guest: str = "", password: str = "", mac: str = "") -> Account:
    attempt = Attempt(
        site=SITE, address="10.0.0.5", account=code, password=password, guest=guest, mac=mac
    )

    async def once() -> Account:
        return await chain.check(attempt, WAYS)

    return asyncio.run(once())


def chain(people: People, vouchers: Vouchers, tries: int = 100) -> Chain:
    way = VoucherWay(vouchers, clock=lambda: NOW_NS)
    return Chain(
        LocalWay(people),
        {(SITE, "voucher"): [way]},
        tries_per_minute=tries,
        clock=lambda: NOW_NS,
        refusal_s=0,
    )


def test_a_guest_gets_in_however_the_code_is_typed(people: People, vouchers: Vouchers) -> None:
    code = printed(vouchers, people, "วิชัย แขกดี")[0]
    with chain(people, vouchers) as one:
        first = check(one, code)
        assert first.full_name == "วิชัย แขกดี"
        for typed in (code.lower(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
            assert check(one, typed, password="anything").id == first.id


def test_nobody_gets_in_without_a_name(people: People, vouchers: Vouchers) -> None:
    code = printed(vouchers, people, "")[0]
    with chain(people, vouchers, tries=1) as one:
        for guest in ("", " ", "a\x00b", "ก" * 201):  # to be asked for a name is no failed try
            with pytest.raises(NameWanted):
                check(one, code, guest)
        assert check(one, code, guest="วิชัย แขกดี").full_name == "วิชัย แขกดี"


def test_codes_of_others_and_those_taken_back_let_nobody_in(
    people: People, vouchers: Vouchers
) -> None:
    elsewhere = printed(vouchers, people, "ที่อื่น", site="school-b")[0]
    code = printed(vouchers, people, "วิชัย แขกดี")[0]
    with chain(people, vouchers) as one:
        with pytest.raises(Refused):
            check(one, elsewhere)
        check(one, code)
        for voucher in vouchers.list(SITE, now=NOW):
            vouchers.revoke(voucher.id, now=NOW)
        with pytest.raises(Refused):
            check(one, code)


def test_guessing_codes_is_slow(people: People, vouchers: Vouchers) -> None:
    stopped = 0
    with chain(people, vouchers, tries=2) as one:
        for n in range(10):
            try:
                check(one, f"BCD-FGH-{n:03}", mac="02:00:00:00:00:01")
            except TooOften:
                stopped += 1
            except PortalError:
                pass
    assert stopped == 8


@pytest.mark.parametrize(
    "typed", ["", "somchai", "BCD", "BCDFGHJKMN", "ก" * 9, "A" * 9, "-" * 5000]
)
def test_what_is_no_code_is_not_looked_for(vouchers: Vouchers, typed: str) -> None:
    attempt = Attempt(site=SITE, address="10.0.0.5", account=typed, password="")
    with VoucherWay(vouchers, clock=lambda: NOW_NS) as way, pytest.raises(Unknown):
        asyncio.run(way.check(attempt))


@given(st.text(max_size=60))
def test_any_text_is_like_a_code_or_is_not(typed: str) -> None:
    assert _like_a_code(typed) in (True, False)
