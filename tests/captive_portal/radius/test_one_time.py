"""A password that a page gave is accepted by RADIUS before the person's own, whatever its proof."""

import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from captive_portal.people.accounts import People
from captive_portal.people.nt_hashes import nt_hash
from captive_portal.radius import mschap
from captive_portal.sign_in.one_time import Bound, OneTime
from tests.captive_portal.conftest import SITE
from tests.captive_portal.radius.asking import Ask, Asked, opened
from tests.captive_portal.radius.test_guard import attribute

ACCEPT, REJECT = 2, 3
STATION = attribute(31, b"02-00-5E-00-53-01")
PHONE = Bound(site=SITE, nas="192.0.2.0/24", mac="02:00:5e:00:53:01", address="10.0.0.5")


@pytest.fixture
def asked(engine: Engine, people: People) -> Iterator[Asked]:
    made = Asked(engine)
    made.server.one_time = OneTime(lambda: made.now)
    yield made
    made.close()


def given(asked: Asked, bound: Bound = PHONE) -> str:
    account = asked.people.find(SITE, "somchai")
    assert account is not None
    assert asked.server.one_time is not None
    return asked.server.one_time.give("somchai", account.id, bound)


def answer(asked: Asked, request: bytes) -> int:
    (reply,) = asked.send(request)
    return int(opened(reply, request).code)


def test_it_lets_in_once_and_the_real_password_is_not_looked_at(asked: Asked) -> None:
    password, ask = given(asked), Ask()
    assert answer(asked, ask.pap("somchai", password, STATION)) == ACCEPT
    assert asked.checks == 0
    assert answer(asked, ask.pap("somchai", password, STATION)) == REJECT
    assert answer(asked, ask.pap("somchai", "correct horse", STATION)) == ACCEPT


def test_another_device_is_refused_with_it(asked: Asked) -> None:
    password, ask = given(asked), Ask()
    other = attribute(31, b"02-00-5E-00-53-02")
    assert answer(asked, ask.pap("somchai", password, other)) == REJECT
    assert answer(asked, ask.pap("somchai", password)) == REJECT
    assert answer(asked, ask.pap("somchai", password, attribute(31, b"10.0.0.5"))) == ACCEPT


def test_a_proof_by_chap_is_of_the_password_for_one_use(asked: Asked) -> None:
    password, challenge = given(asked), b"c" * 16
    proof = hashlib.md5(b"\x07" + password.encode() + challenge).digest()
    more = attribute(1, b"somchai") + attribute(3, b"\x07" + proof) + attribute(60, challenge)
    ask = Ask()
    assert answer(asked, ask.request(more + STATION)) == ACCEPT
    assert answer(asked, ask.request(more + STATION)) == REJECT


def test_a_proof_by_mschapv2_brings_the_proof_of_ours(asked: Asked) -> None:
    password, server, peer = given(asked), b"s" * 16, b"p" * 16
    challenge = mschap.challenge_hash(peer, server, b"somchai")
    told = mschap.response(challenge, nt_hash(password))
    body = bytes((5, 0)) + peer + bytes(8) + told
    more = attribute(1, b"somchai") + vsa(11, server) + vsa(25, body) + STATION
    request = Ask().request(more)
    reply = opened(asked.send(request)[0], request)
    assert reply.code == ACCEPT
    assert reply[(311, 26)][0][:3] == b"\x05S="


def vsa(kind: int, value: bytes) -> bytes:
    return attribute(26, (311).to_bytes(4, "big") + attribute(kind, value))


def test_who_may_not_be_on_is_not_let_in_by_it(asked: Asked) -> None:
    password = given(asked)
    account = asked.people.find(SITE, "somchai")
    assert account is not None
    asked.people.disable(account.id, now=account.created_at)
    assert answer(asked, Ask().pap("somchai", password, STATION)) == REJECT
    assert asked.counted()["reject account-closed"] == 1
