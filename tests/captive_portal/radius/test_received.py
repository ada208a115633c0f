"""What is read and answered here is what pyrad reads and answers."""

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyrad import packet

from captive_portal.radius.received import Received, dictionary, octets_of, raw_octets
from tests.captive_portal.radius.test_guard import (
    SECRET,
    access,
    attribute,
    request,
    signed,
    unsigned,
)

KNOWN = dictionary()
NAMES = [name for name, one in KNOWN.attributes.items() if not one.has_tag]
RIGHT = [one.code for one in KNOWN.attributes.values() if not one.vendor]

some_octets = st.binary(max_size=40) | st.sampled_from([bytes(4), bytes((0, 0, 0, 7)), bytes(16)])
of_a_vendor = st.tuples(st.sampled_from([0, 311, 14988, 25053, 14823]), st.binary(max_size=40)).map(
    lambda told: struct.pack(">I", told[0]) + told[1]
)
bodies = st.lists(
    st.tuples(st.sampled_from(RIGHT) | st.integers(0, 255), some_octets)
    | st.tuples(st.just(26), of_a_vendor | st.binary(max_size=12))
    | st.tuples(st.just(33), st.binary(max_size=20)),
    max_size=12,
).map(lambda told: b"".join(attribute(kind, value) for kind, value in told if kind != 80))


def seen(read: Any, name: str) -> list[Any] | str:
    """Return the values of an attribute, nothing, or that they cannot be read."""
    if name not in read:
        return []
    try:
        return list(read[name])
    except Exception:  # noqa: BLE001  # pyrad raises what it meets
        return "unreadable"


@given(bodies)
def test_attributes_are_read_as_pyrad_reads_them(body: bytes) -> None:
    whole = request(body)
    theirs: Any = packet.AcctPacket(secret=SECRET, dict=KNOWN, packet=whole)
    ours = Received(whole, SECRET)
    assert (ours.code, ours.id, ours.authenticator) == (4, 7, theirs.authenticator)
    for name in NAMES:
        assert seen(ours, name) == seen(theirs, name), name
    for key in [*range(256), *((311, kind) for kind in range(256))]:
        assert ours.get(key) == theirs.get(key)


@given(bodies, st.sampled_from([request, signed]))
def test_accounting_is_proven_and_answered_as_pyrad_does(body: bytes, make: Any) -> None:
    for secret in (SECRET, b"of somebody else entirely"):
        whole = make(body)
        theirs: Any = packet.AcctPacket(secret=secret, dict=KNOWN, packet=whole)
        ours = Received(whole, secret)
        assert ours.genuine() == theirs.VerifyAcctRequest()
        assert ours.signed == bool(theirs.message_authenticator)
        if ours.signed:
            assert ours.signed_right() == theirs.verify_message_authenticator()
        reply = theirs.CreateReply(message_authenticator=ours.signed)
        assert ours.reply(5, sign=ours.signed) == reply.ReplyPacket()


@given(bodies, st.sampled_from([1, 12]), st.booleans())
def test_questions_are_proven_and_answered_as_pyrad_does(
    body: bytes, code: int, sign: bool
) -> None:
    whole = access(body, code=code) if sign else unsigned(body, code=code)
    for secret in (SECRET, b"of somebody else entirely"):
        theirs: Any = packet.AuthPacket(secret=secret, dict=KNOWN, packet=whole)
        ours = Received(whole, secret)
        assert ours.signed == sign
        assert ours.signed_right() == (not sign or theirs.verify_message_authenticator())
        reply = theirs.CreateReply()
        reply.code = 2
        reply.AddAttribute("Reply-Message", "สวัสดี")
        told = octets_of("Reply-Message", "สวัสดี")
        assert ours.reply(2, told, sign=True) == reply.ReplyPacket()


@given(bodies, st.sampled_from([40, 43]))
def test_orders_are_answered_as_pyrad_does(body: bytes, code: int) -> None:
    whole = request(body, code=code)
    theirs: Any = packet.CoAPacket(code=code, secret=SECRET, dict=KNOWN, packet=whole)
    for sign in (True, False):
        reply = theirs.CreateReply()
        reply.code = code + 2
        if sign:
            reply.add_message_authenticator()
        reply.AddAttribute("Error-Cause", 503)
        told = octets_of("Error-Cause", 503)
        assert Received(whole, SECRET).reply(code + 2, told, sign=sign) == reply.ReplyPacket()


def test_a_status_server_at_the_accounting_port_is_answered_as_pyrad_does() -> None:
    whole = access(b"", code=12)
    theirs: Any = packet.AcctPacket(code=12, secret=SECRET, dict=KNOWN, packet=whole)
    assert Received(whole, SECRET).reply(5, sign=True) == theirs.CreateReply().ReplyPacket()


def test_an_attribute_of_a_vendor_is_one_inside_another() -> None:
    assert raw_octets((311, 26), b"abc") == attribute(26, struct.pack(">I", 311) + b"\x1a\x05abc")
