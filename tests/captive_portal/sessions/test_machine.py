"""Any history of a school: at most one person per address and way, and the database agrees.

Sign-ins, sign-outs, NAS packets (also lost, late and twice), reboots and time, in any order.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from captive_portal.sessions import accounting, admission, portal
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.admission import Terms
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.policy import Grant
from captive_portal.sessions.session import Person
from collector.attribute.timeline import Timeline
from tests.captive_portal.sessions.empty_book import Empty
from tests.captive_portal.sessions.test_accounting import IDS, LASTS, SILENT, T0, said

PEOPLE = [Person(id=UUID(int=n), account=f"person{n}") for n in range(1, 4)]
ADDRESSES = ["10.0.0.5", "10.0.0.6"]
FAR_US = 1 << 62
people = st.sampled_from(PEOPLE)
addresses = st.sampled_from(ADDRESSES)


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class School(RuleBasedStateMachine):
    """Sessions of one site over a day."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft(Empty())
        self.minutes = 0
        self.sent: list[tuple[Accounting, Person]] = []

    @rule(minutes=st.integers(1, 400))
    def time_passes(self, minutes: int) -> None:
        self.minutes += minutes
        now = T0 + timedelta(minutes=self.minutes)
        sessions = list(self.draft.changed.values())
        signed_in = [s for s in sessions if s.method == "portal"]
        portal.expire(self.draft, signed_in, now, ids=IDS)
        accounting.presume(self.draft, sessions, now, silent=SILENT, ids=IDS)

    @rule(person=people, address=addresses)
    def sign_in(self, person: Person, address: str) -> None:
        now = T0 + timedelta(minutes=self.minutes)
        fresh = portal.new(uuid4(), "a", person, address, mac="", now=now, lasts=LASTS)
        admission.admit(self.draft, fresh, Terms(grant=Grant(until=now + LASTS)), ids=IDS)

    @rule(address=addresses)
    def sign_out(self, address: str) -> None:
        now = T0 + timedelta(minutes=self.minutes)
        for session in self.draft.open_at("a", address):
            if session.method == "portal":
                portal.end(self.draft, session, now, "User-Request", ids=IDS)

    @rule(
        person=people,
        address=addresses,
        status=st.sampled_from(["start", "update", "stop"]),
        number=st.integers(1, 2),
        late=st.integers(0, 90),
        lasted=st.none() | st.integers(0, 60),
    )
    def a_nas_says(
        self, person: Person, address: str, status: str, number: int, late: int, lasted: int | None
    ) -> None:
        packet = said(
            status,
            max(0, self.minutes - late),
            lasted=None if status == "start" else lasted,
            account=person.account,
            acct_session_id=f"S{number}",
            addresses=(address,),
        )
        self.sent.append((packet, person))
        accounting.hear(self.draft, packet, person, lasts=LASTS, ids=IDS)

    @rule(data=st.data())
    def a_nas_says_it_again(self, data: st.DataObject) -> None:
        if self.sent:
            packet, person = data.draw(st.sampled_from(self.sent[-4:]))
            accounting.hear(self.draft, packet, person, lasts=LASTS, ids=IDS)

    @rule()
    def the_nas_starts_anew(self) -> None:
        packet = replace(said("on", self.minutes), account="", acct_session_id="", addresses=())
        accounting.reboot(self.draft, packet, ids=IDS)

    @invariant()
    def one_person_signed_in_per_address(self) -> None:
        for address in ADDRESSES:
            held_now = [s for s in self.draft.open_at("a", address) if s.method == "portal"]
            assert len(held_now) <= 1

    @invariant()
    def sessions_are_sane_and_told_once(self) -> None:
        for session in self.draft.changed.values():
            assert session.end is None or session.start <= session.end
            assert session.open or session.cause or session.stopped
        ids = [event.event_id for event in self.draft.events]
        assert len(ids) == len(set(ids))

    @invariant()
    def the_timeline_ends_what_is_ended_here_and_never_has_two_signed_in(self) -> None:
        timeline = Timeline()
        for number, event in enumerate(self.draft.events):
            timeline.add(event, number)
        for address in ADDRESSES:
            bindings = timeline.bindings("a", address, 0, FAR_US)
            for binding in bindings:
                session = self.draft.changed[UUID(binding.session)]
                if session.end is not None:
                    assert binding.end_us <= microseconds(session.end)
            signed_in = sorted((b.start_us, b.end_us) for b in bindings if b.method == "portal")
            for (_, ended), (began, _) in itertools.pairwise(signed_in):
                assert ended <= began


School.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSchool = School.TestCase
