"""When routers speak (RFC 4861 6.2.4 to 6.2.6); what they say is seen in tests/integration."""

from __future__ import annotations

import itertools

from appliance.privileged import adverts
from appliance.privileged.adverts import Pace


def test_the_first_three_come_soon_and_then_minutes_apart() -> None:
    pace, now, gaps = Pace(due=100.0), 100.0, []
    for _ in range(8):
        pace.told(now)
        gaps.append(pace.due - now)
        now = pace.due
    assert gaps[:2] == [16.0, 16.0]
    assert all(200 <= gap <= 600 for gap in gaps[2:])
    assert len(set(gaps[2:])) > 1  # not in step with any other router


def test_however_many_ask_all_are_told_once_in_three_seconds() -> None:
    pace, now, told = Pace(due=0.0), 0.0, []
    while now < 60:
        pace.asked(now)
        if now >= pace.due:
            pace.told(now)
            told.append(now)
        now += 0.1
    assert all(b - a >= adverts.APART_S for a, b in itertools.pairwise(told))
    assert len(told) >= 60 / (adverts.APART_S + adverts.DELAY_S + 0.2)


def test_those_who_are_answered_alone_are_so_many_a_second() -> None:
    pace = Pace(due=0.0)
    assert sum(pace.takes(1.0) for _ in range(2000)) == adverts.ANSWERS_AT_ONCE
    assert sum(pace.takes(2.0) for _ in range(2000)) == adverts.ANSWERS_PER_S
