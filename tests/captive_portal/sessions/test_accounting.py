"""RADIUS accounting ends in the same session whatever the order, and tells the timeline right."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.sessions import accounting
from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.draft import Draft
from captive_portal.sessions.session import Counters, Ids, Nas, Person, Session
from collector.attribute.timeline import Timeline
from tests.captive_portal.sessions.empty_book import Empty

T0 = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
IDS = Ids(b"k" * 32)
LASTS = timedelta(hours=12)
SILENT = timedelta(minutes=30)
NAS = Nas(identifier="ap-1", source="192.0.2.1")
NETS = ("192.0.2", "198.51.100")
ALICE = Person(id=UUID(int=1), account="alice")
BOB = Person(id=UUID(int=2), account="bob")


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def said(status: str, minutes: float, *, lasted: float | None = None, **more: object) -> Accounting:
    counters = Counters(duration_s=None if lasted is None else int(lasted * 60))
    base = Accounting(
        event_id=uuid4(),
        status=status,
        time=at(minutes),
        site="a",
        nas=NAS,
        account="alice",
        acct_session_id="S1",
        mac="02:00:00:00:00:05",
        addresses=("10.0.0.5",),
        counters=counters,
    )
    return replace(base, **more)  # type: ignore[arg-type]  # members by name


def heard(*requests: Accounting, draft: Draft | None = None) -> Draft:
    draft = draft or Draft(Empty())
    for request in requests:
        if request.status in ("on", "off"):
            accounting.reboot(draft, request, ids=IDS)
        else:
            person = BOB if request.account == "bob" else ALICE
            accounting.hear(draft, request, person, lasts=LASTS, ids=IDS)
    return draft


def held(draft: Draft, address: str = "10.0.0.5") -> list[tuple[str, datetime, datetime]]:
    """Return who held the address and when, as the collector's timeline sees the events."""
    timeline = Timeline()
    for number, event in enumerate(draft.events):
        timeline.add(event, number)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def moment(us: int) -> datetime:
        return epoch + timedelta(microseconds=us)

    end = int((at(60 * 24 * 30) - epoch).total_seconds() * 1_000_000)
    found = timeline.bindings("a", address, 0, end)
    return [(b.person, moment(b.start_us), moment(b.end_us)) for b in found]


def only(draft: Draft) -> Session:
    assert len(draft.changed) == 1
    return next(iter(draft.changed.values()))


ORDERS = list(itertools.permutations(range(4)))


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_start_interims_and_stop_gives_one_session(order: tuple[int, ...]) -> None:
    packets = [
        said("start", 0),
        said("update", 10, lasted=10),
        said("update", 20, lasted=20, addresses=("10.0.0.5", "2001:db8::5")),
        said("stop", 25, lasted=25, cause="User-Request"),
    ]
    draft = heard(*(packets[i] for i in order))
    session = only(draft)
    assert (session.start, session.end, session.cause) == (at(0), at(25), "User-Request")
    assert session.addresses == ("10.0.0.5", "2001:db8::5")
    assert session.counters.duration_s == 25 * 60
    assert held(draft) == [(str(ALICE.id), at(0), at(25))]
    assert len(draft.events) == 4


@given(
    st.permutations(range(5)),
    st.lists(st.integers(0, 4), max_size=4),
    st.lists(st.integers(1, 120), min_size=3, max_size=3, unique=True),
)
def test_repeats_and_disorder_change_nothing(
    order: list[int], repeats: list[int], gaps: list[int]
) -> None:
    first, second, third = sorted(gaps)
    last = third + 1
    packets = [
        said("start", 0, event_id=UUID(int=10)),
        *(said("update", m, lasted=m, event_id=UUID(int=10 + m)) for m in (first, second, third)),
        said("stop", last, lasted=last, event_id=UUID(int=999)),
    ]
    draft = heard(*(packets[i] for i in [*order, *repeats]))
    session = only(draft)
    assert (session.start, session.end, session.stopped) == (at(0), at(last), True)
    assert held(draft) == [(str(ALICE.id), at(0), at(last))]
    assert len({event.event_id for event in draft.events}) == len(draft.events) == 5


def test_a_stop_alone_is_a_whole_session() -> None:
    draft = heard(said("stop", 60, lasted=45))
    assert held(draft) == [(str(ALICE.id), at(15), at(60))]


def test_an_interim_alone_opens_the_session_from_its_reckoned_start() -> None:
    draft = heard(said("update", 30, lasted=20))
    session = only(draft)
    assert (session.start, session.open) == (at(10), True)


def test_an_address_change_is_told_as_of_its_time() -> None:
    draft = heard(said("start", 0), said("update", 10, lasted=10, addresses=("10.0.0.6",)))
    assert [b[1:] for b in held(draft, "10.0.0.5")] == [(at(0), at(10))]
    assert held(draft, "10.0.0.6")[0][1] == at(10)


def test_a_late_packet_does_not_bring_back_an_old_address() -> None:
    new = said("update", 10, lasted=10, addresses=("10.0.0.6",))
    late = said("update", 5, lasted=5)
    draft = heard(said("start", 0), new, late)
    assert only(draft).addresses == ("10.0.0.6",)
    assert [b[1:] for b in held(draft, "10.0.0.5")] == [(at(0), at(10))]


def test_a_reused_id_is_another_session() -> None:
    draft = heard(said("start", 0), said("stop", 10, lasted=10), said("start", 20))
    assert sorted(s.generation for s in draft.changed.values()) == [0, 1]
    assert [b[1] for b in held(draft)] == [at(0), at(20)]


def test_a_reused_id_after_a_lost_stop_ends_the_first_when_last_heard() -> None:
    draft = heard(said("start", 0), said("update", 5, lasted=5), said("start", 90))
    assert held(draft)[0][1:] == (at(0), at(5))
    assert [e.cause for e in draft.events if e.event == "stop"] == ["presumed"]


def test_the_same_packets_give_the_same_ids_whenever_they_are_heard() -> None:
    packets = [said("start", 0), said("stop", 10, lasted=10)]
    ids = [[(event.event_id, event.session) for event in heard(*packets).events] for _ in range(2)]
    assert ids[0] == ids[1]


def test_accounting_on_ends_all_sessions_of_that_nas_and_no_others() -> None:
    other = Nas(identifier="ap-2", source="192.0.2.1")
    draft = heard(
        said("start", 0),
        said("start", 1, acct_session_id="S2", addresses=("10.0.0.7",)),
        said("start", 1, acct_session_id="S3", addresses=("10.0.0.8",), nas=other),
        said("on", 5, account="", acct_session_id="", mac="", addresses=()),
    )
    stops = [event for event in draft.events if event.event == "stop"]
    assert {event.acct_session_id for event in stops} == {"S1", "S2"}
    assert {(event.cause, event.time) for event in stops} == {("NAS-Reboot", at(5))}


@pytest.mark.parametrize(
    ("source", "client", "believed"),
    [
        ("198.51.100.1", "198.51.100.0/24", False),
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.2.1", "192.0.2.1/32", True),
    ],
)
def test_an_accounting_on_is_believed_of_sessions_of_the_same_client_only(
    source: str, client: str, believed: bool
) -> None:
    nas = replace(NAS, client="192.0.2.0/24")
    on = replace(nas, source=source, client=client)
    draft = heard(
        said("start", 0, nas=nas),
        said("on", 5, account="", acct_session_id="", mac="", addresses=(), nas=on),
    )
    assert only(draft).open is not believed


@pytest.mark.parametrize("status", ["stop", "update"])
def test_what_another_client_says_of_a_session_changes_nothing(status: str) -> None:
    ours, theirs = (replace(NAS, client=f"{net}.0/24", source=f"{net}.1") for net in NETS)
    draft = heard(said("start", 0, nas=ours))
    forged = said(status, 5, lasted=5, addresses=("10.0.0.66",), nas=theirs)
    assert not accounting.hear(draft, forged, ALICE, lasts=LASTS, ids=IDS)
    assert only(draft).open
    assert len(draft.events) == 1
    heard(said("stop", 9, lasted=9, nas=ours), draft=draft)
    assert held(draft) == [(str(ALICE.id), at(0), at(9))]
    assert held(draft, "10.0.0.66") == []


def test_a_start_of_another_client_takes_no_session_and_no_address_away() -> None:
    ours, theirs = (replace(NAS, client=f"{net}.0/24", source=f"{net}.1") for net in NETS)
    draft = heard(
        said("start", 0, nas=ours),
        said("start", 2, nas=theirs, account="bob", mac="02:00:00:00:00:06"),
        said("start", 3, nas=theirs),
        said("stop", 4, lasted=1, nas=theirs),
        said("stop", 9, lasted=9, nas=ours),
    )
    alices = [s for s in draft.changed.values() if s.person == ALICE]
    assert {(s.nas.client, s.start, s.end) for s in alices} == {
        (ours.client, at(0), at(9)),
        (theirs.client, at(3), at(4)),
    }
    assert [b[0] for b in held(draft)].count(str(BOB.id)) == 1


@pytest.mark.parametrize("client", ["192.0.2.0/24", "192.0.2.128/25"])
def test_a_user_who_roams_between_controllers_behind_one_secret_keeps_the_session(
    client: str,
) -> None:
    """The second case: the settings were changed meanwhile, the controller is the same."""
    first = replace(NAS, client="192.0.2.0/24", source="192.0.2.129")
    other = replace(first, client=client, source="192.0.2.130")
    then = first if client == first.client else replace(first, client=client)
    roamed = [other] if client == first.client else []
    draft = heard(
        said("start", 0, nas=first),
        *(said("update", 3, lasted=3, nas=nas) for nas in roamed),
        said("stop", 9, lasted=9, nas=roamed[0] if roamed else then),
    )
    assert held(draft) == [(str(ALICE.id), at(0), at(9))]


def test_an_accounting_on_from_before_a_session_does_not_end_it() -> None:
    draft = heard(said("start", 10), said("on", 5, account="", acct_session_id="", addresses=()))
    assert only(draft).open


def test_a_lost_stop_is_made_up_for_at_the_end_that_the_nas_had_named() -> None:
    draft = heard(said("start", 0, longest=timedelta(hours=1)))
    assert only(draft).expires == at(60)
    accounting.presume(draft, list(draft.changed.values()), at(61), silent=SILENT, ids=IDS)
    stops = [(e.time, e.cause) for e in draft.events if e.event == "stop"]
    assert stops == [(at(60), "presumed: Session-Timeout")]
    assert [b[1:] for b in held(draft)] == [(at(0), at(60))]


def test_a_session_that_outlives_the_end_named_goes_on() -> None:
    limited = said("start", 0, longest=timedelta(hours=1))
    draft = heard(limited, said("update", 90, lasted=90))
    assert only(draft).expires == at(90)
    draft = heard(limited, said("update", 30, lasted=30, longest=timedelta(hours=2)))
    assert only(draft).expires == at(120)


def test_802_1x_told_once_is_known_of_the_session_whatever_the_order() -> None:
    packets = (said("start", 0), said("update", 5, lasted=5, method="802.1X"), said("stop", 9))
    for order in itertools.permutations(packets):
        assert only(heard(*order)).method == "802.1X"


def test_a_restart_of_the_nas_ends_802_1x_sessions_too() -> None:
    draft = heard(said("start", 0, method="802.1X"), said("on", 10))
    assert [b[1:] for b in held(draft)] == [(at(0), at(10))]


def test_a_silent_session_is_presumed_ended_when_last_seen_and_lives_on() -> None:
    draft = heard(said("start", 0), said("update", 10, lasted=10))
    accounting.presume(draft, list(draft.changed.values()), at(41), silent=SILENT, ids=IDS)
    assert [(e.time, e.cause) for e in draft.events if e.event == "stop"] == [(at(10), "presumed")]
    heard(said("stop", 100, lasted=100), draft=draft)
    bindings = held(draft)
    assert [b[1:] for b in bindings] == [(at(0), at(10)), (at(10), at(100))]


def test_a_nas_without_interims_is_not_presumed_silent() -> None:
    draft = heard(said("start", 0))
    accounting.presume(draft, list(draft.changed.values()), at(300), silent=SILENT, ids=IDS)
    assert only(draft).open
    accounting.presume(draft, list(draft.changed.values()), at(721), silent=SILENT, ids=IDS)
    assert only(draft).end == at(720)


def test_an_address_given_to_another_ends_the_lost_session_there() -> None:
    draft = heard(said("start", 0), said("start", 30, account="bob", acct_session_id="S9"))
    assert [b[0] for b in held(draft)] == [str(ALICE.id), str(BOB.id)]
    assert held(draft)[0][1:] == (at(0), at(30))


def test_a_start_that_comes_after_its_stop_does_not_turn_the_session_round() -> None:
    draft = heard(said("stop", 10, lasted=2), said("start", 10.5))
    assert (only(draft).start, only(draft).end) == (at(8), at(10))
    assert [b[1:] for b in held(draft)] == [(at(8), at(10))]


def test_the_first_of_two_stops_counts() -> None:
    stops = [said("stop", 12, lasted=10), said("stop", 10, lasted=10)]
    for order in (stops, stops[::-1]):
        draft = heard(said("start", 0), *order)
        assert only(draft).end == at(10)
        assert [b[1:] for b in held(draft)] == [(at(0), at(10))]


def test_two_sites_with_the_same_nas_and_ids_are_apart() -> None:
    draft = heard(said("start", 0), said("start", 0, site="b"))
    assert len({session.id for session in draft.changed.values()}) == 2
