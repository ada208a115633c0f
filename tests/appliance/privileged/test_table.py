"""Whatever is called, and whenever the kernel refuses, book and kernel agree afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.privileged import table
from appliance.privileged.kernel import Found, Kernel
from appliance.privileged.netlink import Counted
from appliance.privileged.run import Failed
from appliance.privileged.table import Call, GateTable
from appliance.privileged.tally import Tally
from captive_portal.errors import GateError
from captive_portal.gate.book import Cut
from captive_portal.gate.classes import Classes
from captive_portal.gate.elements import Element, Key, Order
from captive_portal.sessions.passes import Pass
from tests.captive_portal.gate.plans import plan_of
from tests.captive_portal.gate.test_book import CALLS, NOW, make


class FakeKernel:
    """Does what the kernel does to elements, and fails when told to."""

    def __init__(self) -> None:
        self.state: dict[Key, tuple[int, datetime | None]] | None = None
        self.counts: dict[Key, tuple[int, int]] = {}
        self.now = NOW
        self.fail: list[bool] = []
        self.cuts: list[Cut] = []
        self.loads = 0
        self.transactions = 0

    def load(self, ruleset: str) -> None:
        if "nft" and "table inet prathu {" in ruleset:
            self.state = self.state or {}
        self.loads += 1

    def transact(self, orders: Sequence[Order]) -> None:
        if self.state is None:
            raise Failed("no such table")
        if self.fail and self.fail.pop(0):
            raise Failed("not now")
        self.transactions += 1
        state, counts = dict(self.state), dict(self.counts)
        for order in orders:
            for raw, mark, ends_ms in order.elements:
                key = Key(order.map, raw)
                if order.comes and key not in state:
                    ends = None if ends_ms is None else timedelta(milliseconds=ends_ms)
                    state[key] = (mark or 0, None if ends is None else self.now + ends)
                elif key not in state or (order.comes and state[key][0] != mark):
                    raise Failed("no such element, or another one")
                elif not order.comes:
                    del state[key]
                    counts.pop(key, None)
        self.state, self.counts = state, counts

    def read(self, now: datetime) -> Found | None:
        if self.state is None:
            return None
        live = {k: v for k, v in self.state.items() if v[1] is None or v[1] > now}
        elements = {k: Element(*v) for k, v in live.items()}
        return Found(elements, {k: self._counted(k) for k in live})

    def count(self, key: Key) -> Counted | None:
        return self._counted(key) if self.state and key in self.state else None

    def _counted(self, key: Key) -> Counted:
        packets, octets = self.counts.get(key, (0, 0))
        return Counted(mark=0, expires_ms=None, packets=packets, octets=octets)

    def pass_through(self, packets: int = 1) -> None:
        for key in self.state or {}:
            old = self.counts.get(key, (0, 0))
            self.counts[key] = (old[0] + packets, old[1] + 100 * packets)

    def cut(self, cut: Cut) -> None:
        self.cuts.append(cut)

    def cut_free(self) -> None:
        self.cuts.append(Cut(serials=frozenset({0}), addresses=frozenset()))

    def renew(self, name: str, *, least_ms: int) -> int:
        assert name.startswith(("garden", "provider"))
        return 0

    def classes(self) -> Classes:
        return Classes()

    def fingerprint(self) -> str:
        return "gone" if self.state is None else "there"

    def stands(self) -> bool:
        return self.state is not None

    def dropped(self) -> dict[str, tuple[int, int]]:
        return {}


def keeper_on(kernel: FakeKernel, folder: Path) -> GateTable:
    keeper = GateTable(
        plan_of(),
        kernel=cast("Kernel", kernel),
        tally=Tally(folder / "counts.json"),
        now=lambda: kernel.now,
    )
    keeper.start()
    return keeper


def agree(keeper: GateTable, kernel: FakeKernel) -> None:
    """Check that the kernel has what the book says, and no more."""
    assert kernel.state is not None
    have = {key: mark for key, (mark, _) in kernel.state.items()}
    assert have == {key: each.mark for key, each in keeper._book.elements.items()}


@given(st.lists(st.lists(CALLS, max_size=3), max_size=4), st.lists(st.booleans(), max_size=12))
def test_book_and_kernel_agree_whatever_fails(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[list[Pass], list[Pass]]]],
    fail: list[bool],
) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path_factory.getbasetemp())
    kernel.fail = fail
    for batch in batches:
        calls = [Call(let_in=a, shut_out=b) for a, b in batch]
        results = keeper.apply(calls)
        agree(keeper, kernel)
        assert len(results) == len(calls)


def test_many_calls_are_one_transaction(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    calls = [Call(let_in=[make(n)], shut_out=[]) for n in range(1, 51)]
    assert keeper.apply(calls) == [None] * 50
    assert kernel.transactions == 1
    assert keeper.apply(calls) == [None] * 50  # the same again changes nothing
    assert kernel.transactions == 1


def test_of_a_batch_that_fails_each_is_tried_alone_and_a_failed_one_leaves_nothing(
    tmp_path: Path,
) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    kernel.fail = [True, False, True, True, False]  # together; one; two, twice; three
    results = keeper.apply([Call(let_in=[make(n)], shut_out=[]) for n in (1, 2, 3)])
    assert [isinstance(each, GateError) for each in results] == [False, True, False]
    assert set(keeper.passes) == {1, 3}
    agree(keeper, kernel)


def test_what_the_kernel_has_let_expire_can_still_be_ended(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    keeper.apply([Call(let_in=[make(1, hours=1)], shut_out=[])])
    kernel.state = {}
    assert keeper.apply([Call(let_in=[], shut_out=[make(1)])]) == [None]
    agree(keeper, kernel)


def test_counts_go_on_over_changes_and_stay_after_the_end(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    keeper.apply([Call(let_in=[make(1)], shut_out=[])])
    kernel.pass_through(3)
    keeper.apply([Call(let_in=[make(1, kbit=2000)], shut_out=[])])
    kernel.pass_through(4)
    assert (counted := keeper.counted()[1]).packets_in == 7
    assert counted.bytes_out == 700
    keeper.apply([Call(let_in=[], shut_out=[make(1)])])
    assert keeper.counted()[1].packets_in == 7
    keeper.apply([Call(let_in=[make(1)], shut_out=[])])  # it comes back
    kernel.pass_through(1)
    assert keeper.counted()[1].packets_in == 8


@pytest.mark.parametrize("few", [0, 1000])
def test_the_counts_of_some_are_those_of_all(
    tmp_path: Path, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "FEW", few)
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    keeper.apply([Call(let_in=[make(1), make(2), make(3)], shut_out=[])])
    kernel.pass_through(5)
    keeper.apply([Call(let_in=[], shut_out=[make(2)])])
    kernel.pass_through(2)
    whole = keeper.counted()
    assert keeper.counted([1, 2]) == {serial: whole[serial] for serial in (1, 2)}
    assert keeper.counted([99]) == {}


def test_counts_outlive_the_process_and_the_kernels_own_end(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    keeper.apply([Call(let_in=[make(1, hours=1), make(2)], shut_out=[])])
    kernel.pass_through(2)
    keeper.apply([Call(let_in=[make(2, hours=2)], shut_out=[])])
    keeper = keeper_on(kernel, tmp_path)
    kernel.pass_through(1)
    assert keeper.counted()[2].packets_in == 3
    kernel.now += timedelta(hours=1, seconds=5)
    kernel.state = {k: v for k, v in (kernel.state or {}).items() if v[1] and v[1] > kernel.now}
    assert keeper.counted()[1].packets_in == 3  # seen last before it ran out
    keeper.check()
    assert set(keeper.passes) == {2}
    assert keeper.counted()[1].packets_in == 3


def test_a_kernel_that_was_changed_by_others_is_mended_and_it_is_told(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    keeper.apply([Call(let_in=[make(1), make(2)], shut_out=[])])
    kernel.pass_through(5)
    assert not keeper.check()
    assert kernel.state is not None
    stolen = next(key for key in kernel.state if key.map == "session4")
    del kernel.state[stolen]
    kernel.counts.pop(stolen)
    kernel.state[Key("download4", bytes([10, 20, 9, 9]))] = (9 << 8, None)
    mended = keeper.check()
    assert (mended.missing, mended.extra, mended.rules) == (1, 1, False)
    agree(keeper, kernel)
    assert keeper.counted()[1].packets_in == 5
    kernel.state = None  # nft flush ruleset
    kernel.counts.clear()
    assert keeper.check().rules
    agree(keeper, kernel)
    assert keeper.counted()[1].packets_in == 5
    assert keeper.figures.mended == 2


def test_restore_makes_the_kernel_know_these_and_no_others(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    keeper.apply([Call(let_in=[make(1), make(2)], shut_out=[])])
    mended = keeper.restore([make(2), make(3), make(4, hours=-1)])
    assert (mended.missing, mended.extra, mended.changed) == (2, 2, 0)
    assert {each[0] >> 8 for each in (kernel.state or {}).values()} == {2, 3}
    assert kernel.cuts[-1].serials == {1}
    kernel.fail = [True]
    with pytest.raises(Failed):
        keeper.restore([])
    assert set(keeper.passes) == {2, 3, 4}


def test_new_rules_keep_who_is_in_and_cut_who_passed_without_sign_in(tmp_path: Path) -> None:
    kernel = FakeKernel()
    keeper = keeper_on(kernel, tmp_path)
    keeper.apply([Call(let_in=[make(1)], shut_out=[])])
    keeper.reload(plan_of())
    assert kernel.cuts[-1].serials != {0}
    from tests.captive_portal.gate.plans import UPLINK

    gateway = UPLINK.model_copy(update={"free": ("02:00:5e:10:00:01",)})
    keeper.reload(plan_of(gateway=gateway))
    assert kernel.cuts[-1].serials == {0}
    agree(keeper, kernel)
