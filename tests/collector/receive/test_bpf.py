"""What the kernel is told: each sender at one socket, and only a part of a flood let through."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receive import bpf, drops, sockets
from collector.receive.bpf import Rule


def _open(host: str, count: int) -> tuple[list[socket.socket], int]:
    found = sockets.open_udp((host, 0), count=count, buffer_bytes=8 << 20, beside=[])
    return found, found[0].getsockname()[1]


def _send(host: str, port: int, source: str, count: int = 1) -> None:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for _ in range(count):
            sender.sendto(b"x", (host, port))


def _taken(opened: socket.socket) -> dict[str, int]:
    """Return how many datagrams of each sender a socket holds."""
    found: dict[str, int] = defaultdict(int)
    while True:
        try:
            found[opened.recvfrom(100)[1][0]] += 1
        except BlockingIOError:
            return found


def test_all_ports_of_one_sender_come_to_one_socket_and_senders_are_spread() -> None:
    opened, port = _open("127.0.0.1", 3)
    for n in range(1, 61):
        for _ in range(5):
            _send("127.0.0.1", port, f"127.0.0.{n}")  # from another port each time
    counts = [_taken(each) for each in opened]
    for each in opened:
        each.close()
    assert sorted(n for count in counts for n in count.values()) == [5] * 60
    assert all(len(count) > 5 for count in counts)


def test_ipv6_senders_come_to_one_socket_each() -> None:
    opened, port = _open("::1", 4)
    for _ in range(20):
        _send("::1", port, "::1")
    counts = [sum(_taken(each).values()) for each in opened]
    for each in opened:
        each.close()
    assert sorted(counts) == [0, 0, 0, 20]


def test_a_second_program_cannot_listen_beside_us() -> None:
    opened, port = _open("127.0.0.1", 2)
    with pytest.raises(Exception, match="another program has the port"):
        sockets.open_udp(("127.0.0.1", port), count=2, buffer_bytes=1 << 16, beside=[])
    for each in opened:
        each.close()


def test_a_part_of_a_flood_is_let_through_and_all_of_the_others() -> None:
    (opened,), port = _open("127.0.0.1", 1)
    bpf.thin([opened], [Rule(ip_network("127.0.0.66"), 0.25)])
    dropped = drops.at_socket(opened)
    _send("127.0.0.1", port, "127.0.0.66", 4000)
    _send("127.0.0.1", port, "127.0.0.1", 500)
    count = _taken(opened)
    assert count["127.0.0.1"] == 500
    assert 800 < count["127.0.0.66"] < 1200
    assert dropped == 0
    assert drops.at_socket(opened) == 4000 - count["127.0.0.66"]
    bpf.thin([opened], [])
    _send("127.0.0.1", port, "127.0.0.66", 100)
    assert _taken(opened) == {"127.0.0.66": 100}
    opened.close()


def test_strangers_are_held_back_behind_those_who_are_listed() -> None:
    (opened,), port = _open("127.0.0.1", 1)
    rules = [("127.0.0.66", 0.0), ("127.0.0.64/26", 1.0), ("127.0.1.0/24", 1.0), ("0.0.0.0/0", 0.0)]
    bpf.thin([opened], [Rule(ip_network(text), part) for text, part in rules])
    for source in ("127.0.0.65", "127.0.0.66", "127.0.0.63", "127.0.1.9", "127.0.2.9"):
        _send("127.0.0.1", port, source, 10)
    assert _taken(opened) == {"127.0.0.65": 10, "127.0.1.9": 10}
    opened.close()


def test_rules_of_ipv6_look_at_the_whole_address() -> None:
    (opened,), port = _open("::", 1)
    for rule, kept in (("::1", 0), ("::2", 5), ("::/127", 0), ("2001:db8::/32", 5), ("::/0", 0)):
        bpf.thin([opened], [Rule(ip_network(rule), 0.0)])
        _send("::1", port, "::1", 5)
        _send("127.0.0.1", port, "127.0.0.1", 5)
        assert sum(_taken(opened).values()) == 5 + kept, rule
    opened.close()


@given(
    st.lists(
        st.tuples(st.ip_addresses(), st.integers(0, 128), st.floats(0, 2, allow_nan=False)),
        max_size=50,
    )
)
def test_the_kernel_takes_every_program(rules: Sequence[tuple[object, int, float]]) -> None:
    made = []
    for address, bits, part in rules:
        bits = min(bits, ip_network(str(address)).max_prefixlen)
        made.append(Rule(ip_network(f"{address}/{bits}", strict=False), part))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        bpf.thin([opened], made)


def test_too_many_rules_are_refused() -> None:
    rules = [Rule(ip_network(f"10.{n >> 8}.{n & 255}.0/24"), 1.0) for n in range(2000)]
    with pytest.raises(ValueError, match="2000 rules"):
        bpf.thin([], rules)
