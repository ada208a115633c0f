"""A ClientHello tells the server's name, whole or in pieces, and nothing else is taken for one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sniff.names import hello
from collector.sniff.names.errors import Unreadable
from collector.sniff.names.pieces import MOST_OCTETS, MOST_PIECES, Pieces
from tests.collector.sniff.names import wire


@pytest.mark.parametrize("ech", [False, True])
def test_the_name_and_whether_it_may_be_an_outer_one_are_read(*, ech: bool) -> None:
    assert hello.read(wire.hello("WWW.Example.org.", ech=ech)) == ("www.example.org", ech)
    assert hello.read(wire.hello("", ech=ech)) == ("", ech)


def test_a_hello_without_extensions_has_no_name() -> None:
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\0\x2f" + b"\1\0"
    assert hello.read(b"\1" + len(body).to_bytes(3, "big") + body) == ("", False)


@pytest.mark.parametrize("size", [1, 40, 16_384])
def test_a_hello_in_many_records_is_put_together(size: int) -> None:
    said = wire.hello()
    size = max(size, len(said) // 50)
    stream = wire.record(said, size)
    assert hello.unwrapped(stream + b"\x17\3\3") == said
    assert hello.read(hello.unwrapped(stream[:-1])) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda said: b"\2" + said[1:],
        lambda said: b"\1\xff" + said[2:],
        lambda said: said.replace(b"www.example.org", b"www.exam\nle.org"),
        lambda said: said.replace(b"\0\0\x0fwww", b"\0\0\x0ewww"),
        lambda said: said[:-40] + said[-39:] + b"\0",
    ],
    ids=["a server's", "very long", "no name", "a name cut", "shifted"],
)
def test_what_is_no_hello_is_refused(damage: object) -> None:
    with pytest.raises(Unreadable, match="hello"):
        hello.read(damage(wire.hello()))  # type: ignore[operator]


@given(st.binary(max_size=120), st.integers(0, 200), st.integers(0, 255))
def test_any_octets_are_a_hello_a_part_of_one_or_unreadable(
    data: bytes, at: int, octet: int
) -> None:
    said = bytearray(wire.hello())
    said[at % len(said)] = octet
    for stream in (data, bytes(said), b"\x16\3\1" + data, wire.record(bytes(said), 90)):
        with contextlib.suppress(Unreadable):
            found = hello.read(stream)
            assert found is None or len(found.name) <= 253
        with contextlib.suppress(Unreadable):
            assert len(hello.unwrapped(stream)) <= len(stream)


@given(
    st.binary(min_size=1, max_size=60), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 30)))
)
def test_pieces_in_any_order_make_the_beginning_of_the_stream(
    stream: bytes, cuts: list[tuple[int, int]]
) -> None:
    pieces, there = Pieces(), [False] * len(stream)
    for at, size in cuts:
        piece = stream[at : at + size]
        pieces.add(at, piece)
        there[at : at + len(piece)] = [True] * len(piece)
    whole = [*there, False].index(False)
    assert pieces.beginning() == stream[:whole]


def test_pieces_are_bounded() -> None:
    with pytest.raises(Unreadable):
        Pieces().add(MOST_OCTETS, b"x")
    pieces = Pieces()
    for at in range(MOST_PIECES):
        pieces.add(2 * at, b"x")
    with pytest.raises(Unreadable):
        pieces.add(2 * MOST_PIECES, b"x")
    pieces = Pieces()
    with pytest.raises(Unreadable):
        for at in range(MOST_PIECES):
            pieces.add(at, bytes(MOST_OCTETS - at))
