"""A lease file is read as it is meant, also while its server writes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.records import CoverageEvent, LeaseEvent
from collector.settings import LeaseFile
from collector.watch.lease_files import COMPLAIN_NS, PATIENCE_NS, LeaseFileWatch

S = 10**9
T = 1_795_338_000 * S
MACS = [f"02:00:5e:00:53:0{i}" for i in range(10)]


def line(i: int, *, hours: int = 1) -> str:
    return f"{T // S + 3600 * hours} {MACS[i]} 10.0.0.{i} host{i} *\n"


class Server:
    """A lease file, and a clock that its changes are stamped by."""

    def __init__(self, path: Path, kind: str = "dnsmasq") -> None:
        self.path = path
        self.now = T
        settings = LeaseFile(site="school-a", format=kind, path=str(path), server="10.0.0.1")  # type: ignore[arg-type]
        self.watch = LeaseFileWatch(settings)

    def write(self, text: str, path: Path | None = None) -> None:
        path = path or self.path
        path.write_text(text)
        os.utime(path, ns=(self.now, self.now))

    def looks(self, count: int = 3) -> list[LeaseEvent | CoverageEvent]:
        """Look once a second."""
        found: list[LeaseEvent | CoverageEvent] = []
        for _ in range(count):
            self.now += S
            found += self.watch.look(self.now)
        return found

    def told(self, count: int = 3) -> list[tuple[str, str]]:
        return [
            (event.event, event.ip) if isinstance(event, LeaseEvent) else (event.kind, event.note)
            for event in self.looks(count)
        ]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    made = Server(tmp_path / "dnsmasq.leases")
    made.write(line(1) + line(2))
    assert made.told() == [("seen", "10.0.0.1"), ("seen", "10.0.0.2")]
    return made


def test_changes_are_told_once(server: Server) -> None:
    server.write(line(1) + line(3))
    assert server.told() == [("release", "10.0.0.2"), ("add", "10.0.0.3")]
    assert server.told() == []
    server.write(line(1, hours=2) + line(3))
    (event,) = server.looks()
    assert isinstance(event, LeaseEvent)
    assert (event.event, event.server, event.source) == ("renew", "10.0.0.1", str(server.path))


def test_a_file_caught_while_it_is_written_gives_nothing_back(server: Server) -> None:
    whole = line(1) + line(2) + line(3)
    for cut in (0, 7, len(line(1)), len(line(1)) + 20, len(whole) - 1):
        server.write(whole[:cut])
        assert server.told(1) == []
    server.write(whole)
    assert server.told() == [("add", "10.0.0.3")]


def test_a_file_that_ends_in_half_a_line_is_not_believed_at_once(server: Server) -> None:
    server.write(line(1)[:-9])
    assert server.told(10) == []
    server.write(line(1))
    assert server.told() == [("release", "10.0.0.2")]


def test_a_file_that_never_rests_is_read_but_gives_nothing_back(server: Server) -> None:
    found = []
    for i in range(PATIENCE_NS // S + 5):
        server.write(line(1) + line(3) + "# " + "x" * i)
        found += server.told(1)
    assert found == [("add", "10.0.0.3")]


def test_a_lease_that_ends_by_the_clock_is_told_although_the_file_has_it(server: Server) -> None:
    server.now = T + 3600 * S
    assert server.told(1) == [("expire", "10.0.0.1"), ("expire", "10.0.0.2")]
    assert server.told(5) == []


def test_a_file_that_is_not_there_is_told_now_and_then(tmp_path: Path) -> None:
    server = Server(tmp_path / "none")
    assert server.looks(10) == []
    (told,) = server.looks(10)
    assert isinstance(told, CoverageEvent)
    assert (told.kind, told.source) == ("leases-unread", str(server.path))
    assert "No such file" in told.note
    server.now += COMPLAIN_NS
    assert len(server.looks(3)) == 1


def test_entries_that_cannot_be_read_are_counted(server: Server) -> None:
    server.write(line(1) + line(2) + "what is this\nand this one\n")
    (told,) = server.looks()
    assert isinstance(told, CoverageEvent)
    assert (told.lost, told.unit) == (2, "records")


KEA = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n"


def kea_row(i: int, *, lifetime: int = 3600) -> str:
    return f"10.0.0.{i},{MACS[i]},,{lifetime},{T // S + lifetime},1,0,0,host{i},0\n"


def test_keas_clean_up_gives_nothing_back(tmp_path: Path) -> None:
    path = tmp_path / "kea-leases4.csv"
    server = Server(path, "kea")
    server.write(KEA + kea_row(1) + kea_row(2))
    server.told()
    steps: list[Callable[[], object]] = [
        lambda: path.rename(f"{path}.1"),
        lambda: server.write(KEA),
        lambda: server.write(KEA + kea_row(3)),
        lambda: server.write(KEA + kea_row(1) + kea_row(2), Path(f"{path}.completed")),
        lambda: Path(f"{path}.1").unlink(),
        lambda: Path(f"{path}.completed").rename(f"{path}.2"),
    ]
    found = []
    for step in steps:
        step()
        found += server.told()
    assert found == [("add", "10.0.0.3")]
