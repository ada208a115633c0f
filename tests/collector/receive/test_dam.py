"""Who is held back while the kernel drops, how far, how long, and what is written down."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from collector.receive import bpf
from collector.receive.accounts import Account, Accounts
from collector.receive.dam import LOUD, PATIENCE, Dam
from collector.receive.strangers import Strangers
from collector.settings import Limits
from tests.collector.receive.home import StillQueue


class World:
    """A dam, and seconds that pass."""

    def __init__(self) -> None:
        self.accounts = Accounts(Limits(senders=16), StillQueue())
        self.strangers = Strangers()
        self.rules: list[bpf.Rule] = []
        self.dam = Dam(self.accounts, self.strangers, [ip_network("10.0.0.0/8")])

    def account(self, address: str) -> Account:
        """Return a sender's account."""
        return self.accounts.find(address, "a", "10.0.0.0/8", 0)

    def second(self, dropped: int, **came: int) -> int:
        """Let a second pass in which so many came through of 10.0.0.N (`nN`) or of strangers."""
        for name, count in came.items():
            if name == "strangers":
                self.strangers.refused += count
            else:
                self.account(f"10.0.0.{name[1:]}").offered += count
        return self.dam.tick(dropped)

    def part(self, network: str) -> float:
        """Return how much of a network's datagrams is let through."""
        return next((r.part for r in self.rules if r.network == ip_network(network)), 1.0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()

    def thin(_: object, rules: list[bpf.Rule]) -> None:
        made.rules = rules

    monkeypatch.setattr(bpf, "thin", thin)
    yield made


def test_nobody_is_held_back_while_nothing_is_dropped(world: World) -> None:
    for _ in range(10):
        assert world.second(0, n1=150_000, n2=10) == 0
    assert world.rules == []


def test_whoever_sends_most_is_held_back_when_the_kernel_drops(world: World) -> None:
    assert world.second(30_000, n1=80_000, n2=1000) == 30_000
    assert world.part("10.0.0.1") == 0.25
    assert world.part("10.0.0.2") == 1.0
    # What it sends now comes to a quarter; the rest is dropped on purpose, and is written to it.
    assert world.second(60_100, n1=20_000, n2=1000) == 0
    assert world.account("10.0.0.1").dammed == 60_100
    assert world.dam.status() == [{"name": "10.0.0.1", "part": 0.25}]


def test_a_flood_that_goes_on_is_held_back_further(world: World) -> None:
    world.second(30_000, n1=80_000, n2=1000)
    assert world.second(330_000, n1=80_000, n2=1000) == 90_000
    assert world.part("10.0.0.1") == 1 / 16
    assert world.account("10.0.0.1").dammed == 240_000


@pytest.mark.parametrize(
    "came", [{"n1": 80_000}, {"n1": LOUD - 1, "n2": 9}, {"n1": 9000, "n2": 8000, "n3": 7000}]
)
def test_one_alone_a_quiet_one_or_one_of_many_is_not_held_back(
    world: World, came: dict[str, int]
) -> None:
    assert world.second(100, **came) == 100
    assert world.rules == []


def test_it_is_let_go_when_the_flood_is_over(world: World) -> None:
    world.second(30_000, n1=80_000, n2=1000)
    for _ in range(2 * PATIENCE):
        assert world.second(0, n1=100, n2=1000) == 0
    assert world.rules == []
    assert world.dam.status() == []


def test_a_flood_that_comes_again_is_held_back_longer(world: World) -> None:
    world.second(30_000, n1=80_000, n2=1000)
    for _ in range(PATIENCE):
        world.second(150_000, n1=50_000, n2=1000)
    assert world.part("10.0.0.1") == 0.5  # tried
    world.second(150_000, n1=80_000, n2=1000)
    assert world.part("10.0.0.1") == 0.125
    for _ in range(2 * PATIENCE - 1):
        world.second(0, n1=10, n2=1000)
        assert world.part("10.0.0.1") == 0.125
    world.second(0, n1=10, n2=1000)
    assert world.part("10.0.0.1") == 0.25


def test_strangers_are_held_back_together_and_nobody_who_is_listed(world: World) -> None:
    world.second(30_000, strangers=80_000, n2=1000)
    assert world.part("10.0.0.0/8") == 1.0
    assert (world.part("0.0.0.0/0"), world.part("::/0")) == (0.25, 0.25)
    order = [str(rule.network) for rule in world.rules]
    assert order == ["10.0.0.0/8", "0.0.0.0/0", "::/0"]
    world.second(60_000, strangers=20_000, n2=1000)
    assert world.strangers.dammed == 60_000


def test_those_known_are_spared_when_their_network_is_held_back(world: World) -> None:
    for n in range(16):
        world.account(f"10.0.0.{n}").bytes = n
    shared = world.account("10.9.9.9")
    assert shared.name == "10.0.0.0/8"
    shared.offered += 80_000
    world.second(30_000, n2=1000)
    assert world.part("10.0.0.0/8") == 0.25
    assert len(world.rules) == 17
    assert str(world.rules[-1].network) == "10.0.0.0/8"


def test_a_kernel_that_takes_no_program_is_said_once(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "not permitted")

    monkeypatch.setattr(bpf, "thin", refuse)
    for _ in range(3):
        assert world.second(30_000, n1=80_000, n2=1000) == 30_000
    said = [r.message for r in caplog.records if "cannot be held back" in r.message]
    assert len(said) == 1
    assert world.dam.status() == []
