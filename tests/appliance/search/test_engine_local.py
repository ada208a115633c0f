"""Answers: newest first, whole or marked as cut, recorded before they are given."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from appliance.errors import BoxError
from appliance.search import newest
from appliance.search.duck import Limits, Runner, Stopped, Vanished, connect
from appliance.search.engine_local import Answer, LocalEngine
from appliance.search.question import Asked
from collector.errors import StoreError
from collector.records import AuditEvent, Binding
from tests.appliance.search.homes import ASKER, MINUTE, NOW_US, SITE, SITES, Home, clock, flow

DAY = 24 * 60 * MINUTE


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def asked(engine: LocalEngine, text: str, **more: Any) -> Answer:
    given = {"start_us": NOW_US - DAY, "end_us": NOW_US, "limit": 100, **more}
    return engine.ask(engine.parse(text, Asked(**given)), ASKER)


def moments(answer: Answer) -> list[int]:
    return [int(v) for v in answer.table["time"].cast(pa.int64()).to_numpy()]


@pytest.fixture
def scattered(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Home, list[int]]]:
    """Files that overlap in time, and flows that last long, read a few at a time."""
    monkeypatch.setattr(newest, "FIRST_ROWS", 60)
    chance, all_times = random.Random(5), []
    for number in range(12):
        begin = NOW_US - DAY + chance.randrange(DAY // 2)
        made = [begin + chance.randrange(DAY // 3) for _ in range(40)]
        rows = [
            flow(t, f"10.0.0.{i % 7}", "203.0.113.9") | {"time_end": t + chance.randrange(MINUTE)}
            for i, t in enumerate(made)
        ]
        all_times += made
        (home.part if number % 3 == 0 else home.segment)(rows)
    yield home, [t for t in all_times if t < NOW_US]


@pytest.mark.parametrize("limit", [1, 5, 40, 200, 1000])
def test_the_newest_rows_are_those_of_a_full_sort(
    scattered: tuple[Home, list[int]], limit: int
) -> None:
    home, all_times = scattered
    with home.engine() as engine:
        answer = asked(engine, "*", limit=limit)
    assert moments(answer) == sorted(all_times, reverse=True)[:limit]
    assert answer.truncated == (len(all_times) > limit)


def test_a_few_new_rows_do_not_read_old_files(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "FIRST_ROWS", 10)
    for hour in range(6):
        at = NOW_US - hour * 60 * MINUTE - 30 * MINUTE
        home.segment([flow(at + i, "10.0.0.1", "203.0.113.9") for i in range(10)])
    with home.engine() as engine:
        answer = asked(engine, "*", limit=5)
        assert (answer.files, answer.rows, answer.truncated) == (1, 10, True)
        assert asked(engine, "*", limit=60).truncated is False


def test_a_flow_that_lasts_into_the_period_is_part_of_it(home: Home) -> None:
    long = flow(NOW_US - 30 * MINUTE, "10.0.0.1", "203.0.113.9", time_end=NOW_US - 9 * MINUTE)
    home.segment([long | {"time_end": NOW_US - 9 * MINUTE}])
    with home.engine() as engine:
        for start, end, found in ((10, 8, 1), (9, 8, 1), (8, 7, 0), (40, 31, 0), (40, 30, 0)):
            period = {"start_us": NOW_US - start * MINUTE, "end_us": NOW_US - end * MINUTE}
            assert asked(engine, "*", **period).table.num_rows == found, (start, end)


@pytest.mark.parametrize("limit", [3, 5, 100])
def test_a_flow_of_an_address_with_itself_is_one_row(home: Home, limit: int) -> None:
    one, other = "10.0.0.1", "203.0.113.9"
    ends = [(one, one), (one, other), (other, one), (other, other)] * 2
    made = [NOW_US - MINUTE - n for n in range(len(ends))]
    home.segment([flow(t, *both) for t, both in zip(made, ends, strict=True)])
    with home.engine() as engine:
        answer = asked(engine, f"ip:{one}", limit=limit)
    of_it = [t for t, both in zip(made, ends, strict=True) if one in both]
    assert moments(answer) == of_it[:limit]
    assert answer.truncated == (limit < len(of_it))


def test_parts_and_segments_are_one_log(home: Home) -> None:
    home.segment([flow(NOW_US - 2 * MINUTE, "10.0.0.1", "203.0.113.9")])
    home.part([flow(NOW_US - MINUTE, "10.0.0.2", "203.0.113.9")])
    with home.engine() as engine:
        answer = asked(engine, "dst:203.0.113.9")
    assert answer.table["src_ip"].to_pylist() == ["10.0.0.2", "10.0.0.1"]
    assert answer.files == 2


def test_a_part_that_left_meanwhile_is_found_in_its_segment(home: Home) -> None:
    rows = [flow(NOW_US - MINUTE, "10.0.0.1", "203.0.113.9")]
    part = home.part(rows)

    with home.engine() as engine:
        real, calls = engine.paths, list[int]()

        def paths(files: Any) -> list[str]:
            calls.append(len(files))
            if len(calls) == 1:
                segment = home.segment(rows)
                home.publish(segment, [part.path])
                (home.path / part.path).unlink()
            return real(files)

        engine.paths = paths  # type: ignore[method-assign]  # the moment between list and read
        assert asked(engine, "*").table.num_rows == 1


def test_a_part_that_left_after_its_rows_were_found_is_read_in_its_segment(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [flow(NOW_US - MINUTE, "10.0.0.1", "203.0.113.9")]
    part = home.part(rows)
    real, calls = newest.rows_at, list[int]()

    def rows_at(*given: Any, **more: Any) -> pa.Table:
        calls.append(1)
        if len(calls) == 1:
            home.publish(home.segment(rows), [part.path])
            (home.path / part.path).unlink()
        return real(*given, **more)

    monkeypatch.setattr(newest, "rows_at", rows_at)
    with home.engine() as engine:
        assert asked(engine, "*").table.num_rows == 1
    assert len(calls) == 2


def test_rows_of_many_files_come_each_from_its_own(home: Home) -> None:
    """Rows of several files lie at the same places; only those found are shown."""
    for number in range(5):
        at = NOW_US - (number + 1) * 60 * MINUTE
        near = [(i, flow(at + i, f"10.0.{number}.{i}", "203.0.113.9")) for i in range(30)]
        home.segment([row | {"dst_port": 443 if i % 7 == number else 80} for i, row in near])
    with home.engine() as engine:
        answer = asked(engine, "dst_port:443", limit=50)
    wanted = {f"10.0.{n}.{i}" for n in range(5) for i in range(30) if i % 7 == n}
    assert set(answer.table["src_ip"].to_pylist()) == wanted
    assert answer.table.num_rows == len(wanted)


def test_a_file_that_is_gone_for_good_is_an_error(home: Home) -> None:
    part = home.part([flow(NOW_US - MINUTE, "10.0.0.1", "203.0.113.9")])
    (home.path / part.path).unlink()
    with home.engine() as engine, pytest.raises(Vanished, match="cannot be read"):
        asked(engine, "*")


def test_a_damaged_file_is_one_clear_error(home: Home) -> None:
    segment = home.segment([flow(NOW_US - MINUTE, "10.0.0.1", "203.0.113.9")])
    (home.path / segment.path).write_bytes(b"PAR1 and then nothing of the kind PAR1")
    with home.engine() as engine, pytest.raises(BoxError, match="verify --deep"):
        asked(engine, "*")


def test_the_act_is_recorded_before_a_row_is_read(home: Home) -> None:
    home.segment([flow(NOW_US - MINUTE, "10.0.0.1", "203.0.113.9")])
    with home.engine() as engine:
        asked(engine, "ip:10.0.0.1", sites=(SITE,))
        event = home.audited[0]
        assert (event.act, event.actor, event.site) == ("search", ASKER.actor, SITE)
        assert event.question == "ip:10.0.0.1"
        assert "either address is 10.0.0.1" in event.sentence
        assert "ที่อยู่ไอพี" in event.sentence


def test_without_a_record_there_is_no_answer(home: Home) -> None:
    read: list[object] = []

    def refuse(_: AuditEvent) -> None:
        raise StoreError("the disk is full")

    engine = LocalEngine(home.path, Limits(), refuse, clock=lambda: NOW_US * 1000, sites={SITE: ()})
    engine.runner = lambda: read.append(1)  # type: ignore[method-assign]  # must not be reached
    with engine, pytest.raises(StoreError, match="disk is full"):
        asked(engine, "*")
    assert not read


def test_two_sites_never_see_each_others_people(home: Home) -> None:
    home.person("p-a", "anong", "อนงค์ หนึ่ง", site=SITE)
    home.person("p-b", "boon", "บุญ สอง", site="school-b")
    home.segment([flow(NOW_US - MINUTE, "10.0.0.5", "203.0.113.9", person="p-a")], site=SITE)
    home.segment([flow(NOW_US - MINUTE, "10.0.0.5", "203.0.113.9", person="p-b")], site="school-b")
    with home.engine() as engine:
        for site, mine, other in ((SITE, "anong", "boon"), ("school-b", "boon", "anong")):
            answer = asked(engine, "ip:10.0.0.5", sites=(site,))
            assert answer.table["account"].to_pylist() == [mine]
            assert asked(engine, f"user:{mine}", sites=(site,)).table.num_rows == 1
            unknown = asked(engine, f"user:{other}", sites=(site,))
            assert unknown.table.num_rows == 0
            assert unknown.question.notes
            assert other not in unknown.question.notes[0].replace(f"'{other}'", "")


def test_late_sessions_of_one_site_leave_the_other_alone(home: Home) -> None:
    home.person("p-a", "anong", "")
    for site in (SITE, "school-b"):
        home.segment([flow(NOW_US - MINUTE, "10.0.0.5", "203.0.113.9")], site=site)
    home.late(
        Binding(
            site=SITE,
            address="10.0.0.5",
            start_us=NOW_US - DAY,
            end_us=NOW_US,
            person="p-a",
            session="s",
            method="accounting",
        )
    )
    with home.engine() as engine:
        rows = asked(engine, "*").table.select(["site", "account", "learnt_after_sealing"])
        found = asked(engine, "user:anong").table["site"].to_pylist()
    assert sorted(map(tuple, (row.values() for row in rows.to_pylist())), key=str) == [
        (SITE, "anong", True),
        ("school-b", None, False),
    ]
    assert found == [SITE]


def test_late_blocks_name_the_flows_of_their_ports_alone(home: Home) -> None:
    home.person("p-a", "anong", "")
    nat, server = "198.51.100.7", "203.0.113.9"
    seen = [flow(NOW_US - MINUTE, nat, server, src_port=port) for port in (4999, 5000, 6000)]
    home.segment([*seen, flow(NOW_US - MINUTE, server, nat, dst_port=5999)])
    for ip in ("10.0.0.5", "10.7.7.7"):  # of which the second is shared
        home.late(
            Binding(
                site=SITE,
                address=f"{nat}:5000-5999={ip}" if ip == "10.0.0.5" else f"{nat}:4999-4999={ip}",
                start_us=NOW_US - DAY,
                end_us=NOW_US,
                person="p-a",
                session=f"s {ip}",
                method="portal",
            )
        )
    shared = {SITE: ("10.7.7.0/24",)}
    with LocalEngine(
        home.path, Limits(), home.audited.append, clock=clock, sites=SITES, shared=shared
    ) as engine:
        rows = asked(engine, "*").table.select(["src_port", "dst_port", "account"]).to_pylist()
        found = asked(engine, "user:anong").table["src_port"].to_pylist()
    named = {(row["src_port"], row["dst_port"]) for row in rows if row["account"] == "anong"}
    assert named == {(5000, 443), (40000, 5999)}
    assert set(found) == {5000, 40000}


def test_two_late_persons_at_one_address_name_nobody(home: Home) -> None:
    home.segment([flow(NOW_US - MINUTE, "10.0.0.5", "203.0.113.9")])
    for person in ("p-a", "p-b"):
        held = {"site": SITE, "address": "10.0.0.5", "method": "accounting"}
        home.late(
            Binding(start_us=0, end_us=NOW_US, person=person, session=f"s-{person}", **held)  # type: ignore[arg-type]  # strings
        )
    with home.engine() as engine:
        row = asked(engine, "*").table.to_pylist()[0]
    assert (row["person"], row["learnt_after_sealing"]) == (None, True)


def test_gaps_of_the_period_come_with_the_answer(home: Home) -> None:
    at = NOW_US - 10 * MINUTE
    home.segment([flow(at, "10.0.0.1", "203.0.113.9")])
    gap = {
        "time": at,
        "time_end": at + MINUTE,
        "kind": "kernel-drop",
        "lost": 7,
        "unit": "datagrams",
    }
    home.segment([gap], log="coverage")
    with home.engine() as engine:
        assert [row["lost"] for row in asked(engine, "*").coverage] == [7]
        before = asked(engine, "*", start_us=at - 3 * MINUTE, end_us=at)
        assert before.coverage == []


def test_a_home_without_rows_answers_with_none(home: Home) -> None:
    with home.engine() as engine:
        answer = asked(engine, "*")
    assert (answer.table.num_rows, answer.files, answer.truncated) == (0, 0, False)
    assert set(answer.columns) >= {"time", "src_ip", "account"}


def test_a_question_that_takes_too_long_is_stopped(home: Home) -> None:
    connection = connect(home.path, Limits())
    slow = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    begin = time.monotonic()
    with Runner(connection, 0.2).running() as run, pytest.raises(Stopped, match=r"0\.2 seconds"):
        run.table(slow, {})
    assert time.monotonic() - begin < 5
    with Runner(connection, 5).running() as run:
        assert run.table("SELECT 1 AS one", {}).num_rows == 1


def test_a_question_over_its_memory_is_stopped(home: Home) -> None:
    connection = connect(home.path, Limits(memory_mb=64))
    big = "SELECT range, md5(range::VARCHAR) AS m FROM range(50000000) ORDER BY m"
    with Runner(connection, 30).running() as run, pytest.raises(Stopped, match="memory"):
        run.table(big, {})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{home}/prathu.toml')",
        "SELECT * FROM read_parquet('{home}/logs/../secret.parquet')",
        "COPY (SELECT 1) TO '{home}/x.csv'",
        "ATTACH '{home}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET threads = 8",
        "SELECT * FROM read_parquet('https://127.0.0.1/x.parquet')",
    ],
)
def test_duckdb_can_do_nothing_but_read_the_logs(home: Home, statement: str) -> None:
    (home.path / "prathu.toml").write_text("secret")
    connection = connect(home.path, Limits())
    with (
        Runner(connection, 5).running() as run,
        pytest.raises(Exception, match=r"Permission|lock|cannot"),
    ):
        run.table(statement.replace("{home}", str(home.path)), {})


def test_an_engine_that_is_not_started_says_so(home: Home) -> None:
    engine = home.engine()
    with pytest.raises(BoxError, match="not started"):
        asked(engine, "*")
