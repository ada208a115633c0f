"""Answers as files that other programs open."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from appliance.search import export
from appliance.search.engine_local import Answer
from appliance.search.question import Asked
from tests.appliance.search.homes import ASKER, MINUTE, NOW_US, Home, flow

FORMULAS = ["=1+1", "+66", "-1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"]


@pytest.fixture
def answer(tmp_path: Path) -> Answer:
    home = Home(tmp_path)
    home.person("p-1", "somchai", "สมชาย ใจดี")
    rows = [
        flow(NOW_US - (9 - i) * MINUTE, "10.0.0.5", "203.0.113.9", host=host, person="p-1")
        for i, host in enumerate([*FORMULAS, 'with "quotes", commas\nand lines'])
    ]
    home.segment(rows)
    with home.engine() as engine:
        asked = Asked(start_us=NOW_US - 60 * MINUTE, end_us=NOW_US)
        return engine.ask(engine.parse("user:somchai", asked), ASKER)


def test_csv_opens_in_a_spreadsheet_and_runs_nothing(answer: Answer) -> None:
    out = io.BytesIO()
    export.write_csv(answer, out)
    assert out.getvalue().startswith(b"\xef\xbb\xbftime,")
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode("utf-8-sig"), newline="")))
    assert len(rows) == 8
    assert rows[0]["full_name"] == "สมชาย ใจดี"
    assert rows[0]["host"] == 'with "quotes", commas\nand lines'
    assert {row["host"] for row in rows[1:]} == {f"'{text}" for text in FORMULAS}
    assert rows[-1]["time"] == "2026-11-22T15:51:00+07:00"
    assert rows[-1]["bytes"] == "1000"


def test_json_has_the_question_and_its_rows(answer: Answer) -> None:
    out = io.BytesIO()
    export.write_json(answer, out)
    whole = json.loads(out.getvalue())
    assert whole["question"] == "user:somchai"
    assert "สมชาย" in whole["thai"]
    assert (len(whole["rows"]), whole["truncated"]) == (8, False)
    assert whole["rows"][0]["src_ip"] == "10.0.0.5"


def test_json_lines_are_one_row_each(answer: Answer) -> None:
    out = io.BytesIO()
    export.write_jsonl(answer, out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["host"] for row in rows][1:] == FORMULAS[::-1]
    assert "nat_src_ip" not in rows[0]


def test_parquet_is_read_back_by_anybody(answer: Answer, tmp_path: Path) -> None:
    path = tmp_path / "answer.parquet"
    with path.open("wb") as file:
        export.write_parquet(answer, file)
    assert pq.read_table(path).equals(answer.table)
    assert duckdb.sql(f"SELECT count(*) FROM '{path}' WHERE account = 'somchai'").fetchone() == (8,)


def test_a_duckdb_file_has_the_rows_the_question_and_views(answer: Answer, tmp_path: Path) -> None:
    path = tmp_path / "it's an answer.duckdb"
    export.write_duckdb(answer, path)
    with duckdb.connect(str(path), read_only=True) as opened:
        assert opened.execute("SELECT count(*) FROM flows").fetchone() == (8,)
        views = opened.execute("SELECT full_name, flows, bytes FROM by_person").fetchall()
        assert views == [("สมชาย ใจดี", 8, 8000)]
        assert opened.execute("SELECT sum(flows) FROM by_hour").fetchone() == (8,)
        assert opened.execute("SELECT dst_ip FROM by_destination").fetchall() == [("203.0.113.9",)]
        told = dict(opened.execute("SELECT * FROM question").fetchall())
    assert told["question"] == "user:somchai"
    assert told["truncated"] == "false"


def test_packets_that_a_switch_sampled_are_added_to_no_flows(tmp_path: Path) -> None:
    home = Home(tmp_path)
    origins = [None, "none", "packet", "packet", "discard"]
    home.segment(
        [flow(NOW_US - MINUTE, "10.0.0.5", "203.0.113.9", sampling_origin=o) for o in origins]
    )
    with home.engine() as engine:
        asked = Asked(start_us=NOW_US - 60 * MINUTE, end_us=NOW_US)
        answer = engine.ask(engine.parse("*", asked), ASKER)
    path = tmp_path / "answer.duckdb"
    export.write_duckdb(answer, path)
    with duckdb.connect(str(path), read_only=True) as opened:
        for view in ("by_person", "by_destination", "by_hour"):
            sql = f"SELECT packets_of_sflow, bytes FROM {view} ORDER BY ALL"
            assert opened.execute(sql).fetchall() == [(False, 2000), (True, 3000)]


def test_a_duckdb_file_is_of_the_oldest_storage_that_any_1_x_reads(
    answer: Answer, tmp_path: Path
) -> None:
    path = tmp_path / "answer.duckdb"
    export.write_duckdb(answer, path)
    header = path.read_bytes()[:64]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == 64, "the storage version of DuckDB 1.0"


def test_a_file_that_is_there_is_not_written_over(answer: Answer, tmp_path: Path) -> None:
    path = tmp_path / "answer.duckdb"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="another name"):
        export.write_duckdb(answer, path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("log", ["sessions", "events", "coverage", "audit"])
def test_every_log_goes_into_a_duckdb_file(tmp_path: Path, log: str) -> None:
    home = Home(tmp_path)
    home.segment([{"time": NOW_US - MINUTE}], log=log)
    with home.engine() as engine:
        asked = Asked(log=log, start_us=NOW_US - 60 * MINUTE, end_us=NOW_US)
        answer = engine.ask(engine.parse("*", asked), ASKER)
    path = tmp_path / "answer.duckdb"
    export.write_duckdb(answer, path)
    with duckdb.connect(str(path), read_only=True) as opened:
        assert opened.execute(f"SELECT count(*) FROM {log}").fetchone() == (1,)
