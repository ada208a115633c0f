"""Any history of devices behind the gate: what holds after each step, and the log tells it all."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from captive_portal.errors import Denied
from captive_portal.sessions import admission, portal, review
from captive_portal.sessions.addresses import MOST_OF_IPV6, Neighbour, see
from captive_portal.sessions.admission import Terms, admit, others
from captive_portal.sessions.causes import Cause
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.passes import Passed
from captive_portal.sessions.policy import Grant, Reason
from captive_portal.sessions.review import Review, pass_of
from captive_portal.sessions.session import Person, Session
from collector.records import SessionEvent
from tests.captive_portal.sessions.empty_book import Empty
from tests.captive_portal.sessions.test_accounting import IDS, T0

PEOPLE = [Person(id=UUID(int=n), account=f"person{n}") for n in range(1, 4)]
MACS = [f"02:00:00:00:00:0{n}" for n in range(1, 6)]
ADDRESSES = [f"10.0.0.{n}" for n in range(1, 5)] + [f"2001:db8::{n}" for n in range(1, 4)]
MOST = 2
GRACE = timedelta(minutes=10)
IDLE = timedelta(minutes=30)
MINUTE = timedelta(minutes=1)


def terms(now: datetime, **what: object) -> Terms:
    grant = Grant(until=now + timedelta(hours=4), idle=IDLE)
    return Terms(**{"grant": grant, "devices": MOST, **what})  # type: ignore[arg-type]  # any field


def fresh(
    person: Person, mac: str, address: str, now: datetime, *, serial: int, zone: str = "a"
) -> Session:
    made = portal.new(uuid4(), "s", person, address, mac=mac, now=now, lasts=timedelta(hours=4))
    return replace(made, serial=serial, zone=zone)


class Log:
    """What somebody knows who has only the log: state as a fold over its rows."""

    def __init__(self) -> None:
        self.state: dict[UUID, dict[str, object]] = {}

    def hear(self, event: SessionEvent) -> None:
        if event.event == "reject":
            return
        self.state[event.session] = {
            "person": event.person,
            "addresses": event.addresses,
            "mac": event.mac,
            "expires": event.expires,
            "start": event.start,
            "end": event.time if event.event == "stop" else None,
            "cause": event.cause,
        }


def as_logged(session: Session) -> dict[str, object]:
    return {
        "person": session.person.id if session.person else None,
        "addresses": session.addresses,
        "mac": session.mac,
        "expires": session.expires,
        "start": session.start,
        "end": session.end,
        "cause": session.cause,
    }


class Gated(RuleBasedStateMachine):
    """Sessions of one site with two zones, and the kernel that counts for them."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft(Empty())
        self.now = T0
        self.serial = 0
        self.kernel: dict[int, int] = {}
        self.passed: dict[UUID, int] = {}
        self.seen: dict[UUID, int] = {}

    def open(self) -> list[Session]:
        return [s for s in self.draft.changed.values() if s.open]

    def look(self, granted: Grant | None = None) -> None:
        how = Review(now=self.now, interim=timedelta(minutes=10), ids=IDS)
        for session in self.open():
            since = session.renewed or session.start
            grant = granted or Grant(until=since + timedelta(hours=4), idle=IDLE)
            review.look(self.draft, session, Terms(grant=grant, devices=MOST), how)

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        self.now += minutes * MINUTE
        portal.expire(self.draft, self.open(), self.now, ids=IDS)
        self.look()

    @rule(
        person=st.sampled_from(PEOPLE),
        mac=st.sampled_from(MACS),
        address=st.sampled_from(ADDRESSES),
        zone=st.sampled_from("ab"),
        reject=st.booleans(),
        roams=st.booleans(),
    )
    def sign_in(
        self, person: Person, mac: str, address: str, zone: str, reject: bool, roams: bool
    ) -> None:
        self.serial += 1
        made = fresh(person, mac, address, self.now, serial=self.serial, zone=zone)
        on = terms(self.now, at_limit="reject" if reject else "end-oldest", roams=roams)
        draft = Draft(self.draft)
        try:
            session = admit(draft, admission.under(made, on), on, ids=IDS)
        except Denied as error:
            assert error.reason is Reason.DEVICES
            assert reject
            elsewhere = others(self.draft.open_of_person(person.id), mac, self.now, GRACE)
            assert len({s.mac for s in elsewhere}) >= MOST
            return
        for one in draft.changed.values():
            self.draft.put(one)
        self.draft.events += draft.events
        assert (session.mac, session.zone, session.open) == (mac, zone, True)
        assert address in session.addresses
        living = others(self.draft.open_of_person(person.id), "", self.now, GRACE)
        assert len({s.mac for s in living}) <= MOST

    @rule(data=st.data(), kick=st.booleans())
    def it_ends(self, data: st.DataObject, kick: bool) -> None:
        if self.open():
            session = data.draw(st.sampled_from(self.open()))
            cause = Cause.ADMIN_RESET if kick else Cause.USER_REQUEST
            portal.end(self.draft, session, self.now, cause, ids=IDS)

    @rule(mac=st.sampled_from(MACS), address=st.sampled_from(ADDRESSES), zone=st.sampled_from("ab"))
    def a_device_is_seen(self, mac: str, address: str, zone: str) -> None:
        seen = Neighbour(site="s", zone=zone, address=address, mac=mac)
        see(self.draft, seen, self.now, grace=GRACE, ids=IDS)
        for session in self.draft.open_at("s", address):
            assert session.mac == mac

    @rule(data=st.data(), size=st.integers(0, 10**9), anew=st.booleans())
    def the_kernel_counts(self, data: st.DataObject, size: int, anew: bool) -> None:
        if not self.open():
            return
        session = data.draw(st.sampled_from(self.open()))
        assert session.serial is not None
        if anew:
            self.kernel = {}
            self.seen = dict.fromkeys(self.seen, 0)
        read = self.kernel.get(session.serial, 0) + size
        # A kernel that begins anew is seen to, unless it has counted more since than ever before.
        hidden = anew and read >= session.kernel[0]
        self.kernel[session.serial] = session.kernel[0] + size if hidden else read
        figures = self.kernel[session.serial]
        before = session.counters.bytes_in or 0
        told = Passed(bytes_in=figures, bytes_out=figures, packets_in=figures, packets_out=figures)
        counted = review.count(session, told, self.now)
        grown = figures if figures < session.kernel[0] else figures - session.kernel[0]
        assert (counted.counters.bytes_in or 0) == before + grown
        if counted != session:
            self.draft.put(counted)

    @rule(reason=st.sampled_from(list(Reason)))
    def nobody_may_be_on_any_more(self, reason: Reason) -> None:
        self.look(Grant(refused=reason, until=self.now))
        assert self.open() == []

    @invariant()
    def one_device_has_one_session_and_one_address_one_device(self) -> None:
        for mac in MACS:
            assert len([s for s in self.open() if s.mac == mac]) <= 1
        for address in ADDRESSES:
            assert len([s for s in self.open() if address in s.addresses]) <= 1

    @invariant()
    def what_is_open_has_a_pass_and_what_is_over_has_none(self) -> None:
        serials = [s.serial for s in self.draft.changed.values()]
        assert len(serials) == len(set(serials))
        for session in self.draft.changed.values():
            assert (pass_of(session) is not None) == session.open
            assert sum(":" in a for a in session.addresses) <= MOST_OF_IPV6
            assert sum(":" not in a for a in session.addresses) <= 1
            assert session.open or session.cause

    @invariant()
    def the_log_gives_the_same_state(self) -> None:
        log = Log()
        for event in self.draft.events:
            log.hear(event)
        assert log.state == {s.id: as_logged(s) for s in self.draft.changed.values()}


Gated.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestGated = Gated.TestCase


def school(*sessions: Session) -> Draft:
    draft = Draft(Empty())
    for session in sessions:
        draft.put(session)
    return draft


ONE = fresh(PEOPLE[0], MACS[0], "10.0.0.1", T0, serial=1)


def seen(draft: Draft, address: str, mac: str, minutes: int, zone: str = "a") -> Session:
    what = Neighbour(site="s", zone=zone, address=address, mac=mac)
    see(draft, what, T0 + minutes * MINUTE, grace=GRACE, ids=IDS)
    return draft.changed[ONE.id]


def test_privacy_addresses_are_adopted_and_the_oldest_go() -> None:
    draft = school(ONE)
    for number in range(1, 41):
        seen(draft, f"2001:db8::{number:x}", MACS[0], number)
    kept = draft.changed[ONE.id].addresses
    assert kept == ("10.0.0.1", *(f"2001:db8::{number:x}" for number in range(25, 41)))
    assert seen(draft, "fe80::1", MACS[0], 41).addresses == kept


def test_an_address_at_another_device_ends_the_session_and_says_so() -> None:
    ended = seen(school(ONE), "10.0.0.1", MACS[1], 3)
    assert (ended.end, ended.cause) == (T0 + 3 * MINUTE, "address at other device")


def test_a_device_takes_its_session_to_another_zone_within_grace() -> None:
    draft = school(ONE)
    moved = seen(draft, "10.1.0.7", MACS[0], 5, zone="b")
    assert (moved.zone, moved.addresses, moved.id) == ("b", ("10.1.0.7",), ONE.id)
    assert draft.events[-1].event == "update"


@pytest.mark.parametrize(("minutes", "roams"), [(11, True), (5, False)])
def test_later_or_in_a_group_that_does_not_roam_it_must_sign_in(minutes: int, roams: bool) -> None:
    draft = school(replace(ONE, roams=roams))
    assert seen(draft, "10.1.0.7", MACS[0], minutes, zone="b").addresses == ("10.0.0.1",)


def test_another_site_is_another_session() -> None:
    draft = school(ONE)
    what = Neighbour(site="t", zone="a", address="10.1.0.7", mac=MACS[0])
    see(draft, what, T0, grace=GRACE, ids=IDS)
    assert draft.changed[ONE.id] == ONE
    there = replace(fresh(PEOPLE[0], MACS[0], "10.1.0.7", T0, serial=2), site="t")
    begun = admit(draft, there, terms(T0), ids=IDS)
    assert begun.id != ONE.id
    assert draft.changed[ONE.id].open


def test_a_silent_device_counts_no_more() -> None:
    later = T0 + timedelta(minutes=15)
    on = terms(later, devices=1, at_limit="reject")
    second = fresh(PEOPLE[0], MACS[1], "10.0.0.2", later, serial=2)
    assert admit(school(ONE), second, on, ids=IDS).open
    heard_of = replace(ONE, last_seen=later - MINUTE)
    with pytest.raises(Denied):
        admit(school(heard_of), second, on, ids=IDS)


def test_the_oldest_device_gives_way() -> None:
    two = fresh(PEOPLE[0], MACS[1], "10.0.0.2", T0 + MINUTE, serial=2)
    three = fresh(PEOPLE[0], MACS[2], "10.0.0.3", T0 + 2 * MINUTE, serial=3)
    draft = school(ONE, two)
    admit(draft, three, terms(three.start), ids=IDS)
    assert [s.serial for s in draft.changed.values() if s.open] == [2, 3]
    assert draft.changed[ONE.id].cause == "other device"


def test_idle_is_by_what_comes_from_the_device() -> None:
    how = Review(now=T0 + timedelta(minutes=35), interim=timedelta(hours=1), ids=IDS)
    only_down = Passed(bytes_in=0, bytes_out=9, packets_in=0, packets_out=1)
    from_it = Passed(bytes_in=40, bytes_out=9, packets_in=1, packets_out=1)
    for passed, goes_on in ((only_down, False), (from_it, True)):
        draft = school(review.count(replace(ONE, idle_s=1800), passed, T0 + 20 * MINUTE))
        review.look(draft, draft.changed[ONE.id], None, how)
        assert draft.changed[ONE.id].open is goes_on


def test_a_session_that_becomes_slow_is_told_once() -> None:
    draft = school(ONE)
    slow = Grant(until=ONE.expires or T0, up_kbit=256, down_kbit=256, slow=True)
    for minutes in (1, 2):
        how = Review(now=T0 + minutes * MINUTE, interim=timedelta(hours=1), ids=IDS)
        review.look(draft, draft.changed[ONE.id], Terms(grant=slow), how)
    assert [event.event for event in draft.events] == ["update"]
    let_in = pass_of(draft.changed[ONE.id])
    assert let_in is not None
    assert (let_in.up_kbit, let_in.down_kbit) == (256, 256)


def test_who_comes_back_to_an_address_in_the_same_moment_is_told_again() -> None:
    draft, terms, log = Draft(Empty()), Terms(grant=Grant(until=T0 + timedelta(hours=4))), Log()
    for number, address in enumerate(("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1")):
        made = fresh(PEOPLE[0], MACS[0], address, T0, serial=number + 1)
        admit(draft, made, terms, ids=IDS)
    for event in draft.events:
        log.hear(event)
    assert log.state == {s.id: as_logged(s) for s in draft.changed.values()}
