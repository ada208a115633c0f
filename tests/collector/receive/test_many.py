"""Many datagrams with one call: none lost or mixed up, each with its sender and its time."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from collector.receive import many, sockets
from collector.receive.many import SLOTS, Many


@pytest.fixture(params=["127.0.0.1", "::1"])
def taking(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    (opened,) = sockets.open_udp((request.param, 0), count=1, buffer_bytes=1 << 22, beside=())
    with opened:
        yield opened


@contextlib.contextmanager
def sender(to: socket.socket) -> Iterator[socket.socket]:
    with socket.socket(to.family, socket.SOCK_DGRAM) as opened:
        opened.connect(to.getsockname()[:2])
        yield opened


def taken(slots: Many, opened: socket.socket) -> list[tuple[str, int, bytes, int]]:
    """Return host, port, datagram and time of all that one call brings."""
    return [
        (run.host, run.port, payload, at)
        for run in slots.take(opened.fileno())
        for payload, at in zip(slots.payloads(run), run.times, strict=True)
    ]


def told_drops(slots: Many) -> int | None:
    return slots.dropped


def test_an_empty_socket_gives_nothing(taking: socket.socket) -> None:
    assert taken(Many(), taking) == []


def test_senders_are_told_apart_and_times_are_the_kernels(taking: socket.socket) -> None:
    slots, host = Many(), taking.getsockname()[0]
    with sender(taking) as one, sender(taking) as other:
        before = time.time_ns()
        sent = []
        for number in range(3 * SLOTS):
            who = other if number % 7 == 3 else one
            payload = bytes([number % 256]) * ((number * 997) % 3000)
            who.send(payload)
            sent.append((host, who.getsockname()[1], payload))
        after = time.time_ns()
        found = [one for _ in range(3) for one in taken(slots, taking)]
        assert taken(slots, taking) == []
    assert [each[:3] for each in found] == sent
    times = [each[3] for each in found]
    assert before <= times[0]
    assert times == sorted(times)
    assert times[-1] <= after


def test_the_longest_datagrams_are_whole(taking: socket.socket) -> None:
    slots = Many()
    longest = 65507 if taking.family == socket.AF_INET else 65527
    with sender(taking) as one:
        sent = [bytes([number]) * (longest - number) for number in range(4)]
        for payload in sent:
            one.send(payload)
        assert [each[2] for each in taken(slots, taking)] == sent


def test_what_the_kernel_dropped_is_told_with_what_came_after_it() -> None:
    (opened,) = sockets.open_udp(("127.0.0.1", 0), count=1, buffer_bytes=4096, beside=())
    slots = Many()
    with opened, sender(opened) as one:
        for _ in range(50):
            one.send(bytes(1000))
        first = len(taken(slots, opened))
        assert told_drops(slots) is None
        one.send(b"after")
        assert [each[2] for each in taken(slots, opened)] == [b"after"]
        assert told_drops(slots) == 50 - first
        taken(slots, opened)
        assert told_drops(slots) is None


def test_a_socket_without_times_tells_none() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        with sender(opened) as one:
            one.send(b"plain")
            assert [each[2:] for each in taken(Many(), opened)] == [(b"plain", 0)]


def test_a_descriptor_that_is_no_socket_is_an_error() -> None:
    with open("/dev/null", "rb") as none, pytest.raises(OSError, match="socket"):  # noqa: PTH123
        Many().take(none.fileno())


def test_the_rows_are_those_of_the_kernel() -> None:
    assert many._HEAD.size == many._PIECE.size * 4
    assert many._TOLD.size == socket.CMSG_SPACE(16) + socket.CMSG_SPACE(4)
