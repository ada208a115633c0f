"""`prathu search` from outside: formats, statuses, one clear line for what is wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow.parquet as pq
import pytest

from appliance.search import export
from tests.appliance.cli.asking import Prathu, audited, filled, now_us, prathu_at
from tests.appliance.search.homes import flow


@pytest.fixture
def prathu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Prathu:
    filled(tmp_path)
    return prathu_at(tmp_path, capsys)


def test_a_table_shows_names_and_the_sentence(prathu: Prathu) -> None:
    said = prathu("search", "user:somchai AND dst:203.0.113.0/24")
    assert said.status == 0
    assert said.out.count("สมชาย ใจดี") == 10
    assert "+07:00" in said.out
    assert "where (the user is สมชาย ใจดี (somchai)" in said.err


def test_the_question_is_in_the_audit_log_before_the_answer(prathu: Prathu, tmp_path: Path) -> None:
    prathu("search", "ip:10.0.0.5")
    (event,) = audited(tmp_path)
    assert (event["act"], event["question"], event["log"]) == ("search", "ip:10.0.0.5", "flows")
    assert event["actor"].startswith("local:")
    assert "either address is 10.0.0.5" in event["sentence"]


def test_without_an_audit_log_there_is_no_answer(prathu: Prathu, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("not a folder")
    said = prathu("search", "*")
    assert (said.status, said.out) == (3, "")
    assert len(said.err.strip().splitlines()) == 1


def test_json_is_one_object(prathu: Prathu) -> None:
    for arguments in (["search", "*", "--format", "json"], ["--json", "search", "*"]):
        whole = json.loads(prathu(*arguments).out)
        assert len(whole["rows"]) == 10
        assert whole["english"].endswith("where anything")


def test_json_lines_and_a_limit(prathu: Prathu) -> None:
    said = prathu("search", "*", "--format", "jsonl", "--limit", "3")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(rows) == 3
    assert rows[0]["time"] > rows[2]["time"]
    assert "more than 3 rows" in said.err


def test_csv_goes_to_a_file(prathu: Prathu, tmp_path: Path) -> None:
    out = tmp_path / "ค้นหา.csv"
    said = prathu("search", "port:443", "--format", "csv", "--out", str(out))
    assert (said.status, said.out) == (0, "")
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"), newline="")))
    assert {row["host"] for row in rows} == {"'=1+1"}
    assert not list(tmp_path.glob("*.tmp"))


def test_parquet_and_duckdb_go_to_files(prathu: Prathu, tmp_path: Path) -> None:
    parquet, database = tmp_path / "a.parquet", tmp_path / "a.duckdb"
    assert prathu("search", "*", "--format", "parquet", "--out", str(parquet)).status == 0
    assert pq.read_table(parquet).num_rows == 10
    assert prathu("search", "*", "--format", "duckdb", "--out", str(database)).status == 0
    with duckdb.connect(str(database), read_only=True) as opened:
        assert opened.execute("SELECT account, flows FROM by_person").fetchall() == [
            ("somchai", 10)
        ]


def test_periods_sites_and_logs(prathu: Prathu) -> None:
    assert len(prathu("search", "*", "--from", "-930s", "--format", "jsonl").out.splitlines()) == 5
    assert prathu("search", "*", "--to", "-1h", "--format", "jsonl").out == ""
    assert prathu("search", "*", "--site", "school-b", "--format", "jsonl").out == ""
    (row,) = prathu("search", "somchai", "--log", "sessions", "--format", "jsonl").out.splitlines()
    assert json.loads(row)["event"] == "start"


def test_nothing_found_is_an_answer_unless_told_otherwise(prathu: Prathu) -> None:
    said = prathu("search", "ip:192.0.2.1")
    assert (said.status, said.err.splitlines()[-1]) == (0, "ไม่พบรายการใด / nothing was found")
    said = prathu("search", "ip:192.0.2.1", "--fail-empty")
    assert (said.status, said.err.strip().splitlines()[-1]) == (1, "prathu: nothing was found")


def test_a_name_that_nobody_has_is_said(prathu: Prathu) -> None:
    assert "nobody is called 'somchay'" in prathu("search", "user:somchay").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["usr:x"], "did you mean 'user'?"),
        (["port:443 AND ("], "ends too early"),
        (["*", "--from", "soon"], "wanted a time"),
        (["*", "--log", "flow"], "no log is called"),
        (["*", "--format", "xlsx"], "no format is called"),
        (["*", "--format", "duckdb"], "--out"),
        (["*", "--from", "now", "--to", "-1h"], "period is empty"),
        (["*", "--site", "school-c"], "no site is called"),
        (["*", "--out", "/nowhere/at/all.csv"], "no folder"),
        (["*", "--limit", "-4"], "limit"),
    ],
)
def test_wrong_use_is_one_clear_line(prathu: Prathu, arguments: list[str], said: str) -> None:
    told = prathu("search", *arguments)
    assert (told.status, told.out) == (2, "")
    assert said in told.err
    assert len(told.err.strip().splitlines()) == 1


def test_names_that_a_shell_wrote_for_the_star_are_no_question(
    prathu: Prathu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    for name in ("roll.csv", "letter.pdf", ".hidden"):
        (desk / name).touch()
    monkeypatch.chdir(desk)
    told = prathu("search", "letter.pdf", "roll.csv")
    assert (told.status, told.out, told.err.count("\n")) == (2, "", 1)
    assert "put it in quotes: prathu search '*'" in told.err
    assert prathu("search", "roll.csv").status == 0


def test_a_home_that_never_ran_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = prathu_at(tmp_path, capsys)("search", "*")
    assert (said.status, said.out) == (2, "")
    assert "prathu init" in said.err


EVIL = "[/red] \x1b]0;owned\x07\x9b31m\nsecond [bold]line[/bold]"


def test_what_a_line_of_syslog_holds_is_shown_and_not_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = filled(tmp_path)
    now = now_us()
    home.segment([{"time": now, "received": now, "message": EVIL, "raw": EVIL}], log="events")
    prathu = prathu_at(tmp_path, capsys)
    seen = r"[/red] \x1b]0;owned\x07\x9b31m\nsecond [bold]line[/bold]"
    said = prathu("search", "*", "--log", "events")
    assert (said.status, said.out.count(seen)) == (0, 1)
    assert len(said.out.strip().splitlines()) == 2  # the columns' names and the row
    prathu("search", "*", "--log", "events", "--out", str(tmp_path / "table"))
    assert seen in (tmp_path / "table").read_text()
    lines = prathu("search", "*", "--log", "events", "--format", "jsonl").out
    assert "\x9b" not in lines
    assert json.loads(lines)["message"] == EVIL


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "parquet"])
def test_a_file_that_cannot_be_written_leaves_nothing_behind(
    prathu: Prathu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def full(_: object, out: BinaryIO) -> None:
        out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(export.WRITERS, form, full)
    said = prathu("-q", "search", "*", "--format", form, "--out", str(tmp_path / "answer"))
    assert said.status == 3
    assert said.err.startswith(f"prathu: cannot write {tmp_path / 'answer'}: No space left")
    assert not list(tmp_path.glob("answer*"))


def test_a_folder_is_no_file_to_write_to(prathu: Prathu, tmp_path: Path) -> None:
    said = prathu("search", "*", "--format", "csv", "--out", str(tmp_path))
    assert (said.status, said.out) == (2, "")
    assert "is a folder" in said.err
    assert audited(tmp_path) == []


def test_a_missing_file_is_named_without_the_statement(prathu: Prathu, tmp_path: Path) -> None:
    for file in (tmp_path / "logs").rglob("*.parquet"):
        file.unlink()
    said = prathu("-q", "search", "*")
    assert said.status == 3
    assert ".parquet" in said.err
    assert "SELECT" not in said.err
    assert "prathu verify" in said.err


def test_other_users_of_the_machine_cannot_read_an_answer(prathu: Prathu, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        assert prathu("search", "*", "--out", str(tmp_path / "answer")).status == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "answer").stat().st_mode) == 0o640


def test_events_are_words_in_the_table_and_numbers_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, prathu = filled(tmp_path), prathu_at(tmp_path, capsys)
    assert "firewall_event" not in prathu("search", "*").out
    home.segment([flow(now_us(), "10.0.0.7", "203.0.113.9", firewall_event=3, nat_event=16)])
    said = prathu("search", "ip:10.0.0.7").out
    assert "flow denied" in said
    assert "port block allocated" in said
    assert "flow denied" in prathu("search", "firewall_event:3").out
    (row,) = json.loads(prathu("--json", "search", "ip:10.0.0.7").out)["rows"]
    assert (row["firewall_event"], row["nat_event"]) == (3, 16)
