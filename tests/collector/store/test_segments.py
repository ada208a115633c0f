"""Segments hold exactly the schema's columns, come back whole, and stay small."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import StoreError
from collector.store import segments
from collector.store.schema import EVENTS, FLOWS, LOGS, LogSchema
from tests.collector.store.flows import by_person, flows
from tests.collector.store.tables import column, same, tables

FILE_TYPES = {
    "u8": ("INT32", "None"),
    "u16": ("INT32", "None"),
    "u32": ("INT64", "None"),
    "u64": ("INT64", "None"),
    "i64": ("INT64", "None"),
    "bool": ("BOOLEAN", "None"),
    "time": ("INT64", "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds, "),
    "ip": ("BYTE_ARRAY", "String"),
    "mac": ("BYTE_ARRAY", "String"),
    "uuid": ("BYTE_ARRAY", "String"),
    "str": ("BYTE_ARRAY", "String"),
    "bytes": ("BYTE_ARRAY", "None"),
}


def any_row(schema: LogSchema) -> pa.Table:
    """Return one row with a time and nothing else."""
    times = {"time": [1], "received": [2]}
    arrays = {name: column(schema, name, times.get(name, [None])) for name in schema.columns}
    return pa.table(arrays, schema=schema.arrow)


@pytest.mark.parametrize("log", sorted(LOGS))
def test_columns_are_those_of_the_document_in_its_types(tmp_path: Path, log: str) -> None:
    schema, path = LOGS[log], tmp_path / "0.parquet"
    segments.write(any_row(schema), path, schema)
    found: Any = pq.ParquetFile(path).schema
    assert [found.column(i).name for i in range(len(found))] == list(schema.columns)
    for i, kind in enumerate(schema.columns.values()):
        physical, logical = FILE_TYPES[kind]
        assert found.column(i).physical_type == physical
        assert str(found.column(i).logical_type).startswith(logical)


def test_rows_keep_their_order_over_row_groups(tmp_path: Path) -> None:
    table = by_person(flows(300_000, clients=300, servers=2000))
    stats = segments.write(table, tmp_path / "0.parquet", FLOWS)
    assert stats.rows == 300_000
    metadata = pq.read_metadata(tmp_path / "0.parquet")
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [150_000, 150_000], "alike: most rows would lie in the larger one"
    found = segments.read(tmp_path / "0.parquet", FLOWS)
    assert same(found, table)
    assert all(column.num_chunks == 1 for column in found.columns)


def test_a_flow_costs_few_bytes_and_null_columns_none(tmp_path: Path) -> None:
    table = by_person(flows(200_000))
    size = segments.write(table, tmp_path / "all.parquet", FLOWS).size
    assert size / table.num_rows < 30, "these flows have ports and sizes at random: real ones less"
    full = [name for name in table.column_names if table[name].null_count < table.num_rows]
    less = tuple((n, k) for n, k in FLOWS.core + FLOWS.detail if n in full)
    narrow = LogSchema(log="flows", version=1, subject="person", core=less, detail=())
    without = segments.write(table.select(full), tmp_path / "narrow.parquet", narrow).size
    nulls = len(table.column_names) - len(full)
    assert nulls > 15
    assert (size - without) / table.num_rows < 0.1


def test_needle_columns_have_bloom_filters_and_null_ones_none(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    segments.write(by_person(flows(20_000)), path, FLOWS)
    filtered = {
        name
        for name, offset in duckdb.execute(
            "SELECT path_in_schema, bloom_filter_offset FROM parquet_metadata(?)", [str(path)]
        ).fetchall()
        if offset is not None
    }
    assert filtered == {
        *("src_ip", "dst_ip", "nat_src_ip", "nat_dst_ip", "src_mac"),
        *("nat_key", "person", "session"),
    }


def test_dictionaries_that_differ_by_chunk_are_written_right(tmp_path: Path) -> None:
    table = pa.concat_tables([flows(500, seed=1, servers=50), flows(700, seed=2, servers=90)])
    segments.write(table, tmp_path / "0.parquet", FLOWS)
    assert same(segments.read(tmp_path / "0.parquet", FLOWS), table.unify_dictionaries())


def test_a_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="columns of events"):
        segments.write(flows(10), tmp_path / "0.parquet", EVENTS)
    with pytest.raises(StoreError, match="no rows"):
        segments.write(flows(10).slice(0, 0), tmp_path / "0.parquet", FLOWS)


def test_any_other_column_or_type_in_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    table = flows(10)
    narrow = table.set_column(5, "time_end", table["time_end"].cast(pa.timestamp("ms", "UTC")))
    wider = table.append_column("more", table["bytes"])
    for wrong in (narrow, wider, table.drop_columns(["extra"]), table.select(["time"])):
        pq.write_table(wrong, path)
        with pytest.raises(StoreError, match=r"0\.parquet"):
            segments.read(path, FLOWS)


def test_a_damaged_file_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    segments.write(flows(1000), path, FLOWS)
    whole = path.read_bytes()
    pages = whole[:4] + bytes(400) + whole[404:]
    half = whole[: len(whole) // 2]
    for damaged in (half, whole[4:], b"", whole[:-8] + b"\xff" * 8, pages):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"cannot read the segment [^\n]*$"):
            segments.read(path, FLOWS)
    path.unlink()
    with pytest.raises(StoreError, match="cannot read the segment"):
        segments.read(path, FLOWS)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "0.parquet"
    segments.write(flows(20), path, FLOWS)
    return path


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_changed_give_rows_or_one_clear_error(small: Path, data: st.DataObject) -> None:
    """Names of columns that are no text, lengths and pages that lie."""
    whole = small.read_bytes()
    octets = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at] = data.draw(st.sampled_from([0, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    changed = small.with_name("1.parquet")
    changed.write_bytes(octets)
    for read in (lambda: segments.read(changed, FLOWS), lambda: list(segments.pieces(changed))):
        with suppress(StoreError):
            read()


@settings(max_examples=60, deadline=None)
@given(tables())
def test_any_table_of_any_log_comes_back(given_table: tuple[LogSchema, pa.Table]) -> None:
    schema, table = given_table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "0.parquet")
        segments.write(table, path, schema)
        assert same(segments.read(path, schema), table)
