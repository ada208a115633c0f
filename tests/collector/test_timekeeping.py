"""What keeps the clock right, as chrony and the kernel tell it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import timekeeping
from collector.seal.chain import ClockState
from collector.timekeeping import Timekeeper, alarm, chrony, read

TRACKING = (
    "C0000201,192.0.2.1,2,1804122000.123456789,0.000120500,-0.000001,0.00002,"
    "-12.345,0.001,0.02,0.0123,0.0007,64.2,Normal\n"
)


def test_chrony_tells_stratum_and_by_how_much_the_box_is_ahead() -> None:
    assert chrony(TRACKING) == ClockState(source="chrony", offset_us=-120, stratum=2)
    ahead = TRACKING.replace("0.000120500", "-0.025")
    assert chrony(ahead) == ClockState(source="chrony", offset_us=25_000, stratum=2)


@pytest.mark.parametrize(
    "line",
    [
        "", "506 Cannot talk to daemon", TRACKING.replace("Normal", "Not synchronised"),
        TRACKING.replace(",2,", ",16,"), TRACKING.replace(",2,", ",0,"),
        TRACKING.replace("0.000120500", "nan"), TRACKING.replace("0.000120500", "inf"),
        TRACKING.replace("0.000120500", "1e300"), "a,b,3,d,0.1",
    ],
)  # fmt: skip
def test_what_is_not_held_by_chrony_is_not_told_so(line: str) -> None:
    assert chrony(line) is None


@given(st.text(max_size=200))
def test_any_line_is_a_state_or_none(line: str) -> None:
    state = chrony(line)
    assert state is None or (state.stratum or 0) < 16


def test_the_alarm_names_a_clock_that_nothing_holds_or_that_is_off() -> None:
    assert "no time service" in alarm(ClockState(source="unsynchronised"))
    assert "+10.1 ms" in alarm(ClockState(source="chrony", offset_us=10_100, stratum=2))
    assert alarm(ClockState(source="chrony", offset_us=-9_999, stratum=2)) == ""
    assert alarm(ClockState(source="ntp")) == ""


@pytest.mark.parametrize(
    ("kernel", "tracking", "state"),
    [
        ((False, 70), TRACKING, ClockState(source="unsynchronised")),
        ((True, 70), TRACKING, ClockState(source="chrony", offset_us=-120, stratum=2)),
        ((True, 70), "", ClockState(source="ntp", offset_us=70)),
    ],
)
def test_the_kernel_says_whether_and_chrony_how_well(
    monkeypatch: pytest.MonkeyPatch, kernel: tuple[bool, int], tracking: str, state: ClockState
) -> None:
    monkeypatch.setattr(timekeeping, "_kernel", lambda: kernel)
    monkeypatch.setattr(timekeeping, "_tracking", lambda: tracking)
    assert read() == state


def test_this_machine_can_be_asked() -> None:
    with Timekeeper() as keeper:
        assert keeper.state.source in ("chrony", "ntp", "unsynchronised")
