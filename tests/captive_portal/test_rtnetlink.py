"""Answers of the kernel about neighbours and routes; any other bytes are left out."""

import struct
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from captive_portal import rtnetlink
from captive_portal.rtnetlink import Entry

MAC = bytes.fromhex("0200000000aa")
NEW_ROUTE, NEW_NEIGHBOUR = 24, 28


def message(kind: int, body: bytes, *attributes: tuple[int, bytes], flags: int = 0) -> bytes:
    for number, value in attributes:
        body += struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def neighbour(state: int, *attributes: tuple[int, bytes], flags: int = 0) -> bytes:
    body = struct.pack("=BxxxiHBB", 2, 3, state, 0, 1)
    return message(NEW_NEIGHBOUR, body, *attributes, flags=flags)


def test_an_entry_has_address_mac_interface_and_state() -> None:
    times = (3, struct.pack("=IIII", 150, 7, 2_000, 1))
    known = neighbour(0x02, (1, bytes([10, 0, 0, 5])), (2, MAC), times, flags=2)
    without_mac = neighbour(0x01, (1, bytes([10, 0, 0, 6])))
    assert list(rtnetlink.entries(without_mac + known)) == [
        Entry(
            3,
            "10.0.0.5",
            "02:00:00:00:00:aa",
            rtnetlink.REACHABLE,
            listed=True,
            confirmed_s=1.5,
            changed_s=20.0,
        )
    ]


def test_a_route_names_its_interface_or_none() -> None:
    body = bytes(12)
    assert rtnetlink.route(message(NEW_ROUTE, body, (4, struct.pack("=I", 7)))) == 7
    assert rtnetlink.route(message(NEW_ROUTE, body, (4, b"\x07"))) is None
    assert rtnetlink.route(message(2, bytes(20))) is None


def test_questions_are_whole_messages() -> None:
    for address in (ip_address("10.0.0.5"), ip_address("2001:db8::5")):
        for asked in (rtnetlink.ask_for(address, 3), rtnetlink.ask_for_route(address)):
            assert struct.unpack_from("=I", asked)[0] == len(asked)
            assert asked.endswith(address.packed)


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, 43), st.binary(max_size=4)).map(
        lambda cut: (
            neighbour(2, (1, bytes(4)), (2, MAC))[: cut[0]]
            + cut[1]
            + neighbour(2, (1, bytes(4)), (2, MAC))[cut[0] + len(cut[1]) :]
        )
    )
)
def test_any_bytes_end_in_entries_and_a_route_or_nothing(octets: bytes) -> None:
    assert len(list(rtnetlink.entries(octets))) <= len(octets)
    rtnetlink.route(octets)
