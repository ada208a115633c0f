"""What an IP packet holds, and what is no packet."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from collector.sniff.names import segment
from collector.sniff.names.errors import Unreadable

V4, V6 = IP(src="10.0.0.5", dst="203.0.113.9"), IPv6(src="2001:db8::5", dst="2001:db8:1::9")


@pytest.mark.parametrize("ip", [V4, V6, IP(src="10.0.0.5", dst="203.0.113.9", options=b"\1" * 4)])
@pytest.mark.parametrize("size", [0, 1, 900])
def test_ends_sequence_and_payload_are_read_without_what_stands_behind(
    ip: object, size: int
) -> None:
    payload, six = bytes(range(256))[:size] * 2, ip is V6
    tcp = TCP(sport=50_000, dport=443, seq=0xFFFFFFF0, options=[("NOP", None)] * 4)
    for transport, protocol, sequence in (
        (tcp, 6, 0xFFFFFFF0),
        (UDP(sport=50_000, dport=443), 17, 0),
    ):
        found = segment.read(bytes(ip / transport / Raw(payload)) + b"padding")
        assert (found.payload, found.sequence, found.whole) == (payload, sequence, True)
        ends = found.ends
        assert (ends.protocol, ends.source_port, ends.target_port) == (protocol, 50_000, 443)
        assert segment.text(ends.source) == ("2001:db8::5" if six else "10.0.0.5")


def test_a_packet_of_which_only_the_beginning_is_here_is_told_so() -> None:
    packet = bytes(V4 / UDP(sport=53, dport=5000) / Raw(bytes(600)))
    assert not segment.read(packet[:500]).whole
    fragment = IP(src="10.0.0.1", dst="10.0.0.5", flags="MF")
    assert not segment.read(bytes(fragment / UDP(sport=53, dport=5000) / Raw(bytes(64)))).whole


def test_addresses_are_in_canonical_text() -> None:
    assert segment.text(bytes(10) + b"\xff\xff\xcb\0\x71\x09") == "203.0.113.9"
    assert [segment.is_host(bytes(a)) for a in ((10, 0, 0, 5), (224, 0, 0, 251), (0,) * 4)] == [
        True,
        False,
        False,
    ]


@given(st.binary(max_size=80), st.sampled_from([b"", b"\x45\0\0\x40", b"\x60\0\0\0\0\x20\x06\x40"]))
def test_any_octets_are_a_segment_or_unreadable(data: bytes, head: bytes) -> None:
    with contextlib.suppress(Unreadable):
        found = segment.read(head + data)
        assert found.payload in head + data
        assert len(found.ends.source) in (4, 16)
