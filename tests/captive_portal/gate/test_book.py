"""Calls change the book, and the kernel by no more than they say; undone, nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from captive_portal.errors import GateError
from captive_portal.gate.book import Book, changed, to_cut, wanted
from captive_portal.gate.classes import Classes
from captive_portal.gate.elements import Change, Key, address_of, mac_of, orders, to_passes
from captive_portal.sessions.passes import Pass

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def make(serial: int, *addresses: str, kbit: int | None = None, hours: int | None = None) -> Pass:
    return Pass(
        serial=serial,
        zone="pupils",
        mac=f"02:00:00:00:00:{serial:02x}",
        addresses=addresses or (f"10.20.0.{serial}",),
        up_kbit=kbit,
        until=None if hours is None else NOW + timedelta(hours=hours),
    )


PASSES = st.builds(
    lambda serial, hosts, kbit, hours: make(
        serial,
        *(f"10.20.0.{h}" if h < 5 else f"2001:db8::{h}" for h in hosts),
        kbit=kbit,
        hours=hours,
    ),
    st.integers(1, 5),
    st.sets(st.integers(1, 9), min_size=1, max_size=4),
    st.none() | st.sampled_from([500, 2000]),
    st.none() | st.integers(1, 3),
)
CALLS = st.tuples(st.lists(PASSES, max_size=3), st.lists(PASSES, max_size=3))


def test_a_pass_is_two_elements_an_address() -> None:
    book = Book(Classes())
    book.apply([make(7, "10.20.0.7", "2001:db8::7", kbit=2000)], [])
    assert {key.map for key in book.elements} == {
        "session4", "session6", "download4", "download6",
    }  # fmt: skip
    assert {each.mark for each in book.elements.values()} == {7 << 8 | 1}
    for key in book.elements:
        assert address_of(key) in ("10.20.0.7", "2001:db8::7")
        assert not key.map.startswith("session") or mac_of(key) == "02:00:00:00:00:07"


def test_an_address_goes_over_to_who_comes_last() -> None:
    book = Book(Classes())
    book.apply([make(1, "10.20.0.9")], [])
    step = book.apply([make(2, "10.20.0.9")], [])
    change = changed(book, [step])
    assert {each.serial for each in book.elements.values()} == {1, 2}  # 1 by its own MAC alone
    down = Key("download4", bytes([10, 20, 0, 9]))
    assert book.elements[down].serial == 2
    assert change.take[down].serial == 1


def test_another_speed_cuts_nothing_and_the_end_cuts_all() -> None:
    book = Book(Classes())
    book.apply([make(1)], [])
    faster = changed(book, [book.apply([make(1, kbit=2000)], [])])
    assert not to_cut(book, faster)
    assert faster.take.keys() == faster.put.keys()
    cut = to_cut(book, changed(book, [book.apply([], [make(1)])]))
    assert cut.serials == {1}
    assert cut.addresses == {bytes([10, 20, 0, 1])}


def test_an_address_that_a_session_loses_is_cut_and_its_others_are_not() -> None:
    book = Book(Classes())
    book.apply([make(1, "10.20.0.1", "2001:db8::1")], [])
    cut = to_cut(book, changed(book, [book.apply([make(1, "10.20.0.1")], [])]))
    assert not cut.serials
    assert [len(raw) for raw in cut.addresses] == [16]


def test_orders_put_first_what_they_delete_and_leave_out_what_is_over() -> None:
    book = Book(Classes())
    book.apply([make(1, hours=1)], [])
    step = book.apply([make(2, hours=-1)], [make(1)])
    told = orders(changed(book, [step]), NOW)
    assert [(order.comes, order.map) for order in told] == [
        (True, "session4"), (True, "download4"), (False, "session4"), (False, "download4"),
    ]  # fmt: skip


@given(st.lists(CALLS, max_size=6))
def test_undone_calls_leave_the_book_as_it_was(
    calls: Sequence[tuple[list[Pass], list[Pass]]],
) -> None:
    book = Book(Classes())
    book.apply([make(1), make(2, "10.20.0.2", "2001:db8::6", kbit=500)], [])
    before = dict(book.passes), dict(book.elements)
    steps = []
    for let_in, shut_out in calls:
        steps.append(book.apply(let_in, shut_out))
    for step in reversed(steps):
        book.undo(step)
    assert (book.passes, book.elements) == before
    assert not changed(book, steps)


@given(st.lists(CALLS, max_size=6), st.integers(0, 6))
def test_what_many_calls_change_together_leads_to_the_book(
    calls: Sequence[tuple[list[Pass], list[Pass]]], batch: int
) -> None:
    book = Book(Classes())
    kernel: dict[Key, object] = {}
    for start in range(0, len(calls), batch + 1):
        steps = [book.apply(*call) for call in calls[start : start + batch + 1]]
        change = changed(book, steps)
        for key, old in change.take.items():
            assert kernel.pop(key) == old
        for key, new in change.put.items():
            assert key not in kernel
            kernel[key] = new
        assert kernel == book.elements
    owned = {key for key in book.elements}
    assert owned == {key for keys in book._keys.values() for key in keys}


@given(st.lists(PASSES, max_size=6, unique_by=lambda each: each.serial))
def test_passes_read_back_from_the_kernel_make_the_same_elements(passes: list[Pass]) -> None:
    book, again = Book(Classes()), Book(Classes())
    book.load(passes)
    again.load(to_passes(book.elements, book.classes).values())
    marks = {key: book.classes.speed(each.mark & 255) for key, each in book.elements.items()}
    assert {k: again.classes.speed(e.mark & 255) for k, e in again.elements.items()} == marks


def test_too_many_speeds_refuse_the_call_and_change_nothing() -> None:
    book = Book(Classes())
    book.load([make(n, f"10.20.1.{n}", kbit=n) for n in range(1, 255)])
    before = dict(book.elements)
    try:
        book.apply([make(1), Pass(serial=999, zone="", mac="02:00:00:00:09:99",
                                  addresses=("10.20.9.9",), up_kbit=5000)], [])  # fmt: skip
    except GateError:
        assert book.elements == before
    else:
        # Serial 1 had given its class back in the same call.
        assert len(book.passes) == 255


def test_what_is_over_is_not_wanted() -> None:
    book = Book(Classes())
    book.load([make(1, hours=-1), make(2, hours=1), make(3)])
    assert {each.serial for each in wanted(book, NOW).values()} == {2, 3}
    assert [each.serial for each in book.expired(NOW)] == [1]
    assert not Change(take={}, put={})
