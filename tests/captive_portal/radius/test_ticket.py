"""A Class of ours names session and person; nobody else can make one."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from captive_portal.radius import ticket
from captive_portal.radius.ticket import Ticket
from captive_portal.sessions.session import Ids

IDS = Ids(b"k" * 32)


def test_it_comes_back_as_it_went_for_its_site_and_home_alone() -> None:
    one = Ticket(session=uuid4(), person=uuid4(), site="school-a", notice="00c0ffee00c0ffee")
    octets = one.octets(IDS)
    assert len(octets) <= 64
    assert ticket.read(octets, "school-a", IDS) == one
    assert ticket.read(octets, "school-b", IDS) is None
    assert ticket.read(octets, "school-a", Ids(b"x" * 32)) is None
    other = Ticket(session=one.session, person=uuid4(), site="school-a")
    assert ticket.read(octets[:20] + other.person.bytes + octets[36:], "school-a", IDS) is None
    plain = Ticket(session=uuid4(), person=uuid4(), site="school-a")
    assert ticket.read(plain.octets(IDS), "school-a", IDS) == plain
    shown = octets[:44] + bytes(8) + octets[52:]
    assert ticket.read(shown, "school-a", IDS) is None, "another notice than the one shown"


@given(st.binary(max_size=80))
def test_anything_else_is_nothing(octets: bytes) -> None:
    assert ticket.read(octets, "a", IDS) is None
    assert ticket.read(b"PRT3" + octets, "a", IDS) is None
