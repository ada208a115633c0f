"""`prathu inspect --compare`: rows against the datagrams that they were made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.records import Frame, FrameKind
from collector.settings import Datagrams
from tests.appliance.cli.boxes import Box, Said
from tests.collector.homes import BEGIN, Home, ns, session_frame, stream

LINE = (
    "<134>Nov 22 03:30:05 gw kernel: NEW IN=lan OUT=wan SRC=10.0.0.7 DST=203.0.113.8 LEN=60 "
    "PROTO=TCP SPT=40000 DPT=443 SYN"
)


def line_frame() -> Frame:
    at = BEGIN + timedelta(seconds=5)
    return Frame(
        kind=FrameKind.SYSLOG, site="school-a", received_ns=ns(at), wire_ns=ns(at),
        address="192.0.2.1", port=514, local_port=514, payload=LINE.encode(),
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    reason = Datagrams(reason="asked for by the court")
    made.settings = made.settings.model_copy(update={"datagrams": reason})
    made.write([session_frame(BEGIN, "malee", "10.0.0.1"), *stream(60), line_frame()])
    made.run()
    return made


@pytest.fixture
def compared(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    box = Box(home.folder, capsys, monkeypatch, sites=())

    def prathu(*words: str) -> Said:
        period = words or ("--from", "2026-11-22T03:00:00Z", "--to", "2026-11-22T05:00:00Z")
        return box.prathu("--json", "inspect", "--compare", *period)

    return prathu


def test_rows_are_what_the_datagrams_say(compared: Callable[..., Said]) -> None:
    said = compared()
    told = json.loads(said.out)
    assert (said.status, told["agrees"]) == (0, True)
    assert (told["datagrams"], told["decoded"], told["same"]) == (60, 600, 600)
    assert (told["missing"], told["unexplained"]) == (0, 0)
    assert (told["from_lines"], told["rows"]) == (1, 601)
    part = ("--from", "2026-11-22T03:30:10Z", "--to", "2026-11-22T03:30:20Z")
    told = json.loads(compared(*part).out)
    assert (told["datagrams"], told["before"], told["same"]) == (11, 10, 110)


def rewritten(home: Home, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the sealed flows as root could."""
    (path,) = (home.folder / "logs/school-a/flows").rglob("*.parquet")
    table = pq.read_table(path)
    pq.write_table(change(table), path, store_schema=False)


def bent(column: str, value: Any) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[3] = value
        place = table.column_names.index(column)
        return table.set_column(place, column, pa.array(values, table[column].type))

    return change


@pytest.mark.parametrize(
    ("change", "missing", "unexplained"),
    [
        (bent("dst_ip", "203.0.113.77"), 1, 1),
        (bent("src_port", None), 1, 1),
        (lambda table: pa.concat_tables([table.slice(0, 3), table.slice(4)]), 1, 0),
        (lambda table: pa.concat_tables([table, table.slice(5, 2)]), 0, 2),
    ],
)
def test_a_row_that_was_changed_added_or_left_out_is_told(
    home: Home,
    compared: Callable[..., Said],
    change: Callable[[pa.Table], pa.Table],
    missing: int,
    unexplained: int,
) -> None:
    rewritten(home, change)
    said = compared()
    told = json.loads(said.out)
    assert (said.status, told["missing"], told["unexplained"]) == (1, missing, unexplained)
    assert len(told["examples"]) == min(unexplained, 1 if missing else unexplained)


def test_a_period_of_which_nothing_was_kept_is_no_answer(
    compared: Callable[..., Said],
) -> None:
    said = compared("--from", "2026-11-20T00:00:00Z", "--to", "2026-11-21T00:00:00Z")
    assert (said.status, "no sealed datagrams" in said.err) == (1, True)
    assert compared("--from", "today", "--to", "yesterday").status == 2
    assert "takes no files" in compared("x.pcap").err


@pytest.mark.parametrize("form", ["jsonl", "csv", "table", "parquet"])
def test_datagrams_can_be_searched_and_taken_out(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    box = Box(home.folder, capsys, monkeypatch, sites=())
    out = home.folder / f"out.{form}"
    words = ("--log", "datagrams", "--format", form, "--out", str(out), "--limit", "5")
    period = ("--from", "2026-11-22T03:00:00Z", "--to", "2026-11-22T05:00:00Z")
    said = box.prathu("search", "source:192.0.2.1 AND port:50000", *words, *period)
    assert said.status == 0, said.err
    assert out.stat().st_size
    if form == "parquet":
        payloads: list[Any] = pq.read_table(out)["payload"].to_pylist()
        sizes = [len(payload) for payload in payloads]
        assert sizes == [24 + 10 * 48] * 5
