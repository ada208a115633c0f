"""No more than the bound comes through in any time, and what waits is known to have waited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.receive.pace import BURST_S, Pace


def test_who_was_held_back_knows_for_how_long() -> None:
    pace = Pace(100, 0.0)
    assert pace.allowed(1000, 0.0) == 100 * BURST_S
    pace.took(100 * BURST_S)
    assert pace.holds
    assert pace.allowed(600, 0.01) == 0, "a portion so small is not worth it"
    assert pace.allowed(600, 1.0) == 100
    assert pace.held_s(2.0) == 2.0
    assert pace.untold_s(2.0) == 2.0
    assert pace.allowed(100, 3.0) == 100
    assert pace.untold_s(9.0) == 1.0, "it is not held back any more"
    assert pace.untold_s(99.0) == 0.0


@given(
    st.integers(10, 1000), st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5000)), max_size=60)
)
def test_the_bound_holds_however_messages_come(
    per_second: int, came: list[tuple[float, int]]
) -> None:
    pace, now, taken, held_s = Pace(per_second, 0.0), 0.0, 0, 0.0
    for pause, wanted in came:
        held_s += pause if pace.holds else 0.0
        now += pause
        count = pace.allowed(wanted, now)
        assert 0 <= count <= wanted
        assert pace.holds == (count < wanted)
        pace.took(count)
        taken += count
    assert taken <= per_second * (BURST_S + now) + 1e-6
    assert pace.held_s(now) == pytest.approx(held_s)
