"""Whatever history a ledger tells, nothing is destroyed that is held or not due."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.seal import destroy, holds
from collector.seal.holds import DAY_US, Account, scope
from collector.seal.tree import EMPTY

BEGIN = 1_800_000_000_000_000
DAYS = {"flows": 90, "events": 120}


def segment(log: str, seq: int, received_us: int) -> dict[str, Any]:
    """Return what an account reads of a manifest."""
    return {
        "type": "segment",
        "log": log,
        "seq": seq,
        "root": EMPTY.hex(),
        "time": received_us,
        "start": received_us - 10,
        "end": received_us,
        "received_max": str(received_us),
        "event_min": str(received_us - 5),
        "event_max": str(received_us - 1),
        "rows": 1,
        "file": {"size": 10, "name": f"s/{log}/{seq}.parquet"},
    }


def hold(name: str, runs: list[list[Any]], until: int | None, time: int) -> dict[str, Any]:
    told = {"type": "hold", "hold": name, "scope": runs, "bundle": None}
    return {**told, "until": until, "ref_commit": EMPTY.hex(), "time": time}


runs = st.tuples(st.sampled_from(sorted(DAYS)), st.integers(0, 20), st.integers(0, 20))


@given(
    st.lists(st.tuples(runs, st.none() | st.integers(0, 300)), max_size=5),
    st.sets(st.integers(0, 4), max_size=3),
    st.integers(0, 300),
)
def test_what_is_planned_is_lawful(
    held: list[tuple[tuple[str, int, int], int | None]], released: set[int], day: int
) -> None:
    account, now = Account(), BEGIN + day * DAY_US
    for log in DAYS:
        for seq in range(10):
            account.take(segment(log, seq, BEGIN + seq * 20 * DAY_US))
    for number, ((log, a, b), until) in enumerate(held):
        end = None if until is None else BEGIN + until * DAY_US
        account.take(hold(f"h{number}", [[log, min(a, b), max(a, b)]], end, BEGIN))
    for number in released:
        account.take({"type": "release", "hold": f"h{number}", "time": BEGIN})
    plan = destroy.plan(account, days=DAYS, now_us=now)
    listed = list(destroy.entries(plan.due, days=DAYS, now_us=now, size=99, actor="box"))
    for entry in listed:
        account.take({**entry, "time": now})  # refused if it were not lawful
    named = {(log, seq) for entry in listed for log, seq, _ in entry["segments"]}
    assert named == {(one.log, one.seq) for one in plan.due} == account.gone.keys()
    for log, seq in named:
        assert now >= BEGIN + seq * 20 * DAY_US + DAYS[log] * DAY_US
        assert not account.holding(log, seq, now)
    assert [entry["holds_checked"] for entry in listed] == list(range(99, 99 + len(listed)))


@given(st.none() | st.integers(0, 200), st.none() | st.integers(0, 200))
def test_a_scope_covers_all_that_meets_a_time(low: int | None, high: int | None) -> None:
    account = Account()
    for seq in range(10):
        account.take(segment("flows", seq, BEGIN + seq * 20 * DAY_US))
    from_us = None if low is None else BEGIN + low * DAY_US
    to_us = None if high is None else BEGIN + high * DAY_US
    found = scope(list(account.kept.values()), logs=["flows"], from_us=from_us, to_us=to_us)
    for one in account.kept.values():
        inside = (from_us is None or one.received_us >= from_us) and (
            to_us is None or one.start_us < to_us
        )
        assert not inside or any(a <= one.seq <= b for _, a, b in found)


def test_an_entry_names_at_most_what_fits() -> None:
    account = Account()
    for seq in range(1201):
        account.take(segment("flows", seq, BEGIN))
    now = BEGIN + 91 * DAY_US
    due = destroy.plan(account, days=DAYS, now_us=now).due
    listed = list(destroy.entries(due, days=DAYS, now_us=now, size=0, actor="box"))
    assert [len(entry["segments"]) for entry in listed] == [500, 500, 201]
    assert holds.LEAST_US == 90 * DAY_US
