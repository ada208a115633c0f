"""Who was behind an address: one name only where the logs leave no other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from appliance.errors import WrongUse
from appliance.search import times, who, who_flows
from appliance.search.duck import Runner
from appliance.search.engine_local import LocalEngine
from appliance.search.who_answer import LIKELY, SURE
from collector.records import Binding
from tests.appliance.search.homes import ASKER, MINUTE, NOW_US, SITE, Home, flow

PUBLIC = "198.51.100.7"
OF_THE_PROVIDER = "198.51.100.99"
SERVER = "203.0.113.9"
T = NOW_US - 60 * MINUTE
SOMCHAI = "00000000-0000-4000-8000-000000000001"
SUDA = "00000000-0000-4000-8000-000000000002"


def session_of(person: str) -> str:
    return person.replace("8000", "9000")


def session(event: str, at: int, person: str, address: str, **more: Any) -> dict[str, Any]:
    names = {SOMCHAI: ("somchai", "สมชาย ใจดี"), SUDA: ("suda", "สุดา รักเรียน")}[person]
    given = {
        "session": session_of(person),
        "start": at,
        "method": "portal",
        "mac": "02:00:5e:00:53:01",
    }
    told = {"account": names[0], "full_name": names[1], "addresses": f'["{address}"]'}
    return {"time": at, "event": event, "person": person, "ip": address, **given, **told, **more}


def natted(at: int, person: str | None, inside: str, port: int, **more: Any) -> dict[str, Any]:
    whose = {
        "person": person,
        "session": session_of(person or ""),
        "via": "src_ip",
        "certainty": "sure",
    }
    given = {"nat_src_ip": PUBLIC, "nat_src_port": port, "src_port": 50000}
    key = (198 << 24 | 51 << 16 | 100 << 8 | 7) << 16 | port
    return flow(at, inside, SERVER, nat_key=key, **given, **(whose if person else {}), **more)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.person(SOMCHAI, "somchai", "สมชาย ใจดี")
    home.person(SUDA, "suda", "สุดา รักเรียน")
    return home


@pytest.fixture
def school(home: Home) -> Home:
    """Somchai signs in at T and Suda ten minutes later; each has a flow a minute afterwards."""
    home.segment(
        [
            session("start", T, SOMCHAI, "10.0.0.5"),
            session("start", T + 10 * MINUTE, SUDA, "10.0.0.6"),
        ],
        log="sessions",
    )
    home.segment(
        [
            natted(T + MINUTE, SOMCHAI, "10.0.0.5", 40211),
            natted(T + 11 * MINUTE, SUDA, "10.0.0.6", 40212),
        ]
    )
    return home


@pytest.fixture
def engine(school: Home) -> Iterator[LocalEngine]:
    with school.engine() as engine:
        yield engine


def asked(engine: LocalEngine, address: str, at: int, **more: Any) -> who.WhoAnswer:
    question = who.parse(address, at=times.rfc3339(at), now_us=NOW_US, **more)
    return who.who(engine, question, ASKER)


def names(answer: who.WhoAnswer) -> set[str]:
    return {s.account for s in answer.readings[0].persons}


def test_a_translated_port_names_its_person(engine: LocalEngine) -> None:
    answer = asked(engine, f"{PUBLIC}:40211", T + MINUTE)
    assert (answer.verdict, names(answer)) == (who.PERSON, {"somchai"})
    assert answer.readings[0].certainty == SURE
    assert answer.readings[0].flows[0]["src_ip"] == "10.0.0.5"


def test_before_the_sign_in_it_was_nobody(engine: LocalEngine) -> None:
    for address in ("10.0.0.5", "10.0.0.5:50000", f"{PUBLIC}:40211"):
        answer = asked(engine, address, T - MINUTE)
        assert (answer.verdict, names(answer)) == (who.NOBODY, set()), address


def test_a_private_address_is_answered_by_its_session(engine: LocalEngine) -> None:
    answer = asked(engine, "10.0.0.6", T + 30 * MINUTE)
    assert (answer.verdict, names(answer)) == (who.PERSON, {"suda"})
    assert answer.readings[0].sessions[0].mac == "02:00:5e:00:53:01"


def test_a_public_address_without_port_never_gives_one_name(engine: LocalEngine) -> None:
    answer = asked(engine, PUBLIC, T + MINUTE)
    assert (answer.verdict, names(answer)) == (who.CANDIDATES, {"somchai"})
    answer = asked(engine, PUBLIC, T + 6 * MINUTE, within="10m")
    assert (answer.verdict, names(answer)) == (who.CANDIDATES, {"somchai", "suda"})


def test_a_server_outside_is_unknown_whoever_spoke_with_it(engine: LocalEngine) -> None:
    answer = asked(engine, f"{SERVER}:443", T + MINUTE)
    assert (answer.verdict, names(answer)) == (who.UNKNOWN, set())
    assert "other-end" in answer.readings[0].notes


def test_an_address_of_ours_without_anything_is_nobody(engine: LocalEngine) -> None:
    assert asked(engine, "10.9.9.9", T).verdict == who.NOBODY
    assert asked(engine, "192.0.2.200:5", T).verdict == who.UNKNOWN


def test_the_destination_narrows(engine: LocalEngine) -> None:
    at = T + MINUTE
    assert asked(engine, f"{PUBLIC}:40211", at, dst=f"{SERVER}:443").verdict == who.PERSON
    assert asked(engine, f"{PUBLIC}:40211", at, dst="203.0.113.10").verdict == who.UNKNOWN
    assert asked(engine, f"{PUBLIC}:40211", at, proto="udp").verdict == who.UNKNOWN


def test_a_port_used_by_another_within_the_window_lowers_the_certainty(home: Home) -> None:
    home.segment(
        [natted(T, SOMCHAI, "10.0.0.5", 7000), natted(T + 2 * MINUTE, SUDA, "10.0.0.6", 7000)]
    )
    with home.engine() as engine:
        answer = asked(engine, f"{PUBLIC}:7000", T)
        assert (answer.verdict, names(answer)) == (who.PERSON, {"somchai"})
        assert answer.readings[0].certainty == LIKELY
        assert [s.account for s in answer.readings[0].others] == ["suda"]
        answer = asked(engine, f"{PUBLIC}:7000", T + MINUTE)
        assert (answer.verdict, names(answer)) == (who.CANDIDATES, {"somchai", "suda"})


def test_after_the_stop_it_was_nobody_again(home: Home) -> None:
    start = session("start", T, SOMCHAI, "10.0.0.5")
    stop = session("stop", T + 10 * MINUTE, SOMCHAI, "10.0.0.5", start=T, addresses=None, ip=None)
    home.segment([start, stop], log="sessions")
    with home.engine() as engine:
        assert asked(engine, "10.0.0.5", T + 9 * MINUTE).verdict == who.PERSON
        assert asked(engine, "10.0.0.5", T + 10 * MINUTE).verdict == who.NOBODY


def test_of_a_months_sessions_only_the_files_that_tell_of_it_are_read(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(1, 30):
        earlier = session(
            "start", T - day * 1440 * MINUTE, SUDA, "10.0.0.6", session=str(UUID(int=day))
        )
        home.segment([earlier], log="sessions")
    home.segment([session("start", T, SOMCHAI, "10.0.0.5")], log="sessions")
    home.segment([session("stop", T + 9 * MINUTE, SOMCHAI, "10.0.0.5")], log="sessions")
    given: list[object] = []
    real = Runner.table

    def table(run: Runner, sql: str, values: Mapping[str, object]) -> pa.Table:
        given.append(values.get("sessions") and values["files"])
        return real(run, sql, values)

    monkeypatch.setattr(Runner, "table", table)
    with home.engine() as engine:
        answer = asked(engine, "10.0.0.5", T + 5 * MINUTE)
    assert names(answer) == {"somchai"}
    assert [len(files) for files in given if isinstance(files, list)] == [2]


def test_a_session_whose_rows_were_destroyed_is_nobody(home: Home) -> None:
    rows = home.segment([session("start", T, SOMCHAI, "10.0.0.5")], log="sessions")
    home.destroy(rows)
    with home.engine() as engine:
        assert asked(engine, "10.0.0.5", T + 5 * MINUTE).verdict == who.NOBODY


def test_a_session_ends_at_its_expiry_where_no_stop_came(home: Home) -> None:
    home.segment([session("start", T, SUDA, "10.0.0.5", expires=T + MINUTE)], log="sessions")
    with home.engine() as engine:
        assert asked(engine, "10.0.0.5", T + 2 * MINUTE).verdict == who.NOBODY


def test_an_address_handed_on_goes_with_its_new_holder(home: Home) -> None:
    moved = session("update", T + MINUTE, SOMCHAI, "10.0.0.9", start=T)
    rows = [session("start", T, SOMCHAI, "10.0.0.5"), moved]
    home.segment([*rows, session("start", T + 2 * MINUTE, SUDA, "10.0.0.5")], log="sessions")
    with home.engine() as engine:
        assert names(asked(engine, "10.0.0.5", T + MINUTE // 2)) == {"somchai"}
        assert names(asked(engine, "10.0.0.5", T + MINUTE + MINUTE // 2)) == set()
        assert names(asked(engine, "10.0.0.5", T + 3 * MINUTE)) == {"suda"}
        assert names(asked(engine, "10.0.0.9", T + 3 * MINUTE)) == {"somchai"}


def test_a_session_learnt_after_sealing_names_its_flows(home: Home) -> None:
    home.segment([natted(T, None, "10.0.0.5", 40211)])
    held = {"site": SITE, "address": "10.0.0.5", "session": "s", "method": "accounting"}
    home.late(Binding(person=SOMCHAI, start_us=T - MINUTE, end_us=T + MINUTE, **held))  # type: ignore[arg-type]  # strings
    with home.engine() as engine:
        answer = asked(engine, f"{PUBLIC}:40211", T)
    assert (answer.verdict, names(answer)) == (who.PERSON, {"somchai"})
    assert answer.readings[0].persons[0].late
    assert "late" in answer.readings[0].notes


def test_two_sites_with_one_address_are_never_one_name(home: Home) -> None:
    home.segment([session("start", T, SOMCHAI, "10.0.0.5")], log="sessions")
    home.segment([session("start", T, SUDA, "10.0.0.5")], log="sessions", site="school-b")
    home.person(SUDA, "suda", "สุดา รักเรียน", site="school-b")
    with home.engine() as engine:
        answer = asked(engine, "10.0.0.5", T + MINUTE)
        assert answer.verdict == who.CANDIDATES
        assert "two-sites" in answer.readings[0].notes
        assert names(asked(engine, "10.0.0.5", T + MINUTE, site=SITE)) == {"somchai"}
        assert names(asked(engine, "10.0.0.5", T + MINUTE, site="school-b")) == {"suda"}


def test_both_ends_inside_each_have_their_own_person(home: Home) -> None:
    peer = {"peer_person": SUDA, "peer_session": session_of(SUDA), "peer_via": "dst_ip"}
    mine = {"person": SOMCHAI, "session": session_of(SOMCHAI), "via": "src_ip"}
    home.segment([flow(T, "10.0.0.5", "10.0.0.6", **mine, **peer)])
    home.segment([flow(T, "10.0.0.8", "10.0.0.6", **peer)])
    with home.engine() as engine:
        assert names(asked(engine, "10.0.0.5:40000", T)) == {"somchai"}
        assert names(asked(engine, "10.0.0.6:443", T)) == {"suda"}
        assert names(asked(engine, "10.0.0.8:40000", T)) == set()


def test_a_doubtful_flow_gives_candidates(home: Home) -> None:
    doubt = json.dumps([{"end": "src", "person": p} for p in (SOMCHAI, SUDA)])
    home.segment(
        [natted(T, None, "10.0.0.5", 40211, candidates=doubt) | {"certainty": "ambiguous"}]
    )
    with home.engine() as engine:
        answer = asked(engine, f"{PUBLIC}:40211", T)
    assert (answer.verdict, names(answer)) == (who.CANDIDATES, {"somchai", "suda"})


def test_a_time_without_offset_is_read_twice(engine: LocalEngine) -> None:
    bangkok = times.rfc3339(T + MINUTE).removesuffix("+07:00")
    question = who.parse(f"{PUBLIC}:40211", at=bangkok, now_us=NOW_US)
    first, second = who.who(engine, question, ASKER).readings
    assert (first.zone, first.verdict) == ("+07:00", who.PERSON)
    assert (second.zone, second.at_us - first.at_us) == ("UTC", 7 * times.HOUR)
    assert second.verdict == who.UNKNOWN


def test_a_time_still_to_come_is_refused_in_one_line() -> None:
    for later in (NOW_US + 1_000_000, NOW_US + 40 * times.DAY):
        for at in (times.rfc3339(later), times.rfc3339(later).removesuffix("+07:00")):
            with pytest.raises(WrongUse, match=r"still to come: it is \S+ now") as told:
                who.parse(PUBLIC, at=at, now_us=NOW_US)
            assert "\n" not in str(told.value)
    assert who.parse(PUBLIC, at=times.rfc3339(NOW_US), now_us=NOW_US).readings


def test_both_readings_of_a_time_find_their_flows(home: Home) -> None:
    later = T + 7 * 60 * MINUTE  # the same words in UTC
    home.segment(
        [
            session("start", T, SOMCHAI, "10.0.0.5"),
            session("start", later, SUDA, "10.0.0.6"),
        ],
        log="sessions",
    )
    home.segment(
        [
            natted(T + MINUTE, SOMCHAI, "10.0.0.5", 40211),
            natted(later + MINUTE, SUDA, "10.0.0.6", 40211),
        ]
    )
    with home.engine() as engine:
        written = times.rfc3339(T + MINUTE).removesuffix("+07:00")
        question = who.parse(f"{PUBLIC}:40211", at=written, now_us=NOW_US)
        answer = who.who(engine, question, ASKER)
    assert [{s.account for s in r.persons} for r in answer.readings] == [{"somchai"}, {"suda"}]


def test_the_act_is_recorded_before_anything_is_read(school: Home) -> None:
    def refuse(_: object) -> None:
        raise OSError("the disk is full")

    with school.engine() as engine:
        asked(engine, f"{PUBLIC}:40211", T)
        assert school.audited[-1].act == "who"
        assert f"{PUBLIC}:40211" in school.audited[-1].question
        engine._record_audit = refuse
        with pytest.raises(OSError, match="disk is full"):
            asked(engine, f"{PUBLIC}:40211", T)


def test_gaps_in_the_log_are_told(school: Home) -> None:
    gap = {"time": T, "time_end": T + MINUTE, "kind": "sequence-gap", "lost": 3, "unit": "records"}
    school.segment([gap], log="coverage")
    with school.engine() as engine:
        reading = asked(engine, f"{PUBLIC}:40211", T + MINUTE).readings[0]
    assert reading.coverage[0]["lost"] == 3
    assert "coverage" in reading.notes


@pytest.mark.parametrize("address", ["10.0.0", "a:1", "10.0.0.1:x", "10.0.0.1:70000", "", "[::1"])
def test_what_is_no_address_is_one_clear_line(address: str) -> None:
    if address == "[::1":
        assert who.parse(address, now_us=NOW_US).port is None
        return
    with pytest.raises(WrongUse):
        who.parse(address, now_us=NOW_US)


def test_ipv6_with_a_port_is_read_and_written() -> None:
    question = who.parse("[2001:DB8::7]:443", dst="2001:db8::1", now_us=NOW_US)
    assert (str(question.address), question.port) == ("2001:db8::7", 443)
    assert "[2001:db8::7]:443" in question.text


def test_a_whole_school_behind_one_address_is_counted_where_it_lies(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(who_flows, "MAX_HITS", 1)
    answer = asked(engine, PUBLIC, T + 6 * MINUTE, within="10m")
    assert (answer.verdict, names(answer)) == (who.CANDIDATES, {"somchai", "suda"})
    assert len(answer.readings[0].flows) == 2


def test_while_nobody_listened_a_session_alone_is_not_sure(school: Home) -> None:
    away = {
        "time": T + 20 * MINUTE,
        "time_end": T + 25 * MINUTE,
        "source": "box",
        "kind": "restart",
    }
    school.segment([away], log="coverage")
    with school.engine() as engine:
        for minutes, certainty in ((19, SURE), (22, LIKELY), (26, SURE)):
            reading = asked(engine, "10.0.0.6", T + minutes * MINUTE).readings[0]
            assert (reading.verdict, reading.certainty) == (who.PERSON, certainty), minutes


def uplink(at: int, ip: str, nat_ip: str | None = None, event: str = "seen") -> dict[str, Any]:
    told = {"kind": "uplink", "event": event, "interface": "ppp0"}
    return {"time": at, "ip": ip, "nat_ip": nat_ip, **told}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([uplink(T, "100.64.0.2")], True),
        ([uplink(T, PUBLIC, OF_THE_PROVIDER), uplink(T + MINUTE, PUBLIC, OF_THE_PROVIDER)], True),
        ([uplink(T, PUBLIC)], False),
        ([uplink(T, "2001:db8::7")], False),
        ([uplink(T, "100.64.0.2"), uplink(T + MINUTE, "100.64.0.2", event="release")], False),
        ([uplink(T - 180 * MINUTE, "100.64.0.2")], False),
        ([uplink(T + 30 * MINUTE, "100.64.0.2")], False),
    ],
)
def test_an_address_of_a_nat_further_out_is_told_as_such(
    school: Home, rows: list[dict[str, Any]], *, told: bool
) -> None:
    school.segment(rows, log="leases")
    with school.engine() as engine:
        reading = asked(engine, f"{OF_THE_PROVIDER}:40211", T + 2 * MINUTE).readings[0]
    assert reading.verdict == who.UNKNOWN
    assert ("double-nat" in reading.notes) is told


@pytest.mark.parametrize(
    ("dst", "minutes", "within", "verdict", "people"),
    [
        (SERVER, 1, "5m", who.CANDIDATES, {"somchai"}),
        (f"{SERVER}:443", 11, "5m", who.CANDIDATES, {"suda"}),
        (SERVER, 6, "6m", who.CANDIDATES, {"somchai", "suda"}),
        (f"{SERVER}:25", 1, "5m", who.UNKNOWN, set()),
        ("203.0.113.77", 1, "5m", who.UNKNOWN, set()),
    ],
)
def test_behind_a_nat_further_out_the_destination_leads_to_candidates(
    school: Home, dst: str, minutes: int, within: str, verdict: str, people: set[str]
) -> None:
    school.segment([uplink(T, "100.64.0.2")], log="leases")
    with school.engine() as engine:
        at = T + minutes * MINUTE
        answer = asked(engine, f"{OF_THE_PROVIDER}:9999", at, dst=dst, within=within)
    assert (answer.verdict, names(answer)) == (verdict, people)
    assert "by-destination" in answer.readings[0].notes
    assert answer.readings[0].certainty == "none"


def block(at: int, ip: str, first: int, last: int, event: str = "add") -> dict[str, Any]:
    told = {"kind": "block", "event": event, "nat_ip": PUBLIC}
    return {"time": at, "ip": ip, "port_first": first, "port_last": last, **told}


@pytest.mark.parametrize(
    ("port", "minutes", "verdict", "people", "lent"),
    [
        (5000, 2, who.PERSON, {"somchai"}, {"10.0.0.5"}),
        (5000, 12, who.PERSON, {"suda"}, {"10.0.0.6"}),  # lent on
        (5999, 12, who.PERSON, {"suda"}, {"10.0.0.6"}),
        (5000, -2, who.NOBODY, set(), {"10.0.0.5"}),  # nobody was signed in yet
        (5000, 8, who.UNKNOWN, set(), set()),  # given back
        (6000, 2, who.UNKNOWN, set(), set()),
        (40211, 1, who.PERSON, {"somchai"}, set()),  # the flow itself says more
    ],
)
def test_a_lent_block_of_ports_leads_to_whose_session_the_address_was(
    school: Home, port: int, minutes: int, verdict: str, people: set[str], lent: set[str]
) -> None:
    told = [
        block(T - 5 * MINUTE, "10.0.0.5", 5000, 5999),
        block(T + 5 * MINUTE, "10.0.0.5", 5000, 5999, "release"),
        block(T + 9 * MINUTE, "10.0.0.6", 5000, 5999),
    ]
    school.segment(told, log="leases")
    with school.engine() as engine:
        answer = asked(engine, f"{PUBLIC}:{port}", T + minutes * MINUTE, within="1s")
    reading = answer.readings[0]
    assert (answer.verdict, names(answer)) == (verdict, people)
    assert {one.ip for one in reading.blocks} == lent
    assert ("port-block" in reading.notes) is bool(lent)
    assert reading.certainty == ("none" if not people else LIKELY if lent else SURE)


def test_a_block_that_is_told_of_again_is_still_lent(school: Home) -> None:
    again = block(T + MINUTE, "10.0.0.5", 5000, 5999, "renew")
    school.segment([block(T, "10.0.0.5", 5000, 5999), again], log="leases")
    with school.engine() as engine:
        answer = asked(engine, f"{PUBLIC}:5000", T + 2 * MINUTE, within="1s")
    assert (answer.verdict, names(answer)) == (who.PERSON, {"somchai"})


def test_a_block_leads_on_where_flows_were_seen_and_nobody_is_named(school: Home) -> None:
    seen = flow(T + MINUTE, PUBLIC, SERVER, src_port=5000, certainty=None)
    school.segment([seen])
    school.segment([block(T, "10.0.0.5", 5000, 5999)], log="leases")
    with school.engine() as engine:
        reading = asked(engine, f"{PUBLIC}:5000", T + MINUTE, within="1s").readings[0]
    assert (reading.verdict, {s.account for s in reading.persons}) == (who.PERSON, {"somchai"})
    assert "port-block" in reading.notes


def test_a_block_learnt_after_sealing_names_the_flows_of_its_ports(home: Home) -> None:
    ports = (5000, 6000)
    home.segment([flow(T, PUBLIC, SERVER, src_port=port, certainty=None) for port in ports])
    held = {"site": SITE, "address": f"{PUBLIC}:5000-5999=10.0.0.5", "session": "s"}
    home.late(Binding(person=SOMCHAI, start_us=T - MINUTE, end_us=T + MINUTE, **held, method="x"))  # type: ignore[arg-type]  # strings
    with home.engine() as engine:
        of_block, other = (asked(engine, f"{PUBLIC}:{port}", T) for port in ports)
        whole = asked(engine, PUBLIC, T)
    assert (of_block.verdict, names(of_block)) == (who.PERSON, {"somchai"})
    assert names(other) == names(whole) == set()


def test_without_a_nat_further_out_the_destination_leads_to_nobody(engine: LocalEngine) -> None:
    answer = asked(engine, f"{OF_THE_PROVIDER}:9999", T + MINUTE, dst=SERVER)
    assert (answer.verdict, names(answer)) == (who.UNKNOWN, set())


def test_a_person_who_is_known_is_no_less_known_behind_a_second_nat(school: Home) -> None:
    school.segment([uplink(T, "100.64.0.2")], log="leases")
    with school.engine() as engine:
        reading = asked(engine, f"{PUBLIC}:40211", T + MINUTE).readings[0]
    assert (reading.verdict, reading.certainty) == (who.PERSON, SURE)
    assert "double-nat" not in reading.notes
