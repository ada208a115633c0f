"""However packets come together, the database has what they say, and the log the same rows."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session as Database

from captive_portal.sessions.accounting import Accounting
from captive_portal.sessions.keeper import Keeper, Times
from captive_portal.sessions.rows import Rows, SessionRow
from captive_portal.sessions.session import Counters, Session
from captive_portal.sessions.telling import Told
from collector.records import SessionEvent
from tests.captive_portal.sessions.test_accounting import ALICE, BOB, IDS, LASTS, at, heard, said

packets = st.builds(
    lambda status, minutes, session, account, address, octets: said(
        status,
        minutes,
        acct_session_id=session,
        account=account,
        addresses=(address,) if address else (),
        counters=Counters(bytes_in=octets, duration_s=minutes * 60),
    ),
    st.sampled_from(["start", "update", "update", "update", "stop", "on"]),
    st.integers(0, 90),
    st.sampled_from(["S1", "S2"]),
    st.sampled_from(["alice", "bob"]),
    st.sampled_from(["10.0.0.5", "10.0.0.6", "2001:db8::5", ""]),
    st.integers(0, 1 << 40),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(packets, min_size=1, max_size=14), st.sampled_from([1, 2, 5, 14]))
def test_one_by_one_or_together_it_is_the_same(
    engine: Engine, told: list[Accounting], size: int
) -> None:
    with Database(engine) as db, db.begin():
        db.execute(delete(SessionRow))
    rows, events = Rows(engine), list[SessionEvent]()

    def tell(told: Sequence[SessionEvent]) -> Told:
        events.extend(told)
        return lambda: None

    keeper = Keeper(rows, tell=tell, ids=IDS, times=Times(lasts=LASTS, silent=timedelta(hours=1)))
    whose = [(one, BOB if one.account == "bob" else ALICE) for one in told]
    for first in range(0, len(told), size):
        keeper.accounting(whose[first : first + size])
    draft = heard(*told)
    assert [e.event_id for e in events] == [e.event_id for e in draft.events]
    assert {s.id: rows.get(s.id) for s in draft.changed.values()} == draft.changed
    for address in ("10.0.0.5", "10.0.0.6", "2001:db8::5"):
        assert _ids(rows.open_at("a", address)) == _ids(draft.open_at("a", address))
        assert _ids(rows.open_at_any([("a", address)])) == _ids(draft.open_at("a", address))


def _ids(sessions: Sequence[Session]) -> set[UUID]:
    return {one.id for one in sessions}


def test_an_update_that_comes_alone_leaves_the_address_with_its_session(engine: Engine) -> None:
    rows = Rows(engine)
    keeper = Keeper(
        rows,
        tell=lambda _: lambda: None,
        ids=IDS,
        times=Times(lasts=LASTS, silent=timedelta(hours=1)),
    )
    for one in (said("start", 0), said("update", 5), said("update", 10, addresses=())):
        keeper.accounting([(one, ALICE)])
    (session,) = rows.open_at("a", "10.0.0.5")
    assert (session.last_seen, session.expires) == (at(10), at(10) + LASTS)
