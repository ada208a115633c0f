"""Captures of every link layer, and files that are none."""

from __future__ import annotations

import io
import struct

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.decode import capture
from collector.errors import Malformed
from tests.collector.decode import wire

PAYLOAD = wire.v5([wire.v5_record()])
SRC4, DST4 = wire.ip4("192.0.2.1"), wire.ip4("192.0.2.9")
SRC6 = bytes.fromhex("20010db8" + "0" * 23 + "1")


def udp(payload: bytes = PAYLOAD, *, length: int | None = None) -> bytes:
    size = len(payload) + 8 if length is None else length
    return struct.pack(">HHHH", 40000, 2055, size, 0) + payload


def ipv4(body: bytes, *, protocol: int = 17, fragment: int = 0, options: bytes = b"") -> bytes:
    first = 0x45 + len(options) // 4
    total = 20 + len(options) + len(body)
    head = struct.pack(">BBHHHBBH4s4s", first, 0, total, 1, fragment, 64, protocol, 0, SRC4, DST4)
    return head + options + body


def ipv6(body: bytes, *, following: int = 17) -> bytes:
    return struct.pack(">IHBB", 6 << 28, len(body), following, 64) + SRC6 + SRC6 + body


ETHERNET = b"\xff" * 12
LINKS = {
    "ethernet": (1, ETHERNET + b"\x08\0" + ipv4(udp()) + b"\0" * 6),
    "vlan": (1, ETHERNET + b"\x81\0\0\x05\x08\0" + ipv4(udp())),
    "two tags": (1, ETHERNET + b"\x88\xa8\0\5\x81\0\0\6\x08\0" + ipv4(udp(), options=b"\1" * 4)),
    "raw": (101, ipv4(udp())),
    "loopback": (0, b"\2\0\0\0" + ipv4(udp())),
    "cooked": (113, b"\0" * 14 + b"\x08\0" + ipv4(udp())),
    "cooked 2": (276, b"\x08\0" + b"\0" * 18 + ipv4(udp())),
    "ipv6": (1, ETHERNET + b"\x86\xdd" + ipv6(udp())),
    "ipv6 with options": (101, ipv6(b"\x11\0" + b"\0" * 6 + udp(), following=0)),
}


def pcap(link: int, *packets: bytes, ng: bool = False, nano: bool = False) -> io.BytesIO:
    file = io.BytesIO()
    if ng:
        writer = dpkt.pcapng.Writer(file, linktype=link)
    else:
        writer = dpkt.pcap.Writer(file, linktype=link, nano=nano)
    for packet in packets:
        writer.writepkt(packet, ts=wire.SENT_S + 0.25)
    return io.BytesIO(file.getvalue())


def read(file: io.BytesIO) -> tuple[list[capture.Datagram], capture.Counts]:
    counts = capture.Counts()
    return list(capture.datagrams(file, counts)), counts


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("ng", [False, True])
def test_a_datagram_is_found_on_every_link(name: str, ng: bool) -> None:
    link, packet = LINKS[name]
    (found,), counts = read(pcap(link, packet, ng=ng))
    assert found.address == ("2001:db8::1" if "ipv6" in name else "192.0.2.1")
    assert (found.port, found.local_port, found.payload) == (40000, 2055, PAYLOAD)
    assert found.wire_ns == wire.SENT_S * 10**9 + 250_000_000
    assert (counts.packets, counts.datagrams) == (1, 1)


def test_what_is_no_whole_datagram_is_counted_by_its_kind() -> None:
    packets = [
        ipv4(udp(), protocol=6),
        ipv4(udp(), fragment=0x2000),
        ipv4(udp(), fragment=100),
        ipv6(udp(), following=44),
        b"\x45",
        b"",
        b"\x90" * 60,
        ipv4(udp(length=4)),
    ]
    found, counts = read(pcap(101, *packets))
    assert found == []
    assert (counts.packets, counts.fragments, counts.cut, counts.other) == (8, 3, 2, 3)


def test_a_datagram_captured_in_part_gives_what_there_is() -> None:
    (found,), counts = read(pcap(101, ipv4(udp())[:-10]))
    assert found.payload == PAYLOAD[:-10]
    assert counts.cut == 1


@pytest.mark.parametrize("promised", [1 << 18, (1 << 18) + 1, 0xFFFF_FFFF])
def test_a_record_that_runs_past_the_file_is_told_and_counted(promised: int) -> None:
    file = bytearray(pcap(101, *[ipv4(udp())] * 3).getvalue())
    second = 24 + 16 + len(ipv4(udp()))
    file[second + 8 : second + 12] = promised.to_bytes(4, "little")
    found: list[capture.Datagram] = []
    counts = capture.Counts()
    with pytest.raises(
        Malformed, match=r"^the capture breaks off after \d packets: the (last|next)"
    ):
        found.extend(capture.datagrams(io.BytesIO(bytes(file)), counts))
    assert (found[0].payload, counts.cut) == (PAYLOAD, 1)
    # What is there of a length that can be is taken.
    assert len(found) == (2 if promised == 1 << 18 else 1)


@pytest.mark.parametrize("ng", [False, True])
@pytest.mark.parametrize("missing", [1, 30, 50, 80])
def test_a_file_that_ends_within_a_packet_is_told_and_counted(missing: int, ng: bool) -> None:
    file = pcap(101, ipv4(udp()), ipv4(udp()), ng=ng).getvalue()
    counts = capture.Counts()
    with pytest.raises(Malformed, match="breaks off after"):
        list(capture.datagrams(io.BytesIO(file[:-missing]), counts))
    assert counts.cut == 1


def test_an_unknown_link_layer_is_counted() -> None:
    found, counts = read(pcap(147, ipv4(udp())))
    assert found == []
    assert counts.other == 1


def test_a_file_that_is_no_capture_is_one_datagram() -> None:
    (found,), _ = read(io.BytesIO(PAYLOAD))
    assert found == capture.Datagram(None, "", 0, 0, PAYLOAD)
    assert capture.sent_ns(found.payload) == wire.SENT_S * 10**9
    assert capture.sent_ns(b"\0\x63") is None


@pytest.mark.parametrize(
    "content", [b"", b"x" * 65_536, b"\xd4\xc3\xb2\xa1\2", b"\x0a\x0d\x0d\x0a"]
)
def test_a_file_that_is_nothing_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        read(io.BytesIO(content))


@given(
    cut=st.integers(0, 400),
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), max_size=4),
    ng=st.booleans(),
)
def test_a_broken_capture_ends_in_datagrams_or_malformed(
    cut: int, flips: list[tuple[int, int]], ng: bool
) -> None:
    content = bytearray(pcap(1, LINKS["vlan"][1], LINKS["ipv6"][1], ng=ng).getvalue())
    for at, bits in flips:
        content[at % len(content)] ^= bits
    counts = capture.Counts()
    try:
        found = list(capture.datagrams(io.BytesIO(bytes(content[:cut])), counts))
    except Malformed as error:
        assert str(error)
    else:
        assert counts.datagrams == len(found)
