"""Beside the sign-in page, what lines of syslog told is never the stronger word."""

from collector.attribute.pieces import SEVERAL, cut
from collector.records import Binding


def held(person: str, method: str, start_us: int, end_us: int) -> Binding:
    return Binding(
        site="a",
        address="10.0.0.5",
        start_us=start_us,
        end_us=end_us,
        person=person,
        session=f"{person} {method}",
        method=method,
    )


def methods(*bindings: Binding) -> list[str]:
    pieces = cut(bindings)
    return [pieces.bindings[at].method if at >= 0 else str(at) for at in pieces.holder[1:-1]]


def test_a_later_line_about_the_same_person_takes_nothing_from_the_portal() -> None:
    portal, line = held("alice", "portal", 0, 50), held("alice", "syslog", 10, 90)
    assert methods(portal, line) == ["portal", "portal", "syslog"]
    accounting = held("alice", "accounting", 20, 30)
    assert methods(portal, line, accounting)[2] == "accounting"


def test_a_line_about_another_person_makes_it_ambiguous() -> None:
    portal, line = held("alice", "portal", 0, 50), held("bob", "syslog", 10, 90)
    assert methods(portal, line) == ["portal", str(SEVERAL), "syslog"]
