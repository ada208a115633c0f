"""The kernel's own words about neighbours and addresses, and any other bytes."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode import neighbours
from collector.decode.neighbours import RTM_GETADDR, RTM_GETNEIGH, Neighbour
from collector.errors import Malformed
from collector.watch import kernel

MAC = bytes.fromhex("02005e005301")


def neighbour(ip: str, *, state: int = 2, mac: bytes = MAC, kind: int = 28) -> bytes:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    raw = socket.inet_pton(family, ip)
    body = struct.pack("=BBHiHBB", family, 0, 0, 7, state, 0, 0)
    for number, value in ((1, raw), (2, mac)):
        body += struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_a_neighbour_is_read() -> None:
    found = neighbours.read(neighbour("10.0.0.5") + neighbour("2001:db8::5"))
    mac = MAC.hex(":")
    assert found.neighbours == [Neighbour(7, "10.0.0.5", mac), Neighbour(7, "2001:db8::5", mac)]


def test_an_address_of_ipv4_inside_ipv6_is_told_as_everybody_tells_it() -> None:
    (found,) = neighbours.read(neighbour("::ffff:10.0.0.5")).neighbours
    assert found.ip == "10.0.0.5"


@pytest.mark.parametrize(
    "message",
    [
        neighbour("10.0.0.5", state=0x20),  # nobody answers there
        neighbour("10.0.0.5", state=1),
        neighbour("10.0.0.5", mac=bytes(6)),
        neighbour("239.0.0.5"),
        neighbour("10.0.0.5", mac=b""),
        neighbour("10.0.0.5", kind=29),  # taken out of the table
    ],
)
def test_what_is_no_machine_is_left_out(message: bytes) -> None:
    assert neighbours.read(message).neighbours == []


def test_an_error_of_the_kernel_is_told() -> None:
    with pytest.raises(Malformed, match="error 1"):
        neighbours.read(struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -1))


def test_the_kernel_of_this_machine_is_understood() -> None:
    own = [own.ip for table in kernel.dump(RTM_GETADDR) for own in table.own]
    assert kernel.dump(RTM_GETNEIGH)[-1].done
    assert all(socket.getaddrinfo(ip, None) for ip in own)


WHOLE = neighbour("10.0.0.5") + neighbour("2001:db8::5")


@given(st.binary(max_size=120) | st.integers(0, len(WHOLE)).map(lambda n: WHOLE[:n]))
def test_any_bytes_are_messages_or_malformed(datagram: bytes) -> None:
    with contextlib.suppress(Malformed):
        neighbours.read(datagram)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_damaged_message_ends_in_messages_or_malformed(at: int, value: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[at] = value
    with contextlib.suppress(Malformed):
        neighbours.read(bytes(damaged))
