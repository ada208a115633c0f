"""Whatever a signed question holds, it is somebody's try or a discard."""

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.radius import login, rest
from captive_portal.radius.guard import Discard
from captive_portal.radius.login import Chap, Login, MsChap2, Pap
from tests.captive_portal.radius.asking import hidden
from tests.captive_portal.radius.test_guard import SECRET, access, attribute, client, enter

AUTHENTICATOR = bytes(range(16))


def read(attributes: bytes) -> Login:
    return login.read(enter(access(attributes)), source="192.0.2.1", client=client())


NUMBERS = st.sampled_from([1, 2, 3, 4, 26, 30, 31, 32, 60, 61, 79, 95, 250])


@given(st.lists(st.tuples(NUMBERS, st.binary(max_size=253)), max_size=10))
def test_any_attributes_are_a_try_or_a_discard(attributes: list[tuple[int, bytes]]) -> None:
    with contextlib.suppress(Discard):
        tried = read(b"".join(attribute(kind, value) for kind, value in attributes))
        assert len(tried.device) in (0, 17)


@given(st.binary(max_size=128).filter(lambda octets: not octets.endswith(b"\0")))
def test_what_was_hidden_is_shown(password: bytes) -> None:
    octets = hidden(password, AUTHENTICATOR, SECRET)
    assert login.shown(octets, SECRET, AUTHENTICATOR) == password


@pytest.mark.parametrize("size", [0, 1, 15, 17, 144])
def test_a_hidden_password_has_a_length_that_can_be(size: int) -> None:
    with pytest.raises(Discard, match="bad-password-length"):
        login.shown(bytes(size), SECRET, AUTHENTICATOR)


def test_a_try_says_where_and_how() -> None:
    name, station = attribute(1, "สมชาย".encode()), attribute(31, b"0200.5e00.5301")
    called = attribute(30, "02-00-5E-00-53-FE:โรงเรียน".encode())
    tried = read(name + station + called + attribute(2, hidden(b"x", AUTHENTICATOR, SECRET)))
    assert tried.credential == Pap(password="x")
    assert (tried.user, tried.mac, tried.ssid) == ("สมชาย", "02:00:5e:00:53:01", "โรงเรียน")
    proof = hashlib.md5(b"\x01secret" + AUTHENTICATOR).digest()
    chap = read(name + attribute(3, b"\x01" + proof)).credential
    assert isinstance(chap, Chap)
    assert chap.proves(b"secret")
    microsoft = (311).to_bytes(4, "big")
    told = attribute(26, microsoft + attribute(11, bytes(16)))
    told += attribute(26, microsoft + attribute(25, bytes(50)))
    assert isinstance(read(name + told).credential, MsChap2)
    assert read(name + attribute(26, microsoft + attribute(1, bytes(50)))).refused
    assert "x" not in repr(Pap(password="x")).replace("Pap", "")


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_json_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert all(isinstance(value, str) for value in rest.read(body).values())


def test_octets_of_utf_8_that_came_as_characters_are_put_together() -> None:
    octets = "รหัส".encode().decode("latin-1")
    assert rest.repaired(octets) == rest.repaired("รหัส") == "รหัส"
    assert rest.repaired("caf\xe9") == "caf\xe9"
