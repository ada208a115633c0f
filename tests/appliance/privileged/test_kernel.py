"""The packet filter of a real kernel: swaps, what is wrong, gardens that are in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.privileged.kernel import Kernel
from appliance.privileged.netlink import Netlink
from appliance.privileged.run import Failed
from appliance.privileged.table import GateTable
from appliance.privileged.tally import Tally
from captive_portal.gate import ruleset
from captive_portal.gate.classes import Classes
from captive_portal.gate.elements import Order
from tests.captive_portal.gate.plans import plan_of
from tests.integration import inside
from tests.integration.machine import PATH, Machine

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def space(tmp_path: Path) -> Iterator[str]:
    if os.geteuid() != 0 or not shutil.which("nft", path=PATH):
        pytest.skip("nft in a network namespace needs root and nftables")
    with Machine(tmp_path) as machine:
        yield machine.namespace("kernel")


@pytest.fixture
def kernel(space: str) -> Iterator[Kernel]:
    """A kernel; commands that this thread starts are in the namespace too."""
    with inside.namespace(space), Netlink() as netlink:
        yield Kernel(netlink)


def test_nothing_is_there_before_the_rules_are(kernel: Kernel) -> None:
    assert not kernel.stands()
    assert kernel.read(NOW) is None
    with pytest.raises(Failed):
        kernel.fingerprint()


def test_classes_and_rules_are_read_back(kernel: Kernel) -> None:
    classes = Classes({1: (2000, 8000), 2: (None, 512)})
    kernel.load(ruleset.render(plan_of(), classes))
    assert list(kernel.classes().limits()) == list(classes.limits())
    kernel.load(ruleset.render(plan_of(), classes))
    before = kernel.fingerprint()
    kernel.load(ruleset.render(plan_of(), classes))
    assert kernel.fingerprint() == before
    assert set(kernel.dropped()) == set(ruleset.COUNTERS)


@pytest.mark.parametrize(
    "act",
    [
        "flush chain inet prathu unknown",
        "add rule inet prathu forward accept",
        "add element inet prathu free_mac { 02:00:5e:10:00:09 }",
        "delete element inet prathu up_class { 1 }",
        "flush set inet prathu doh4",
    ],
)
def test_what_a_stranger_changes_in_the_rules_is_seen(kernel: Kernel, act: str) -> None:
    kernel.load(ruleset.render(plan_of(), Classes({1: (2000, None)})))
    before = kernel.fingerprint()
    kernel.load(act + "\n")
    assert kernel.fingerprint() != before


def test_a_transaction_with_one_wrong_order_does_nothing(kernel: Kernel) -> None:
    kernel.load(ruleset.render(plan_of(), Classes()))
    good = Order("download4", True, [(bytes([10, 20, 0, 5]), 258, None)])
    for wrong in (
        Order("download4", False, [(bytes([10, 20, 0, 6]), None, None)]),
        Order("download4", True, [(bytes([10, 20, 0, 5]), 259, None)]),
        Order("download4", True, [(bytes(3), 259, None)]),
        Order("no-such-map", True, [(bytes(4), 259, None)]),
    ):
        for all_of_it in ([good, wrong], [wrong, good]):
            with pytest.raises(Failed):
                kernel.transact(all_of_it)
        found = kernel.read(NOW)
        assert found is not None
        assert not found.elements
    kernel.transact([good])
    found = kernel.read(NOW)
    assert found is not None
    assert len(found.elements) == 1


def test_a_garden_in_use_begins_its_day_anew(kernel: Kernel) -> None:
    kernel.load(ruleset.render(plan_of(), Classes()))
    name, soon = "garden4_pupils", "timeout 200s"
    kernel.load(
        f"add element inet prathu {name} {{ 198.51.100.1 counter packets 5 bytes 9 {soon}, "
        f"198.51.100.2 {soon}, 198.51.100.3 counter packets 5 bytes 9 }}\n"
    )
    assert kernel.renew(name, least_ms=600_000) == 1
    assert kernel.renew(name, least_ms=600_000) == 0


def test_a_table_of_an_earlier_version_gives_way_and_who_was_in_stays(
    kernel: Kernel, tmp_path: Path
) -> None:
    old = ruleset.render(plan_of(), Classes({1: (2000, None)}))
    other = "set free_mac { type ether_addr; flags timeout; }"
    kernel.load(old.replace("set free_mac { type ether_addr; size 4096; }", other))
    session = "session4 { 02:00:00:00:00:01 . 10.20.0.5 timeout 1h : 0x701 }"
    kernel.load(f"add element inet prathu {session}\n")
    tally = Tally(tmp_path / "counts")
    keeper = GateTable(plan_of(), kernel=kernel, tally=tally, now=lambda: NOW)
    keeper.start()
    found = kernel.read(NOW)
    assert found is not None
    assert {element.mark for element in found.elements.values()} == {0x701}
    assert keeper.passes[7].up_kbit == 2000
    assert "size 4096" in kernel.fingerprint()
