"""Answers as files: CSV for spreadsheets, JSON for programs, Parquet and DuckDB for analysts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from appliance.search import times
from appliance.search.engine_local import Answer
from appliance.search.printable import cell, json_line
from collector.store import named_sql

CSV_ROWS = 4096
"""Rows turned into text at a time."""
STORAGE = "v1.0.0"
"""The oldest DuckDB that can open an exported file."""

_SQL = named_sql.load("appliance.search", "export.sql")


def plain(value: object) -> object:
    """Return a value as JSON has it: times in RFC 3339 with +07:00, bytes in hex."""
    if isinstance(value, datetime):
        return times.rfc3339(times.microseconds(value))
    return value.hex() if isinstance(value, bytes) else value


def rows_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table with plain values."""
    for batch in table.to_batches(max_chunksize=CSV_ROWS):
        for row in batch.to_pylist():
            yield {name: plain(value) for name, value in row.items()}


def summary(answer: Answer) -> dict[str, Any]:
    """Return what is to know of an answer beside its rows."""
    question = answer.question
    return {
        "question": question.text,
        "log": question.log,
        "sites": list(question.sites) if question.sites is not None else None,
        "from": times.rfc3339(question.start_us),
        "to": times.rfc3339(question.end_us),
        "limit": question.limit,
        "thai": question.thai,
        "english": question.english,
        "notes": list(question.notes),
        "truncated": answer.truncated,
        "files": answer.files,
        "rows_in_files": answer.rows,
        "took_ms": round(answer.took_ms, 1),
        "coverage": [_told(row) for row in answer.coverage],
    }


def write_json(answer: Answer, out: BinaryIO) -> None:
    """Write one JSON object: the question, what to know, and the rows."""
    whole = {**summary(answer), "rows": [_told(row) for row in rows_of(answer.table)]}
    out.write(json_line(whole).encode() + b"\n")


def write_jsonl(answer: Answer, out: BinaryIO) -> None:
    """Write a JSON object per row, without what is not known."""
    for row in rows_of(answer.table):
        out.write(json_line(_told(row)).encode() + b"\n")


def write_csv(answer: Answer, out: BinaryIO) -> None:
    """Write CSV (RFC 4180) in UTF-8 with a BOM, so that spreadsheets open Thai.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    out.write(b"\xef\xbb\xbf")
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(answer.table.column_names)
    for row in rows_of(answer.table):
        writer.writerow([cell(value) for value in row.values()])
    text.detach()


def write_parquet(answer: Answer, out: BinaryIO) -> None:
    """Write Parquet with the portable types of the log."""
    pq.write_table(answer.table, out, compression="zstd", store_schema=False)


def write_duckdb(answer: Answer, path: Path) -> None:
    """Write one database file: the rows, the question, and views to begin with.

    Raises:
        OSError: there is a file already, or it cannot be written.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already: give another name to --out")
    log = answer.question.log
    quoted = str(path).replace("'", "''")  # ATTACH takes no parameters
    try:
        with duckdb.connect(":memory:", config={"autoload_known_extensions": "false"}) as out:
            out.execute(f"ATTACH '{quoted}' AS answer (STORAGE_VERSION '{STORAGE}')")
            out.execute("USE answer")
            out.register("answer_rows", answer.table)
            out.execute(f"CREATE TABLE {log} AS SELECT * FROM answer_rows")  # noqa: S608  # a log
            about = {k: _text(v) for k, v in summary(answer).items()}
            out.execute("CREATE TABLE question (name VARCHAR, value VARCHAR)")
            out.executemany(
                "INSERT INTO question VALUES (?, ?)", [[*pair] for pair in about.items()]
            )
            for statement in _views(log):
                out.execute(statement)
    except duckdb.Error as error:
        path.unlink(missing_ok=True)
        raise OSError(f"{path} cannot be written: {error}") from error


WRITERS = {
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
    "parquet": write_parquet,
}
"""Formats that go to a stream."""


def _views(log: str) -> Iterable[str]:
    return [s for s in _SQL.get(log, "").split(";\n") if s.strip()]


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items() if value is not None}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
