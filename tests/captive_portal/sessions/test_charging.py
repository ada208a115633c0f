"""What is charged adds up: no byte or second twice, none lost, each on its own day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from captive_portal.sessions.charging import MOST, by_day, of_bytes, of_time
from captive_portal.sessions.session import Counters
from tests.captive_portal.sessions.test_gated_machine import ONE

ZONE = ZoneInfo("Asia/Bangkok")
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
seconds = st.integers(0, 4 * 86_400)
PERSON = UUID(int=1)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@given(span=st.tuples(seconds, seconds), size=st.integers(0, MOST), had=st.integers(0, MOST))
def test_bytes_are_divided_over_days_without_a_rest(
    span: tuple[int, int], size: int, had: int
) -> None:
    first, last = sorted(span)
    counters = Counters(bytes_in=had + size, bytes_out=0)
    session = replace(ONE, counters=counters, charged=(had, 0))
    charges = list(of_bytes(session, at(first), at(last), ZONE))
    assert sum(charge.bytes_in for charge in charges) == size
    assert all(charge.bytes_in >= 0 == charge.bytes_out for charge in charges)
    days = [charge.day for charge in charges]
    assert days == sorted(set(days))


@given(
    spans=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)).map(sorted), max_size=6),
    cuts=st.lists(st.integers(0, 500), max_size=5),
)
def test_time_is_that_in_which_any_device_was_on_however_often_it_is_counted(
    spans: list[list[int]], cuts: list[int]
) -> None:
    counted, since = 0, None
    for cut in sorted({*cuts, 500}):
        so_far = [(at(first), at(min(last, cut))) for first, last in spans if first < cut]
        charges = list(of_time(PERSON, so_far, since, ZONE))
        counted += sum(charge.seconds for charge in charges)
        since = charges[-1].until if charges else since
    on = {second for first, last in spans for second in range(first, last)}
    assert counted == len(on)


@given(cuts=st.lists(st.floats(0, 300_000), min_size=2, max_size=8))
def test_seconds_add_up_whatever_the_cuts(cuts: list[float]) -> None:
    times = [START + timedelta(seconds=cut) for cut in sorted(cuts)]
    parts: dict[date, int] = {}
    for first, last in pairwise(times):
        for day, width in by_day(first, last, ZONE):
            parts[day] = parts.get(day, 0) + width
    assert parts == dict(by_day(times[0], times[-1], ZONE))
