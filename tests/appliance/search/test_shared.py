"""At an address that many share, sessions make candidates, also those learnt after sealing."""

from __future__ import annotations

from pathlib import Path

from appliance.search import who
from appliance.search.duck import Limits
from appliance.search.engine_local import LocalEngine
from appliance.search.question import Asked
from tests.appliance.search.homes import ASKER, MINUTE, NOW_US, SITE, SITES, Home, clock, flow
from tests.appliance.search.test_bindings import late
from tests.appliance.search.test_who import SOMCHAI, T, asked, names, session

LAB, DESK = "10.0.9.3", "10.0.0.5"


def engine_with_lab(home: Home) -> LocalEngine:
    return LocalEngine(
        home.path,
        Limits(),
        home.audited.append,
        clock=clock,
        sites=SITES,
        shared={SITE: ("10.0.9.0/28",)},
    )


def test_a_session_at_a_shared_address_is_a_candidate(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.segment([session("start", T, SOMCHAI, LAB)], log="sessions")
    with engine_with_lab(home) as engine:
        answer = asked(engine, LAB, T + MINUTE)
    assert (answer.verdict, names(answer)) == (who.CANDIDATES, {"somchai"})
    assert "shared" in answer.readings[0].notes
    with home.engine() as engine:
        assert asked(engine, LAB, T + MINUTE).verdict == who.PERSON


def test_what_is_learnt_late_names_nobody_at_a_shared_address(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.person(SOMCHAI, "somchai", "สมชาย ใจดี")
    home.segment([flow(T + MINUTE, ip, "203.0.113.9") for ip in (LAB, DESK)])
    home.late(late(LAB, SOMCHAI), late(DESK, SOMCHAI))
    with engine_with_lab(home) as engine:
        period = Asked(log="flows", start_us=0, end_us=NOW_US)
        for words in ("user:somchai", "_exists_:user"):
            found = engine.ask(engine.parse(words, period), ASKER).table
            assert found["src_ip"].to_pylist() == [DESK]
        everything = engine.ask(engine.parse("*", period), ASKER).table.to_pylist()
    assert {row["src_ip"]: row["account"] for row in everything} == {LAB: None, DESK: "somchai"}
