"""Sessions, the database, the gate and NASes stay of one mind, whatever fails in between."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from captive_portal.desk import SessionDesk
from captive_portal.desk.gatekeeper import Gatekeeper
from captive_portal.desk.rules import RuleBook
from captive_portal.errors import Denied, GateError, PortalError, ReportError
from captive_portal.people.accounts import Account, Kind, NewAccount, People
from captive_portal.people.groups import AtLimit, AtQuota, Calendar, Group, Groups, Hours
from captive_portal.people.usage import Usage
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.charging import Meter
from captive_portal.sessions.keeper import Keeper, Times
from captive_portal.sessions.nas_side import Answer
from captive_portal.sessions.passes import Pass
from captive_portal.sessions.rows import Rows
from captive_portal.sessions.session import Ids, Session
from captive_portal.sessions.zones import Zones
from captive_portal.settings import PortalSettings, SignIn, Zone
from tests.captive_portal.conftest import SITE
from tests.captive_portal.desk.fake_gate import FakeGate
from tests.captive_portal.sessions.test_accounting import said
from tests.captive_portal.sessions.test_keeper import Collector

MONDAY = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # 08:00 at school
MAC, OTHER_MAC, THIRD_MAC = (f"02:00:00:00:00:0{n}" for n in (1, 2, 3))
HERE, THERE, AWAY = "10.20.0.5", "10.20.0.6", "10.30.0.5"
SIX = "2001:db8:20::5"
MINUTE = timedelta(minutes=1)
ZONES = (
    Zone(
        id="pupils",
        site=SITE,
        interface="br1",
        address="10.20.0.1/20",
        address6="2001:db8:20::1/64",
    ),
    Zone(id="library", site=SITE, interface="br2", address="10.30.0.1/24"),
)
SETTINGS = PortalSettings(sign_in=SignIn(session_hours=4), zones=ZONES)


class Nas:
    """Says what a NAS says."""

    def __init__(self) -> None:
        self.told: list[UUID] = []
        self.changed: list[Session] = []
        self.says = "confirmed"
        self.asked = asyncio.Event()

    async def disconnect(self, session: Session) -> Answer:
        self.told.append(session.id)
        self.asked.set()
        return Answer(state="confirmed", words="the NAS confirms")

    async def change(self, session: Session) -> Answer:
        self.changed.append(session)
        self.asked.set()
        return Answer(state=self.says, words="")


class School:
    """A desk with a gate, over a database, as after each restart."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = MONDAY
        self.collector = Collector()
        self.gate = FakeGate(lambda: self.now)
        self.nas = Nas()
        self.people, self.groups, self.usage = People(engine), Groups(engine), Usage(engine)
        self.rows = Rows(engine)
        self.start_anew()

    def start_anew(self) -> None:
        keeper = Keeper(
            self.rows,
            tell=self.collector.tell,
            ids=Ids(b"k" * 32),
            times=Times(lasts=timedelta(hours=4), silent=timedelta(minutes=30)),
            meter=Meter(self.usage, ZoneInfo("Asia/Bangkok")),
        )
        self.desk = SessionDesk(
            self.engine,
            keeper,
            clock=lambda: int(self.now.timestamp() * 1e9),
            rules=RuleBook(self.engine, SETTINGS),
            zones=Zones(ZONES),
            gatekeeper=Gatekeeper(self.gate, [zone.id for zone in ZONES]),
        )
        self.desk.nas.side = self.nas

    def add(self, account: str, group: Group | None = None) -> Account:
        new = NewAccount(site=SITE, account=account, full_name=f"ด.ช. {account}", kind=Kind.PUPIL)
        made = self.people.add(new, now=self.now)
        if group is not None:
            self.groups.put(group)
        found = self.people.get(made.id)
        assert found is not None
        return found

    async def hear(self, packet: Accounting) -> None:
        def keep() -> None:
            self.desk.keep([packet])

        await self.desk.submit(keep)

    def said(self) -> list[tuple[str, str]]:
        return [(event.event, event.cause) for event in self.collector.events]

    async def pass_minutes(self, minutes: int, *, size: int = 0, at: str = HERE) -> None:
        for _ in range(minutes):
            self.now += MINUTE
            if size:
                self.gate.send(MAC, at, size)
            await self.desk.tick()
            await self.desk.minute()


@pytest.fixture
def school(engine: Engine) -> Iterator[School]:
    school = School(engine)
    yield school
    school.desk.close()


def run(play: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await play()

    asyncio.run(whole())


def pupils(**what: object) -> Group:
    named = {"id": UUID(int=9), "site": SITE, "name": "pupils", "kind": Kind.PUPIL}
    return Group(**{**named, **what})  # type: ignore[arg-type]  # any field


def test_a_sign_in_opens_the_gate_and_a_sign_out_closes_it(school: School) -> None:
    somchai = school.add("somchai", pupils(up_kbit=2000, down_kbit=8000))

    async def play() -> None:
        await school.desk.tick()
        session = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert (session.zone, session.group) == ("pupils", "pupils")
        assert school.gate.send(MAC, HERE, 1000)
        assert not school.gate.send(OTHER_MAC, HERE, 1000)
        let_in = school.gate.passes[session.serial or 0]
        assert (let_in.up_kbit, let_in.down_kbit, let_in.until) == (2000, 8000, session.expires)
        await school.desk.sign_out(session)
        assert not school.gate.send(MAC, HERE, 1000)

    run(play)
    stop = school.collector.events[-1]
    assert (stop.cause, stop.bytes_in, stop.bytes_out) == ("User-Request", 1000, 2000)


def test_nobody_is_let_in_before_the_gate_knows_of_the_sessions_from_before(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        with pytest.raises(GateError):
            await school.desk.sign_in(SITE, somchai, HERE, MAC)

    run(play)
    assert school.said() == []


@pytest.mark.parametrize("fails", ["before", "after"])
def test_a_gate_that_fails_lets_nobody_in_and_the_log_says_so(school: School, fails: str) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        school.gate.fails = fails
        with pytest.raises(GateError):
            await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert await school.desk.at(SITE, HERE) is None
        school.gate.fails = ""
        await school.desk.tick()
        assert not school.gate.send(MAC, HERE, 1)
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert school.gate.send(MAC, HERE, 1)

    run(play)
    assert school.said() == [("start", ""), ("stop", "gate failed"), ("start", "")]


def test_an_end_that_the_gate_did_not_hear_of_is_told_until_it_is(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        session = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        school.gate.fails = "before"
        kicked = await school.desk.kick(str(session.id)[:8])
        assert kicked.gate.startswith("not reached")
        assert school.gate.send(MAC, HERE, 1)
        school.gate.fails = ""
        await school.desk.tick()
        assert not school.gate.send(MAC, HERE, 1)
        with pytest.raises(PortalError, match="is over since"):
            await school.desk.kick(str(session.id))

    run(play)
    assert school.said()[-1] == ("stop", "Admin-Reset")


def test_a_collector_that_is_not_there_lets_nobody_in(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        school.collector.fails = "before"
        with pytest.raises(ReportError):
            await school.desk.sign_in(SITE, somchai, HERE, MAC)

    run(play)
    assert school.gate.passes == {}


def test_many_sign_ins_wait_for_the_gate_together(school: School) -> None:
    accounts = [school.add(f"pupil{n}") for n in range(60)]
    waiting: list[int] = []
    apply, all_here = school.gate.apply, asyncio.Event()

    async def slow(let_in: Sequence[Pass], shut_out: Sequence[Pass]) -> None:
        waiting.append(1)
        if len(waiting) == len(accounts):
            all_here.set()
        await all_here.wait()
        await apply(let_in, shut_out)

    async def play() -> None:
        await school.desk.tick()
        school.gate.apply = slow  # type: ignore[method-assign]  # that is the test
        comes = [
            school.desk.sign_in(SITE, one, f"10.20.1.{n}", f"02:00:00:00:01:{n:02x}")
            for n, one in enumerate(accounts)
        ]
        await asyncio.gather(*comes)

    run(play)
    assert len(school.gate.passes) == len(accounts)


def test_one_device_more_than_allowed(school: School) -> None:
    somchai = school.add("somchai", pupils(devices=1, at_limit=AtLimit.REJECT))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        with pytest.raises(Denied) as told:
            await school.desk.sign_in(SITE, somchai, THERE, OTHER_MAC)
        assert told.value.reason == "devices"
        school.groups.put(pupils(devices=1, at_limit=AtLimit.END_OLDEST))
        await school.desk.sign_in(SITE, somchai, THERE, OTHER_MAC)
        assert not school.gate.send(MAC, HERE, 1)
        assert school.gate.send(OTHER_MAC, THERE, 1)

    run(play)
    assert school.said() == [
        ("start", ""),
        ("reject", "devices"),
        ("stop", "other device"),
        ("start", ""),
    ]


def test_the_oldest_of_a_nas_is_ended_there_too(school: School) -> None:
    somchai = school.add("somchai", pupils(devices=1))

    async def play() -> None:
        await school.desk.tick()
        start = said("start", 0, account="somchai", site=SITE, mac=MAC, addresses=(AWAY,))
        await school.hear(start)
        school.now = start.time + MINUTE
        await school.desk.sign_in(SITE, somchai, THERE, OTHER_MAC)
        async with asyncio.TaskGroup() as group:
            follows = group.create_task(school.desk.nas.follow())
            await school.nas.asked.wait()
            follows.cancel()

    run(play)
    ended = school.rows.get(school.nas.told[0])
    assert ended is not None
    assert (ended.cause, ended.method) == ("other device", "accounting")


def test_a_kick_asks_the_nas_and_says_what_it_said(school: School) -> None:
    school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        start = said("start", 0, account="somchai", site=SITE, mac=MAC, addresses=(AWAY,))
        await school.hear(start)
        kicked = await school.desk.kick(str(school.rows.open()[0].id))
        assert (kicked.nas, kicked.gate) == ("the NAS confirms", "")

    run(play)


def test_the_end_of_the_hours_shuts_out_by_itself_and_at_the_minute(school: School) -> None:
    until_nine = Hours(days=("mon",), first_minute=480, last_minute=540)
    somchai = school.add("somchai", pupils(hours=(until_nine,)))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        await school.pass_minutes(59)
        assert school.gate.send(MAC, HERE, 1)
        school.now += MINUTE
        assert not school.gate.send(MAC, HERE, 1)  # with nobody running
        await school.desk.tick()
        with pytest.raises(Denied) as told:
            await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert told.value.reason == "hours"

    run(play)
    assert school.said()[-2:] == [("stop", "hours"), ("reject", "hours")]
    stops = [event for event in school.collector.events if event.event == "stop"]
    assert stops[0].time == MONDAY + 60 * MINUTE


def test_a_holiday_that_is_entered_now_holds_from_the_next_minute(school: School) -> None:
    all_mondays = Hours(days=("mon",), first_minute=0, last_minute=1440)
    somchai = school.add("somchai", pupils(hours=(all_mondays,)))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        calendar = Calendar(school.engine)
        calendar.put(SITE, date(2026, 11, 23), kind="holiday", name="วันหยุด")
        await school.pass_minutes(1)
        assert not school.gate.send(MAC, HERE, 1)

    run(play)
    assert school.said()[-1] == ("stop", "hours")


def test_a_quota_slows_or_ends_and_a_bonus_helps(school: School) -> None:
    somchai = school.add("somchai", pupils(quota_day_mb=3, at_quota=AtQuota.SLOW, slow_kbit=128))

    async def play() -> None:
        await school.desk.tick()
        session = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        serial = session.serial or 0
        await school.pass_minutes(1, size=1_000_000)  # and twice as much down
        assert school.gate.passes[serial].up_kbit == 128
        school.usage.give(somchai.id, date(2026, 11, 23), 2)
        await school.pass_minutes(1)
        assert school.gate.passes[serial].up_kbit is None
        school.groups.put(pupils(quota_day_mb=3))
        await school.pass_minutes(1, size=700_000)
        assert school.gate.passes == {}

    run(play)
    assert school.said()[-1] == ("stop", "quota")


def test_minutes_are_a_persons_and_not_a_devices(school: School) -> None:
    somchai = school.add("somchai", pupils(quota_day_minutes=30))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        await school.pass_minutes(10)
        await school.desk.sign_in(SITE, somchai, THERE, OTHER_MAC)
        await school.pass_minutes(19)
        assert school.usage.months(date(2026, 11, 23))[somchai.id].day_seconds == 29 * 60
        assert len(school.gate.passes) == 2
        await school.pass_minutes(1)
        assert school.gate.passes == {}

    run(play)
    ends = {(e.cause, e.time) for e in school.collector.events if e.event == "stop"}
    assert ends == {("quota", MONDAY + 30 * MINUTE)}
    assert len([e for e in school.collector.events if e.event == "update"]) <= 6


def test_a_disabled_account_is_out_within_a_minute(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        school.people.disable(somchai.id, now=school.now)
        await school.pass_minutes(1)
        assert not school.gate.send(MAC, HERE, 1)

    run(play)
    assert school.said()[-1] == ("stop", "account closed")


def test_an_idle_device_is_out_and_a_busy_one_is_not(school: School) -> None:
    somchai = school.add("somchai", pupils(idle_minutes=15))

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        await school.pass_minutes(40, size=500)
        assert school.gate.send(MAC, HERE, 1)
        await school.pass_minutes(16)
        assert not school.gate.send(MAC, HERE, 1)

    run(play)
    assert school.said()[-1] == ("stop", "Idle-Timeout")


@pytest.mark.parametrize("power_cut", [False, True])
def test_after_a_restart_who_was_on_is_on_and_nothing_is_counted_twice(
    school: School, power_cut: bool
) -> None:
    somchai, malee = school.add("somchai"), school.add("malee")
    ids: list[UUID] = []

    async def before() -> None:
        await school.desk.tick()
        ids.append((await school.desk.sign_in(SITE, somchai, HERE, MAC)).id)
        closes = school.now + 30 * MINUTE
        school.people.disable(malee.id, now=closes)
        guest = school.people.get(malee.id)
        assert guest is not None
        session = await school.desk.sign_in(SITE, guest, THERE, OTHER_MAC)
        assert session.expires == closes, "the kernel must know, should nobody else be there"
        await school.pass_minutes(3, size=1000)
        school.gate.send(MAC, HERE, 500)  # since the last listing

    async def after() -> None:
        await school.desk.tick()
        assert school.gate.send(MAC, HERE, 1000)
        assert not school.gate.send(OTHER_MAC, THERE, 1)
        await school.pass_minutes(1)

    run(before)
    school.desk.close()
    if power_cut:
        school.gate.reboot()
    school.start_anew()
    school.now += 60 * MINUTE
    run(after)
    (session,) = school.rows.open()
    assert session.id == ids[0]
    assert session.counters.bytes_in == 3000 + 1000 + (0 if power_cut else 500)
    assert session.expires == MONDAY + timedelta(hours=4)
    (stop,) = [event for event in school.collector.events if event.event == "stop"]
    assert (stop.time, stop.cause) == (MONDAY + 30 * MINUTE, "account closed")
    used = school.usage.months(date(2026, 11, 23))
    assert used[somchai.id].day_bytes == 3 * (session.counters.bytes_in or 0)
    assert used[malee.id].day_seconds == 30 * 60


def test_serials_are_not_given_twice_over_a_restart(school: School) -> None:
    async def play() -> None:
        await school.desk.tick()
        for number in range(3):
            account = school.add(f"p{school.now:%H%M}{number}")
            at = f"10.20.{school.now.minute}.{number}"
            await school.desk.sign_in(
                SITE, account, at, f"02:00:00:00:{school.now.minute:02x}:0{number}"
            )

    run(play)
    school.desk.close()
    school.start_anew()
    school.now += MINUTE
    run(play)
    serials = sorted(s.serial or 0 for s in school.rows.recent(9))
    assert serials == list(range(serials[0], serials[0] + 6))


def test_midnight_divides_what_was_used(school: School) -> None:
    school.now = datetime(2026, 11, 23, 16, 59, 30, tzinfo=UTC)  # half a minute to midnight
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        await school.pass_minutes(1, size=1000)

    run(play)
    days = [school.usage.months(date(2026, 11, day))[somchai.id] for day in (23, 24)]
    assert [(day.day_bytes, day.day_seconds) for day in days] == [(1500, 30), (1500, 30)]


def test_counters_are_told_now_and_then(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        await school.pass_minutes(25, size=100)

    run(play)
    updates = [event for event in school.collector.events if event.event == "update"]
    assert [(e.bytes_in, e.duration_s) for e in updates] == [(1000, 600), (2000, 1200)]


def test_a_phone_that_walks_to_the_library_stays_on_with_both_families(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        await school.desk.see([(SIX, MAC), ("fe80::5", MAC), ("192.0.2.9", MAC)])
        assert school.gate.send(MAC, SIX, 1)
        await school.desk.see([(AWAY, MAC)])
        assert school.gate.send(MAC, AWAY, 1)
        assert not school.gate.send(MAC, HERE, 1)
        await school.desk.see([(AWAY, THIRD_MAC)])
        assert school.gate.passes == {}

    run(play)
    assert school.said() == [
        ("start", ""),
        ("update", ""),
        ("update", ""),
        ("stop", "address at other device"),
    ]


def test_a_gate_that_a_stranger_has_emptied_is_mended_within_a_minute(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        await school.desk.sign_in(SITE, somchai, HERE, MAC)
        school.gate.reboot()
        await school.pass_minutes(1)
        assert school.gate.send(MAC, HERE, 1)

    run(play)


def test_a_session_without_a_gate_needs_none(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        session = await school.desk.sign_in(SITE, somchai, "10.99.0.5", "")
        assert (session.serial, session.zone) == (None, "")
        await school.pass_minutes(2)
        assert await school.desk.at(SITE, "10.99.0.5") is not None

    run(play)
    assert school.gate.applied == []


@pytest.mark.parametrize("name", ["", "abc", "zzzzzzzz", "0" * 40, "ffffffff"])
def test_a_kick_of_nobody_is_one_line(school: School, name: str) -> None:
    async def play() -> None:
        with pytest.raises(PortalError, match="no session has an id that begins"):
            await school.desk.kick(name)

    run(play)


def test_a_sign_in_takes_the_other_addresses_of_the_device_along(school: School) -> None:
    somchai = school.add("somchai")

    async def play() -> None:
        await school.desk.tick()
        school.desk.addresses_of = lambda mac: [HERE, SIX, "fe80::5"] if mac == MAC else []
        session = await school.desk.sign_in(SITE, somchai, HERE, MAC)
        assert session.addresses == (HERE, SIX)
        assert school.gate.send(MAC, SIX, 1)
        await school.desk.end(session.id, "user-request")
        # The page was called by IPv6.
        session = await school.desk.sign_in(SITE, somchai, SIX, MAC)
        assert session.addresses == (HERE, SIX)

    run(play)


def test_a_sign_in_takes_no_address_along_that_anothers_session_holds(school: School) -> None:
    somchai, thief = school.add("somchai"), school.add("thief")

    async def play() -> None:
        await school.desk.tick()
        first = await school.desk.sign_in(SITE, somchai, SIX, MAC)
        # One frame with another's address, and the kernel believes it.
        school.desk.addresses_of = lambda mac: [THERE, SIX] if mac == OTHER_MAC else []
        session = await school.desk.sign_in(SITE, thief, THERE, OTHER_MAC)
        assert session.addresses == (THERE,)
        still = await school.desk.at(SITE, SIX)
        assert still is not None
        assert still.id == first.id

    run(play)
