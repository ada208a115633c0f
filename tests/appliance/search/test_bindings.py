"""Who held an address by a prefix, or by what leases put at a machine, is found when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.search import who
from appliance.search.question import Asked
from collector.records import Binding
from tests.appliance.search.homes import ASKER, MINUTE, NOW_US, SITE, Home, flow
from tests.appliance.search.test_who import SOMCHAI, SUDA, T, asked, names, session, session_of

PREFIX = "2001:db8:5:1::/64"
INSIDE = "2001:db8:5:1:2::77"
OTHER = "2001:db8:5:2::77"
SERVER = "2001:db8:ffff::1"
MAC = "02:00:5e:00:53:01"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.person(SOMCHAI, "somchai", "สมชาย ใจดี")
    home.person(SUDA, "suda", "สุดา รักเรียน")
    return home


def late(address: str, person: str) -> Binding:
    return Binding(
        site=SITE,
        address=address,
        start_us=T,
        end_us=NOW_US,
        person=person,
        session=session_of(person),
        method="accounting",
    )


def lease(event: str, at: int, ip: str, mac: str = MAC, **more: Any) -> dict[str, Any]:
    return {"time": at, "kind": "dhcp", "event": event, "ip": ip, "mac": mac, **more}


def test_a_late_session_with_a_prefix_is_found_by_each_address_in_it(home: Home) -> None:
    home.segment([flow(T + n * MINUTE, ip, SERVER) for n, ip in enumerate((INSIDE, OTHER), 1)])
    home.late(late(PREFIX, SOMCHAI))
    with home.engine() as engine:
        question = Asked(log="flows", start_us=0, end_us=NOW_US)
        rows = engine.ask(engine.parse("*", question), ASKER).table.to_pylist()
        found = engine.ask(engine.parse("user:somchai", question), ASKER).table
        assert names(asked(engine, INSIDE, T + MINUTE)) == {"somchai"}
        assert names(asked(engine, OTHER, T + 2 * MINUTE)) == set()
    known = {row["src_ip"]: (row["account"], row["learnt_after_sealing"]) for row in rows}
    assert known == {INSIDE: ("somchai", True), OTHER: (None, False)}
    assert found["src_ip"].to_pylist() == [INSIDE]


def test_a_session_that_names_a_prefix_answers_for_an_address_without_flows(home: Home) -> None:
    told = {"ip": None, "addresses": f'["{PREFIX}"]'}
    home.segment([session("start", T, SOMCHAI, "10.0.0.5", **told)], log="sessions")
    with home.engine() as engine:
        inside, outside = (asked(engine, ip, T + MINUTE) for ip in (INSIDE, OTHER))
    assert (inside.verdict, names(inside)) == (who.PERSON, {"somchai"})
    assert names(outside) == set()


def test_a_session_without_address_answers_for_what_leases_put_at_its_machine(home: Home) -> None:
    """802.1X: accounting tells the MAC, DHCP the address."""
    bare = {"ip": None, "addresses": None, "method": "802.1X", "mac": MAC}
    home.segment([session("start", T, SUDA, "10.0.0.5", **bare)], log="sessions")
    home.segment(
        [
            lease("add", T + MINUTE, "10.0.0.9", expires=T + 60 * MINUTE),
            lease("release", T + 10 * MINUTE, "10.0.0.9"),
            lease("add", T, "10.0.0.8", mac="02:00:5e:00:53:02"),
        ],
        log="leases",
    )
    with home.engine() as engine:
        held, before, after, another = (
            asked(engine, ip, at)
            for ip, at in (
                ("10.0.0.9", T + 5 * MINUTE),
                ("10.0.0.9", T + MINUTE // 2),
                ("10.0.0.9", T + 11 * MINUTE),
                ("10.0.0.8", T + 5 * MINUTE),
            )
        )
    assert (held.verdict, names(held)) == (who.PERSON, {"suda"})
    assert held.readings[0].sessions[0].method == "802.1X"
    assert [names(each) for each in (before, after, another)] == [set(), set(), set()]
