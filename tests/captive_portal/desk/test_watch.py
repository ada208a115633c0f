"""Whatever people do, who has used up what was left is looked at the next time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.desk.traffic import Traffic
from captive_portal.desk.watch import MOST, Now, Watch
from captive_portal.sessions.session import Person, Session

START = datetime(2026, 11, 23, 1, tzinfo=UTC)


def session(serial: int, person: int, *, kbit: int | None = None) -> Session:
    return Session(
        id=UUID(int=serial),
        site="school-a",
        method="portal",
        person=Person(id=UUID(int=person), account=f"p{person}"),
        start=START,
        last_seen=START,
        serial=serial,
        up_kbit=kbit,
        down_kbit=kbit,
    )


def test_nobody_is_looked_at_before_enough_has_passed() -> None:
    watch = Watch()
    watch.know(UUID(int=1), 1000, [session(1, 1)], counted={1: 50}, now=Now(0.0, 0))
    assert watch.due(Now(100.0, 999)) == []
    assert watch.due(Now(101.0, 1000)) == [UUID(int=1)]
    assert watch.over([UUID(int=1)], {1: 450}, Now(101.0, 1000)) == []
    assert watch.due(Now(102.0, 1599)) == []
    assert watch.due(Now(103.0, 1600)) == [UUID(int=1)]
    assert watch.over([UUID(int=1)], {1: 1050}, Now(103.0, 1600)) == [UUID(int=1)]
    assert watch.due(Now(104.0, 1600)) == [UUID(int=1)], "until it is known what is left"


def test_who_is_slow_is_not_looked_at_before_so_much_can_be_through() -> None:
    watch = Watch()
    slow = session(1, 1, kbit=800)  # 100 kB/s each way
    watch.know(UUID(int=1), 2_000_000, [slow], counted={}, now=Now(0.0, 0))
    assert watch.due(Now(6.0, 10**9)) == []
    assert watch.due(Now(10.0, 10**9)) == [UUID(int=1)]


def test_an_interface_that_is_gone_or_begins_anew_makes_look() -> None:
    for total in (None, 10):
        watch = Watch()
        watch.know(UUID(int=1), 1000, [session(1, 1)], counted={}, now=Now(0.0, 5000))
        assert watch.due(Now(1.0, 5001)) == []
        assert watch.due(Now(2.0, total)) == [UUID(int=1)]


def test_what_could_not_be_asked_is_asked_again() -> None:
    watch = Watch()
    watch.begin(session(1, 1), 1000)
    assert watch.due(Now(0.0, 7)) == [UUID(int=1)]
    assert watch.due(Now(1.0, 7)) == []
    watch.again([UUID(int=1)])
    assert watch.due(Now(1.0, 7)) == [UUID(int=1)]


def test_what_an_ended_session_used_is_gone_from_what_is_left() -> None:
    watch, person = Watch(), UUID(int=1)
    held = [session(1, 1), session(2, 1)]
    watch.know(person, 1000, held, counted={1: 100, 2: 0}, now=Now(0.0, 0))
    watch.end([replace(held[0], end=START, kernel=(300, 400, 1, 1))])
    assert watch.serials([person]) == [2]
    assert watch.over([person], {2: 399}, Now(1.0, 10)) == []
    assert watch.over([person], {2: 400}, Now(1.0, 10)) == [person]
    watch.end([replace(held[1], end=START)])
    assert len(watch) == 0
    assert watch.due(Now(9.0, 10**9)) == []


def test_without_an_end_of_the_quota_nobody_is_watched() -> None:
    watch = Watch()
    watch.begin(session(1, 1), None)
    watch.know(UUID(int=2), None, [session(2, 2)], counted={}, now=Now(0.0, 0))
    watch.know(UUID(int=3), 5, [], counted={}, now=Now(0.0, 0))
    assert len(watch) == 0


def test_who_came_since_is_watched_on_when_others_are_forgotten() -> None:
    watch = Watch()
    for number in (1, 2):
        watch.begin(session(number, number), 1000)
    turn = watch.turn
    watch.begin(session(3, 3), 1000)
    watch.tidy([UUID(int=1)], turn)
    assert sorted(watch.due(Now(0.0, 1))) == [UUID(int=1), UUID(int=3)]


def test_a_crowd_is_looked_at_in_turns() -> None:
    watch = Watch()
    for number in range(1, MOST + 11):
        watch.begin(session(number, number), 1000)
    assert len(watch.due(Now(0.0, 1))) == MOST
    assert len(watch.due(Now(0.5, 1))) == 10


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),  # who
        st.integers(0, 400),  # what they use
        st.floats(0, 2),  # after so long
        st.integers(0, 1000),  # and others
        st.sampled_from(["", "", "", "join", "leave", "know"]),
    ),
    max_size=60,
)


@given(STEPS, st.sampled_from([None, 8]))
def test_who_has_nothing_left_is_looked_at(
    steps: list[tuple[int, int, float, int, str]], kbit: int | None
) -> None:
    """Each has 2,000 bytes; the speed of a class, where there is one, is kept to."""
    watch, at, total = Watch(), 0.0, 0
    counted: dict[int, int] = {}
    held: dict[UUID, list[Session]] = {}
    spent: dict[UUID, int] = {}
    for number in range(4):
        one = session(number + 1, number, kbit=kbit)
        person = UUID(int=number)
        held[person], spent[person], counted[number + 1] = [one], 0, 0
        watch.know(person, 2000, [one], counted={}, now=Now(at, total))
    for who, used, pause, others, act in steps:
        person, at = UUID(int=who), at + pause
        if act == "join":
            more = session(100 + len(counted), who, kbit=kbit)
            counted[100 + len(counted)] = 0
            held[person].append(more)
            watch.begin(more, 2000)
        elif act == "leave" and len(held[person]) > 1:
            gone = held[person].pop()
            watch.end([replace(gone, end=START, kernel=(counted[gone.serial or 0], 0, 0, 0))])
        elif act == "know":
            left = 2000 - spent[person]
            watch.know(person, left, held[person], counted=counted, now=Now(at, total))
        counted[held[person][-1].serial or 0] += used
        spent[person] += used
        total += used + others
        now = Now(at, total)
        due = watch.due(now)
        over = watch.over(due, counted, now)
        if kbit is None:
            assert {p for p, n in spent.items() if n >= 2000} <= set(over)
        assert all(spent[p] >= 2000 for p in over)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("Inter-| Receive\n lan0: 100 1 2\nwan0:7 9\n lo: 5 1\n", 107),
        (" lan0: 100 1\n", None),
        (" lan0: x 1\nwan0: 7\n", None),
        (" lan0:\nwan0: 7\n", None),
        ("", None),
    ],
)
def test_what_has_come_in_is_read(tmp_path: Path, text: str, total: int | None) -> None:
    (tmp_path / "dev").write_text(text)
    assert Traffic(["wan0", "lan0"], file=tmp_path / "dev")() == total
    assert Traffic(["wan0"], file=tmp_path / "none")() is None
    assert Traffic(["lo"])() is not None
