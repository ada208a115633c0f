"""A small count beside each segment, so that a histogram of months reads no rows.

Rollups are derived, hold nothing that their segment does not, and go with it.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from collector.errors import StoreError
from collector.store import named_sql
from collector.store.catalog import FileEntry

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "256MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_SQL = named_sql.load("collector.store", "rollup.sql")


def path_of(entry: FileEntry) -> str:
    """Return where the rollup of a segment lies, relative to the home."""
    return "rollup/" + entry.path.removeprefix("logs/")


def make(home: Path, entry: FileEntry) -> Path:
    """Count the segment `entry` by the minute of `time`, and write its rollup; return the file.

    Flows are counted by person, protocol, destination port, method and certainty, with packets and
    bytes; rows of other logs by source. A second call writes the same again.

    Raises:
        StoreError: the segment cannot be read, or the rollup not written.
    """
    segment, rollup = home / entry.path, home / path_of(entry)
    query = _SQL["flows" if entry.log == "flows" else "other"]
    rollup.parent.mkdir(parents=True, exist_ok=True)
    beside = rollup.with_name(rollup.name + ".tmp")
    try:
        with _engine(segment) as engine:
            counts = engine.execute(query, [str(segment)]).to_arrow_table()
    except duckdb.Error as error:
        raise StoreError(f"cannot count {segment}: {error}") from error
    pq.write_table(counts, beside, compression="zstd", store_schema=False)
    beside.replace(rollup)
    return rollup


def _engine(segment: Path) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that can read this one file and load nothing."""
    engine = duckdb.connect(config=_CONFIG)
    only = str(segment).replace("'", "''")  # SET takes no parameters
    engine.execute(f"SET allowed_paths = ['{only}']")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine
