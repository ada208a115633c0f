"""A voucher lets one named guest in, for a time, on the word of a sponsor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from captive_portal.errors import PortalError, Refused
from captive_portal.people import groups, vouchers
from captive_portal.people.accounts import Kind, NewAccount, People
from captive_portal.people.groups import Groups
from captive_portal.people.keys import PersonKey
from captive_portal.people.vouchers import (
    NoVoucher,
    Order,
    State,
    VoucherOver,
    VoucherRow,
    Vouchers,
)
from tests.captive_portal.conftest import NOW, SITE

WEEK, HOUR = timedelta(days=7), timedelta(hours=1)


@pytest.fixture
def book(engine: Engine) -> Vouchers:
    return Vouchers(engine, PersonKey(b"k" * 32))


@pytest.fixture
def teacher(engine: Engine) -> UUID:
    new = NewAccount(site=SITE, account="kru", full_name="ครู ใจดี", kind=Kind.TEACHER)
    return People(engine).add(new, now=NOW).id


def order(teacher: UUID, *names: str, minutes: int | None = None) -> Order:
    return Order(
        site=SITE, sponsor=teacher, for_whom=names, valid_until=NOW + WEEK, minutes=minutes
    )


def test_a_named_guest_comes_in_and_stays_the_same_person(book: Vouchers, teacher: UUID) -> None:
    made = book.make(order(teacher, "วิทยากร สมมติ"), now=NOW)[0]
    assert len(made.code) == 11
    guest = book.use(SITE, made.code.lower().replace("-", " "), "", NOW)
    assert (guest.full_name, guest.kind, guest.source) == ("วิทยากร สมมติ", Kind.GUEST, "voucher")
    assert guest.proofing == "voucher of kru"
    assert book.use(SITE, made.code, "ใครอีกคน", NOW + WEEK - HOUR).id == guest.id
    with pytest.raises(VoucherOver):
        book.use(SITE, made.code, "", NOW + WEEK)


def test_nobody_comes_in_without_a_name(book: Vouchers, teacher: UUID) -> None:
    code = book.make(order(teacher, ""), now=NOW)[0].code
    with pytest.raises(PortalError, match="whose voucher"):
        book.use(SITE, code, "  ", NOW)
    with pytest.raises(PortalError, match="control"):
        book.use(SITE, code, "a\0b", NOW)
    with pytest.raises(PortalError, match="longer"):
        book.use(SITE, code, "x" * 201, NOW)
    assert book.use(SITE, code, " ผู้ปกครอง  สมมติ ", NOW).full_name == "ผู้ปกครอง สมมติ"
    assert book.list(SITE, now=NOW)[0].for_whom == "ผู้ปกครอง สมมติ"


def test_minutes_count_from_the_first_use(book: Vouchers, teacher: UUID) -> None:
    code = book.make(order(teacher, "ก", minutes=90), now=NOW)[0].code
    guest = book.use(SITE, code, "", NOW + HOUR)
    assert guest.disabled_at == NOW + HOUR + timedelta(minutes=90)
    assert book.use(SITE, code, "", NOW + 2 * HOUR).id == guest.id
    with pytest.raises(VoucherOver):
        book.use(SITE, code, "", NOW + 3 * HOUR)
    assert book.list(now=NOW + 3 * HOUR)[0].state is State.OVER


def test_revoking_closes_the_guest(engine: Engine, book: Vouchers, teacher: UUID) -> None:
    first, second = book.make(order(teacher, "ก", "ข"), now=NOW)
    guest = book.use(SITE, first.code, "", NOW)
    listed = book.list(SITE, now=NOW)
    assert sorted(v.state for v in listed) == [State.NEW, State.USED]
    assert book.revoke(listed[0].batch, now=NOW + HOUR) == 2
    assert book.revoke(listed[0].batch, now=NOW + HOUR) == 0
    for code in (first.code, second.code):
        with pytest.raises(VoucherOver):
            book.use(SITE, code, "", NOW + HOUR)
    closed = People(engine).get(guest.id)
    assert closed is not None
    assert closed.disabled_at == NOW + HOUR
    with pytest.raises(PortalError, match="no such voucher"):
        book.revoke(uuid4(), now=NOW)


def test_a_sponsor_who_is_gone_answers_for_nobody(
    engine: Engine, book: Vouchers, teacher: UUID
) -> None:
    code = book.make(order(teacher, "ก"), now=NOW)[0].code
    People(engine).disable(teacher, now=NOW + HOUR)
    with pytest.raises(VoucherOver):
        book.use(SITE, code, "", NOW + HOUR)
    with pytest.raises(PortalError, match="cannot answer"):
        book.make(order(teacher, "ข"), now=NOW + HOUR)


def test_orders_that_are_not_fit(engine: Engine, book: Vouchers, teacher: UUID) -> None:
    people = People(engine)
    pupil = people.add(NewAccount(site=SITE, account="pupil"), now=NOW).id
    elsewhere = Groups(engine).put(groups.new("school-b", "แขก")).id
    for wrong in (
        order(pupil, "ก"),
        order(uuid4(), "ก"),
        order(teacher),
        order(teacher, *["ก"] * 501),
        order(teacher, "x" * 201),
        order(teacher, "ก", minutes=0),
        Order(site="school-b", sponsor=teacher, for_whom=["ก"], valid_until=NOW + WEEK),
        Order(site=SITE, sponsor=teacher, for_whom=["ก"], valid_until=NOW),
        Order(site=SITE, sponsor=teacher, for_whom=["ก"], valid_until=NOW + 60 * WEEK),
        Order(site=SITE, sponsor=teacher, for_whom=["ก"], valid_until=NOW + WEEK, group=elsewhere),
    ):
        with pytest.raises(PortalError):
            book.make(wrong, now=NOW)
    assert book.list(now=NOW) == []


def test_codes_are_kept_as_hashes_of_the_home_alone(
    engine: Engine, book: Vouchers, teacher: UUID
) -> None:
    code = book.make(order(teacher, "ก"), now=NOW)[0].code
    with Session(engine) as db:
        row = db.scalars(select(VoucherRow)).one()
        kept = repr({c.name: getattr(row, c.name) for c in VoucherRow.__table__.columns})
    assert vouchers.plain(code) not in kept
    assert code not in kept
    with pytest.raises(NoVoucher):
        Vouchers(engine, PersonKey(b"x" * 32)).use(SITE, code, "", NOW)
    with pytest.raises(NoVoucher):
        book.use("school-b", code, "", NOW)


def test_one_code_on_two_devices_at_once_is_one_guest(
    engine: Engine, book: Vouchers, teacher: UUID
) -> None:
    code = book.make(order(teacher, "ก"), now=NOW)[0].code

    def use(_: int) -> UUID | None:
        try:
            return book.use(SITE, code, "", NOW).id
        except Refused:
            return None

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(use, range(8)))
    assert len(found - {None}) == 1
    assert len([one for one in People(engine).list() if one.kind is Kind.GUEST]) == 1


@given(st.text(max_size=20))
def test_any_typed_text_is_a_code_or_none(text: str) -> None:
    code = vouchers.plain(text)
    assert vouchers.plain(code) == code


def test_what_people_confuse_is_the_same() -> None:
    assert vouchers.plain("o1l-bcd xyz") == "011BCDXYZ"
