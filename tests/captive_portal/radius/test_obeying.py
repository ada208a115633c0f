"""Orders about sessions of this box, which is the NAS there; and orders of any form."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.sessions.session import Nas, Session
from tests.captive_portal.radius.test_guard import attribute
from tests.captive_portal.radius.test_orders import ID, Boss, request, session, vsa

IDLE = attribute(28, bytes((0, 0, 1, 44)))


def ours() -> Session:
    """Return a session of the sign-in page, with an id that other servers were told."""
    return session(id=UUID(int=4711), method="portal", nas=Nas(), acct_session_id="")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (b"", (44, 0)),
        (attribute(32, b"prathu"), (44, 0)),
        (attribute(4, bytes((127, 0, 0, 1))), (44, 0)),
        (attribute(1, "สมชาย".encode()) + attribute(31, b"02-00-5E-00-53-01"), (44, 0)),
        (attribute(32, b"another"), (45, 403)),
        (attribute(4, bytes((192, 0, 2, 1))), (45, 403)),
        (attribute(1, b"somebody-else"), (45, 503)),
    ],
)
def test_a_server_that_was_told_of_a_session_names_it_as_it_was_told(
    more: bytes, expected: tuple[int, int]
) -> None:
    one = ours()
    boss = Boss(one, orders=True)
    number = attribute(44, one.id.hex.encode())
    assert boss.ask(number + IDLE + more, code=43) == expected
    assert boss.ask(number + more) == (expected[0] - 3, expected[1])


def test_a_session_that_another_reported_is_no_business_of_an_access_point() -> None:
    one = ours()
    boss = Boss(one)
    assert boss.ask(attribute(44, one.id.hex.encode()) + IDLE, code=43) == (45, 503)


kinds = st.sampled_from([1, 4, 6, 8, 11, 24, 25, 26, 27, 28, 31, 32, 33, 44, 55, 80, 95, 168, 250])
values = st.binary(max_size=24) | st.builds(
    lambda vendor, kind, value: vsa(vendor, kind, value)[2:],
    st.sampled_from([14122, 14559, 14988, 14179, 9]),
    st.integers(0, 20),
    st.binary(max_size=16),
)


@given(st.lists(st.tuples(kinds, values), max_size=6), st.sampled_from([40, 43]))
def test_any_order_is_followed_refused_with_a_cause_or_met_with_silence(
    told: list[tuple[int, bytes]], code: int
) -> None:
    boss = Boss(session())
    octets = b"".join(attribute(kind, value) for kind, value in told)
    answers = boss.send(request(octets + ID, code=code))
    assert len(answers) <= 1
    for answer in answers:
        assert answer[0] in (code + 1, code + 2)
        assert (101 in answer[20:]) == (answer[0] == code + 2)
    counted = boss.server.counters.of("127.0.0.1")
    assert "error" not in counted
    assert sum(counted.values()) == 1
