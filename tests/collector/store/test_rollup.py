"""A rollup counts exactly what its segment holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.errors import StoreError
from collector.store import rebuild, rollup, segments
from collector.store.schema import FLOWS, SESSIONS
from tests.collector.store.flows import START_US, by_person, flows
from tests.collector.store.test_names import sessions

PATH = "logs/o'brien/flows/2027/01/15/7.parquet"
MINUTE_US = 60_000_000


def test_flows_are_counted_by_minute_person_and_service(tmp_path: Path) -> None:
    table = by_person(flows(5000, clients=20, servers=50))
    segments.write(table, tmp_path / PATH, FLOWS)
    made = rollup.make(tmp_path, rebuild.entry_of(tmp_path, PATH, (0, 1)))
    assert made == tmp_path / "rollup/o'brien/flows/2027/01/15/7.parquet"
    found: Counter[Any] = Counter()
    keys = ("person", "protocol", "dst_port", "method", "certainty")
    for row in pq.read_table(made).to_pylist():
        minute = round(row["minute"].timestamp()) * 1_000_000
        found[minute, *(row[k] for k in keys)] += row["flows"]
        found["bytes"] += row["bytes"]
        found["packets"] += row["packets"]
    expected: Counter[Any] = Counter()
    times: Any = table["time"].cast(pa.int64()).to_pylist()
    for time, row in zip(times, table.select([*keys, "bytes", "packets"]).to_pylist(), strict=True):
        row["dst_port"] = row["dst_port"] if row["dst_port"] < 32768 else None
        expected[time // MINUTE_US * MINUTE_US, *(row[k] for k in keys)] += 1
        expected["bytes"] += row["bytes"]
        expected["packets"] += row["packets"]
    assert found == expected


def test_rows_of_other_logs_are_counted_by_minute(tmp_path: Path) -> None:
    path = "logs/a/sessions/2027/01/15/0.parquet"
    table = sessions(*({"time": START_US + n * 20_000_000, "source": "nas"} for n in range(6)))
    segments.write(table, tmp_path / path, SESSIONS)
    made = rollup.make(tmp_path, rebuild.entry_of(tmp_path, path, (0, 1)))
    assert pq.read_table(made)["rows"].to_pylist() == [3, 3]


def test_rows_in_memory_are_counted_as_those_of_the_file(tmp_path: Path) -> None:
    table = by_person(flows(5000, clients=20, servers=50))
    segments.write(table, tmp_path / PATH, FLOWS)
    entry = rebuild.entry_of(tmp_path, PATH, (0, 1))
    from_file = pq.read_table(rollup.make(tmp_path, entry))
    arrived = pa.concat_tables([flows(5000, clients=20, servers=50)])
    from_memory = pq.read_table(rollup.write(tmp_path, entry, rollup.count(arrived, "flows")))
    keys: Any = [(name, "ascending") for name in from_file.column_names]
    assert from_file.sort_by(keys) == from_memory.sort_by(keys)


def test_a_sum_that_no_number_holds_is_the_greatest_there_is() -> None:
    table = flows(3)
    most = pa.array([rollup.MOST, rollup.MOST, 1], pa.int64())
    table = table.set_column(table.column_names.index("bytes"), "bytes", most)
    for name in ("person", "protocol", "dst_port", "method", "certainty", "time"):
        same: Any = table[name].take(pa.array([0, 0, 0]))
        table = table.set_column(table.column_names.index(name), name, same)
    assert rollup.count(table, "flows")["bytes"].to_pylist() == [rollup.MOST]


def test_made_twice_it_is_the_same_and_nothing_is_left_beside(tmp_path: Path) -> None:
    segments.write(flows(500), tmp_path / PATH, FLOWS)
    entry = rebuild.entry_of(tmp_path, PATH, (0, 1))
    first = rollup.make(tmp_path, entry).read_bytes()
    made = rollup.make(tmp_path, entry)
    assert made.read_bytes() == first
    assert [p.name for p in made.parent.iterdir()] == ["7.parquet"]


def test_a_segment_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    segments.write(flows(500), tmp_path / PATH, FLOWS)
    entry = rebuild.entry_of(tmp_path, PATH, (0, 1))
    (tmp_path / PATH).unlink()
    with pytest.raises(StoreError, match=r"cannot count .*7\.parquet"):
        rollup.make(tmp_path, entry)
