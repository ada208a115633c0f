"""Neighbour tables: changes are told, floods are bounded, and what went unheard is told too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collector.decode.neighbours import Messages, Neighbour
from collector.records import CoverageEvent, LeaseEvent
from collector.settings import Neighbours
from collector.watch import kernel, tables
from collector.watch.tables import NeighbourWatch

S = 10**9
T = 1_795_338_000 * S
ONE, TWO = "02:00:5e:00:53:01", "02:00:5e:00:53:02"


class Kernel:
    """Tells what a test puts into it."""

    def __init__(self) -> None:
        self.news: list[Neighbour] = []
        self.table: list[Neighbour] = []
        self.dumps = 0
        self.overrun = False

    def heard(self) -> Iterator[Messages]:
        if self.overrun:
            self.overrun = False
            raise kernel.Overrun
        news, self.news = self.news, []
        yield Messages(news, [], done=False)

    def dump(self, _kind: int) -> list[Messages]:
        self.dumps += 1
        return [Messages(self.table, [], done=True)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    fake = Kernel()
    monkeypatch.setattr(kernel, "Listener", lambda: fake)
    monkeypatch.setattr(kernel, "dump", fake.dump)
    monkeypatch.setattr(tables, "_names", lambda sites: {7: "br0"} if "br0" in sites else {})
    return fake


def watch() -> NeighbourWatch:
    return NeighbourWatch([Neighbours(site="school-a", interface="br0")])


def mac(number: int) -> str:
    return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


def told(by: NeighbourWatch, at: int) -> list[tuple[str, str, str]]:
    found = []
    for event in by.look(at):
        assert isinstance(event, LeaseEvent)
        assert (event.event, event.interface, event.site) == ("seen", "br0", "school-a")
        found.append((event.kind, event.ip, event.mac))
    return found


def test_an_address_is_told_when_it_comes_and_when_it_moves(fake: Kernel) -> None:
    by = watch()
    fake.table = [Neighbour(7, "10.0.0.5", ONE), Neighbour(9, "10.9.9.9", TWO)]
    assert told(by, T) == [("arp", "10.0.0.5", ONE)]
    fake.news = [Neighbour(7, "10.0.0.5", ONE), Neighbour(7, "2001:db8::5", ONE)]
    assert told(by, T + S) == [("nd", "2001:db8::5", ONE)]
    fake.news = [Neighbour(7, "10.0.0.5", TWO)]
    assert told(by, T + 2 * S) == [("arp", "10.0.0.5", TWO)]


def test_what_stays_is_told_again_in_an_hour(fake: Kernel) -> None:
    by = watch()
    fake.table = [Neighbour(7, "10.0.0.5", ONE)]
    told(by, T)
    assert told(by, T + 3500 * S) == []
    assert told(by, T + 3601 * S) == [("arp", "10.0.0.5", ONE)]


def test_when_the_kernel_tells_too_fast_the_table_is_read_anew(fake: Kernel) -> None:
    by = watch()
    told(by, T)
    fake.table, fake.overrun = [Neighbour(7, "10.0.0.5", ONE)], True
    gap, lease = by.look(T + S)
    assert isinstance(gap, CoverageEvent)
    assert (gap.kind, gap.source) == ("leases-unread", "neighbour table")
    assert isinstance(lease, LeaseEvent)
    assert fake.dumps == 2


def test_a_flood_is_bounded_counted_and_caught_up(
    fake: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_ADDRESSES", 5000)
    by = watch()
    fake.table = [Neighbour(7, f"10.0.{i >> 8}.{i & 255}", mac(i)) for i in range(4100)]
    found = list(by.look(T))
    gap = found.pop()
    assert len(found) == tables.ROWS_AT_ONCE
    assert isinstance(gap, CoverageEvent)
    assert (gap.lost, gap.unit) == (100, "records")
    assert len(told(by, T + 60 * S)) == 100


def test_one_machine_that_makes_up_addresses_leaves_room_for_the_others(fake: Kernel) -> None:
    by = watch()
    fake.table = [Neighbour(7, "10.0.0.5", ONE)]
    told(by, T)
    fake.news = [Neighbour(7, f"2001:db8::{i:x}", TWO) for i in range(9000)]
    fake.news += [Neighbour(7, "10.0.0.6", mac(6))]
    found = told(by, T + S)
    assert len(found) == tables.MOST_EACH + 1
    assert found[-1] == ("arp", "10.0.0.6", mac(6))
    *_, gap = by.look(T + 60 * S)
    assert isinstance(gap, CoverageEvent)
    assert gap.lost == 9000 - tables.MOST_EACH


def test_machines_that_are_made_up_for_hours_push_out_nobody(fake: Kernel) -> None:
    by = watch()
    school = [Neighbour(7, f"10.0.{n >> 8}.{n & 255}", mac(n)) for n in range(1000)]
    fake.table = school
    told(by, T)
    made_up, left_out = 0, 0
    for minute in range(1, 90):
        fake.news = [
            Neighbour(
                7,
                f"2001:db8::{minute:x}:{n:x}",
                f"02:01:00:{minute:02x}:{n >> 8:02x}:{n & 255:02x}",
            )
            for n in range(3000)
        ]
        for event in by.look(T + minute * 60 * S):
            made_up += isinstance(event, LeaseEvent) and event.ip.startswith("2001:")
            left_out += (event.lost or 0) if isinstance(event, CoverageEvent) else 0
    assert made_up <= tables.NEW_AT_ONCE + 90 * 60 * tables.NEW_PER_S
    assert left_out > 200_000
    fake.news = [Neighbour(7, each.ip, TWO) for each in school[:5]]
    moved = [event for event in by.look(T + 90 * 60 * S) if isinstance(event, LeaseEvent)]
    assert len(moved) >= 5, "who was there before is still known"
    assert len(by._known) <= tables.MOST_ADDRESSES


def test_made_up_machines_do_not_hide_that_a_known_address_moved(fake: Kernel) -> None:
    by = watch()
    fake.table = [Neighbour(7, "10.0.0.5", ONE)]
    told(by, T)
    fake.news = [Neighbour(7, f"2001:db8::{i:x}", mac(i)) for i in range(9000)]
    fake.news += [Neighbour(7, "10.0.0.5", TWO)]
    assert told(by, T + S)[-1] == ("arp", "10.0.0.5", TWO)
