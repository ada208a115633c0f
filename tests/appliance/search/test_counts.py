"""Bars and facets count every match; rollups give the same counts as rows."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from appliance.errors import WrongUse
from appliance.search import counts, times
from appliance.search.engine_local import LocalEngine
from appliance.search.question import Asked, Question
from collector.store import rollup
from tests.appliance.search.homes import MINUTE, NOW_US, Home, flow

BEGIN = NOW_US - 6 * times.HOUR


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made(tmp_path_factory.mktemp("counts"))


def made(path: Path) -> Home:
    """Three hours in segments with rollups, one in a segment without, one in a part."""
    home, chance = Home(path), random.Random(3)
    for hour in range(5):
        rows = []
        for _ in range(200):
            at = BEGIN + hour * times.HOUR + chance.randrange(times.HOUR - MINUTE)
            person = chance.choice([None, "p-1", "p-2"])
            one = flow(at, "10.0.0.5", "203.0.113.9", person=person)
            rows.append(one | {"protocol": chance.choice([6, 17])})
        if hour == 4:
            home.part(rows)
            continue
        entry = home.segment(rows)
        if hour < 3:
            rollup.make(home.path, entry)
    return home


def asked(engine: LocalEngine, text: str, start: int = BEGIN, end: int = NOW_US) -> Question:
    return engine.parse(text, Asked(start_us=start, end_us=end, limit=2000))


@pytest.mark.parametrize(
    "text", ["*", "proto:tcp", "NOT proto:udp", "src:10.0.0.5", "certainty:sure"]
)
@pytest.mark.parametrize("buckets", [1, 60, 3000])
def test_bars_count_what_the_rows_are(home: Home, text: str, buckets: int) -> None:
    start = BEGIN + 13 * MINUTE + 17
    with home.engine() as engine:
        question = asked(engine, text, start)
        bars = counts.histogram(engine, question, buckets)
        with engine.runner() as run:
            table, _, _ = engine._newest(run, question)
    moments = [max(start, times.microseconds(row["time"])) for row in table.to_pylist()]
    for bar in bars:
        assert bar.count == sum(bar.start_us <= m < bar.end_us for m in moments)
    assert sum(bar.count for bar in bars) == len(moments)
    assert len(bars) <= buckets + 1
    assert (bars[0].start_us, bars[-1].end_us) == (start, NOW_US)


def test_rollups_stand_for_their_segments(tmp_path: Path) -> None:
    home = made(tmp_path)
    with home.engine() as engine:
        question = asked(engine, "proto:tcp")
        before = counts.histogram(engine, question, 12), counts.facets(engine, question, "person")
        for path in home.path.glob("logs/**/[012].parquet"):
            path.write_bytes(b"not read")
        after = counts.histogram(engine, question, 12), counts.facets(engine, question, "person")
    assert before == after
    assert sum(bar.count for bar in before[0]) > 300


@pytest.mark.parametrize("column", ["person", "protocol", "src_ip", "dst_port"])
def test_facets_are_the_most_frequent_values(home: Home, column: str) -> None:
    with home.engine() as engine:
        question = asked(engine, "*")
        found = counts.facets(engine, question, column, limit=2)
        with engine.runner() as run:
            table, _, _ = engine._newest(run, question)
    values = Counter(v for v in table[column].to_pylist() if v is not None)
    assert sorted(found) == sorted(values.most_common(2))


def test_what_cannot_be_counted_is_refused(home: Home) -> None:
    with home.engine() as engine:
        question = asked(engine, "*")
        for column, limit in (("nothing", 5), ("person; DROP TABLE x", 5), ("person", 0)):
            with pytest.raises(WrongUse):
                counts.facets(engine, question, column, limit)
        with pytest.raises(WrongUse):
            counts.histogram(engine, question, 0)


@pytest.mark.parametrize("log", ["events", "sessions", "coverage", "audit"])
def test_bars_of_the_other_logs_count_their_rollups(tmp_path: Path, log: str) -> None:
    home = Home(tmp_path)
    entry = home.segment([{"time": BEGIN + n * MINUTE} for n in range(30)], log=log)
    rollup.make(home.path, entry)
    home.part([{"time": BEGIN + 40 * MINUTE}], log=log)
    with home.engine() as engine:
        question = engine.parse("*", Asked(log=log, start_us=BEGIN, end_us=NOW_US, limit=10))
        assert sum(bar.count for bar in counts.histogram(engine, question)) == 31
