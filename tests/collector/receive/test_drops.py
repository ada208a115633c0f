"""What the kernel dropped is known without another datagram, and by whichever way it tells."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receive import drops
from collector.receive.drops import HostDrops
from collector.receive.losses import What


class Told:
    """Takes the place of losses."""

    def __init__(self) -> None:
        self.rows: list[tuple[What, int]] = []

    def add(self, what: What, lost: int) -> None:
        self.rows.append((what, lost))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_silent_socket_tells_its_drops_by_either_way(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as opened,
        socket.socket(family, socket.SOCK_DGRAM) as sender,
    ):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        opened.bind((host, 0))
        for _ in range(200):
            sender.sendto(b"x" * 1000, opened.getsockname()[:2])
        kept = 0
        opened.setblocking(False)
        known = drops.at_socket(opened)
        assert drops.listed(opened) == known
        try:
            while opened.recv(2000):
                kept += 1
        except BlockingIOError:
            assert known == 200 - kept > 0


def test_where_the_sockets_memory_cannot_be_asked_the_list_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drops, "SO_MEMINFO", 9999)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        assert drops.at_socket(opened) == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        assert drops.at_socket(other) is None


def test_what_the_machine_dropped_before_any_port_is_told_for_every_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drops, "PROC", tmp_path)
    counts = (tmp_path / "softnet_stat", tmp_path / "snmp", tmp_path / "snmp6")
    counts[0].write_text("0000ffff fffffffe 00000000\n00001234 00000001 00000000\n")
    counts[1].write_text("Ip: Forwarding ReasmFails OutOctets\nIp: 1 5 7\nTcp: A\nTcp: 1\n")
    counts[2].write_text("Ip6InReceives 9\nIp6ReasmFails 2\n")
    host, told = HostDrops(), Told()
    host.tell(told, ["a", "b"])  # type: ignore[arg-type]  # what is asked of losses
    assert told.rows == []

    counts[0].write_text("0000ffff 00000003 00000000\n00001234 00000001 00000000\n")
    counts[2].write_text("Ip6InReceives 9\nIp6ReasmFails 4\n")
    host.tell(told, ["a", "b"])  # type: ignore[arg-type]  # what is asked of losses
    found = [(what.site, what.kind, what.unit, lost) for what, lost in told.rows]
    assert found == [
        ("a", "host-drop", "packets", 5),
        ("b", "host-drop", "packets", 5),
        ("a", "host-drop", "packets", 2),
        ("b", "host-drop", "packets", 2),
    ]
    assert host.status() == {"backlog": 5, "fragments": 2}


def test_a_kernel_that_tells_nothing_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drops, "PROC", tmp_path)
    HostDrops().tell(Told(), ["a"])  # type: ignore[arg-type]  # what is asked of losses
    (tmp_path / "snmp").write_text("Ip: ReasmFails\n")
    HostDrops().tell(Told(), ["a"])  # type: ignore[arg-type]  # what is asked of losses


@given(st.text(st.characters(codec="ascii"), max_size=200))
def test_no_text_of_the_kernel_ends_receiving(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drops, "_lines", lambda _: text.splitlines())
        HostDrops()
