"""The newest rows of a list of files: found by few columns, read whole once they are the answer.

Columns are packed; to see one row of a file, DuckDB unpacks a hundred thousand of each column asked
for. So a statement finds where rows lie by those columns alone that decide, and another reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from appliance.search import times
from appliance.search.duck import Runner
from appliance.search.fields import listed
from appliance.search.question import Question
from collector.store.catalog import FileEntry
from collector.store.schema import LOGS

FIRST_ROWS = 500_000
"""Files with so many rows together are read first."""
MOST_TIMES_MORE = 16
"""Each further reading takes as many rows as should fill the answer, and at most so many times
those of the one before."""

_TIME: pa.DataType = pa.timestamp("us", "UTC")
_FOUND: pa.Schema = pa.schema(
    {
        "time": _TIME,
        "received": _TIME,
        "filename": pa.string(),
        "file_row_number": pa.int64(),
    }
)


def newest(
    run: Runner,
    question: Question,
    files: Sequence[FileEntry],
    paths: Callable[[Sequence[FileEntry]], list[str]],
) -> tuple[pa.Table, int, int]:
    """Return the newest rows of files that fit a question, newest first, and one more than asked.

    Args:
        run: Runs statements.
        question: What is asked.
        files: Newest first.
        paths: Tells where files are.

    Returns:
        The rows with the columns that the question reads; how many files, and how many rows in
        them, were looked through.

    Raises:
        As `Runner.table`.
    """
    found = _FOUND.empty_table()
    wanted = question.limit + 1
    read = rows = 0
    portion = FIRST_ROWS
    while read < len(files):
        batch = _first(files[read:], portion)
        if found.num_rows >= wanted and batch[0].event_max < _oldest(found):
            break
        sql = _find_sql(question, batch)
        places = run.table(sql, {**bound(question), "files": paths(batch)})
        found = _merged(found, places.cast(_FOUND), wanted)
        read += len(batch)
        in_batch = sum(file.rows for file in batch)
        rows += in_batch
        portion = _next_portion(in_batch, places.num_rows, wanted - found.num_rows)
    answer = plain_schema(question.log).empty_table().select(list(question.read))
    if found.num_rows:
        mixed = len({file.schema_version for file in files[:read]}) > 1
        table = rows_at(run, found, question.read, mixed=mixed)
        answer = table.take(_newest_first(table)).cast(answer.schema)
    return answer, read, rows


def rows_at(
    run: Runner, places: pa.Table, columns: Sequence[str], *, mixed: bool = False
) -> pa.Table:
    """Return the rows at places, in no order.

    Args:
        run: Runs the statement.
        places: Has the columns `filename` and `file_row_number`; not empty.
        columns: What to read.
        mixed: Whether the files have different columns.

    Raises:
        As `Runner.table`.
    """
    files = pc.unique(places["filename"]).to_pylist()
    numbers = ", ".join(map(str, pc.unique(places["file_row_number"]).to_pylist()))
    sql = f"{reading(columns, mixed=mixed)} WHERE file_row_number IN ({numbers})"
    if len(files) > 1:
        run.show("places", places)
        sql += (
            " AND (filename, file_row_number) IN (SELECT (filename, file_row_number) FROM places)"
        )
    return run.table(sql, {"files": files})


def plain_schema(log: str) -> pa.Schema:
    """Return the columns of a log as they come out of the files: text is plain text."""
    return pa.schema(
        [
            (f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type)
            for f in LOGS[log].arrow
        ]
    )


def reading(columns: Sequence[str], *, mixed: bool = False) -> str:
    """Return `SELECT … FROM` the files in the place holder `files`.

    Args:
        columns: What to read.
        mixed: Whether the files have different columns.
    """
    union = ", union_by_name = true" if mixed else ""
    return f"SELECT {listed(columns)} FROM read_parquet($files{union})"  # noqa: S608  # own names


def bound(question: Question) -> dict[str, object]:
    """Return the values of a question's place holders, those of period and sites too."""
    return {
        **question.parameters,
        "start": times.aware(question.start_us),
        "end": times.aware(question.end_us),
        "sites": list(question.sites or ()),
    }


def scope_sql(question: Question) -> str:
    """Return the SQL of period and sites: what lasts into the period is part of it."""
    last = "coalesce(time_end, time)" if "time_end" in LOGS[question.log].columns else "time"
    sites = " AND site IN (SELECT unnest($sites))" if question.sites is not None else ""
    return f"time < $end AND {last} >= $start{sites}"


def _find_sql(question: Question, files: Sequence[FileEntry]) -> str:
    """Return the statement for where the newest rows of some files lie.

    A file that lies whole in the period need not be asked for its rows' times.
    """
    mixed = len({file.schema_version for file in files}) > 1
    read = reading(_FOUND.names, mixed=mixed)
    whole = question.sites is None and all(
        question.start_us <= file.event_min and file.event_max < question.end_us for file in files
    )
    scope = "TRUE" if whole else scope_sql(question)
    first = f"ORDER BY time DESC, received DESC LIMIT {question.limit + 1}"
    parts = [f"({read} WHERE {scope} AND ({branch}) {first})" for branch in question.branches]
    # A row of several branches is found by each: to look whether it is one of them would unpack
    # their columns for all rows.
    return f"FROM ({' UNION '.join(parts)}) {first}"


def _first(files: Sequence[FileEntry], rows: int) -> Sequence[FileEntry]:
    """Return the first file, and the next ones as long as they all have at most `rows` rows."""
    total = 0
    for number, file in enumerate(files):
        total += file.rows
        if number and total > rows:
            return files[:number]
    return files


def _next_portion(rows: int, found: int, missing: int) -> int:
    """Return in how many rows the missing ones should be, if they lie as in those just read."""
    most = max(rows, FIRST_ROWS) * MOST_TIMES_MORE
    return min(most, max(rows * missing * 5 // (found * 4), FIRST_ROWS)) if found else most


def _merged(best: pa.Table, table: pa.Table, most: int) -> pa.Table:
    both = pa.concat_tables([best, table])
    return both.take(_newest_first(both)[:most])


def _newest_first(table: pa.Table) -> pa.Array[Any]:
    return pc.sort_indices(table, sort_keys=[("time", "descending"), ("received", "descending")])


def _oldest(table: pa.Table) -> int:
    return int(pc.min(table["time"]).cast(pa.int64()).as_py())
