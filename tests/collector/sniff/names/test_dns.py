"""DNS answers, as scapy builds them and as nobody should."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS
from scapy.layers.inet import IP

from collector.sniff.names import dns
from collector.sniff.names.errors import Unreadable
from tests.collector.sniff.names import wire

WWW, CDN, EDGE = "www.example.org.", "cdn.example.net.", "edge.example.net."


def message(packet: bytes) -> bytes:
    return packet[28:]


def read(*records: tuple[str, str, str, int], **more: object) -> dns.Answer | None:
    return dns.read(message(wire.answer(*records, **more)))  # type: ignore[arg-type]


def test_addresses_behind_aliases_are_of_the_name_that_was_asked_for() -> None:
    found = read(
        (WWW, "CNAME", CDN, 300),
        (CDN, "CNAME", EDGE, 20),
        (EDGE, "A", "203.0.113.9", 60),
        (EDGE, "A", "203.0.113.10", 90),
        ("other.example.net.", "A", "203.0.113.66", 5),
        name="WWW.example.ORG",
    )
    addresses = (bytes([203, 0, 113, 9]), bytes([203, 0, 113, 10]))
    assert found == ("www.example.org", "A", addresses, 20)


def test_records_may_stand_in_any_order() -> None:
    found = read((EDGE, "A", "203.0.113.9", 60), (WWW, "CNAME", EDGE, 300))
    assert found is not None
    assert found.ttl == 60


def test_version_six_is_read_too() -> None:
    found = read((WWW, "AAAA", "2001:db8::9", 60), kind="AAAA")
    assert found is not None
    assert (found.kind, found.addresses[0][-1]) == ("AAAA", 9)


@pytest.mark.parametrize(
    ("records", "more"),
    [
        ([], {}),
        ([], {"rcode": 3}),
        ([(WWW, "CNAME", CDN, 9)], {}),
        ([(WWW, "CNAME", CDN, 9), (CDN, "CNAME", WWW, 9)], {}),
        ([(WWW, "TXT", "secret", 9)], {"kind": "TXT"}),
        ([(WWW, "A", "203.0.113.9", 9)], {"opcode": 5}),
    ],
    ids=["nothing", "no such name", "an alias to nowhere", "a circle", "a text", "an update"],
)
def test_what_names_no_address_tells_nothing(
    records: list[tuple[str, str, str, int]], more: dict[str, object]
) -> None:
    assert read(*records, **more) is None


@pytest.mark.parametrize(("more", "why"), [({"qr": 0}, "dns"), ({"tc": 1}, "dns-cut")])
def test_a_question_and_an_answer_that_is_cut_short_are_refused(
    more: dict[str, object], why: str
) -> None:
    with pytest.raises(Unreadable, match=f"^{why}$"):
        read((WWW, "A", "203.0.113.9", 9), **more)


def test_odd_octets_of_a_name_are_written_in_digits() -> None:
    odd = message(wire.answer((WWW, "A", "203.0.113.9", 9))).replace(b"\3www", b"\3w.\n")
    found = dns.read(odd)
    assert found is not None
    assert found.name == "w\\046\\010.example.org"


def test_a_ttl_that_is_too_long_is_none() -> None:
    found = read((WWW, "A", "203.0.113.9", 0xFFFFFFFF))
    assert found is not None
    assert found.ttl == 0


def test_pointers_that_lead_in_circles_or_on_and_on_end() -> None:
    head = struct.pack(">HHHHHH", 7, 0x8180, 1, 64, 0, 0)
    with pytest.raises(Unreadable):
        dns.read(head + b"\xc0\x0c\0\1\0\1")
    back = b"".join(struct.pack(">H", 0xC000 | 26 + 2 * at) for at in range(1, 8000))
    chain = b"\xc0\x0c" + back
    asked, text = b"\0\0\1\0\1", b"\0" + struct.pack(">HHIH", 16, 1, 9, len(chain))
    last = struct.pack(">HHHIH", 0xC000 | 26 + len(chain), 1, 1, 9, 0)
    with pytest.raises(Unreadable):
        dns.read(head + asked + text + chain + last)
    near = struct.pack(">HHHIH", 0xC000 | 28 + 2 * 20, 1, 1, 9, 0)
    assert dns.read(head[:6] + b"\0\2" + head[8:] + asked + text + chain + near) is None


@given(st.binary(max_size=80), st.binary(max_size=60))
def test_any_octets_are_an_answer_nothing_or_unreadable(data: bytes, records: bytes) -> None:
    asked = b"\0\7\x81\x80\0\1\0\3\0\0\0\0\3www\0\0\1\0\1"
    for octets in (data, asked + records):
        with contextlib.suppress(Unreadable):
            found = dns.read(octets)
            if found is not None:
                assert len(found.name) <= 1020
                assert 0 < len(found.addresses) <= dns.MOST_ADDRESSES
                assert 0 <= found.ttl < 1 << 31


@given(st.integers(0, 300), st.integers(0, 255), st.integers(0, 300))
def test_damaged_answers_end_so_too(at: int, octet: int, size: int) -> None:
    damaged = bytearray(
        message(wire.answer((WWW, "CNAME", CDN, 300), (CDN, "A", "203.0.113.9", 60)))
    )
    damaged[at % len(damaged)] = octet
    with contextlib.suppress(Unreadable):
        dns.read(bytes(damaged[: max(size, 12)]))


def test_what_scapy_reads_is_what_we_read() -> None:
    packet = wire.answer((WWW, "CNAME", CDN, 300), (CDN, "A", "203.0.113.9", 60))
    seen = IP(packet)[DNS]
    found = dns.read(bytes(seen))
    assert found is not None
    assert found.name == seen.qd[0].qname.decode().rstrip(".")
