"""Parts come back as they were in memory, or an error says which file is wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings

from collector.errors import StoreError
from collector.store import parts
from collector.store.schema import EVENTS, FLOWS, LogSchema
from tests.collector.store.flows import START_US, flows
from tests.collector.store.tables import same, tables


def test_parts_come_back_in_order_as_one_table(tmp_path: Path) -> None:
    whole = [flows(500, seed=1, servers=50), flows(700, seed=2, servers=90)]
    paths = [tmp_path / "open" / f"{number}.parquet" for number in range(2)]
    for table, path in zip(whole, paths, strict=True):
        parts.write(table, path)
    found = parts.read(paths, FLOWS)
    assert same(found, pa.concat_tables(whole).unify_dictionaries())
    source: Any = found["src_ip"]
    assert all(chunk.dictionary.equals(source.chunk(0).dictionary) for chunk in source.chunks)


def test_stats_tell_the_extremes_of_begin_and_end(tmp_path: Path) -> None:
    table = flows(1000)
    stats = parts.write(table, tmp_path / "a.parquet")
    time, end, received = (numbers(table, n) for n in ("time", "time_end", "received"))
    assert (stats.rows, stats.event_min, stats.event_max) == (1000, min(time), max(end))
    assert (stats.received_min, stats.received_max) == (min(received), max(received))
    assert stats.size == (tmp_path / "a.parquet").stat().st_size


def numbers(table: pa.Table, name: str) -> list[int]:
    values: list[Any] = table[name].cast(pa.int64()).to_pylist()
    return values


def test_flows_that_tell_no_end_end_when_they_begin(tmp_path: Path) -> None:
    table = flows(10)
    at = table.column_names.index("time_end")
    table = table.set_column(at, "time_end", pa.nulls(10, table.schema.field(at).type))
    stats = parts.write(table, tmp_path / "a.parquet")
    assert stats.event_max == max(numbers(table, "time"))
    assert stats.event_min > START_US - 3_600_000_000


def test_nothing_but_the_part_is_left_behind(tmp_path: Path) -> None:
    parts.write(flows(10), tmp_path / "a.parquet")
    parts.write(flows(20), tmp_path / "a.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]
    assert parts.read([tmp_path / "a.parquet"], FLOWS).num_rows == 20


def test_no_parts_are_no_rows() -> None:
    assert parts.read([], FLOWS).equals(FLOWS.arrow.empty_table())


@pytest.mark.parametrize("content", [None, b"", b"PAR1 this is not Parquet PAR1"])
def test_what_is_not_a_part_is_one_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot read the part .*x\.parquet"):
        parts.read([path], FLOWS)


def test_a_part_of_another_log_is_refused(tmp_path: Path) -> None:
    parts.write(flows(10), tmp_path / "a.parquet")
    with pytest.raises(StoreError, match="columns of events"):
        parts.read([tmp_path / "a.parquet"], EVENTS)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_any_table_of_any_log_comes_back(given_table: tuple[LogSchema, pa.Table]) -> None:
    schema, table = given_table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.parquet")
        parts.write(table, path)
        assert same(parts.read([path], schema), table)
