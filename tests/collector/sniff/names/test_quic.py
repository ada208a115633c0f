"""QUIC's first packets open with keys that anybody can derive, and nothing else comes of them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sniff.names import hello, quic
from collector.sniff.names.errors import Unreadable
from tests.collector.sniff.names import wire

A2_FRAME = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004"
    "13011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d00170018"
    "00100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba75"
    "3de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305030603020308040805080600"
    "2d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075"
    "300901100f088394c8f03e51570806048000ffff"
)
"""RFC 9001 appendix A.2, the same in RFC 9369: a ClientHello for example.com."""
A2_PACKETS = [
    (
        wire.V1,
        "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
        "e221af44860018ab0856972e194cd934",
    ),
    (
        wire.V2,
        "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
        "a18b2faa745b6fe189cf772a9f84cbfc",
    ),
]
"""How the packets printed there begin, and the tags at their ends."""


def opened(datagram: bytes) -> list[bytes | None]:
    packets = quic.initials(datagram)
    return [quic.Keys(each.version, each.connection).open(each) for each in packets]


@pytest.mark.parametrize(("version", "first", "tag"), A2_PACKETS)
def test_the_packets_of_the_standards_open(version: int, first: str, tag: str) -> None:
    packet = wire.initial(A2_FRAME, version=version)
    assert (packet[:32].hex(), packet[-16:].hex(), len(packet)) == (first, tag, 1200)
    (frames,) = opened(packet)
    assert frames == A2_FRAME.ljust(1162, b"\0")
    ((offset, data),) = quic.crypto(frames or b"")
    assert offset == 0
    assert hello.read(data) == ("example.com", False)


def test_packets_that_the_kernel_joined_are_taken_one_by_one() -> None:
    said = wire.hello()
    one = wire.initial(wire.crypto(said, 0, 60), size=400, token=b"a token")
    other = wire.initial(wire.crypto(said, 60), number=300, size=400)
    zero_rtt = b"\xd0" + one[1:]
    found = opened(one + other + zero_rtt)
    assert [frames is not None for frames in found] == [True, True]


def test_a_packet_of_other_keys_or_with_a_changed_octet_stays_closed() -> None:
    packet = wire.initial(b"\1", keys_of=b"otherone")
    assert opened(packet) == [None]
    good = bytearray(wire.initial(b"\1"))
    good[40] ^= 1
    assert opened(bytes(good)) == [None]


def test_frames_are_taken_in_any_order_with_others_between() -> None:
    said = wire.hello()
    acknowledged = b"\2" + b"".join(map(wire.varint, (70_000, 3, 1, 0, 2, 5)))
    counted = b"\3" + b"".join(map(wire.varint, (9, 0, 0, 9, 1, 2, 3)))
    frames = [
        wire.crypto(said, 90),
        b"\1",
        acknowledged,
        bytes(7),
        counted,
        wire.crypto(said, 0, 90),
    ]
    found = dict(quic.crypto(b"".join(frames)))
    assert found[0] + found[90] == said


@pytest.mark.parametrize(
    "frames",
    [b"\x08\0\0", b"\6\0\x40", b"\2\0\0\x7f\xff", b"\6\0\x05abc", b"\1" * 600],
    ids=["a stream", "cut", "many ranges", "short", "many"],
)
def test_frames_that_do_not_belong_there_are_refused(frames: bytes) -> None:
    with pytest.raises(Unreadable, match="quic"):
        list(quic.crypto(frames))


@given(st.binary(max_size=200), st.sampled_from([b"\xc0\0\0\0\1", b"\xd9\x6b\x33\x43\xcf", b""]))
def test_any_octets_are_packets_or_unreadable(data: bytes, head: bytes) -> None:
    with contextlib.suppress(Unreadable):
        for each in quic.initials(head + data):
            assert each.packet in head + data
            assert quic.Keys(each.version, each.connection).open(each) is None
    with contextlib.suppress(Unreadable):
        assert all(piece in data for _, piece in quic.crypto(data))
