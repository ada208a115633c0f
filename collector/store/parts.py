"""Open parts: what came in the last seconds, as Parquet, so that it can be searched.

Parts are a copy for searching. They are made anew at start and go when their segment is
published, so they are written for speed: no statistics, hardly any compression, no fsync.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector import columns
from collector.errors import StoreError
from collector.store import stats
from collector.store.faults import cannot_read
from collector.store.schema import LogSchema, nulls
from collector.store.stats import FileStats

MANY_ROWS = 1 << 13
"""A part with so many goes within the minute, most often before the kernel takes it to the disk:
packing it would be a quarter of its cost. Whole lines are packed all the same: to write sixfold as
much costs more than that."""
BATCH_ROWS = 1 << 13
"""Rows of a column that pyarrow hands on at a time: so many whole lines stay in the processor's
cache, and with 65,536 a part of them costs a third more."""


def write(table: pa.Table, path: Path) -> FileStats:
    """Write `table` to `path`, which appears whole or not at all.

    Dictionary columns are written by their codes; numbers are not searched for repeats, which
    would cost more than it saves for a file that lives minutes.
    """
    few = table.num_rows < MANY_ROWS
    text = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    # Of a column without nulls no levels are written.
    fields = [field.with_nullable(table[field.name].null_count > 0) for field in table.schema]
    pq.write_table(
        pa.Table.from_arrays(table.columns, schema=pa.schema(fields)),
        temporary,
        compression={
            field.name: "lz4" if few or pa.types.is_string(field.type) else "none"
            for field in table.schema
        },
        use_dictionary=text,  # type: ignore[arg-type]  # the stubs know only bool
        write_statistics=False,
        write_batch_size=BATCH_ROWS,
    )
    written = stats.of(table, temporary)
    temporary.replace(path)
    return written


def read(paths: Sequence[Path], schema: LogSchema) -> pa.Table:
    """Return the rows of `paths`, in that order, with the types of `schema.arrow`.

    Columns stay in the pieces they were read in: joining all at once would need them twice.

    Raises:
        StoreError: a file that is not there, not a part, or not of `schema`.
    """
    if not paths:
        return schema.arrow.empty_table()
    tables = [_sparing(_of(schema, _read(path), path)) for path in paths]
    return columns.one_dictionary_each(_sparing(pa.concat_tables(tables)))


def _of(schema: LogSchema, table: pa.Table, path: Path) -> pa.Table:
    """Return `table` with the schema of a log, in which every column may have nulls."""
    if pa.schema(field.with_nullable(True) for field in table.schema) != schema.arrow:
        raise StoreError(f"{path} does not have the columns of {schema.log}")
    return pa.Table.from_arrays(table.columns, schema=schema.arrow)


def _sparing(table: pa.Table) -> pa.Table:
    """Return `table` with one run of zeros under all its columns of nulls."""
    for place, column in enumerate(table.columns):
        if len(column) and column.null_count == len(column):
            field = table.schema.field(place)
            table = table.set_column(place, field, nulls(field.type, len(column)))
    return table


def _read(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            return file.read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise cannot_read("part", path, error) from error
