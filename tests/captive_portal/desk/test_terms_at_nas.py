"""Terms that change while a NAS carries a session: what it is told, and what becomes of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from captive_portal.desk import nas_teller
from captive_portal.people.groups import AtLimit, AtQuota, Calendar, Hours
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.nas_side import Answer
from captive_portal.sessions.nas_terms import NasTerms, Ordered
from captive_portal.sessions.obeyed import Beyond, NoGroup
from captive_portal.sessions.session import Counters, Nas, Session
from tests.captive_portal.conftest import SITE
from tests.captive_portal.desk.test_desk import (
    AWAY,
    HERE,
    MAC,
    MINUTE,
    OTHER_MAC,
    THERE,
    THIRD_MAC,
    School,
    pupils,
)
from tests.captive_portal.sessions.test_accounting import said

ROUTER = Nas(identifier="r", source="192.0.2.7", client="192.0.2.7/32")
MOVED = UUID(int=10)


@pytest.fixture
def school(engine: Engine) -> Iterator[School]:
    school = School(engine)
    yield school
    school.desk.close()


def started(school: School, **more: Any) -> Accounting:
    what: dict[str, Any] = {"account": "somchai", "site": SITE, "mac": MAC, "nas": ROUTER}
    what |= {"addresses": (AWAY,), "time": school.now}
    return said("start", 0, **{**what, **more})


async def until(done: Callable[[], bool]) -> None:
    for _ in range(2000):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not come")


async def settled(school: School) -> None:
    """Wait until nothing waits to be told, and what came of it is kept."""
    for _ in range(500):
        await asyncio.sleep(0.01)
        states = [one.nas_state for one in school.rows.open()]
        if not school.desk.nas.standing() and "waiting" not in states:
            return
    raise AssertionError(school.desk.nas.standing())


def run(school: School, play: Callable[[], Awaitable[None]]) -> None:
    """Run a play beside what tells NASes."""
    school.desk.nas.pace_s = 0.001

    async def whole() -> None:
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(school.desk.nas.follow())
            await school.desk.tick()
            await play()
            telling.cancel()

    asyncio.run(whole())


def the_session(school: School) -> Session:
    (one,) = school.rows.recent(10)
    return one


def updates(school: School) -> list[str]:
    return [event.cause for event in school.collector.events if event.event == "update"]


def test_a_speed_that_staff_change_reaches_the_nas_within_a_minute(school: School) -> None:
    school.add("somchai", pupils(up_kbit=2000, down_kbit=8000))

    async def play() -> None:
        await school.hear(started(school))
        await school.pass_minutes(2)
        assert school.nas.changed == []
        school.groups.put(pupils(up_kbit=1000, down_kbit=4000))
        await school.pass_minutes(1)
        await settled(school)
        await school.pass_minutes(2)

    run(school, play)
    (told,) = school.nas.changed
    assert told.has is not None
    assert told.wants is not None
    assert (told.has.up_kbit, told.wants.up_kbit, told.wants.down_kbit) == (2000, 1000, 4000)
    (said_so,) = updates(school)
    assert said_so.startswith("terms: pupils; up 1000 kbit/s; down 4000 kbit/s; until ")
    one = the_session(school)
    assert (one.nas_state, one.has, one.up_kbit) == ("confirmed", one.wants, 1000)


def test_another_group_a_quota_and_a_holiday_change_terms_too(school: School) -> None:
    somchai = school.add("somchai", pupils(quota_day_mb=1, at_quota=AtQuota.SLOW, slow_kbit=128))
    school.groups.put(pupils(id=MOVED, name="club", kind="", down_kbit=9000, vlan=20))
    start = started(school)

    async def play() -> None:
        await school.hear(start)
        await school.pass_minutes(1)
        used = Counters(bytes_in=600_000, bytes_out=600_000)
        update = replace(start, status="update", time=school.now, counters=used)
        await school.hear(replace(update, event_id=UUID(int=77)))
        await school.pass_minutes(2)
        await settled(school)
        school.people.put_in_group(somchai.id, MOVED)
        await school.pass_minutes(1)
        await settled(school)
        hours = Hours(days=("exam",), first_minute=0, last_minute=9 * 60)
        on_mondays = Hours(days=("mon",), first_minute=0, last_minute=1440)
        school.groups.put(
            pupils(id=MOVED, name="club", kind="", down_kbit=9000, hours=(hours, on_mondays))
        )
        await school.pass_minutes(1)
        Calendar(school.engine).put(SITE, date(2026, 11, 23), kind="exam", name="สอบ")
        await school.pass_minutes(1)
        await settled(school)

    run(school, play)
    wants = [one.wants for one in school.nas.changed if one.wants is not None]
    assert [(one.group, one.down_kbit, one.vlan) for one in wants] == [
        ("pupils", 128, None),
        ("club", 9000, 20),
        ("club", 9000, None),
        ("club", 9000, None),
    ]
    assert the_session(school).slow is False
    assert wants[3].until is not None
    assert wants[3].until.hour == 2  # 09:00 at school


def test_at_midnight_a_nas_learns_of_the_new_quota_and_the_log_has_nothing_new(
    school: School,
) -> None:
    school.add("somchai", pupils(quota_day_mb=100, session_minutes=1440))
    school.now += timedelta(hours=15, minutes=50)  # 23:50 at school
    start = started(school)

    async def play() -> None:
        await school.hear(start)
        await school.pass_minutes(2)
        used = Counters(bytes_in=30_000_000, bytes_out=30_000_000)
        update = replace(start, status="update", time=school.now, counters=used)
        await school.hear(replace(update, event_id=UUID(int=80)))
        await school.pass_minutes(9)
        await settled(school)

    run(school, play)
    (told,) = school.nas.changed
    assert told.has is not None
    assert told.wants is not None
    assert (told.has.most_bytes, told.wants.most_bytes) == (100_000_000, 160_000_000)
    assert [one for one in updates(school) if one] == []


def test_what_the_nas_was_told_at_sign_in_may_be_old_by_its_first_minute(school: School) -> None:
    school.add("somchai", pupils(up_kbit=1000))
    as_now = NasTerms(group="pupils", up_kbit=1000)
    as_then = NasTerms(group="pupils", up_kbit=5000)

    async def play() -> None:
        await school.hear(started(school, signed=as_now.sign))
        other = {"mac": OTHER_MAC, "acct_session_id": "S2", "addresses": (THERE,)}
        await school.hear(started(school, signed=as_then.sign, **other))
        await school.pass_minutes(1)
        await settled(school)

    run(school, play)
    assert [one.mac for one in school.nas.changed] == [OTHER_MAC]
    assert school.nas.changed[0].has == NasTerms(sure=False)


def test_who_was_let_in_anew_meanwhile_has_the_terms_of_that_time(school: School) -> None:
    school.add("somchai", pupils(up_kbit=2000))
    school.nas.says = "refused 401"
    first, then = (NasTerms(group="pupils", up_kbit=kbit).sign for kbit in (2000, 3000))
    start = started(school, signed=first)

    async def play() -> None:
        await school.hear(start)
        await school.pass_minutes(1)
        school.groups.put(pupils(up_kbit=3000))
        await school.pass_minutes(1)
        await settled(school)
        assert the_session(school).nas_state == "refused 401"
        update = replace(start, status="update", time=school.now, event_id=UUID(int=79))
        await school.hear(replace(update, signed=then))
        await school.pass_minutes(1)

    run(school, play)
    one = the_session(school)
    assert one.has is not None
    assert (one.has.up_kbit, one.nas_state, len(school.nas.changed)) == (3000, "", 1)


def test_a_nas_that_cannot_be_told_of_less_has_its_session_ended(school: School) -> None:
    school.add("somchai", pupils(up_kbit=2000))
    school.nas.says = "end"

    async def play() -> None:
        await school.hear(started(school))
        await school.pass_minutes(1)
        school.groups.put(pupils(up_kbit=1000))
        await school.pass_minutes(1)
        await until(lambda: bool(school.nas.told))

    run(school, play)
    one = the_session(school)
    assert (one.cause, one.id) == ("terms changed", school.nas.told[0])


def test_a_nas_that_goes_on_with_such_a_session_is_not_told_again_and_again(school: School) -> None:
    school.add("somchai", pupils(up_kbit=2000))
    school.nas.says = "end"
    start = started(school)

    async def play() -> None:
        await school.hear(start)
        await school.pass_minutes(1)
        school.groups.put(pupils(up_kbit=1000))
        await school.pass_minutes(1)
        await until(lambda: bool(school.nas.told))
        school.nas.says = "deaf"  # only its end is another one now, which takes nothing away
        school.now += MINUTE
        update = replace(start, status="update", time=school.now, event_id=UUID(int=78))
        await school.hear(update)
        await school.pass_minutes(7)

    run(school, play)
    (on,) = school.rows.open()
    assert (on.nas_state, on.up_kbit) == ("deaf", 1000)
    assert on.has is not None
    assert on.has.up_kbit == 1000


@pytest.mark.parametrize("state", ["refused 401", "deaf", "silent"])
def test_what_a_nas_says_is_shown_and_the_terms_are_those_of_here(
    school: School, state: str
) -> None:
    school.add("somchai", pupils(up_kbit=2000))
    school.nas.says = state

    async def play() -> None:
        await school.hear(started(school))
        await school.pass_minutes(1)
        school.groups.put(pupils(up_kbit=3000))
        await school.pass_minutes(1)
        await settled(school)
        await school.pass_minutes(1)
        await settled(school)

    run(school, play)
    assert len(school.nas.changed) == 1
    one = the_session(school)
    assert one.has is not None
    assert (one.nas_state, one.has.up_kbit, one.up_kbit) == (state, 2000, 3000)


def test_terms_that_come_back_before_a_nas_was_told_need_no_telling(school: School) -> None:
    school.add("somchai", pupils(up_kbit=2000))
    school.desk.nas.side = None

    async def play() -> None:
        await school.hear(started(school))
        await school.pass_minutes(1)
        school.groups.put(pupils(up_kbit=1000))
        await school.pass_minutes(1)
        assert the_session(school).nas_state == "waiting"
        school.groups.put(pupils(up_kbit=2000))
        await school.pass_minutes(1)

    run(school, play)
    assert the_session(school).nas_state == ""


def test_what_waited_over_a_restart_is_told(school: School) -> None:
    school.add("somchai", pupils(up_kbit=2000))
    school.desk.nas.side = None

    async def before() -> None:
        await school.hear(started(school))
        await school.pass_minutes(1)
        school.groups.put(pupils(up_kbit=1000))
        await school.pass_minutes(1)

    run(school, before)
    school.desk.close()
    school.start_anew()

    async def after() -> None:
        await school.pass_minutes(1)
        await settled(school)

    run(school, after)
    assert [one.up_kbit for one in school.nas.changed] == [1000]


def test_a_longer_session_is_not_presumed_over_at_its_first_end(school: School) -> None:
    school.add("somchai", pupils(session_minutes=30))
    start = started(school, longest=timedelta(minutes=30))

    async def play() -> None:
        await school.hear(start)
        await school.pass_minutes(1)
        school.groups.put(pupils(session_minutes=120))
        await school.pass_minutes(1)
        await settled(school)

    run(school, play)
    one = the_session(school)
    assert (one.longest_s, one.expires) == (7200, one.start + timedelta(hours=2))


def test_a_shorter_one_that_no_nas_took_ends_by_the_box(school: School) -> None:
    school.add("somchai", pupils(session_minutes=60))
    school.nas.says = "deaf"

    async def play() -> None:
        await school.hear(started(school))
        await school.pass_minutes(1)
        school.groups.put(pupils(session_minutes=10))
        await school.pass_minutes(11)
        await until(lambda: bool(school.nas.told))

    run(school, play)
    one = the_session(school)
    assert (one.cause, one.end) == ("Session-Timeout", one.start + timedelta(minutes=10))


def test_a_stop_of_the_nas_itself_is_not_told_back_to_it(school: School) -> None:
    school.add("somchai")
    start = started(school)

    async def play() -> None:
        await school.hear(start)
        stop = replace(start, event_id=UUID(int=5), status="stop", cause="Idle-Timeout")
        await school.hear(replace(stop, time=school.now + MINUTE))
        await school.pass_minutes(2)

    run(school, play)
    assert the_session(school).cause == "Idle-Timeout"
    assert school.nas.told == []


class Slow:
    """A NAS side that counts how many it is asked at a time, and may be mute."""

    def __init__(self, mute: set[str]) -> None:
        self.mute = mute
        self.asked: list[str] = []
        self.at_once = self.most = 0

    async def change(self, session: Session) -> Answer:
        self.asked.append(session.nas.source)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        return Answer(state="silent" if session.nas.source in self.mute else "confirmed", words="")

    disconnect = change


def test_many_changes_are_paced_and_a_mute_nas_keeps_nobody_waiting() -> None:
    wants = NasTerms(up_kbit=1)
    sessions = {
        UUID(int=number): Session(
            id=UUID(int=number),
            site=SITE,
            method="accounting",
            person=None,
            start=said("start", 0).time,
            last_seen=said("start", 0).time,
            nas=replace(ROUTER, source=f"192.0.2.{1 + number % 2}"),
            wants=wants,
            has=NasTerms(),
            nas_state="waiting",
        )
        for number in range(600)
    }
    noted: list[str] = []

    async def note(told: object) -> None:
        noted.extend(one.state for one in told)  # type: ignore[attr-defined]

    async def end(*_: object) -> None:
        raise AssertionError

    async def whole() -> None:
        teller = nas_teller.NasTeller(sessions.get, note, end)
        slow = Slow({"192.0.2.1"})
        teller.side, teller.pace_s, teller.mute_s = slow, 0.001, 0.2
        teller.later(sessions.values())
        teller.later(sessions.values())
        assert teller.standing() == {
            "192.0.2.1": {"waiting": 300, "mute": False},
            "192.0.2.2": {"waiting": 300, "mute": False},
        }
        follow = asyncio.get_running_loop().create_task(teller.follow())
        await until(lambda: noted.count("confirmed") >= 300)
        assert slow.most <= 2 * nas_teller.AT_ONCE
        # The mute one was asked a few times, then left alone.
        assert slow.asked.count("192.0.2.1") < 20
        assert teller.standing()["192.0.2.1"]["mute"] is True
        slow.mute.clear()
        await until(lambda: noted.count("confirmed") >= 590)
        follow.cancel()

    asyncio.run(whole())


def test_more_than_may_wait_is_counted(monkeypatch: pytest.MonkeyPatch, school: School) -> None:
    monkeypatch.setattr(nas_teller, "MOST_WAITING", 1)
    changed = Session(
        id=UUID(int=1),
        site=SITE,
        method="accounting",
        person=None,
        start=school.now,
        last_seen=school.now,
        nas=ROUTER,
        nas_state="waiting",
    )
    school.desk.nas.later([changed, changed, replace(changed, id=UUID(int=2))])
    assert school.desk.nas.untold == 1


def test_an_order_narrows_a_session_of_the_gate_and_gives_back_no_more_than_the_group(
    school: School,
) -> None:
    somchai = school.add("somchai", pupils(up_kbit=2000, down_kbit=8000))

    async def play() -> None:
        one = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        until = school.now + timedelta(minutes=20)
        order = Ordered(by="192.0.2.9", up_kbit=500, until=until)
        assert await school.desk.order(one.id, order)
        assert (school.gate.passes[one.serial or 0].up_kbit, the_session(school).expires) == (
            500,
            until,
        )
        await school.pass_minutes(2)
        assert school.gate.passes[one.serial or 0].up_kbit == 500
        back = await school.desk.order(one.id, Ordered(by="192.0.2.9", up_kbit=2000))
        assert back is not None
        assert (back.up_kbit, back.expires) == (2000, until)
        for beyond in (
            Ordered(by="x", down_kbit=9000),
            Ordered(by="x", until=school.now + timedelta(days=3)),
        ):
            with pytest.raises(Beyond):
                await school.desk.order(one.id, beyond)
        with pytest.raises(NoGroup):
            await school.desk.order(one.id, Ordered(by="x", group="nobody"))
        assert await school.desk.order(UUID(int=404), Ordered(by="x", up_kbit=1)) is None
        school.groups.put(pupils(up_kbit=300, down_kbit=8000))
        await school.pass_minutes(1)
        assert school.gate.passes[one.serial or 0].up_kbit == 300
        await school.pass_minutes(20)

    run(school, play)
    assert the_session(school).cause == "Session-Timeout"
    assert updates(school)[0].startswith("terms by 192.0.2.9: pupils; up 500 kbit/s")


def test_an_order_is_not_got_rid_of_by_going_on_with_the_session(school: School) -> None:
    somchai = school.add("somchai", pupils(up_kbit=2000))

    async def play() -> None:
        one = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        soon = school.now + timedelta(minutes=20)
        await school.desk.order(one.id, Ordered(by="x", up_kbit=500, until=soon))
        again = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert (again.id, again.up_kbit, again.expires) == (one.id, 500, soon)
        # A server that lets in anew says anew what holds.
        school.desk.limits_of = lambda _: Ordered(by="radius district", down_kbit=700)
        again = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert (again.up_kbit, again.down_kbit) == (2000, 700)
        school.desk.limits_of = lambda _: None
        await school.pass_minutes(1)
        assert the_session(school).down_kbit == 700

    run(school, play)


def test_an_order_may_put_a_session_in_another_group_and_end_it(school: School) -> None:
    somchai = school.add("somchai", pupils(up_kbit=2000))
    school.groups.put(pupils(id=MOVED, name="club", kind="", up_kbit=9000))

    async def play() -> None:
        one = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        moved = await school.desk.order(one.id, Ordered(by="x", group="club"))
        assert moved is not None
        assert (moved.group, moved.up_kbit) == ("club", 9000)
        await school.pass_minutes(2)
        assert the_session(school).up_kbit == 9000
        ended = await school.desk.order(one.id, Ordered(by="x", until=school.now - MINUTE))
        assert ended is not None
        assert ended.end == school.now

    run(school, play)


def test_an_order_about_a_session_of_a_nas_goes_on_to_it(school: School) -> None:
    school.add("somchai", pupils(up_kbit=2000))

    async def play() -> None:
        await school.hear(started(school))
        await school.pass_minutes(1)
        await school.desk.order(the_session(school).id, Ordered(by="x", up_kbit=500))
        await settled(school)
        await school.pass_minutes(1)

    run(school, play)
    assert [one.wants.up_kbit for one in school.nas.changed if one.wants] == [500]


def test_one_device_too_many_at_nases_ends_the_oldest(school: School) -> None:
    school.add("somchai", pupils(devices=2, at_limit=AtLimit.END_OLDEST))

    async def play() -> None:
        for number, mac in enumerate((MAC, OTHER_MAC, THIRD_MAC)):
            school.now += timedelta(seconds=10)
            address = (f"10.30.0.{number + 5}",)
            await school.hear(
                started(school, mac=mac, acct_session_id=f"S{number}", addresses=address)
            )
        await school.pass_minutes(1)
        await until(lambda: bool(school.nas.told))

    run(school, play)
    ended = [one for one in school.rows.recent(10) if one.end is not None]
    assert [(one.mac, one.cause) for one in ended] == [(MAC, "other device")]


def test_a_device_that_gave_way_is_told_why_for_a_while(school: School) -> None:
    somchai = school.add("somchai", pupils(devices=1, at_limit=AtLimit.END_OLDEST))

    async def play() -> None:
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert school.desk.why_ended(SITE, HERE) == ""
        await school.desk.sign_in(SITE, somchai, THERE, OTHER_MAC)
        assert school.desk.why_ended(SITE, HERE) == "other device"
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert school.desk.why_ended(SITE, THERE) == "other device"
        assert school.desk.why_ended(SITE, HERE) == ""
        school.now += timedelta(minutes=10)
        assert school.desk.why_ended(SITE, THERE) == ""

    run(school, play)


def test_a_minute_looks_anew_only_at_whom_it_may_change(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.add("somchai", pupils(up_kbit=2000))
    looked: list[int] = []
    keeper = school.desk._keeper
    review = keeper.review

    def count(terms: Any, ids: Sequence[UUID], now: Any) -> None:
        looked.append(len(ids))
        review(terms, ids, now)

    monkeypatch.setattr(keeper, "review", count)

    async def play() -> None:
        await school.hear(started(school))
        await school.pass_minutes(1)
        assert looked == [1], "its terms are noted"
        await school.pass_minutes(3)
        assert looked == [1]
        school.groups.put(pupils(up_kbit=1000))
        await school.pass_minutes(1)
        await settled(school)
        assert looked == [1, 1]

    run(school, play)
