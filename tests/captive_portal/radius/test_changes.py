"""Changes told to NASes by CoA: real packets on loopback, each maker's words, every kind of NAS."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.radius import asked, guard, replies
from captive_portal.radius.clients import Clients
from captive_portal.radius.kinds import SEES, TAKES
from captive_portal.radius.orders import NasOrders
from captive_portal.radius.replies import Allowed
from captive_portal.sessions.at_nas import narrower
from captive_portal.sessions.nas_side import Answer
from captive_portal.sessions.nas_terms import NasTerms, Ordered, ordered_of, plain, terms_of
from captive_portal.sessions.session import Session
from captive_portal.settings import NasKind
from tests.captive_portal.conftest import NOW
from tests.captive_portal.radius.test_guard import attribute
from tests.captive_portal.radius.test_orders import (
    SECRET,
    FakeNas,
    cause,
    client,
    reply,
    session,
    vsa,
)

UNTIL = NOW + timedelta(hours=1)
HAS = NasTerms(group="pupils", up_kbit=2000, down_kbit=8000, until=UNTIL)
LESS = replace(HAS, up_kbit=1000)
MORE = replace(HAS, up_kbit=3000)


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def carried(wants: NasTerms = LESS, **more: Any) -> Session:
    key = "\x1f".join(("a", "ap-1", "5F000001", "somchai", "02:00:5e:00:53:01"))
    return session(has=HAS, wants=wants, key=key, **more)


def change(nas: FakeNas | None, one: Session, **of_client: Any) -> Answer:
    port = nas.port if nas else 9
    orders = NasOrders(Clients([client(port, **of_client)]), clock=time.time_ns, wait_s=0.2)
    return asyncio.run(orders.change(one))


def took(asked_for: bytes) -> Sequence[bytes]:
    return [reply(asked_for, 44)]


def test_a_change_names_the_session_and_tells_only_what_is_new() -> None:
    with FakeNas(lambda _, asked_for: took(asked_for)) as nas:
        answer = change(nas, carried())
    assert (answer.state, answer.words) == ("confirmed", "the NAS confirmed")
    (heard,) = nas.heard
    assert heard[0] == 43
    found = list(guard.attributes(heard))
    assert [kind for kind, _ in found] == [80, 55, 44, 1, 31, 32, 4, 26, 26]
    assert abs(int.from_bytes(found[1][1], "big") - time.time()) < 60
    assert (found[3][1], found[5][1], found[6][1]) == (b"somchai", b"ap-1", bytes((10, 0, 0, 1)))
    # Both speeds are one term; the slower one alone would leave the other as the maker likes.
    assert vsa(14122, 7, number(1_000_000)) in heard
    assert attribute(27, number(3600)) not in heard


@pytest.mark.parametrize(
    ("kind", "wants", "told"),
    [
        ("mikrotik", LESS, [vsa(14988, 8, b"1000k/8000k")]),
        ("mikrotik", replace(HAS, up_kbit=None, down_kbit=None), [vsa(14988, 8, b"0/0")]),
        (
            "mikrotik",
            replace(HAS, most_bytes=5 << 32 | 7),
            [vsa(14988, 17, number(7)), vsa(14988, 18, number(5))],
        ),
        ("chillispot", LESS, [vsa(14559, 4, number(1000)), vsa(14559, 5, number(8000))]),
        ("chillispot", replace(HAS, down_kbit=None), [vsa(14559, 5, number(0))]),
        ("generic", replace(HAS, up_kbit=None), [vsa(14122, 7, number((1 << 32) - 1))]),
        ("generic", replace(HAS, until=NOW + timedelta(hours=2)), [attribute(27, number(7200))]),
        ("generic", replace(HAS, idle_s=600), [attribute(28, number(600))]),
        ("ruckus", replace(LESS, group="ครู"), [vsa(25053, 1, "ครู".encode())]),
        ("aruba", replace(HAS, group="staff"), [vsa(14823, 1, b"staff")]),
    ],
)
def test_each_maker_is_told_in_its_own_words(
    kind: NasKind, wants: NasTerms, told: list[bytes]
) -> None:
    with FakeNas(lambda _, asked_for: took(asked_for)) as nas:
        assert change(nas, carried(wants), kind=kind).state == "confirmed"
    for one in told:
        assert one in nas.heard[0]


@pytest.mark.parametrize(
    ("kind", "wants", "state"),
    [
        ("unifi", LESS, "end"),
        ("unifi", MORE, "deaf"),
        ("cisco", replace(HAS, until=NOW), "deaf"),
        ("fortigate", replace(HAS, group="staff"), "end"),
        ("fortigate", LESS, ""),
        ("aruba", LESS, ""),
        ("opnsense", LESS, "deaf"),
        ("mikrotik", replace(HAS, vlan=20), "end"),
        ("opnsense", replace(HAS, vlan=20), "deaf"),
    ],
)
def test_a_nas_that_takes_no_changes_is_not_asked(
    kind: NasKind, wants: NasTerms, state: str
) -> None:
    with FakeNas(lambda _, asked_for: took(asked_for)) as nas:
        assert change(nas, carried(wants), kind=kind).state == state
    assert nas.heard == []


def test_the_settings_may_know_better_than_the_kind() -> None:
    with FakeNas(lambda _, asked_for: took(asked_for)) as nas:
        assert change(nas, carried(), kind="cisco", may_take="coa").state == "confirmed"
        assert change(nas, carried(), kind="mikrotik", may_take="disconnect").state == "end"
    assert vsa(14179, 13, number(1000)) in nas.heard[0]


@pytest.mark.parametrize(
    ("wants", "number_", "state", "words"),
    [
        (MORE, 401, "refused 401", "the NAS refused the change: unsupported attribute (401)"),
        (LESS, 503, "refused 503", "it knows no such session any more"),
        (LESS, 401, "end", "the session ends"),
        (MORE, 0, "refused 0", "it gave no reason (0)"),
    ],
)
def test_a_refusal_is_told_in_words(wants: NasTerms, number_: int, state: str, words: str) -> None:
    with FakeNas(lambda _, a: [reply(a, 45, cause(number_) if number_ else b"")]) as nas:
        answer = change(nas, carried(wants))
    assert answer.state == state
    assert words in answer.words


def test_a_mute_nas_is_asked_three_times_and_the_change_is_unconfirmed() -> None:
    with FakeNas(lambda *_: []) as nas:
        answer = change(nas, carried())
    assert answer.state == "silent"
    assert answer.words.startswith("changed here, NAS unconfirmed: no answer from 127.0.0.1:")
    assert len(nas.heard) == 3
    assert len(set(nas.heard)) == 1


def test_only_the_first_true_answer_to_a_change_counts() -> None:
    def answers(_: FakeNas, told: bytes) -> list[bytes]:
        forged = reply(told, 44, secret=b"another-secret-x")
        of_a_disconnect = reply(told, 41)
        return [forged, of_a_disconnect, reply(told, 45, cause(506)), reply(told, 44)]

    with FakeNas(answers) as nas:
        assert change(nas, carried(MORE)).state == "refused 506"


def test_a_nas_that_has_gone_from_the_settings_is_told_nothing() -> None:
    gone = carried()
    gone = replace(gone, nas=replace(gone.nas, client="192.0.2.0/24"))
    assert change(None, gone).state == "deaf"


def test_of_two_behind_one_address_each_has_its_own_secret() -> None:
    other = b"another-secret-x"
    with FakeNas(lambda _, told: [reply(told, 44, secret=other)]) as nas:
        both = [client(9, identifier="ap-9"), client(nas.port, identifier="ap-1", secret=other)]
        orders = NasOrders(Clients(both), clock=time.time_ns, wait_s=0.2)
        assert asyncio.run(orders.change(carried())).state == "confirmed"


def test_a_fortigate_is_told_the_address_and_no_station() -> None:
    with FakeNas(lambda _, asked_for: [reply(asked_for, 41)]) as nas:
        orders = NasOrders(
            Clients([client(nas.port, kind="fortigate")]), clock=time.time_ns, wait_s=0.2
        )
        asyncio.run(orders.disconnect(carried()))
    kinds = [kind for kind, _ in guard.attributes(nas.heard[0])]
    assert kinds == [80, 55, 44, 1, 8]


def test_a_quota_that_slows_is_no_limit_that_ends_a_session_at_the_nas() -> None:
    def told(kind: NasKind, **more: Any) -> list[str]:
        may = Allowed(until=UNTIL, left_bytes=5, **more)
        made = replies.of(kind, may, now=NOW, session=session().id, ticket=b"", user="x")
        return [name for name, _ in made if "Total" in name]

    assert told("mikrotik")
    assert not told("mikrotik", slows=True)
    # It takes no orders: it ends the session, and its person is slow at the next sign-in.
    assert told("pfsense", slows=True)
    assert not told("pfsense", slows=True, slow=True)


speeds = st.none() | st.integers(0, 1 << 33)
some_terms = st.builds(
    NasTerms,
    group=st.text(max_size=80),
    up_kbit=speeds,
    down_kbit=speeds,
    idle_s=st.none() | st.integers(0, 1 << 22),
    vlan=st.none() | st.integers(1, 4094),
    until=st.none() | st.integers(-(10**6), 10**6).map(lambda s: NOW + timedelta(seconds=s)),
    most_bytes=st.none() | st.integers(0, 1 << 62),
    sure=st.booleans(),
)


@given(some_terms, some_terms, st.sampled_from(sorted(TAKES)))
def test_any_terms_can_be_told_and_equal_ones_need_not(
    has: NasTerms, wants: NasTerms, kind: NasKind
) -> None:
    made = replies.changes(kind, has, wants, start=NOW)
    dictionary = guard.dictionary()
    for name, value in made:
        assert name in dictionary.attributes
        assert isinstance(value, str) or 0 <= int(value) < 1 << 32
    narrower(has, wants, SEES[kind])
    same = replace(wants, sure=True)
    assert replies.changes(kind, same, same, start=NOW) == []
    assert terms_of(plain(wants)) == wants
    assert same.alike(same)


def read(attributes: bytes) -> Ordered:
    whole = bytes((43, 1)) + (20 + len(attributes)).to_bytes(2, "big") + bytes(16) + attributes
    return asked.read(guard.shape(whole, (43,)), by="x", start=NOW)


@pytest.mark.parametrize(
    ("attributes", "up", "down"),
    [
        (vsa(14988, 8, b"512k/2M"), 512, 2000),
        (vsa(14988, 8, b"1G"), 1_000_000, 1_000_000),
        (vsa(14988, 8, b"0/64000"), 0, 64),
        (vsa(14559, 4, number(300)), 300, None),
        (vsa(14179, 7, number(300)), None, 300),
        (
            attribute(26, number(14122) + attribute(7, number(999)) + attribute(8, number(9000))),
            1,
            9,
        ),
    ],
)
def test_speeds_are_understood_in_the_words_of_makers(
    attributes: bytes, up: int | None, down: int | None
) -> None:
    ordered = read(attributes)
    assert (ordered.up_kbit, ordered.down_kbit) == (up, down)
    assert ordered_of(plain(ordered)) == ordered


known = st.sampled_from([6, 11, 24, 26, 27, 28])
makers = st.sampled_from([14122, 14559, 14988, 14179, 9])
vendors = st.builds(
    lambda vendor, kind, value: number(vendor) + bytes((kind, len(value) + 2)) + value,
    makers,
    st.integers(0, 20),
    st.binary(max_size=20),
)


@given(st.lists(st.tuples(known, st.binary(max_size=40) | vendors), max_size=6))
def test_any_request_is_understood_as_a_whole_or_refused(told: list[tuple[int, bytes]]) -> None:
    try:
        ordered = read(b"".join(attribute(kind, value) for kind, value in told))
    except asked.Unfit as unfit:
        assert unfit.cause in (401, 402, 405, 407)
    else:
        assert ordered != Ordered(by="x")
        assert SECRET not in ordered.group.encode()
