"""Only what was made with the secret and is whole gets through; anything else is a Discard."""

import hashlib
import hmac
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.errors import PortalError
from captive_portal.radius import guard
from captive_portal.radius.clients import Client
from captive_portal.radius.guard import Discard
from captive_portal.radius.received import Received

SECRET = b"prathu-test-secret"
PACKETS = Path(__file__).parents[4] / "shared" / "data" / "radius" / "packets.json"


def client(*, secret: bytes = SECRET, policy: str = "require") -> Client:
    return Client(
        network=ipaddress.ip_network("192.0.2.0/24"),
        site="a",
        secret=secret,
        message_authenticator=policy,
    )


def attribute(kind: int, value: bytes) -> bytes:
    return bytes((kind, len(value) + 2)) + value


def request(attributes: bytes, *, code: int = 4, secret: bytes = SECRET) -> bytes:
    head = bytes((code, 7)) + (20 + len(attributes)).to_bytes(2, "big")
    return head + hashlib.md5(head + bytes(16) + attributes + secret).digest() + attributes


def signed(attributes: bytes, *, secret: bytes = SECRET) -> bytes:
    """Return a request with a Message-Authenticator at its end (RFC 2869 5.14, RFC 5080)."""
    blank = attributes + attribute(80, bytes(16))
    head = bytes((4, 7)) + (20 + len(blank)).to_bytes(2, "big")
    mac = hmac.new(secret, head + bytes(16) + blank, hashlib.md5).digest()
    return request(attributes + attribute(80, mac), secret=secret)


START = attribute(40, (1).to_bytes(4, "big")) + attribute(1, "สมชาย".encode())


def through(datagram: bytes, by: Client | None = None) -> Received:
    return guard.open_packet(guard.shape(datagram), by or client())


def test_a_good_packet_gets_through_with_and_without_signature() -> None:
    for datagram in (request(START), signed(START), request(START) + b"padding"):
        assert through(datagram)["User-Name"] == ["สมชาย"]


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", "short-datagram"),
        (request(START)[:19], "short-datagram"),
        (request(START)[:-1], "length-beyond-datagram"),
        (bytes((4, 1, 0, 19)) + bytes(16), "bad-length"),
        (request(b"", code=1), "unexpected-code"),
        (request(b"", code=5), "unexpected-code"),
        (request(START + b"\x08\x00"), "bad-attribute-length"),
        (request(START + b"\x08\x01"), "bad-attribute-length"),
        (request(START + b"\x08"), "bad-attribute-length"),
        (request(START + b"\x08\x06abc"), "attribute-past-end"),
        (request(START + attribute(80, bytes(15))), "bad-message-authenticator"),
        (request(START + 2 * attribute(80, bytes(16))), "two-message-authenticators"),
        (request(START + attribute(80, bytes(16))), "wrong-authenticator"),
        (request(START, secret=b"another-secret"), "wrong-authenticator"),
        (signed(START, secret=b"another-secret"), "wrong-authenticator"),
    ],
)
def test_a_bad_packet_is_dropped_for_its_reason(datagram: bytes, reason: str) -> None:
    with pytest.raises(Discard) as error:
        through(datagram)
    assert str(error.value) == reason


def access(attributes: bytes, *, code: int = 1, secret: bytes = SECRET) -> bytes:
    """Return an Access-Request with a Message-Authenticator before all else."""
    blank = attribute(80, bytes(16)) + attributes
    head = bytes((code, 7)) + (20 + len(blank)).to_bytes(2, "big") + bytes(range(16))
    mac = hmac.new(secret, head + blank, hashlib.md5).digest()
    return head + attribute(80, mac) + attributes


def unsigned(attributes: bytes, *, code: int = 1) -> bytes:
    head = bytes((code, 7)) + (20 + len(attributes)).to_bytes(2, "big")
    return head + bytes(range(16)) + attributes


def enter(datagram: bytes, *, must_sign: bool = True) -> Received:
    whole = guard.shape(datagram, (guard.ACCESS_REQUEST, guard.STATUS_SERVER))
    return guard.open_access(whole, client(), must_sign=must_sign)


NAME = attribute(1, b"somchai")


def test_accounting_need_not_be_signed_but_a_question_about_a_person_must_be() -> None:
    assert not through(request(START)).signed
    assert enter(access(NAME))["User-Name"] == ["somchai"]
    with pytest.raises(Discard, match="no-message-authenticator"):
        enter(unsigned(NAME))
    assert not enter(unsigned(NAME), must_sign=False).signed


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (access(NAME, secret=b"another"), "wrong-message-authenticator"),
        (unsigned(attribute(79, b"\x02\x07\x00\x04")), "eap-without-message-authenticator"),
        (unsigned(b"", code=12), "no-message-authenticator"),
        (unsigned(NAME, code=2), "unexpected-code"),
    ],
)
def test_policy_does_not_matter_to_what_is_never_taken(datagram: bytes, reason: str) -> None:
    with pytest.raises(Discard) as error:
        enter(datagram, must_sign=False)
    assert str(error.value) == reason


@pytest.mark.parametrize("version", ["2.1", "2.5.9", "2.0", "1"])
def test_a_pyrad_that_can_be_fooled_is_refused(version: str) -> None:
    with pytest.raises(PortalError, match=r"2\.6 or newer"):
        guard.check_library(version)
    guard.check_library("2.6.0")
    guard.check_library("3.2")
    guard.check_library()


def test_the_answer_is_the_one_of_rfc_2866() -> None:
    datagram = request(START)
    reply = guard.reply_to(through(datagram))
    assert reply[:4] == bytes((5, 7, 0, 20))
    expected = hashlib.md5(reply[:4] + datagram[4:20] + SECRET).digest()
    assert reply[4:20] == expected


def test_proxy_states_come_back_in_order() -> None:
    states = attribute(33, b"one") + attribute(33, b"two")
    assert guard.reply_to(through(request(START + states))).endswith(states)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_packet_or_a_discard(octets: bytes) -> None:
    with pytest.raises(Discard):
        through(octets)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=253)), max_size=12))
def test_any_attributes_made_with_the_secret_are_opened(
    attributes: list[tuple[int, bytes]],
) -> None:
    body = b"".join(attribute(kind, value) for kind, value in attributes if kind != 80)
    assert through(request(body)).id == 7


@pytest.mark.skipif(not PACKETS.exists(), reason="../shared/data/radius is not here")
def test_the_shared_packets_are_taken_or_dropped_as_they_say() -> None:
    document: dict[str, Any] = json.loads(PACKETS.read_text())
    secret = document["secret"].encode()
    cases = [c for c in document["cases"] if c["group"] == "accounting-request"]
    assert len(cases) >= 12
    for case in cases:
        dropped = case["case"] in ("wrong_authenticator",)
        try:
            through(bytes.fromhex(case["hex"]), client(secret=secret))
        except Discard:
            assert dropped, case["case"]
        else:
            assert not dropped, case["case"]
