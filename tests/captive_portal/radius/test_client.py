"""What is believed of other RADIUS servers, and what happens when they are mute."""

import asyncio
import hashlib
import hmac
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.radius import client, wire
from captive_portal.radius.client import Mute, Servers
from captive_portal.radius.wire import Reply, Unbelieved, checked, encoded

SECRET = b"a-secret-between-servers"
Answers = Callable[[bytes], list[bytes]]


def reply(
    request: bytes, code: int = 2, *, attributes: bytes = b"", signed: bool = True, **wrong: bytes
) -> bytes:
    """Return an answer made with the secret, or with another."""
    secret = wrong.get("secret", SECRET)
    signature = bytes((80, 18)) + bytes(16) if signed else b""
    size = (20 + len(signature) + len(attributes)).to_bytes(2, "big")
    head = bytes((code, request[1])) + size
    if signed:
        blank = head + request[4:20] + signature + attributes
        signature = signature[:2] + hmac.digest(wrong.get("signing", secret), blank, "md5")
    rest = signature + attributes
    return head + hashlib.md5(head + request[4:20] + rest + secret).digest() + rest


@contextmanager
def server(answers: Answers) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that answers what a test wants; give its address and what it heard."""
    heard: list[bytes] = []
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    listener.settimeout(0.1)
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                request, peer = listener.recvfrom(65535)
            except TimeoutError:
                continue
            heard.append(request)
            for answer in answers(request):
                listener.sendto(answer, peer)

    thread = threading.Thread(target=run)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", heard
    stop.set()
    thread.join()
    listener.close()


def servers(*addresses: str, legacy: bool = False) -> Servers:
    return Servers(addresses, SECRET, nas_identifier="prathu", legacy=legacy)


def ask(one: Servers, code: int = wire.ACCESS_REQUEST) -> Reply:
    async def once() -> Reply:
        try:
            return await one.ask(code, lambda _: [(1, b"malee")])
        finally:
            one.close()

    return asyncio.run(once())


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WAITS_S", (0.3, 0.3, 0.3))
    monkeypatch.setattr(client, "PROBE_S", 0.3)


def test_a_request_is_signed_and_the_signature_comes_first() -> None:
    with server(lambda request: [reply(request)]) as (address, heard):
        assert ask(servers(address)).code == wire.ACCESS_ACCEPT
    request = heard[0]
    assert request[20:22] == bytes((80, 18))
    blank = request[:22] + bytes(16) + request[38:]
    assert hmac.digest(SECRET, blank, "md5") == request[22:38]
    assert b"prathu" in request
    assert b"malee" in request


def test_an_accounting_request_has_its_own_authenticator() -> None:
    with server(lambda request: [reply(request, 5, signed=False)]) as (address, heard):
        assert ask(servers(address), wire.ACCOUNTING_REQUEST).code == 5
    made = hashlib.md5(heard[0][:4] + bytes(16) + heard[0][20:] + SECRET).digest()
    assert made == heard[0][4:20]


FORGED: dict[str, Answers] = {
    "no message-authenticator": lambda r: [reply(r, signed=False)],
    "wrong authenticator": lambda r: [reply(r, secret=b"guessed")],
    "wrong message-authenticator": lambda r: [reply(r, signing=b"guessed")],
    "bad message-authenticator": lambda r: [reply(r, attributes=bytes((80, 18)) + bytes(16))],
    "bad code": lambda r: [reply(r, 5)],
    "proxy-state": lambda r: [reply(r, attributes=bytes((33, 130)) + os.urandom(128))],
    "bad attribute": lambda r: [reply(r, attributes=bytes((18, 0)))],
    "bad length": lambda r: [reply(r)[:-1]],
    "short": lambda r: [reply(r)[:19]],
}


@pytest.mark.parametrize("reason", FORGED)
def test_a_forged_answer_is_counted_and_does_not_end_the_wait(reason: str) -> None:
    forged = FORGED[reason]
    with server(lambda request: [*forged(request), reply(request, 3)]) as (address, _):
        one = servers(address)
        assert ask(one).code == wire.ACCESS_REJECT
    assert one.counts == {reason: 1}


def test_an_answer_to_another_request_is_nobodys() -> None:
    def other_id(request: bytes) -> list[bytes]:
        return [reply(bytes((1, request[1] ^ 1)) + request[2:])]

    with server(other_id) as (address, _), pytest.raises(Mute):
        ask(servers(address))


def test_old_servers_are_believed_only_where_the_settings_say_so() -> None:
    with server(lambda request: [reply(request, signed=False)]) as (address, _):
        with pytest.raises(Mute):
            ask(servers(address))
        assert ask(servers(address, legacy=True)).code == wire.ACCESS_ACCEPT
    # The shape of CVE-2024-3596, which needs room for the collision.
    with (
        server(lambda r: [reply(r, signed=False, attributes=bytes((33, 18)) + bytes(16))]) as (
            at,
            _,
        ),
        pytest.raises(Mute),
    ):
        ask(servers(at, legacy=True))


def test_a_long_answer_is_read_and_a_longer_one_is_not() -> None:
    attributes = encoded([(18, b"x" * 253)] * 15)
    with server(
        lambda r: [reply(r, attributes=attributes + attributes), reply(r, attributes=attributes)]
    ) as (
        address,
        _,
    ):
        one = servers(address)
        assert len(ask(one).attributes) == 16
    assert one.counts == {"bad length": 1}


def test_the_same_octets_are_sent_again() -> None:
    heard: list[bytes] = []

    def third(request: bytes) -> list[bytes]:
        heard.append(request)
        return [reply(request)] if len(heard) == 3 else []

    with server(third) as (address, _):
        ask(servers(address))
    assert len(set(heard)) == 1


def test_the_next_server_is_asked_and_the_mute_one_only_about_its_status() -> None:
    wakes = threading.Event()

    def asleep(request: bytes) -> list[bytes]:
        return [reply(request)] if wakes.is_set() else []

    async def ask_on(one: Servers, heard: list[bytes]) -> None:
        for _ in range(5):
            await one.ask(wire.ACCESS_REQUEST, lambda _: ())
        assert {request[0] for request in heard} == {wire.ACCESS_REQUEST, wire.STATUS_SERVER}
        assert len({request for request in heard if request[0] == wire.ACCESS_REQUEST}) == 1
        assert one.down()
        wakes.set()
        async with asyncio.timeout(20):
            while one.down():  # noqa: ASYNC110  # a server's answer ends it
                await asyncio.sleep(0.02)
        await one.ask(wire.ACCESS_REQUEST, lambda _: ())
        one.close()

    with server(asleep) as (mute, heard), server(lambda r: [reply(r)]) as (other, others):
        asyncio.run(ask_on(servers(mute, other), heard))
        assert len(others) == 5
        assert len({request for request in heard if request[0] == wire.ACCESS_REQUEST}) == 2


def test_many_at_once_get_each_their_own_answer() -> None:
    def echo(request: bytes) -> list[bytes]:
        # The answers come in another order, and each says whose it is.
        name = request[request.index(b"who-") :]
        return [reply(request, attributes=bytes((18, len(name) + 2)) + name)]

    async def class_comes(one: Servers) -> list[bytes]:
        async def each(number: int) -> bytes:
            told = await one.ask(wire.ACCESS_REQUEST, lambda _: [(1, b"who-%d" % number)])
            return told.all(18)[0]

        try:
            told = list(await asyncio.gather(*(each(number) for number in range(700))))
            assert len(one._servers[0].sockets) <= 3
            return told
        finally:
            one.close()

    with server(echo) as (address, _):
        one = servers(address)
        told = asyncio.run(class_comes(one))
    assert told == [b"who-%d" % number for number in range(700)]


def test_past_all_places_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SOCKETS", 1)

    async def all_places(one: Servers) -> list[object]:
        tries = [one.ask(wire.ACCESS_REQUEST, lambda _: ()) for _ in range(256 + 10)]
        waiting = [asyncio.ensure_future(each) for each in tries]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
        assert not one.down()  # it has done nothing wrong
        found = await asyncio.gather(*waiting, return_exceptions=True)
        one.close()
        return list(found)

    with server(lambda _: []) as (address, _):
        found = asyncio.run(all_places(servers(address)))
    assert all(isinstance(one, Mute) for one in found)


REQUEST = bytes(range(16))


@given(st.binary(max_size=5000), st.booleans())
def test_any_octets_are_an_answer_or_are_not(datagram: bytes, legacy: bool) -> None:
    with pytest.raises(Unbelieved):
        checked(datagram, 1, REQUEST, SECRET, legacy=legacy)


@given(st.binary(max_size=300), st.integers(0, 255))
def test_any_attributes_under_the_right_secret_are_walked_or_refused(
    rest: bytes, code: int
) -> None:
    datagram = reply(bytes((1, 7, 0, 20)) + REQUEST, code, attributes=rest)
    try:
        found = checked(datagram, 1, REQUEST, SECRET, legacy=False)
    except Unbelieved:
        return
    assert encoded(found.attributes) == datagram[20:] or any(not v for _, v in found.attributes)
    found.vendor(311, 26)


@given(st.binary(max_size=128))
def test_a_hidden_password_is_found_by_who_has_the_secret(password: bytes) -> None:
    told = wire.hidden(password, REQUEST, SECRET)
    last, plain = REQUEST, b""
    for at in range(0, len(told), 16):
        mask = hashlib.md5(SECRET + last).digest()
        last = told[at : at + 16]
        plain += bytes(a ^ b for a, b in zip(last, mask, strict=True))
    assert plain.rstrip(b"\0") == password.rstrip(b"\0")
