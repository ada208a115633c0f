"""Sealed segments: Parquet that every engine reads, small, and quick to find a needle in.

The columns are exactly those of the schema document, in its order, in the types of
`evidence.md` section 2. Row k of the table is row k of the file: the sealer gives the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.errors import StoreError
from collector.store import stats
from collector.store.faults import cannot_read
from collector.store.schema import LOGS, LogSchema
from collector.store.stats import FileStats

ROW_GROUP = 1 << 18
"""Rows that one thread of DuckDB reads at a time, and that one bloom filter tells of, at most.
Groups of 2^17 make files an eighth larger, since each repeats the dictionaries of addresses."""
PAGE_ROWS = 1 << 17
"""Rows of a column that are compressed together. DuckDB 1.5 unpacks all of a row group that it
reads, a fifth faster than with pyarrow's pages of 20,000 rows."""
PAGE_BYTES = 12 << 20
"""Of whole lines so many are compressed together, and up to as many again, for a page ends where
lines do that came together: pages of 4 MiB are a hundredth larger, those of 1 MiB a thirtieth."""
PIECE_ROWS, LINES_PIECE_ROWS = 1 << 16, 1 << 12
"""Rows read back at a time, and where they have whole lines: 4 MB of these stay in the processor's
cache, which makes reading a third cheaper; memory for more costs as much as the reading."""
BATCH_ROWS = 1 << 16
"""Rows of a column that pyarrow hands on at a time: its own 1,024 make a segment a third dearer."""
DICTIONARY_BYTES = 8 << 20
"""Room for the addresses of a whole row group."""

REPEATS = 8
"""Times that come so often each are kept in a dictionary; others as differences."""
_SCATTERED = frozenset(("nat_src_port", "nat_dst_port"))
"""Numbers packed as differences because they often follow one another."""
_OF_LINES = frozenset(("src_port",))
"""The same beside lines, where it is only one of the ports that a firewall tells."""
_LINES = frozenset(("raw",))
"""Whole lines, of which each begins as the one before: kept as differences from it, and packed
harder than the rest, for they are three quarters of their file."""
_LEVEL, _LINES_LEVEL = 3, 7
"""At 8 lines of a FortiGate are a twentieth smaller, for a sixth more of the writing."""
_FLOWS_LEVEL = 1
"""Of logs without lines: flows are a thirtieth smaller at 3, which costs a tenth of the writing."""
_UNLIKE = frozenset(("src_port", "dst_port", "nat_key", "packets_reverse", "candidates", "payload"))
"""Columns whose values seldom repeat: a dictionary would only be given up half way."""
_FEW_IN_LINES = frozenset(("dst_port",))
"""Of them, what repeats beside lines: these tell of a connection once, from the side that opened
it, and half the bytes are saved."""
_NEEDLES = frozenset(
    ("person", "peer_person", "session", "peer_session", "nat_key", "actor", "acct_session_id")
)
"""Columns asked for by one value, beside all addresses and MACs."""
_FALSE_ALARMS = 0.01


def write(table: pa.Table, path: Path, schema: LogSchema) -> FileStats:
    """Write the rows of `table` in their order to `path`, all columns of `schema` and no others.

    The caller fsyncs and names the file.

    Raises:
        StoreError: the table is not of `schema`.
    """
    if table.schema != schema.arrow:
        raise StoreError(f"{path}: the table does not have the columns of {schema.log}")
    lines = [name for name in schema.columns if name in _LINES]
    known = _SCATTERED | _OF_LINES if lines else _SCATTERED
    deltas = [name for name in schema.columns if name in known or _scattered(table, name)]
    unlike = (_UNLIKE - _FEW_IN_LINES if lines else _UNLIKE).union(deltas, lines)
    level = _LEVEL if lines or "payload" in schema.columns else _FLOWS_LEVEL
    encodings = dict.fromkeys(deltas, "DELTA_BINARY_PACKED")
    encodings |= dict.fromkeys(lines, "DELTA_BYTE_ARRAY")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level={c: _LINES_LEVEL if c in lines else level for c in schema.columns},
        row_group_size=_group_rows(table.num_rows),
        max_rows_per_page=PAGE_ROWS,
        write_batch_size=BATCH_ROWS,
        data_page_size=PAGE_BYTES,
        dictionary_pagesize_limit=DICTIONARY_BYTES,
        use_dictionary=[c for c in schema.columns if c not in unlike],  # type: ignore[arg-type]  # the stubs know only bool
        column_encoding=encodings,
        bloom_filter_options=_blooms(table, schema),
        write_statistics=_compared(table),
        write_page_index=True,
        store_schema=False,
    )
    return stats.of(table, path)


def _compared(table: pa.Table) -> list[str]:
    """Return the columns of which each row group tells the extremes, or that it has none.

    Those of texts cost a look at each row, and an address lies between nearly any two.
    """
    return [
        field.name
        for field in table.schema
        if not pa.types.is_dictionary(field.type) or table[field.name].null_count == len(table)
    ]


def _group_rows(rows: int) -> int:
    """Return how many rows a group has, all alike.

    To read a row is to unpack its group, and most rows would lie in the larger ones.
    """
    groups = max(1, -(-rows // ROW_GROUP))
    return max(1, -(-rows // groups))


def read(path: Path, schema: LogSchema) -> pa.Table:
    """Return the rows of the segment at `path`, with the types they have in memory.

    Raises:
        StoreError: not there, not Parquet, damaged, or not the columns of `schema`.
    """
    try:
        metadata = pq.read_metadata(path)
        _check_names(metadata.schema.names, schema, path)
        with _opened(path, metadata, schema) as file:
            return _in_memory(file.read(), schema)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        # A name of a column may be anything, too.
        raise cannot_read("segment", path, error) from error


def _opened(path: Path, metadata: pq.FileMetaData, schema: LogSchema) -> pq.ParquetFile:
    """Open a segment whose columns are right; texts come as dictionaries, as they are in memory."""
    texts = [field.name for field in schema.arrow if pa.types.is_dictionary(field.type)]
    file = pq.ParquetFile(path, metadata=metadata, read_dictionary=texts)
    _check_types(file.schema_arrow, schema, path)
    return file


def _in_memory(table: pa.Table, schema: LogSchema) -> pa.Table:
    table = table.replace_schema_metadata(None).cast(schema.arrow)
    return table.unify_dictionaries().combine_chunks()


def _check_names(found: Sequence[str], schema: LogSchema, path: Path) -> None:
    if list(found) != list(schema.columns):
        odd = sorted(set(found) ^ schema.columns.keys()) or ["their order"]
        raise StoreError(f"{path} is not a segment of {schema.log}: {', '.join(odd)} differs")


def _check_types(found: pa.Schema, schema: LogSchema, path: Path) -> None:
    """Any other type is refused, never cast."""
    for field, wanted in zip(found, schema.arrow, strict=True):
        if field.type not in (wanted.type, _plain(wanted.type)):
            raise StoreError(f"{path}: {field.name} is {field.type}, not {_plain(wanted.type)}")


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if isinstance(kind, pa.DictionaryType) else kind


def _scattered(table: pa.Table, name: str) -> bool:
    """Return whether `name` is a time that seldom repeats; as bits, times of whole ms waste ten."""
    column = table[name].slice(0, ROW_GROUP)
    if not pa.types.is_timestamp(column.type) or column.null_count == len(column):
        return False
    return name == "time" or _distinct_in(column.cast(pa.int64())) * REPEATS > len(column)


def _blooms(table: pa.Table, schema: LogSchema) -> Mapping[str, Any]:
    """Return the bloom filter of each needle column, as large as its fullest row group needs."""
    options: dict[str, Any] = {}
    for name, kind in schema.columns.items():
        if kind in ("ip", "mac") or name in _NEEDLES:
            distinct = _distinct(table[name])
            if distinct:
                options[name] = {"ndv": distinct, "fpp": _FALSE_ALARMS}
    return options


def _distinct(column: pa.ChunkedArray[Any]) -> int:
    """Return the most distinct values that one row group has."""
    if column.null_count == len(column):
        return 0
    size = _group_rows(len(column))
    groups = range(0, len(column), size)
    return max(_distinct_in(column.slice(start, size)) for start in groups)


def _distinct_in(column: pa.ChunkedArray[Any]) -> int:
    if pa.types.is_integer(column.type):
        values = np.sort(np.asarray(column.drop_null()))
        return int(np.count_nonzero(values[1:] != values[:-1])) + (len(values) > 0)
    if not pa.types.is_dictionary(column.type):
        return pc.count_distinct(column, mode="only_valid").as_py()
    # Chunks may have different dictionaries: their sum is never too small.
    return sum(_used(chunk) for chunk in column.chunks)


def _used(chunk: Any) -> int:  # noqa: ANN401  # a DictionaryArray, which the stubs hide
    codes = np.asarray(chunk.indices.drop_null())
    return int(np.count_nonzero(np.bincount(codes))) if len(codes) else 0


def write_any(table: pa.Table, path: Path) -> None:
    """Write a segment of whichever log has exactly the columns of `table`.

    Raises:
        StoreError: no log has them.
    """
    write(table, path, _schema_of(tuple(table.column_names), path))


def pieces(path: Path) -> Iterator[pa.Table]:
    """Give the rows of a segment of whichever log has exactly its columns, a piece at a time.

    Raises:
        StoreError: it cannot be read, or no log has these columns.
    """
    try:
        metadata = pq.read_metadata(path)
        schema = _schema_of(tuple(metadata.schema.names), path)
        with _opened(path, metadata, schema) as file:
            rows = PIECE_ROWS if _LINES.isdisjoint(schema.columns) else LINES_PIECE_ROWS
            for batch in file.iter_batches(rows, use_threads=False):
                yield _in_memory(pa.Table.from_batches([batch]), schema)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        # A name of a column may be anything, too.
        raise cannot_read("segment", path, error) from error


def _schema_of(columns: tuple[str, ...], path: Path) -> LogSchema:
    for schema in LOGS.values():
        if tuple(schema.columns) == columns:
            return schema
    raise StoreError(f"{path}: no log has the columns {', '.join(columns)}")
