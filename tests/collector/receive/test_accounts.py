"""Bounds of one sender: how fast, how much of the queue, how much of the disk."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receive import accounts as module
from collector.receive.accounts import BURST_S, FRAME_BYTES, Account, Accounts
from collector.receive.losses import What
from collector.settings import Limits
from tests.collector.receive.home import StillQueue


class Told:
    """Remembers what is written down."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, int, str]] = []

    def add(self, what: What, lost: int, *, since_ns: int) -> None:
        """Remember it."""
        self.rows.append((what.kind, what.source, lost, what.note))


class Seconds:
    """A clock that stands until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    made = Seconds()
    monkeypatch.setattr(module, "time", made)
    return made


def _accounts(queue: StillQueue | None = None, **limits: Any) -> Accounts:
    return Accounts(Limits(**limits), queue or StillQueue())


def _find(accounts: Accounts, address: str = "192.0.2.1", now_ns: int = 0) -> Account:
    return accounts.find(address, "a", "192.0.2.0/24", now_ns)


def _offer(accounts: Accounts, account: Account, count: int, size: int = 1400) -> int:
    return sum(accounts.admit(account, size) for _ in range(count))


def test_a_sender_may_be_as_fast_as_the_settings_say_and_no_faster(clock: Seconds) -> None:
    accounts = _accounts(per_second=100)
    account = _find(accounts)
    assert _offer(accounts, account, 1000) == 100 * BURST_S  # it was silent before
    passed = 0
    for _ in range(50):
        clock.now += 0.1
        passed += _offer(accounts, account, 100)
    assert passed == pytest.approx(500, abs=5)
    assert account.fast == 1000 + 5000 - 100 * BURST_S - passed
    assert account.datagrams == 100 * BURST_S + passed


@pytest.mark.parametrize("flows_per_second", [20_000, 150_000, 1_000_000])
def test_a_fast_router_meets_no_bound(clock: Seconds, flows_per_second: int) -> None:
    accounts = _accounts()
    account = _find(accounts)
    datagrams = flows_per_second // 24
    for _ in range(500):  # five seconds, in slots of 10 ms
        clock.now += 0.01
        assert _offer(accounts, account, datagrams // 100) == datagrams // 100


def test_a_full_queue_keeps_room_for_the_others(clock: Seconds) -> None:
    queue = StillQueue(most_bytes=3_000_000)
    accounts = _accounts(queue)
    flood, other = _find(accounts), _find(accounts, "192.0.2.2")

    def offer(account: Account) -> bool:
        taken = accounts.admit(account, 1000 - FRAME_BYTES)
        queue.waiting_bytes += 1000 * taken
        return taken

    while offer(flood):
        pass
    assert queue.waiting_bytes == pytest.approx(2_000_000, abs=2000)
    for _ in range(300):
        assert offer(other)
    assert not offer(flood)
    assert flood.crowded == 2
    queue.waiting_bytes, queue.emptied = 0, 1  # the disk took it
    assert offer(flood)


def test_a_sender_that_fills_the_disk_is_closed_until_it_is_sealed(clock: Seconds) -> None:
    accounts = _accounts()
    flood, other = _find(accounts), _find(accounts, "192.0.2.2")
    _offer(accounts, flood, 100)
    _offer(accounts, other, 10)
    held = flood.stored + other.stored
    accounts.review(spool_bytes=held, disk_bytes=100_000, mark_bytes=50_000)
    assert (flood.closed, other.closed) == (True, False)
    assert _offer(accounts, flood, 3) == 0
    assert _offer(accounts, other, 3) == 3
    assert flood.hoarded == 3
    accounts.review(spool_bytes=held // 2, disk_bytes=100_000, mark_bytes=50_000)
    assert not flood.closed
    accounts.review(spool_bytes=held, disk_bytes=-5, mark_bytes=200_000)  # a nearly full disk
    assert not flood.closed  # but the mark allows it


def test_refusals_are_written_down_once_each_by_reason(clock: Seconds) -> None:
    accounts = _accounts(per_second=10)
    account = _find(accounts)
    _offer(accounts, account, 10 * BURST_S + 7)
    account.dammed += 5
    told: Any = Told()
    accounts.write_down(told, 0)
    accounts.write_down(told, 0)
    assert [row[:3] for row in told.rows] == [
        ("exporter-limit", "192.0.2.1", 7),
        ("exporter-limit", "192.0.2.1", 5),
    ]
    assert told.rows[0][3] == "faster than limits.per_second = 10"


def test_made_up_addresses_share_one_account_and_those_before_keep_theirs(clock: Seconds) -> None:
    accounts = _accounts(senders=16, per_second=10)
    before = _find(accounts, "192.0.2.250")
    flood = {id(_find(accounts, f"192.0.2.{n}")) for n in range(200)}
    assert len(flood) == 16
    shared = _find(accounts, "192.0.2.199")
    assert shared.name == "192.0.2.0/24"
    assert _find(accounts, "192.0.2.198") is shared
    assert _find(accounts, "192.0.2.250") is before
    assert _offer(accounts, shared, 1000) == 10 * BURST_S
    assert _offer(accounts, before, 5) == 5
    assert len(accounts.listed()) == 17


def test_a_silent_senders_account_goes_for_a_new_one(clock: Seconds) -> None:
    accounts = _accounts(senders=16)
    for n in range(16):
        _find(accounts, f"192.0.2.{n}")
    _find(accounts, "192.0.2.0").fast = 3  # not written down yet: it stays
    later = module.IDLE_NS + module.LOOK_NS
    _find(accounts, "192.0.2.1", later).heard_ns = later
    assert _find(accounts, "192.0.2.99", later).name == "192.0.2.99"
    names = {account.name for account in accounts.listed()}
    assert names == {"192.0.2.0", "192.0.2.1", "192.0.2.99"}
    assert accounts.forgotten == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 65_535), st.booleans()),
        min_size=50,
        max_size=400,
    )
)
def test_no_sender_holds_more_than_its_share_and_the_queue_is_never_over(
    offers: list[tuple[int, int, bool]],
) -> None:
    queue = StillQueue(most_bytes=1 << 20)
    accounts = _accounts(queue)
    held: dict[int, int] = {}
    for who, size, emptied in offers:
        if emptied and size % 7 == 0:
            queue.waiting_bytes, held = 0, {}
            queue.emptied += 1
        account = _find(accounts, f"192.0.2.{who}")
        if accounts.admit(account, size):
            queue.waiting_bytes += size + FRAME_BYTES
            held[who] = held.get(who, 0) + size + FRAME_BYTES
            rest = queue.most_bytes - queue.waiting_bytes
            assert held[who] <= 2 * (rest + size + FRAME_BYTES) + FRAME_BYTES
        assert queue.waiting_bytes <= queue.most_bytes + 65_535 + FRAME_BYTES
